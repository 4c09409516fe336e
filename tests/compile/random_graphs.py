"""Graphs drawn at random from a seed: arithmetic, views, sums, products, tables, steps in time.

Beside single operations they hold what the passes look for: see random_patterns.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from tests.compile.graph_maker import BINARY, UNARY, Maker
from tests.compile.random_patterns import PATTERNS

from streetlight.graph import Graph


def unary(m: Maker) -> None:
    m.op(m.choose(UNARY), m.any())


def binary(m: Maker) -> None:
    x = m.any()
    y = m.any(lambda y: y.shape == x.shape or y.shape == x.shape[1:] or y.size == 1)
    if y.shape not in (x.shape, x.shape[1:]) and y.ndim > x.ndim:
        y = x
    if y.size != 1 and y.shape not in (x.shape, x.shape[1:]):
        y = x
    m.op(m.choose(BINARY), *((x, y) if m.flag() else (y, x)))


def with_number(m: Maker) -> None:
    number = m.choose([1.0, 1, -1, 0.5, 0.0, -0.0, 2.0, 3])
    name = m.choose(["mul", "mul", "mul", "add", "sub", "div"])
    if name == "div" and number == 0:
        return
    x = m.any()
    m.op(name, *((number, x) if name == "mul" and m.flag() else (x, number)))


def power(m: Maker) -> None:
    m.op("pow", m.op("tanh", m.any()), m.choose([1, 2, 2.0, 3]))


def choice(m: Maker) -> None:
    x = m.any()
    condition = m.input(m.random.random(x.shape) < 0.5, m.choose(["argument", "constant"]))
    m.op("where", condition, x, m.choose([0.0, x, m.op("neg", x)]))


def constant(m: Maker) -> None:
    x = m.any()
    number = m.choose([0.0, 1.0, -2.5])
    shape = m.choose([x.shape, x.shape[1:], ()])
    m.op(m.choose(BINARY), x, m.input(np.full(shape, number), "constant"))


def reduction(m: Maker) -> None:
    x = m.any()
    dims = tuple(d for d in range(x.ndim) if m.flag())
    m.op(m.choose(["sum", "sum", "amax", "amin"]), x, dims=dims, keepdim=m.flag())


def reshape(m: Maker) -> None:
    x = m.any()
    shapes = [(x.size,), (1, *x.shape), (*x.shape, 1), (-1, *x.shape[1:]), x.shape]
    shape = m.choose(shapes)
    m.op("reshape", x, shape=x.shape if -1 in shape else shape)
    if x.ndim == 3 and m.flag():
        m.op("reshape", x, shape=(x.shape[0] * x.shape[1], x.shape[2]))
    if x.ndim == 2 and x.shape[0] % 2 == 0:
        m.op("reshape", x, shape=(x.shape[0] // 2, 2, x.shape[1]))


def permute(m: Maker) -> None:
    x = m.any()
    m.op("permute", x, dims=tuple(map(int, m.random.permutation(x.ndim))))
    if x.ndim > 1:
        m.op("matrix_transpose", x)


def expand(m: Maker) -> None:
    x = m.any(lambda x: x.ndim < 3)
    lead = tuple(m.size() for _ in range(m.random.integers(3)))
    shape = (*lead, *[m.size() if n == 1 else n for n in x.shape])
    if np.prod(shape) < 200:
        m.op("expand", x, shape=shape)


def index_of(m: Maker, shape: tuple[int, ...]) -> tuple[Any, ...]:
    parts: list[Any] = []
    for n in shape:
        start = int(m.random.integers(n))
        stop = int(m.random.integers(start, n)) + 1
        parts.append(m.choose([start, start - n, slice(None), slice(start, stop), slice(0, n, 2),
                               slice(None, None, -1)]))  # fmt: skip
    parts = parts[: m.random.integers(len(parts) + 1)]
    return (*parts, ..., *([None] if m.random.random() < 0.1 else []))


def slicing(m: Maker) -> None:
    x = m.any()
    m.op("slice", x, index=index_of(m, x.shape))


def unslice(m: Maker) -> None:
    x = m.any()
    shape = tuple(n + int(m.random.integers(3)) for n in x.shape)
    starts = [int(m.random.integers(a - b + 1)) for a, b in zip(shape, x.shape, strict=True)]
    index = tuple(slice(a, a + n) for a, n in zip(starts, x.shape, strict=True))
    y = m.op("unslice", x, shape=shape, index=(*index, ...))
    m.op("slice", y, index=(*index, ...))


def cat(m: Maker) -> None:
    x = m.any(lambda x: x.ndim > 0)
    if x.ndim == 0:
        return
    dim = int(m.random.integers(x.ndim))
    y = m.of_shape(*x.shape)
    joined = m.op("cat", x, y, x, dim=dim, sizes=(x.shape[dim],) * 3)
    m.op("slice", joined, index=(*[slice(None)] * dim, slice(0, x.shape[dim]), ...))


def product(m: Maker) -> None:
    x = m.any(lambda x: x.ndim > 1)
    if x.ndim > 1:
        weight = m.of_shape(m.size(), x.shape[-1])
        if m.flag():
            m.op("linear", x, weight)
        else:
            m.op("matmul", m.op("mul", x, 0.5), m.op("matrix_transpose", weight))


def batches(m: Maker) -> None:
    n, a, b, c = (m.size() for _ in range(4))
    x, y = m.of_shape(n, a, b), m.of_shape(n, b, c)
    z = m.op("matmul", m.op("permute", m.op("permute", x, dims=(1, 0, 2)), dims=(1, 0, 2)), y)
    m.op("matrix_transpose", z)


def numbers(m: Maker) -> None:
    rate = m.number()
    cast = m.op("cast", rate, dtype=np.dtype("float64"))
    m.op("mul", m.any(), cast)


MOVES = (
    unary, binary, binary, with_number, with_number, power, choice, constant, reduction, reduction,
    reshape, reshape, permute, permute, expand, expand, slicing, slicing, unslice, cat, product,
    product, batches, numbers, *PATTERNS,
)  # fmt: skip


def draw_graph(seed: int, moves: int = 25) -> tuple[Graph, dict[str, Any]]:
    """Return a graph and numbers for its inputs."""
    m = Maker(seed)
    for _ in range(3):
        m.tensor(m.size(), m.size())
    for _ in range(moves):
        m.choose(MOVES)(m)
    graph = m.graph
    made = [node.output for node in graph.nodes]
    late = [x for x in m.pool if x in set(made)][::-1]
    graph.outputs = [x for x in late[:20] if m.random.random() < 0.6] or late[:1]
    for given in graph.inputs:
        fitting = [x for x in late if x.shape == given.value.shape and not given.value.number]
        if given.kind == "argument" and given.value.dtype.kind == "f" and fitting:
            given.kind = "parameter"
            graph.updates[given.value] = m.choose(fitting[:3])
    return graph, m.arrays
