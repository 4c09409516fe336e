"""From graph to native code: random graphs against NumPy, and what the stages promise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.compile.loop_graphs import draw_loops
from tests.compile.random_graphs import draw_graph
from tests.graph.building import Builder

import streetlight as sl
from streetlight.compile.build import CSource, build
from streetlight.compile.program import Program
from streetlight.errors import CompileError
from streetlight.graph import Graph, evaluate
from streetlight.random import Generator


def run(graph: Graph, arrays: dict[str, Any]) -> tuple[CSource, list[Any], dict[str, Any]]:
    """Compile and run a graph once; the scratch memory holds NaN before."""
    source = build(graph)
    program = Program(source, source.constants)
    program._workspace[:] = 255
    given = {n: np.array(arrays[n]) for n in source.inputs if n not in source.constants}
    for place, name in enumerate(source.inputs):
        if name in given:
            program.buffers[place] = given[name].ctypes.data
    outputs = [np.empty(shape, dtype) for shape, dtype in source.outputs]
    for place, array in enumerate(outputs, len(source.inputs)):
        program.buffers[place] = array.ctypes.data
    for place, name in enumerate(source.numbers):
        program.numbers[place] = arrays[name]
    generators = [Generator().manual_seed(3) for _ in range(source.generators)]
    for place, generator in enumerate(generators):
        program.states[place] = generator._bits.ctypes.state_address
    assert program.run() == 0
    for name, array in given.items():
        if name not in source.updates:
            np.testing.assert_array_equal(array, arrays[name])
    return source, outputs, {name: given[name] for name in source.updates if name in given}


def assert_equals_numpy(graph: Graph, arrays: dict[str, Any], rounding: float) -> None:
    with np.errstate(all="ignore"):
        wanted, changed = evaluate(graph, arrays, [Generator().manual_seed(3)] * graph.generators)
    every = [np.asarray(x, np.float64) for x in (*wanted, *changed.values())]
    largest = max([1.0, *[np.abs(x).max() for x in every if x.size]])
    _, outputs, updates = run(graph, arrays)
    for found, expected in [
        *zip(outputs, wanted, strict=True),
        *[(updates[name], changed[name]) for name in updates],
    ]:
        assert found.shape == expected.shape
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, rtol=rounding, atol=rounding * largest)


@pytest.mark.parametrize("seed", range(40))
def test_random_loops_equal_numpy(seed: int) -> None:
    assert_equals_numpy(*draw_loops(seed), rounding=1e-5)


@pytest.mark.parametrize("seed", range(200, 225))
def test_random_graphs_equal_numpy(seed: int) -> None:
    graph, arrays = draw_graph(seed)
    assert_equals_numpy(graph, arrays, rounding=1e-9)


def softmax(b: Builder, x: Any) -> Any:
    powers = b.op("exp", b.op("sub", x, b.op("amax", x, dims=(1,), keepdim=True)))
    return b.op("div", powers, b.op("sum", powers, dims=(1,), keepdim=True))


def test_softmax_is_one_kernel_without_scratch_memory() -> None:
    b = Builder("softmax")
    x = b.input("x", 100, 10)
    b.graph.outputs.append(softmax(b, x))
    source = build(b.graph)
    assert source.kernels == 1
    assert source.workspace == 0
    assert_equals_numpy(b.graph, {"x": np.random.default_rng(0).normal(size=(100, 10))
                                  .astype(np.float32)}, rounding=1e-6)  # fmt: skip


def test_a_weight_is_updated_by_its_product() -> None:
    b = Builder("update")
    weight = b.input("weight", 64, 48, kind="parameter")
    g, x = b.input("g", 80, 64), b.input("x", 80, 48)
    rate = b.op("cast", b.number("rate"), dtype=sl.float32)
    product = b.op("matmul", b.op("matrix_transpose", g), x)
    b.graph.updates[weight] = b.op("sub", weight, b.op("mul", product, rate))
    source = build(b.graph)
    assert source.kernels == 1
    assert source.workspace == 0
    random = np.random.default_rng(1)
    arrays = {v: random.normal(size=s).astype(np.float32)
              for v, s in (("weight", (64, 48)), ("g", (80, 64)), ("x", (80, 48)))}  # fmt: skip
    assert_equals_numpy(b.graph, {**arrays, "rate": 0.25}, rounding=1e-5)


def test_equal_kernels_are_written_once() -> None:
    b = Builder("steps")
    w, h = b.input("w", 20, 20, kind="parameter"), b.input("h", 4, 20)
    for _ in range(6):
        h = b.op("tanh", b.op("matmul", h, w))
    b.graph.outputs.append(h)
    text = build(b.graph).text
    assert text.count("tanh_f32(") <= 2  # the last one writes to the output
    assert text.count("tanh_kernel(") >= 5


def test_memory_is_used_again() -> None:
    b = Builder("chain")
    x = b.input("x", 50, 50)
    for _ in range(10):
        x = b.op("tanh", b.op("matmul", x, x))
    b.graph.outputs.append(x)
    assert build(b.graph).workspace <= 4 * 50 * 50 * 4


def test_an_update_waits_for_those_who_read_the_old_numbers() -> None:
    b = Builder("old")
    w, x = b.input("w", 8, 8, kind="parameter"), b.input("x", 8, 8)
    b.graph.updates[w] = b.op("add", w, x)
    b.graph.outputs += [b.op("matmul", x, w), w]
    random = np.random.default_rng(2)
    arrays = {name: random.normal(size=(8, 8)).astype(np.float32) for name in ("w", "x")}
    assert_equals_numpy(b.graph, arrays, rounding=1e-5)


def test_two_inputs_change_places() -> None:
    b = Builder("swap")
    x, y = b.input("x", 3, kind="state"), b.input("y", 3, kind="state")
    b.graph.updates |= {x: y, y: x}
    arrays = {"x": np.arange(3, dtype=np.float32), "y": np.full(3, 7, np.float32)}
    assert_equals_numpy(b.graph, arrays, rounding=0.0)


def test_sums_of_long_rows_are_exact_enough() -> None:
    b = Builder("long")
    x = b.input("x", 3, 400_000)
    b.graph.outputs += [b.op("sum", x, dims=(1,), keepdim=False),
                        b.op("sum", x, dims=(0, 1), keepdim=False)]  # fmt: skip
    array = np.full((3, 400_000), 0.1, np.float32)
    _, (rows, total), _ = run(b.graph, {"x": array})
    exact = array.astype(np.float64)
    np.testing.assert_allclose(rows, exact.sum(1), rtol=1e-7)
    np.testing.assert_allclose(total, exact.sum(), rtol=1e-7)


def test_large_columns_are_shared_among_threads_and_summed() -> None:
    b = Builder("columns")
    x = b.input("x", 1000, 300)
    b.graph.outputs.append(b.op("sum", b.op("tanh", x), dims=(0,), keepdim=False))
    array = np.random.default_rng(4).normal(size=(1000, 300)).astype(np.float32)
    source, (found,), _ = run(b.graph, {"x": array})
    assert "sl_parallel" in source.text
    np.testing.assert_allclose(found, np.tanh(array.astype(np.float64)).sum(0), atol=2e-4)


def test_an_operation_without_c_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    b = Builder("unwritten")
    b.graph.outputs.append(b.op("sin", b.input("x", 3)))
    monkeypatch.setattr(b.graph.nodes[0].op, "c", "")
    with pytest.raises(CompileError, match="the operation sin cannot be compiled"):
        build(b.graph)
