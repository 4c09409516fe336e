"""Random graphs of what loops are made of: elementwise, sums over dimensions, views, updates.

Sizes are small or in the tens, so that rows, columns, scratch rows and threads all occur.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from tests.graph.building import Builder

import streetlight as sl
from streetlight.graph import Graph, Value

BINARY = ("add", "sub", "mul", "maximum")
SLICES = ((slice(0, -1), ...), (0, ...), (slice(None, None, -1), ...), (..., slice(None, None, 2)))


class Drawer:
    """Draws one graph."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.b = Builder(f"loops_{seed}")
        self.arrays: dict[str, Any] = {}
        largest = 60 if self.random.random() < 0.2 else 6
        self.sizes = [int(n) for n in self.random.integers(1, largest, 3)]
        self.values: list[Value] = []

    def chance(self, share: float) -> bool:
        return bool(self.random.random() < share)

    def any(self) -> Value:
        return self.values[-1 if self.chance(0.5) else self.random.integers(len(self.values))]

    def input(self, name: str) -> None:
        first = int(self.random.integers(4))
        shape = [n if self.chance(0.8) else 1 for n in self.sizes[first:]]
        kind = "parameter" if self.chance(0.5) else "argument"
        value = self.b.input(name, *shape, kind=kind)
        self.arrays[value.name] = self.random.normal(size=shape).astype(np.float32)
        self.values.append(value)

    def reduce(self, x: Value) -> Value:
        count = int(self.random.integers(1, x.ndim + 1))
        dims = [range(x.ndim - count, x.ndim), range(count)][self.random.integers(2)]
        if self.chance(0.25):
            dims = sorted(self.random.choice(x.ndim, count, replace=False).tolist())
        name = ("sum", "sum", "amax", "amin")[self.random.integers(4)]
        return self.b.op(name, x, dims=tuple(dims), keepdim=self.chance(0.6))

    def view(self, x: Value) -> Value:
        kind = self.random.integers(4)
        if kind == 0:
            order = tuple(map(int, self.random.permutation(x.ndim)))
            return self.b.op("permute", x, dims=order)
        if kind == 1:
            return self.b.op("reshape", x, shape=(x.size,) if self.chance(0.5) else (1, *x.shape))
        if kind == 2 and min(x.shape) > 1:
            return self.b.op("slice", x, index=SLICES[self.random.integers(4)])
        return self.b.op("expand", x, shape=(int(self.random.integers(1, 4)), *x.shape))

    def step(self) -> None:
        x, kind = self.any(), self.random.random()
        if kind < 0.35:
            y = self.any() if self.chance(0.8) else 1.5
            if isinstance(y, Value) and not fit(x, y):
                return
            made = self.b.op(BINARY[self.random.integers(4)], x, y)
        elif kind < 0.5:
            made = self.b.op("tanh" if self.chance(0.5) else "neg", x)
        elif kind < 0.6:
            made = self.b.op("where", self.b.op("lt", x, 0.1), x, self.b.op("neg", x))
        elif not x.ndim:
            return
        elif kind < 0.75:
            made = self.reduce(x)
        elif kind < 0.85 and x.ndim > 1:
            made = self.b.op("matmul", x, self.b.op("matrix_transpose", x))
        else:
            made = self.view(x)
        if made.size < 200_000:
            self.values.append(made)

    def updates(self) -> None:
        for given in self.b.graph.inputs:
            fitting = [v for v in self.values[5:] if v.shape == given.value.shape]
            if given.kind == "parameter" and fitting and self.chance(0.7):
                change = fitting[self.random.integers(len(fitting))]
                if self.chance(0.7):
                    change = self.b.op("sub", given.value, self.b.op("mul", change, self.rate))
                self.b.graph.updates[given.value] = change

    def draw(self) -> tuple[Graph, dict[str, Any]]:
        for number in range(int(self.random.integers(2, 5))):
            self.input(f"x{number}")
        self.arrays["rate"] = 0.3
        self.rate = self.b.op("cast", self.b.number("rate"), dtype=sl.float32)
        self.values.append(self.rate)
        for _ in range(int(self.random.integers(3, 25))):
            self.step()
        self.updates()
        for _ in range(int(self.random.integers(1, 4))):
            self.b.graph.outputs.append(self.any())
        return self.b.graph, self.arrays


def fit(x: Value, y: Value) -> bool:
    """Whether two shapes can be broadcast."""
    pairs = zip(x.shape[::-1], y.shape[::-1], strict=False)
    return all(a == b or 1 in (a, b) for a, b in pairs)


def draw_loops(seed: int) -> tuple[Graph, dict[str, Any]]:
    """A graph, and numbers for its inputs."""
    return Drawer(seed).draw()
