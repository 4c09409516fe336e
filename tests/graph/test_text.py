"""Graphs as text: golden files, the way there and back, and the words for texts that are wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.graph.building import GRAPHS, Builder, regression
from tests.graph.traced_programs import TRACED

import streetlight as sl
from streetlight.errors import GraphError
from streetlight.graph import Graph, Source, evaluate, parse, verify
from streetlight.graph.text import expression, literal
from streetlight.ops.indexing import HERE
from streetlight.ops.registry import all_ops

GOLDEN = Path(__file__).parent / "golden"


def same(a: Any, b: Any) -> bool:
    """Equality that tells -0.0 from 0.0, 1 from True, and knows NaN."""
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, (tuple, list)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    return type(a) is type(b) and (a is b or repr(a) == repr(b))


def assert_equal_graphs(a: Graph, b: Graph) -> None:
    def typed(value: Any) -> Any:
        if not hasattr(value, "number"):
            return value
        return value.name, value.shape, str(value.dtype), value.device, value.number

    assert (a.name, a.generators) == (b.name, b.generators)
    assert len(a.inputs) == len(b.inputs)
    assert len(a.nodes) == len(b.nodes)
    for one, other in zip(a.inputs, b.inputs, strict=True):
        assert (one.kind, one.path) == (other.kind, other.path)
        assert typed(one.value) == typed(other.value)
        assert same(one.data, other.data)
    for one, other in zip(a.nodes, b.nodes, strict=True):
        assert one.op is other.op
        assert same(tuple(map(typed, one.inputs)), tuple(map(typed, other.inputs)))
        assert same(one.attributes, other.attributes)
        assert typed(one.output) == typed(other.output)
        assert (one.module, one.gradient_of) == (other.module, other.gradient_of)
        assert (one.source is None) == (other.source is None)
    assert list(map(typed, a.outputs)) == list(map(typed, b.outputs))
    assert [(k.name, v.name) for k, v in a.updates.items()] == [
        (k.name, v.name) for k, v in b.updates.items()
    ]


@pytest.mark.parametrize("make", [*GRAPHS, *TRACED], ids=lambda make: make.__name__)
def test_graph_prints_as_its_golden_text(make: Callable[[], Graph]) -> None:
    golden = (GOLDEN / f"{make.__name__}.txt").read_text(encoding="utf-8")
    assert str(make()) == golden


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.txt")), ids=lambda path: path.stem)
def test_golden_text_is_read_and_written_unchanged(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    graph = parse(text)
    verify(graph)
    assert str(graph) == text


@pytest.mark.parametrize("make", [*GRAPHS, *TRACED], ids=lambda make: make.__name__)
def test_graph_comes_back_from_its_text(make: Callable[[], Graph]) -> None:
    assert_equal_graphs(make(), parse(str(make())))


@pytest.mark.parametrize("name", sorted(all_ops))
def test_every_operation_comes_back_and_computes_the_same(name: str) -> None:
    for sample in all_ops[name].samples():
        make = Builder(name, generators=1)
        numbers = {"generator": 0} if "generator" in sample.attributes else {}
        inputs = [make.constant("c", x) if isinstance(x, np.ndarray) else x for x in sample.inputs]
        make.graph.outputs = [make.op(name, *inputs, **{**sample.attributes, **numbers})]
        verify(make.graph)
        back = parse(str(make.graph))
        assert_equal_graphs(make.graph, back)
        results = [evaluate(graph, {}, [sl.Generator()]) for graph in (make.graph, back)]
        assert same(*results)


def test_large_constants_are_packed_and_exact() -> None:
    make = Builder("large")
    strided = np.random.default_rng(0).normal(size=(40, 7)).astype(np.float32)[::2, 1:]
    nan = np.array([np.nan, 1.0]).view(np.uint64) + np.array([1, 0], np.uint64)
    x, y = make.constant("x", strided), make.constant("odd_nan", nan.view(np.float64))
    make.graph.outputs = [x, y]
    text = str(make.graph)
    back = parse(text)
    assert "constant x: f32[20, 6] = data\n" in text
    assert "constant odd_nan: f64[2] = data\n" in text
    assert_equal_graphs(make.graph, back)
    assert str(back) == text
    assert parse(text.replace("\n\ndata", "\n\n\n# further down\ndata")).inputs[0].data.any()


def test_numbers_come_back_through_evaluation() -> None:
    graph, numbers = regression(), np.random.default_rng(0)
    inputs = {
        given.value.name: numbers.normal(size=given.value.shape).astype(given.value.dtype)
        for given in graph.inputs
    } | {"lr": 0.1}
    assert same(evaluate(graph, inputs), evaluate(parse(str(graph)), inputs))


def test_number_constants_keep_their_kind() -> None:
    text = "graph g\n\nconstant n: number = 3\nconstant x: number = 3.0\n\nreturn n, x\n"
    graph = parse(text)
    assert [type(given.data) for given in graph.inputs] == [int, float]
    assert str(graph) == text


def test_layout_does_not_matter() -> None:
    text = """
        # a text that somebody has annotated
        graph g

            argument x:f32[ 2,3 ]
        y=mul( x,2.0 ):f32[2, 3]# layer
        return  y
    """
    written = (
        "graph g\n\nargument x: f32[2, 3]\n\ny = mul(x, 2.0) : f32[2, 3]  # layer\n\nreturn y\n"
    )
    assert str(parse(text)) == written


def test_values_may_have_the_names_of_words() -> None:
    words = ["data", "graph", "argument", "HERE", "f32", "number", "relu", "none"]
    text = "graph g\n\nargument x: f32[2]\n\n"
    before = "x"
    for word in words:
        text += f"{word} = relu({before}) : f32[2]\n"
        before = word
    text += f"\nreturn {', '.join(words)}\n"
    assert str(parse(text)) == text


def test_expression_is_read_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "user.py"
    file.write_text("größe = f(größe,\n          2)\n", encoding="utf-8")
    assert expression(Source(str(file), 1, 8, 2, 12, "<module>")) == "f(größe, 2)"
    assert expression(Source(str(file), 1, 8, 1, 9, "<module>")) == "f"
    assert expression(Source(str(tmp_path / "gone.py"), 1, 8, 1, 9, "")) == ""


def test_literals() -> None:
    options = (1, (2,), [], {"a": (), "b": {}}, slice(None), slice(-1, None, -2), HERE, "cpu", ...)
    written = "(1, (2,), [], {a: (), b: {}}, :, -1::-2, HERE, 'cpu', ...)"
    assert literal(options) == written
    assert literal((np.float64(0.1), np.int64(3), np.bool_(True), None)) == "(0.1, 3, True, None)"


# ---- texts that are wrong ----

HEADER = "graph g\nargument x: f32[2, 3]\n"
WRONG = [
    ("", 1, 1, "the line ends too early", "'graph'"),
    ("argument x: f32[2]", 1, 1, "found 'argument x: f32[2]'", "'graph'"),
    ("graph g draws from many generators", 1, 20, "found 'many generators'", "how many"),
    ("graph g draws from 2 dice", 1, 22, "found 'dice'", "generators"),
    ("graph g of mine", 1, 9, "found 'of mine'", "the end of the line"),
    (HEADER, 2, 22, "the text ends here", "'return'"),
    (HEADER + "retrun x", 3, 1, "'retrun' is not the beginning of a line", "'return'"),
    (HEADER + "parameter x: f32[2]", 3, 1, "'x' is taken", "a name of its own"),
    (HEADER + "x = relu(x) : f32[2, 3]", 3, 1, "'x' is taken", "a name of its own"),
    (HEADER + "nan = relu(x) : f32[2, 3]", 3, 1, "'nan' is taken", "a name of its own"),
    (HEADER + "argument y: f33[2]", 3, 13, "'f33' is not a type", "did you mean 'f32'"),
    (HEADER + "argument y: f32(2)", 3, 16, "found '(2)'", "'[' and the sizes"),
    (HEADER + "argument y: f32[2.5]", 3, 17, "found '2.5]'", "a size"),
    (HEADER + "argument y: f32[2", 3, 18, "the line ends too early", "',' or ']'"),
    (HEADER + "argument y f32[2]", 3, 12, "found 'f32[2]'", "':' and a type"),
    (HEADER + "argument y: f32[2] on ", 3, 20, "found 'on'", "the end of the line"),
    (HEADER + "parameter y: f32[2] from 'a", 3, 26, 'found "\'a"', "a name or a path"),
    (HEADER + "constant c: u8[2] = [1, 256]", 3, 21, "256", "numbers that fit uint8 (2,)"),
    (HEADER + "constant c: f32[2] = [1, x]", 3, 26, "'x' is not a value for an option", "use one"),
    (HEADER + "constant c: f32[2] = [1, 2, 3]", 3, 22, "cannot reshape", "float32 (2,)"),
    (HEADER + "constant c: f32[2] = data\nreturn x", 3, 26, "they are missing", "'data c'"),
    (HEADER + "data x", 3, 6, "'x' is not a constant whose numbers are missing", ""),
    (HEADER + "constant c: u8[1] = data\ndata c\n  =x=", 4, 7, "", "lines of base64"),
    (HEADER + "constant c: u8[9] = data\ndata c\n  eJxjAAAAAQAB", 4, 7, "", "lines of base64"),
    (HEADER + "y = rleu(x) : f32[2, 3]", 3, 5, "'rleu' is not an operation", "'relu'"),
    (HEADER + "y = relu x : f32[2, 3]", 3, 10, "found 'x : f32[2, 3]'", "'('"),
    (
        HEADER + "y = relu(z) : f32[2, 3]",
        3,
        10,
        "'z' is not a value of the lines above",
        "use one of: x",
    ),
    (HEADER + "y = relu(x : f32[2, 3]", 3, 12, "found ': f32[2, 3]'", "',' or ')'"),
    (HEADER + "y = relu(x) f32[2, 3]", 3, 13, "found 'f32[2, 3]'", "':' and a type"),
    (HEADER + "y = sum(x, dims=(0, keepdim=True) : f32[3]", 3, 21, "'keepdim' is not a value", ""),
    (HEADER + "y = sum(x, dims=(0,), dims=(1,)) : f32[3]", 3, 28, "'dims' comes twice", "once"),
    (HEADER + "y = sum(x, dims=(0,), 3) : f32[3]", 3, 23, "found '3) : f32[3]'", "with its name"),
    (HEADER + "y = sum(x, dims=) : f32[3]", 3, 17, "found ') : f32[3]'", "a value for an option"),
    (HEADER + "y = pad(x, value={0: 1}) : f32[3]", 3, 19, "found '0: 1}) : f32[3]'", "an option"),
    (HEADER + "y = relu(x) : f32[2] what", 3, 22, "found 'what'", "the end of the line"),
    (HEADER + "y = relu(x) : f32[2] # layer file.py", 3, 37, "the line ends", "':' and the number"),
    (HEADER + "y <- x", 3, 1, "'y' is none", "an input that has no other update"),
    (HEADER + "x <- x\nx <- x", 4, 1, "'x' is none", "an input that has no other update"),
    (HEADER + "x <- y", 3, 6, "'y' is not a value of the lines above", "use one of: x"),
    (HEADER + "return x y", 3, 10, "found 'y'", "the end of the line"),
    (HEADER + "return x\nreturn x", 4, 1, "'return' comes twice", "only one such line"),
    ("  \n\n   graph g\n      return x", 4, 14, "'x' is not a value", "there is none"),
]


@pytest.mark.parametrize(("text", "line", "column", "problem", "expected"), WRONG)
def test_wrong_text_is_refused_with_its_place(
    text: str, line: int, column: int, problem: str, expected: str
) -> None:
    with pytest.raises(GraphError) as caught:
        parse(text)
    words = str(caught.value).splitlines()
    assert words[0].startswith(f"[E603] graph text, line {line}, column {column}: ")
    assert problem in words[0]
    assert words[2].startswith("  expected:")
    assert expected in words[2]
