"""Random graphs: after every pass, and all of them, outputs, updates and draws are as before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.compile.random_graphs import draw_graph

from streetlight.compile.passes import PASSES, simplify
from streetlight.compile.passes.dead import dead
from streetlight.graph import Graph, Value, evaluate, verify
from streetlight.random import Generator


def largest(graph: Graph, arrays: dict[str, Any]) -> float:
    """The largest number anywhere in a graph: rounding errors are measured by it."""
    floats = [node.output for node in graph.nodes if node.output.dtype.kind == "f"]
    every = Graph(graph.name, graph.inputs, graph.nodes, floats, {}, graph.generators)
    found, _ = evaluate(every, arrays, [Generator().manual_seed(3)])
    return max([1.0, *[float(np.abs(x).max()) for x in found if np.size(x)]])


def run(graph: Graph, arrays: dict[str, Any]) -> tuple[list[Any], dict[str, Any], Any]:
    generator = Generator().manual_seed(3)
    return (*evaluate(graph, arrays, [generator]), generator.get_state())


def assert_same(before: Graph, after: Graph, arrays: dict[str, Any]) -> None:
    verify(after)
    outputs, updates, state = run(before, arrays)
    new_outputs, new_updates, new_state = run(after, arrays)
    np.testing.assert_array_equal(new_state, state)
    assert new_updates.keys() == updates.keys()
    allowed = 1e-12 * largest(before, arrays)
    pairs = [*zip(new_outputs, outputs, strict=True)]
    for new, old in [*pairs, *[(new_updates[name], updates[name]) for name in updates]]:
        assert new.shape == old.shape
        assert new.dtype == old.dtype
        np.testing.assert_allclose(new, old, rtol=1e-9, atol=allowed)


@pytest.mark.parametrize("seed", range(150))
def test_every_pass_keeps_the_results(seed: int) -> None:
    graph, arrays = draw_graph(seed)
    verify(graph)
    for one in PASSES:
        after = dead(one(graph))
        assert_same(graph, after, arrays)
        graph = after


@pytest.mark.parametrize("seed", range(1000, 1100))
def test_simplify_keeps_the_results(seed: int) -> None:
    graph, arrays = draw_graph(seed, moves=40)
    assert_same(graph, simplify(graph), arrays)


def sizes(graph: Graph) -> dict[Value, int]:
    return {given.value: given.value.size for given in graph.inputs}


def test_the_graph_that_is_simplified_stays_as_it_is() -> None:
    for seed in range(20):
        graph, _ = draw_graph(seed)
        before = str(graph)
        simplify(graph)
        assert str(graph) == before
