"""The rules of graphs: each is broken once, and the words and the line are right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.graph.building import GRAPHS, Builder, regression

import streetlight as sl
from streetlight.errors import GraphError
from streetlight.graph import Graph, Input, Node, Value, parse, verify
from streetlight.ops.registry import Op, all_ops

INPUTS = """graph g draws from 1 generator
argument x: f32[2, 3]
argument wide: f64[2, 3]
argument whole: i64[2]
argument mask: bool[2, 3]
argument far: f32[2, 3] on cuda
parameter weight: f32[2, 3]
number lr: number
constant chosen: bool[2, 3] = [[True, False, True], [False, False, True]]
"""


@pytest.mark.parametrize("make", GRAPHS, ids=lambda make: make.__name__)
def test_right_graphs_pass(make: Callable[[], Graph]) -> None:
    verify(make())


RIGHT = [
    "y = pick(x, chosen, index=(HERE,)) : f32[3]",
    "y = put(x, 0.0, mask, index=(HERE,)) : f32[2, 3]",
    "y = pick(whole, whole, index=(HERE,)) : i64[2]",
    "y = mul(whole, True) : i64[2]",
    "y = mul(x, 2) : f32[2, 3]",
    "y = where(mask, 0.0, x) : f32[2, 3]",
    "y = where(mask, 0, whole) : i64[2, 3]",
    "y = add(far, far) : f32[2, 3] on cuda",
    "y = cast(lr, dtype=f32) : f32[] on cuda",
    "y = pow(0.9, lr) : number",
    "y = uniform(shape=(2,), generator=@0, dtype=f16) : f16[2]",
    "y = bernoulli(shape=(), probability=0.5, generator=@0, dtype=u8, on='cpu') : u8[]",
]


@pytest.mark.parametrize("line", RIGHT)
def test_right_operations_pass(line: str) -> None:
    text = INPUTS.replace("[2]\n", "[3]\n") if "where(mask, 0," in line else INPUTS
    verify(parse(text + line + "\nreturn y"))


WRONG = [
    # what an operation makes
    ("y = add(x, weight) : f32[3]", "add does not make f32[3] of its inputs", "f32[2, 3]"),
    ("y = add(x, weight) : f64[2, 3]", "add does not make f64[2, 3] of its inputs", "f32[2, 3]"),
    ("y = lt(x, weight) : f32[2, 3]", "lt does not make f32[2, 3]", "bool[2, 3]"),
    ("y = add(x, whole) : f32[2, 3]", "add takes several dtypes, x: f32[2, 3] and whole: i64[2]",
     "one dtype"),
    ("y = matmul(x, x) : f32[2, 3]", "matmul refuses its inputs: matmul: (2, 3) @ (2, 3)",
     "inputs that fit, as in matmul(x, y)"),
    ("y = linear(x, wide) : f32[2, 2]", "linear takes several dtypes", "one dtype"),
    ("y = permute(x, dims=(0, 2)) : f32[2, 3]", "permute refuses its inputs", "dims=(1, 0)"),
    ("y = slice(x, index=(5, ...)) : f32[3]", "index 5 is out of bounds", "as in slice(x, index="),
    ("y = pick(x, whole, index=(:, HERE)) : f32[2, 3]", "does not make f32[2, 3]", "f32[2, 2]"),
    ("y = pick(x, chosen, index=(HERE,)) : f32[6]", "pick does not make f32[6]", "f32[3]"),
    ("y = pick(x, mask, index=(HERE,)) : f32[6]", "the mask mask decides the shape of y",
     "a constant mask"),
    ("y = where(x, x, x) : f32[2, 3]", "the condition of where is not bool", "a tensor of bools"),
    ("y = where(mask, x, wide) : f32[2, 3]", "where takes several dtypes", "one dtype"),
    ("y = mul(whole, 0.5) : i64[2]", "mul takes a number that int64 does not hold", "a cast"),
    ("y = eq(mask, 0) : bool[2, 3]", "eq takes a number that bool does not hold", "a cast"),
    ("y = add(far, x) : f32[2, 3]", "far lies on cuda, but y on cpu", "one device"),
    # what it takes
    ("y = relu(x, x) : f32[2, 3]", "relu cannot be called so: too many positional", "relu(x)"),
    ("y = relu() : f32[2, 3]", "relu cannot be called so: missing a required", "relu(x)"),
    ("y = sum(x, 1, keepdim=True) : f32[1, 3]", "sum does not take 2 inputs", "sum(x, dims=(0, 1)"),
    ("y = sum(x, dims=(0,)) : f32[3]", "sum cannot be called so: missing a required argument",
     "sum(x, dims=(0, 1), keepdim=False)"),
    ("y = sum(x, axis=0) : f32[3]", "sum knows no option axis", "sum(x, dims=(0, 1)"),
    # numbers
    ("y = mul(x, lr) : f32[2, 3]", "mul takes a number and a tensor together", "cast(number"),
    ("y = mul(lr, lr) : f64[]", "mul makes f64[] of numbers", "arithmetic that makes a number"),
    ("y = lt(lr, lr) : number", "lt makes number of numbers", "arithmetic that makes a number"),
    ("y = copy(lr) : number", "copy makes number of numbers", "arithmetic"),
    ("y = cast(lr, dtype=f64) : number", "cast makes the number y of a number", "a tensor"),
    ("y = mul(wide, 2.0) : number", "mul makes a number of tensors", "a tensor"),
    # generators
    ("y = uniform(shape=(2,), generator=@1, dtype=f32) : f32[2]",
     "uniform draws from generator 1, of 1", "0 to 0"),
    ("y = uniform(shape=(2,), generator=@-1, dtype=f32) : f32[2]",
     "uniform draws from generator -1, of 1", "0 to 0"),
    ("y = uniform(shape=(2,), generator=@0, dtype=i64) : i64[2]",
     "uniform refuses its inputs: uniform: random numbers are floating-point", "generator=@0"),
    # updates
    ("y = relu(x) : f32[2, 3]\nx <- y", "x is updated, but is argument", "parameter"),
    ("y = relu(wide) : f64[2, 3]\nweight <- y", "weight is updated with a value of type f64[2, 3]",
     "f32[2, 3], as before"),
    ("y = cast(lr, dtype=f64) : f64[]\nlr <- y", "lr is updated with a value of type f64[]",
     "number, as before"),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "problem", "expected"), WRONG)
def test_broken_rule_is_named_with_its_line(lines: str, problem: str, expected: str) -> None:
    graph = parse(INPUTS + lines + "\nreturn y")
    with pytest.raises(GraphError) as caught:
        verify(graph)
    words = str(caught.value).splitlines()
    assert words[0].startswith("[E603] verify: in the graph g, ")
    assert problem in words[0]
    shown = words[1].removeprefix("  line:     ")[1:-1].removesuffix("...")
    assert lines.splitlines()[-1].startswith(shown)
    assert expected in words[2]


def broken(change: Callable[[Graph], Any], problem: str, line: str = "") -> None:
    """Break a graph that is right, and expect the words."""
    graph = regression()
    verify(graph)
    change(graph)
    with pytest.raises(GraphError) as caught:
        verify(graph)
    assert problem in str(caught.value)
    assert f"line:     '{line}" in str(caught.value)


def test_names_are_unique() -> None:
    def rename(graph: Graph) -> None:
        graph.nodes[1].output.name = "linear"

    broken(rename, "two values have the name linear", "linear = sub(linear, y)")


def test_names_are_words() -> None:
    def rename(graph: Graph) -> None:
        graph.inputs[0].value.name = "a.b"

    broken(rename, "'a.b' cannot be the name of a value", "argument a.b: f32[5, 3]")


def test_names_are_not_numbers() -> None:
    def rename(graph: Graph) -> None:
        graph.nodes[0].output.name = "inf"

    broken(rename, "'inf' cannot be the name of a value", "inf = linear(x, weight)")


def test_values_are_made_once() -> None:
    def repeat(graph: Graph) -> None:
        graph.nodes[2].output = graph.nodes[1].output

    broken(repeat, "the value sub is made twice", "sub = mul(sub, sub)")


def test_inputs_come_once() -> None:
    broken(lambda graph: graph.inputs.append(graph.inputs[0]), "the value x is made twice")


def test_makers_come_before_uses() -> None:
    broken(lambda graph: graph.nodes.reverse(), "mul_3 is used before it is made", "sub_2 = sub(")


def test_values_belong_to_the_graph() -> None:
    def replace(graph: Graph) -> None:
        graph.nodes[1].inputs = (Value("linear", (5, 1), sl.float32), graph.inputs[1].value)

    broken(replace, "a value linear is used that is not the one of this graph", "sub = sub(")


def test_results_exist() -> None:
    def replace(graph: Graph) -> None:
        graph.outputs = [Value("elsewhere", (), sl.float32)]

    broken(replace, "elsewhere is used before it is made", "return elsewhere")


def test_updates_exist() -> None:
    def replace(graph: Graph) -> None:
        graph.updates[graph.inputs[2].value] = Value("elsewhere", (1, 3), sl.float32)

    broken(replace, "elsewhere is used before it is made", "weight <- elsewhere")


def test_results_of_operations_are_not_updated() -> None:
    def replace(graph: Graph) -> None:
        value = graph.nodes[0].output
        graph.updates[value] = value

    broken(replace, "linear is updated, but is the result of an operation", "linear <- linear")


def test_inputs_are_values_or_plain_numbers() -> None:
    def replace(graph: Graph) -> None:
        graph.nodes[1].inputs = (graph.nodes[0].output, np.float32(1))

    broken(replace, "sub is given a float32", "sub = sub(linear, 1.0)")


def test_operations_are_those_of_the_registry() -> None:
    def replace(graph: Graph) -> None:
        twin: Any = object.__new__(Op)
        twin.__dict__.update(all_ops["sub"].__dict__)
        graph.nodes[1].op = twin

    broken(replace, "there is no operation sub", "sub = sub(linear, y)")


INPUT_FAULTS = [
    (Input(Value("a", (2,), sl.float32), "argumant", "a"), "'argumant' is not a kind of input"),  # type: ignore[arg-type]
    (Input(Value("a", (), sl.float64), "number", "a"), "a is called a number, but is f64[]"),
    (Input(Value("a", (2,), sl.float32), "constant", "a"), "the constant a has no numbers"),
    (Input(Value("a", (1,), sl.float32), "buffer", "a", np.zeros(1, np.float32)),
     "the buffer a has numbers already"),
    (Input(Value("a", (1,), sl.float32), "constant", "a", np.zeros(1)),
     "the numbers of a are not f32[1]"),
    (Input(Value("a", (1,), sl.float64), "constant", "a", np.zeros(2)),
     "the numbers of a are not f64[1]"),
    (Input(Value("a", (), sl.float64, number=True), "constant", "a", np.zeros(())),
     "the numbers of a are not number"),
    (Input(Value("a", (-1,), sl.float32), "argument", "a"), "a has the shape (-1,)"),
    (Input(Value("a", (2.0,), sl.float32), "argument", "a"), "a has the shape (2.0,)"),  # type: ignore[arg-type]
    (Input(Value("a", (), np.dtype("complex64")), "argument", "a"), "a has the dtype complex64"),
    (Input(Value("a", (1,), sl.float64, number=True), "number", "a"),
     "the number a is float64 (1,)"),
    (Input(Value("a", (), sl.float32, number=True), "number", "a"), "the number a is float32 ()"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "problem"), INPUT_FAULTS)
def test_inputs_have_a_kind_a_type_and_fitting_numbers(given: Input, problem: str) -> None:
    broken(lambda graph: graph.inputs.append(given), problem, given.kind)


def test_a_graph_is_left_as_it_is() -> None:
    graph = regression()
    before = str(graph)
    verify(graph)
    assert str(graph) == before


def test_verifying_computes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for op in all_ops.values():
        monkeypatch.setattr(op, "kernel", None)
    make = Builder("long")
    value = make.input("x", 4, 4)
    for _ in range(2000):
        value = make.op("matmul", make.op("relu", value), value)
    make.graph.outputs = [value]
    verify(make.graph)
    assert len(make.graph.nodes) == 4000


def test_every_node_may_be_the_wrong_one() -> None:
    """Whichever result of a graph gets another shape, it is found, and found there."""
    for place in range(len(regression().nodes)):
        graph = regression()
        node: Node = graph.nodes[place]
        node.output.shape = (*node.output.shape, 7)
        with pytest.raises(GraphError) as caught:
            verify(graph)
        assert f"{node.op.name} does not make" in str(caught.value)
