"""What random graphs are made with: values, inputs and choices drawn from a seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from streetlight.compile.passes.rewrite import infer
from streetlight.graph import Graph, Input, Node, Value
from streetlight.ops.registry import all_ops

SIZES = (1, 2, 3, 4)
UNARY = ("tanh", "neg", "relu", "sigmoid", "sin", "copy", "abs")
BINARY = ("add", "sub", "mul", "maximum")


class Maker:
    """Makes inputs and nodes, and keeps all float values that were made.

    Attributes:
        pool: the float64 values so far.
        arrays: numbers for the inputs, by name.
    """

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.graph = Graph("drawn", generators=1)
        self.pool: list[Value] = []
        self.arrays: dict[str, Any] = {}

    def input(self, array: Any, kind: Any = "argument") -> Value:
        value = Value(f"input_{len(self.graph.inputs)}", array.shape, array.dtype)
        data = array if kind == "constant" else None
        self.graph.inputs.append(Input(value, kind, value.name, data))
        if kind != "constant":
            self.arrays[value.name] = array
        if array.dtype.kind == "f":
            self.pool.append(value)
        return value

    def number(self) -> Value:
        value = Value(f"input_{len(self.graph.inputs)}", (), np.dtype("float64"), number=True)
        self.graph.inputs.append(Input(value, "number", value.name))
        self.arrays[value.name] = 0.75
        return value

    def op(self, name: str, *inputs: Any, **attributes: Any) -> Value:
        shape, dtype = infer(all_ops[name], inputs, attributes)
        output = Value(f"{name}_{len(self.graph.nodes)}", shape, dtype)
        self.graph.nodes.append(Node(all_ops[name], inputs, attributes, output))
        if dtype.kind == "f":
            self.pool.append(output)
        return output

    # ---- choices ----

    def choose(self, options: Any) -> Any:
        return options[self.random.integers(len(options))]

    def size(self) -> int:
        return int(self.choose(SIZES))

    def tensor(self, *shape: int, kind: str = "argument") -> Value:
        return self.input(self.random.standard_normal(shape), kind)

    def any(self, fits: Callable[[Value], bool] = lambda x: True) -> Value:
        """A value so far, most often a late one, or a new input."""
        fitting = [x for x in self.pool[-30:] if fits(x) and x.size < 500]
        if fitting and self.random.random() < 0.9:
            return self.choose(fitting)
        found = self.tensor(*[self.size() for _ in range(self.random.integers(4))])
        return found if fits(found) else self.tensor(self.size(), self.size())

    def of_shape(self, *shape: int) -> Value:
        """A value of that shape: one that is there, or a function of one, or a new one."""
        found = self.any(lambda x: x.shape == shape)
        found = found if found.shape == shape else self.tensor(*shape)
        return self.op(self.choose(UNARY), found) if self.random.random() < 0.5 else found

    def flag(self) -> bool:
        return bool(self.random.integers(2))

    def rows(self, size: int, *shape: int) -> Value:
        """Indices of rows, some of which count from the end, in two dtypes."""
        indices = self.random.integers(-size if self.flag() else 0, size, shape)
        return self.input(indices.astype(self.choose(["int64", "int32"])))
