"""Carrying out a graph on arrays, node by node: what every compiled form of it must agree with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from streetlight.graph.graph import Graph, Input, Node, Value, draws
from streetlight.ops.registry import context
from streetlight.random import Generator


def evaluate(
    graph: Graph, inputs: Mapping[str, Any], generators: Sequence[Generator] = ()
) -> tuple[list[Any], dict[str, Any]]:
    """Compute outputs and updates of a graph with the same kernels as eager code.

    Args:
        inputs: an array (or number) for each input's name; constants may be left out.
        generators: one for each of the graph's generators; they are drawn from.

    Returns:
        The outputs, and for the name of each updated input what it holds afterwards.
    """
    known = {given.value: _given(given, inputs) for given in graph.inputs}
    for node in graph.nodes:
        known[node.output] = _computed(node, known, generators)
    updates = {value.name: known[new] for value, new in graph.updates.items()}
    return [known[value] for value in graph.outputs], updates


def _given(given: Input, inputs: Mapping[str, Any]) -> Any:
    data = inputs.get(given.value.name, given.data)
    return np.float64(data) if given.value.number else data


def _computed(node: Node, known: dict[Value, Any], generators: Sequence[Generator]) -> Any:
    arrays = [known[x] if isinstance(x, Value) else x for x in node.inputs]
    attributes = node.attributes
    if draws(node):
        attributes = {**attributes, "generator": generators[attributes["generator"]]}
    result = context.run(node.op.kernel, *arrays, **attributes)
    if node.output.number:
        return result
    return np.asarray(result)
