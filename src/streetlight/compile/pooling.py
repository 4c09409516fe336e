"""C for what is done in each channel of each picture by itself: pooling, unfold and fold.

input:     a node, and how its operands and its result lie in memory
output:    `statements`, lines for the planes from `begin` to `end`, plane n · C + c being channel c
           of picture n: threads share them
invariant: a plane of the result is written by nobody else
example:   the larger of pairs, a row of 4: `best = look > best || look != look ? look : best` for
           look = x[2 * i] and x[2 * i + 1]; a NaN wins, as eagerly

The gradient of max pooling is one kernel too: it finds the maxima again, so that their places need
not be kept, and adds each number of g to its plane.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, product
from math import prod
from typing import Any, NamedTuple

from streetlight.compile.c_text import literal, memory_type, register_type
from streetlight.compile.strided import Array, Lines, loops
from streetlight.graph.graph import Graph, Node
from streetlight.ops.pooling import lowest

NAMES = frozenset({"max_pool", "max_pool_index", "unfold", "fold"})
UNROLLED = 16  # places of a kernel that are written one by one
CHANNEL = ("sl_n", "sl_c")


class Windows(NamedTuple):
    """Windows over pictures of a size: what they see of it."""

    size: tuple[int, int]
    counts: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]

    def place(self, window: Sequence[str], taps: Sequence[Any]) -> list[str]:
        """C of row and column of the picture that a place of the kernel sees."""
        return [
            f"({y} * {s} + {_times(i, d)} - {p})"
            for y, i, s, p, d in zip(
                window, taps, self.stride, self.padding, self.dilation, strict=True
            )
        ]

    def is_inside(self, at: Sequence[str]) -> str:
        """C that tells whether there is such a place, "" where there always is."""
        tests = []
        geometry = zip(at, *self, strict=True)
        for place, size, count, kernel, stride, padding, dilation in geometry:
            tests += [f"{place} >= 0"] if padding else []
            last = (count - 1) * stride + (kernel - 1) * dilation - padding
            tests += [f"{place} < {size}"] if last >= size else []
        return " && ".join(tests)

    def each(self, body: Callable[..., Lines]) -> Lines:
        """The lines for each place of the kernel, in order."""
        if prod(self.kernel) > UNROLLED:
            return loops(self.kernel, body, "k")
        return [line for taps in product(*map(range, self.kernel)) for line in body(*taps)]

    @property
    def are_tiles(self) -> bool:
        """Whether every element is in one small window at most, and all are in the picture."""
        apart = self.kernel == self.stride and self.dilation == (1, 1)
        return apart and prod(self.kernel) <= UNROLLED and not self.is_inside("yx")


def _times(tap: Any, dilation: int) -> str:
    return str(tap * dilation) if isinstance(tap, int) else f"{tap} * {dilation}"


def _windows(node: Node, size: Sequence[int], counts: Sequence[int]) -> Windows:
    names = ("kernel_size", "stride", "padding", "dilation")
    return Windows(tuple(size), tuple(counts), *(node.attributes[name] for name in names))  # type: ignore[arg-type]


def statements(node: Node, inputs: Sequence[Any], output: Array) -> Lines:
    """Return the lines for the planes from `begin` to `end`.

    Args:
        node: one of the operations above; `max_pool_index` with two inputs, g and x, is the
            gradient of max pooling.
    """
    name = "gradient" if len(inputs) > 1 else node.op.name
    channels = inputs[-1].shape[1] if name != "fold" else output.shape[1]
    return [
        "for (int64_t sl_plane = begin; sl_plane < end; sl_plane++) {",
        f"const int64_t sl_n = sl_plane / {channels}, sl_c = sl_plane % {channels};",
        *WRITERS[name](node, *inputs, output),
        "}",
    ]


def planes(node: Node, inputs: Sequence[Any]) -> int:
    """Return how many planes there are."""
    return prod(node.output.shape[:2]) if node.op.name == "fold" else prod(inputs[-1].shape[:2])


# ---- pooling ----


def _find(
    windows: Windows, x: Array, window: Sequence[str], note: Callable[[list[str], Any], str] | None
) -> Lines:
    """Set `sl_best` to what is largest in a window, and `sl_where` to what `note` says of it."""

    def look(*taps: Any) -> Lines:
        at = windows.place(window, taps)
        test = windows.is_inside(at)
        return [
            f"if ({test}) {{" if test else "{",
            f"const {register_type(x.dtype)} sl_look = {x.at(*CHANNEL, *at)};",
            "const int sl_better = (sl_look > sl_best) | (sl_look != sl_look);",
            "sl_best = sl_better ? sl_look : sl_best;",
            *([f"sl_where = sl_better ? {note(at, taps)} : sl_where;"] if note else []),
            "}",
        ]

    return [
        f"{register_type(x.dtype)} sl_best = {literal(lowest(x.dtype), x.dtype)};",
        *windows.each(look),
    ]


def _max_pool(node: Node, x: Array, output: Array) -> Lines:
    windows = _windows(node, x.shape[2:], output.shape[2:])
    return loops(
        windows.counts,
        lambda *i: [*_find(windows, x, i, None), f"{output.at(*CHANNEL, *i)} = sl_best;"],
    )


def _max_pool_index(node: Node, x: Array, output: Array) -> Lines:
    windows = _windows(node, x.shape[2:], output.shape[2:])
    return loops(
        windows.counts,
        lambda *i: [*_find_place(windows, x, i), f"{output.at(*CHANNEL, *i)} = sl_where;"],
    )


def _find_place(windows: Windows, x: Array, window: Sequence[str]) -> Lines:
    """Set `sl_where` to the place of the maximum; windows of −∞ count from inside."""
    width = windows.size[1]
    first = [
        f"({at} < 0 ? 0 : {at})" if padding else at
        for at, padding in zip(windows.place(window, (0, 0)), windows.padding, strict=True)
    ]
    return [
        f"int64_t sl_where = {first[0]} * {width} + {first[1]};",
        *_find(windows, x, window, lambda at, _: f"{at[0]} * {width} + {at[1]}"),
    ]


def _gradient(node: Node, g: Array, x: Array, output: Array) -> Lines:
    """The numbers of g in the places of the maxima, those of equal places added up."""
    counts = node.output.shape[2:]
    windows = _windows(node, x.shape[2:], counts)
    result = replace(output, shape=x.shape, strides=(*output.strides[:2], x.shape[3], 1))
    if windows.are_tiles:
        return _gradient_of_tiles(windows, g, x, result)

    def one(*window: str) -> Lines:
        flat = f"({window[0]} * {counts[1]} + {window[1]})"
        added = f"{output.at(*CHANNEL, 'sl_where')} += {g.at(*CHANNEL, flat)};"
        return [*_find_place(windows, x, window), added]

    return [*_zeros(output), *loops(counts, one)]


def _gradient_of_tiles(windows: Windows, g: Array, x: Array, result: Array) -> Lines:
    """The same where no two windows meet: every element is written once, g or 0.

    A row of windows at a time, first which element is the largest: compilers make vectors of that.
    """
    (high, wide), across = windows.kernel, windows.counts[1]

    def find(y: str, column: str) -> Lines:
        number = _find(windows, x, (y, column), lambda _, taps: str(taps[0] * wide + taps[1]))
        return ["int32_t sl_where = 0;", *number, f"sl_row[{column}] = sl_where;"]

    def write(i: int, y: str, column: str) -> Lines:
        kind, element = register_type(g.dtype), g.at(*CHANNEL, f"({y} * {across} + {column})")
        lines = [f"const {kind} sl_g = {element};"]
        for j in range(wide):
            place = result.at(*CHANNEL, *windows.place((y, column), (i, j)))
            lines.append(f"{place} = sl_row[{column}] == {i * wide + j} ? sl_g : 0;")
        return lines

    def row(y: str) -> Lines:
        rows = [loops((across,), partial(write, i, y), "k") for i in range(high)]
        found = loops((across,), partial(find, y), "k")
        return [f"int32_t sl_row[{across}];", *found, *chain(*rows)]

    covered = tuple(n * s for n, s in zip(windows.counts, windows.stride, strict=True))
    rest = [] if covered == windows.size else _zeros(result)
    return [*rest, *loops(windows.counts[:1], row)]


def _zeros(output: Array) -> Lines:
    size = prod(output.shape[2:])
    start = output.at(*CHANNEL, *["0"] * (len(output.shape) - 2))
    return [f"memset(&{start}, 0, {size} * sizeof({memory_type(output.dtype)}));"]


def gradients(graph: Graph) -> dict[Node, tuple[Node, list[Node]]]:
    """Find `scatter_add` by the places of maxima that nothing else reads.

    Returns:
        for each the node that finds the places, and all nodes that are not needed any more.
    """
    makers, uses, results = graph.makers(), graph.uses(), set(graph.results())
    found = {}
    for node in graph.nodes:
        if node.op.name != "scatter_add":
            continue
        links: list[Node] = []
        value = node.values[1]
        while (maker := makers.get(value)) and len(uses[value]) == 1 and value not in results:
            links.append(maker)
            if maker.op.name != "reshape":
                break
            value = maker.values[0]
        if links and links[-1].op.name == "max_pool_index" and node.attributes["dim"] == 2:
            found[node] = (links[-1], links)
    return found


# ---- columns of windows ----


def _unfold(node: Node, x: Array, output: Array) -> Lines:
    counts = _counts(node, x.shape[2:])
    windows = _windows(node, x.shape[2:], counts)

    def one(*i: str) -> Lines:
        at = windows.place(i[2:], i[:2])
        test = windows.is_inside(at)
        seen = x.at(*CHANNEL, *at)
        seen = f"{test} ? {seen} : 0" if test else seen
        return [f"{_column(output, windows, i)} = {seen};"]

    return loops((*windows.kernel, *counts), one, "k")


def _fold(node: Node, y: Array, output: Array) -> Lines:
    counts = _counts(node, output.shape[2:])
    windows = _windows(node, output.shape[2:], counts)

    def one(*i: str) -> Lines:
        at = windows.place(i[2:], i[:2])
        test = windows.is_inside(at)
        added = f"{output.at(*CHANNEL, *at)} += {_column(y, windows, i)};"
        return [f"if ({test}) {added}" if test else added]

    return [*_zeros(output), *loops((*windows.kernel, *counts), one, "k")]


def _column(columns: Array, windows: Windows, i: Sequence[str]) -> str:
    """C of the element of (N, C · kh · kw, windows) for a place of the kernel and a window."""
    (high, wide), (_, across) = windows.kernel, windows.counts
    row = f"(sl_c * {high * wide} + {i[0]} * {wide} + {i[1]})"
    return columns.at("sl_n", row, f"({i[2]} * {across} + {i[3]})")


def _counts(node: Node, size: Sequence[int]) -> tuple[int, ...]:
    names = ("kernel_size", "stride", "padding", "dilation")
    geometry = zip(size, *(node.attributes[name] for name in names), strict=True)
    return tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in geometry)


WRITERS: dict[str, Callable[..., Lines]] = {
    "max_pool": _max_pool,
    "max_pool_index": _max_pool_index,
    "gradient": _gradient,
    "unfold": _unfold,
    "fold": _fold,
}
