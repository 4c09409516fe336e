"""Graphs built by hand for the tests: a builder, and a handful of graphs with the golden texts."""

from __future__ import annotations

from typing import Any

import numpy as np

import streetlight as sl
from streetlight.graph import Graph, Input, Node, Source, Value
from streetlight.ops.indexing import HERE
from streetlight.ops.registry import all_ops


class Builder:
    """Makes inputs and nodes, and gives each value its type and a name."""

    def __init__(self, name: str, generators: int = 0) -> None:
        self.graph = Graph(name, generators=generators)
        self.names: dict[str, int] = {}
        self.arrays: dict[Value, Any] = {}  # stand for inputs where shapes are inferred

    def value(self, name: str, shape: Any, dtype: Any, number: bool = False) -> Value:
        count = self.names[name] = self.names.get(name, 0) + 1
        return Value(name if count == 1 else f"{name}_{count}", tuple(shape), dtype, "cpu", number)

    def input(
        self, name: str, *shape: int, dtype: Any = sl.float32, kind: Any = "argument",
        path: str = "", data: Any = None,
    ) -> Value:  # fmt: skip
        value = self.value(name, shape, dtype)
        self.graph.inputs.append(Input(value, kind, path or name, data))
        self.arrays[value] = np.zeros(shape, dtype) if data is None else data
        return value

    def number(self, name: str, path: str = "") -> Value:
        value = self.value(name, (), sl.float64, number=True)
        self.graph.inputs.append(Input(value, "number", path or name))
        return value

    def constant(self, name: str, data: Any) -> Value:
        array = np.asarray(data)
        return self.input(name, *array.shape, dtype=array.dtype, kind="constant", data=array)

    def op(self, name: str, *inputs: Any, where: Any = (), **attributes: Any) -> Value:
        op = all_ops[name]
        source, module, gradient_of = (*where, "", "")[:3] if where else (None, "", "")
        shape, dtype = op.infer(*[self.arrays.get(x, x) for x in inputs], **attributes)
        values = [x for x in inputs if isinstance(x, Value)]
        number = name != "cast" and any(x.number for x in values)
        output = self.value(name, shape, dtype, number)
        node = Node(op, inputs, attributes, output, source, module, gradient_of)
        self.graph.nodes.append(node)
        return output


def at(line: int, text: str, file: str = "train.py") -> Source:
    return Source(f"/home/somebody/{file}", line, 4, line, 4 + len(text), "step", text)


def regression() -> Graph:
    """Forward, backward and update of a linear layer."""
    make = Builder("step")
    x, y = make.input("x", 5, 3), make.input("y", 5, 1)
    weight = make.input("weight", 1, 3, kind="parameter", path="layer.weight")
    lr = make.number("lr", "optimizer.lr")
    out = make.op("linear", x, weight, where=(at(12, "model(x)"), "layer"))
    error = make.op("sub", out, y, where=(at(13, "out - y"),))
    square = make.op("mul", error, error, where=(at(13, "(out - y) ** 2"),))
    total = make.op("sum", square, dims=(0, 1), keepdim=False, where=(at(14, "loss.sum()"),))
    back = at(15, "loss.backward()")
    g = make.op("mul", error, 2.0, where=(back, "", square.name))
    turned = make.op("matrix_transpose", g, where=(back, "layer", out.name))
    slope = make.op("matmul", turned, x, where=(back, "layer", out.name))
    rate = make.op("cast", lr, dtype=sl.float32, where=(at(16, "optimizer.step()"),))
    step = make.op("mul", slope, rate, where=(at(16, "optimizer.step()"),))
    new = make.op("sub", weight, step, where=(at(16, "optimizer.step()"),))
    make.graph.updates[weight] = new
    make.graph.outputs = [total]
    return make.graph


def schedule() -> Graph:
    """Arithmetic of Python numbers, which are inputs and are updated."""
    make = Builder("adam_numbers")
    step, beta = make.number("step", "state[0]['step']"), make.number("beta", "betas[0]")
    mean = make.input("mean", 4, kind="state", path="optimizer.state.0.exp_avg")
    grad = make.input("grad", 4)
    new_step = make.op("add", step, 1)
    power = make.op("pow", beta, new_step)
    left = make.op("sub", 1, power)
    share = make.op("cast", left, dtype=sl.float32)
    scaled = make.op("div", grad, share)
    make.graph.updates = {step: new_step, mean: scaled}
    make.graph.outputs = [scaled, left]
    return make.graph


def indexing() -> Graph:
    """Every notation that options have."""
    make = Builder("indexing", generators=2)
    x, rows = make.input("x", 4, 3), make.input("rows", 2, dtype=sl.int64)
    mask = make.input("mask", 4, 3, dtype=sl.bool)
    part = make.op("slice", x, index=(slice(1, 4, 2), ..., None, slice(None, None, -1)))
    picked = make.op("pick", x, rows, index=(HERE, slice(None)))
    mixed = make.op("put", x, 0.0, rows, index=(slice(1, 3), HERE))
    facts = {"view": all_ops["slice"], "attributes": {"index": (-1, ...)}}
    assigned = make.op("assign", mixed, -0.0, **facts)
    padded = make.op("pad", assigned, widths=((1, 0), (0, 2)), value=-np.inf)
    joined = make.op("cat", padded, padded, dim=1, sizes=(5, 5))
    drawn = make.op("bernoulli", shape=(4, 3), probability=0.5, generator=1, dtype=sl.float32)
    noise = make.op("normal", shape=(), generator=0, dtype=sl.float64)
    chosen = make.op("where", mask, drawn, 1e-300)
    total = make.op("sum", chosen, dims=(), keepdim=True)
    make.graph.outputs = [part, picked, joined, noise, total]
    return make.graph


def constants() -> Graph:
    """Constants of every dtype, with the numbers that are hard to write."""
    make = Builder("constants")
    hard = [0.1, -0.0, np.nan, np.inf, -np.inf, 1e-7, 1 / 3]
    for dtype in ("float16", "float32", "float64"):
        make.constant(dtype, np.array(hard, dtype))
    for dtype in ("int8", "int16", "int32", "int64"):
        limits = np.iinfo(dtype)
        make.constant(dtype, np.array([[limits.min, 0], [limits.max, 1]], dtype))
    make.constant("uint8", np.array([255, 0], np.uint8))
    make.constant("bools", np.array([True, False]))
    make.constant("scalar", np.array(2.5))
    make.constant("empty", np.zeros((0, 3), np.float32))
    make.constant("hollow", np.zeros((2, 0), np.int64))
    make.graph.outputs = [given.value for given in make.graph.inputs]
    return make.graph


def odd_names() -> Graph:
    """Paths, modules and files that need quotation marks."""
    make = Builder("<lambda>")
    x = make.input("x", 2, path="batch 'x'")
    weight = make.input("größe", 2, kind="buffer", path='stack["a:b"].mean')
    places = [("file with spaces.py", "names: a"), ("<stdin>", "names.#"), ("a.py", "")]
    value = x
    for number, (file, module) in enumerate(places):
        source = at(number + 1, 'f("a # b",  x)', file)
        value = make.op("add", value, weight, where=(source, module, ""))
    value = make.op("relu", value, where=(None, "only.module", ""))
    value = make.op("neg", value, where=(None, "", "relu"))
    long = " + ".join(["first_operand"] * 9)
    value = make.op("mul", value, 2, where=(at(9, long), "m"))
    make.graph.outputs = [value]
    return make.graph


GRAPHS = [regression, schedule, indexing, constants, odd_names]
