"""What the passes look for, in all its variations: sums over time, tables, heads, fillings."""

from __future__ import annotations

import numpy as np
from tests.compile.graph_maker import BINARY, Maker

from streetlight.graph import Value
from streetlight.ops.indexing import HERE
from streetlight.ops.registry import all_ops


def noise(m: Maker) -> None:
    """A draw whose numbers are perhaps not used."""
    shape = (m.size(), m.size())
    facts = {"generator": 0, "dtype": np.dtype("float64")}
    drawn = m.op("bernoulli", shape=shape, probability=0.5, **facts)
    if m.flag():
        m.op("mul", m.of_shape(*shape), drawn)


def total(m: Maker, terms: list[Value]) -> Value:
    while len(terms) > 1:
        place = int(m.random.integers(len(terms) - 1))
        terms[place : place + 2] = [m.op("add", terms[place], terms[place + 1])]
    return terms[0]


def over_time(m: Maker) -> None:
    """Gradients of a weight, its bias and its input, summed over steps."""
    steps, rows, wide, out = int(m.random.integers(2, 5)), m.size(), m.size(), m.size()
    weight = m.of_shape(out, wide)
    x = m.of_shape(rows, steps, wide) if m.flag() else None
    slopes, biases, pieces = [], [], []
    hidden = m.of_shape(rows, wide)
    for step in range(steps):
        now = m.op("slice", x, index=(slice(None), step, ...)) if x else hidden
        g = m.op("tanh", m.op("linear", now, weight))
        slopes.append(m.op("matmul", m.op("matrix_transpose", g), now))
        biases.append(m.op("sum", g, dims=(0,), keepdim=False))
        back = m.op("matmul", g, weight)
        pieces.append(m.op("unslice", back, shape=(rows, steps, wide),
                           index=(slice(None), step, ...)))  # fmt: skip
        hidden = m.op("add", hidden, back)
    for terms in (slopes, biases, pieces):
        total(m, terms if m.flag() else terms[::-1])


def stacked(m: Maker) -> None:
    """Products that are stacked, multiplied again and taken apart."""
    steps, rows, wide = int(m.random.integers(2, 5)), m.size(), m.size()
    weight = m.of_shape(m.size(), wide)
    parts = [m.op("linear", m.of_shape(rows, wide), weight) for _ in range(steps)]
    dim = int(m.random.integers(3))
    shape = [rows, weight.shape[0]]
    parts = [m.op("reshape", x, shape=(*shape[:dim], 1, *shape[dim:])) for x in parts]
    whole = m.op("cat", *parts, dim=dim, sizes=(1,) * steps)
    step = int(m.random.integers(steps))
    m.op("slice", whole, index=(*[slice(None)] * dim, step, ...))


def table(m: Maker) -> None:
    """Rows picked from a table, multiplied, and gradients added to it."""
    height, wide, out = m.size(), m.size(), m.size()
    words = m.of_shape(height, wide)
    shape = tuple(m.size() for _ in range(m.random.integers(1, 3)))
    rows = m.op("in_range", m.input(m.random.integers(0, height, shape)), size=height)
    if m.flag():
        rows = m.rows(height, *shape)
    found = m.op("pick", words, rows, index=(HERE,))
    weight = m.of_shape(out, wide)
    y = m.op("tanh", m.op("linear", found, weight))
    back = m.op("matmul", y, weight) if y.ndim == 2 else found
    m.op("unpick", back, rows, index=(HERE,), shape=words.shape)
    if y.ndim == 2:
        m.op("matmul", m.op("matrix_transpose", y), found)


def table_over_time(m: Maker) -> None:
    """An embedding that is read step by step, or as a whole, and its gradient."""
    height, wide, out = m.size(), m.size(), m.size()
    steps, batch = int(m.random.integers(2, 5)), m.size()
    words, weight = m.of_shape(height, wide), m.of_shape(out, wide)
    rows = m.rows(height, steps, batch)
    found = m.op("pick", words, rows, index=(HERE,))
    slopes, pieces, unpicks = [], [], []
    for step in range(steps):
        index = (step, ...)
        if m.flag():
            now = m.op("slice", found, index=index)
        else:
            now = m.op("pick", words, m.op("slice", rows, index=index), index=(HERE,))
        g = m.op("tanh", m.op("linear", now, weight))
        slopes.append(m.op("matmul", m.op("matrix_transpose", g), now))
        back = m.op("matmul", g, weight)
        facts = {"shape": (steps, batch, wide), "index": index}
        pieces.append(m.op("unslice", back, **facts))
        places = m.op("slice", rows, index=index)
        unpicks.append(m.op("unpick", back, places, index=(HERE,), shape=words.shape))
    total(m, slopes)
    m.op("unpick", total(m, pieces), rows, index=(HERE,), shape=words.shape)
    rate = m.op("cast", m.number(), dtype=np.dtype("float64"))
    m.op("sub", words, m.op("mul", total(m, unpicks), rate))


def repeated(m: Maker) -> None:
    """Arithmetic, sums and products of what is repeated."""
    row = m.of_shape(m.size())
    x = m.op("expand", row, shape=(m.size() + 1, row.shape[0]))
    y = m.op(m.choose(BINARY), x, m.choose([2.0, m.of_shape(*x.shape), x]))
    m.op("sum", y, dims=m.choose([(0,), (1,), (0, 1)]), keepdim=m.flag())
    m.op("matmul", x, m.of_shape(row.shape[0], m.size()))


def attention(m: Maker) -> None:
    """Heads cut out of one product, and their gradients put together again."""
    batch, time, heads, wide = (m.size() for _ in range(4))
    x = m.of_shape(batch, time, 3 * heads * wide)
    parts = []
    for start in (0, 1, 2):
        index = (..., slice(start * heads * wide, (start + 1) * heads * wide))
        part = m.op("reshape", m.op("slice", x, index=index), shape=(batch, time, heads, wide))
        parts.append(m.op("permute", part, dims=(0, 2, 1, 3)))
    query, key, value = m.op("mul", parts[0], 0.25), m.op("matrix_transpose", parts[1]), parts[2]
    scores = m.op("tanh", m.op("matmul", query, key))
    found = m.op("matmul", scores, value)
    turned = m.op("matrix_transpose", m.op("matmul", m.op("matrix_transpose", query), scores))
    back = [m.op("permute", y, dims=(0, 2, 1, 3)) for y in (found, turned, value)]
    back = [m.op("reshape", y, shape=(batch, time, heads * wide)) for y in back]
    m.op("cat", *back, dim=2, sizes=(heads * wide,) * 3)


def side_by_side(m: Maker) -> None:
    """Slices of a tensor that are put together again, along another dimension perhaps."""
    x = m.of_shape(m.size() + 1, m.size(), m.size())
    steps = range(x.shape[0] if m.flag() else x.shape[0] - 1)
    parts = [m.op("slice", x, index=(step, ...)) for step in steps]
    dim = int(m.random.integers(2))
    if m.flag():
        shape = (*x.shape[1 : 1 + dim], 1, *x.shape[1 + dim :])
        parts = [m.op("reshape", part, shape=shape) for part in parts]
    m.op("cat", *parts, dim=dim, sizes=tuple(part.shape[dim] for part in parts))


def shared(m: Maker) -> None:
    """A sum of products that share an operand."""
    a, b, c = m.size(), m.size(), m.size()
    left = m.of_shape(a, b)
    terms = [m.op("matmul", left, m.of_shape(b, c)) for _ in range(m.random.integers(2, 4))]
    total(m, [*terms, m.of_shape(a, c)])


def heads(m: Maker) -> None:
    """Small products of one tensor, and its gradient and those of the weights."""
    rows, wide, count = 16, m.size(), int(m.random.integers(2, 4))
    x = m.of_shape(rows, wide)
    weights = [m.of_shape(m.size(), wide) for _ in range(count)]
    outs = [m.op("tanh", m.op("linear", x, weight)) for weight in weights]
    back = [m.op("matmul", y, weight) for y, weight in zip(outs, weights, strict=True)][::-1]
    for node in m.graph.nodes[-count:]:
        node.gradient_of = "x"
    total(m, back)
    for y in outs:
        m.op("matmul", m.op("matrix_transpose", y), x)


def loss_at_each_step(m: Maker) -> None:
    """A recurrence with a product of each state that is not stacked."""
    rows, wide, out = m.size(), m.size(), 16
    state, weight, output = m.of_shape(rows, wide), m.of_shape(wide, wide), m.of_shape(out, wide)
    losses = []
    for _ in range(m.random.integers(2, 5)):
        state = m.op("tanh", m.op("linear", state, weight))
        losses.append(m.op("sum", m.op("sin", m.op("linear", state, output)), dims=(0, 1),
                           keepdim=False))  # fmt: skip
        if m.flag():
            noise(m)
    total(m, losses)


def filling(m: Maker) -> None:
    """A tensor that is filled piece by piece, and read in between."""
    shape = (m.size() + 1, m.size(), m.size())
    dim = int(m.random.integers(2))
    x = m.op("expand", m.tensor(), shape=shape) if m.flag() else m.of_shape(*shape)
    places = m.random.permutation(shape[dim])[: m.random.integers(1, shape[dim] + 1)]
    for place in [*places, *places[:1]]:
        place = int(place)
        part = place if m.flag() else slice(place, place + 1)
        index = (*[slice(None)] * dim, part, ...)
        piece = m.op("slice", x, index=index).shape
        value = m.choose([m.of_shape(*piece), m.of_shape(*piece), m.of_shape(piece[-1]), 0.5])
        x = m.op("assign", x, value, view=all_ops["slice"], attributes={"index": index})
        if m.flag():
            m.op("slice", x, index=(*[slice(None)] * dim, int(m.choose(places)), ...))
    m.op("slice", x, index=(*[slice(None)] * dim, int(m.choose(places)), ...))


def gradient_of_table(m: Maker) -> None:
    """Rows added to a table, seen in another way before."""
    height, wide, a, b = m.size(), m.size(), m.size(), m.size()
    rows = m.rows(height, a, b)
    seen = m.choose([
        lambda: m.op("permute", m.of_shape(b, a, wide), dims=(1, 0, 2)),
        lambda: m.op("reshape", m.of_shape(a * b, wide), shape=(a, b, wide)),
        lambda: m.op("unslice", m.of_shape(b, wide), shape=(a, b, wide), index=(a - 1, ...)),
        lambda: m.op("mul", m.of_shape(a, b, wide), 3.0),
    ])()  # fmt: skip
    added = m.op("unpick", seen, rows, index=(HERE,), shape=(height, wide))
    m.op("sub", m.of_shape(height, wide), m.op("neg", added) if m.flag() else added)
    found = m.op("pick", m.of_shape(height, wide), rows, index=(HERE,))
    m.op("permute", found, dims=(1, 0, 2))


def in_order(m: Maker) -> None:
    """Rows that are picked one after the other."""
    height, wide = m.size() + 2, m.size()
    start = int(m.random.integers(2))
    rows = m.input(np.arange(start, height - 1), "constant")
    found = m.op("pick", m.of_shape(height, wide), rows, index=(HERE,))
    m.op("unpick", m.op("tanh", found), rows, index=(HERE,), shape=(height, wide))


PATTERNS = (
    over_time, stacked, table, table_over_time, in_order, repeated, repeated, attention,
    side_by_side, shared, gradient_of_table, heads, heads, loss_at_each_step, filling, noise,
)  # fmt: skip
