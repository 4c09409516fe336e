"""C for operations along dimensions: sums and extremes, running ones, and orders.

These are the plain loops, for all dimensions and dtypes; the usual sums and extremes over the last
dimensions are part of fused loops. Half floats are summed up as float, long rows as double.
NaN is larger than everything, as in NumPy: the first one is the maximum and the minimum.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from streetlight.compile.strided import Array, Lines, contiguous, filled, joined, loops, widened
from streetlight.dtypes import DType
from streetlight.graph.graph import Node

LONG_ROW = 1024  # from so many elements on, float32 is summed up as double
SHORTEST_ROW = 4  # that is worth working into the result as a whole


def total_type(dtype: DType, count: int) -> str:
    """The C type in which so many elements are added up."""
    if dtype.kind != "f":
        return "int64_t"
    return "double" if dtype.name == "float64" or count > LONG_ROW else "float"


def _split(x: Array, dims: Sequence[int]) -> tuple[Array, Array]:
    """An array as two: that of the kept dimensions, and that of the reduced ones."""
    kept = [d for d in range(len(x.shape)) if d not in dims]

    def part(chosen: Sequence[int]) -> Array:
        return replace(
            x,
            shape=tuple(x.shape[d] for d in chosen),
            strides=tuple(x.strides[d] for d in chosen),
        )

    return part(kept), part(sorted(dims))


class Reduction:
    """Loops over what is kept and, in them, over what is reduced.

    Args:
        node: it has `dims` or `dim`.
        x: the operand.
        output: the result.
    """

    def __init__(self, node: Node, x: Array, output: Array) -> None:
        attributes = node.attributes
        dims = attributes["dims"] if "dims" in attributes else (attributes["dim"],)
        self.kept, gone = _split(x, dims)
        (self.gone,) = joined(gone)
        self.output = contiguous(output, self.kept.shape)
        self.x = x

    @property
    def count(self) -> int:
        """How many elements become one."""
        return self.gone.size

    def element(self, kept: Sequence[str], gone: Sequence[str]) -> str:
        """C of an element, as it is computed with."""
        strides = (*self.kept.strides, *self.gone.strides)
        return widened(replace(self.x, strides=strides).at(*kept, *gone), self.x.dtype)

    def over(self, kept: Sequence[str], body: Callable[[str], Lines], pragma: str = "") -> Lines:
        """The loops over what is reduced, around the lines for one element."""
        lines = loops(self.gone.shape, lambda *k: body(self.element(kept, k)), "k")
        last = max((n for n, line in enumerate(lines) if line.startswith("for ")), default=None)
        if pragma and last is not None:
            lines.insert(last, f"#pragma omp simd reduction({pragma})")
        return lines

    def each(self, body: Callable[[Sequence[str]], Lines]) -> Lines:
        """The loops over what is kept."""
        return loops(self.kept.shape, lambda *i: body(i))

    @property
    def has_rows(self) -> bool:
        """Whether the last dimension is kept, so that whole rows can be worked into the result."""
        wide_enough = (1, *self.kept.shape)[-1] >= SHORTEST_ROW
        return wide_enough and self.kept.strides[-1] == 1

    def by_rows(self, line: Callable[[str, str], str]) -> Lines:
        """The other way round: `line(result, element)` in loops over rows, then along them."""

        def row(*gone: str) -> Lines:
            return self.each(lambda i: [line(self.output.at(*i), self.element(i, gone))])

        return loops(self.gone.shape, row, "k")


def total(node: Node, inputs: Sequence[Any], output: Array, number: object) -> Lines:
    """Sums."""
    work = Reduction(node, inputs[0], output)
    if work.has_rows and output.dtype.itemsize > 2:
        return [*filled(work.output, 0), *work.by_rows(lambda y, x: f"{y} += {x};")]
    kind = total_type(output.dtype, work.count)

    def one(kept: Sequence[str]) -> Lines:
        return [
            f"{kind} running = 0;",
            *work.over(kept, lambda x: [f"running += {x};"], "+:running"),
            f"{work.output.at(*kept)} = running;",
        ]

    return work.each(one)


def product(node: Node, inputs: Sequence[Any], output: Array, number: object) -> Lines:
    """Products."""
    work = Reduction(node, inputs[0], output)
    kind = total_type(output.dtype, 0)

    def one(kept: Sequence[str]) -> Lines:
        return [
            f"{kind} running = 1;",
            *work.over(kept, lambda x: [f"running *= {x};"]),
            f"{work.output.at(*kept)} = running;",
        ]

    return work.each(one)


def extreme(node: Node, inputs: Sequence[Any], output: Array, number: object) -> Lines:
    """The largest or the smallest element; NaN if there is one."""
    work = Reduction(node, inputs[0], output)
    largest = node.op.name == "amax"
    if work.has_rows:
        return _extreme_of_rows(work, ">" if largest else "<")
    result = "has_nan ? NAN : winner" if output.dtype.kind == "f" else "winner"
    return work.each(
        lambda i: [*_find_winner(work, i, largest), f"{work.output.at(*i)} = {result};"]
    )


def _extreme_of_rows(work: Reduction, sign: str) -> Lines:
    first = ["0"] * len(work.gone.shape)
    return [
        *work.each(lambda i: [f"{work.output.at(*i)} = {work.element(i, first)};"]),
        *work.by_rows(lambda y, x: f"{y} = {x} {sign} {y} || {x} != {x} ? {x} : {y};"),
    ]


def _find_winner(work: Reduction, kept: Sequence[str], largest: bool) -> Lines:
    """Set `winner` to the extreme of what is a number, and `has_nan`."""
    kind, sign = total_type(work.x.dtype, 0), ">" if largest else "<"
    first = work.element(kept, ["0"] * len(work.gone.shape))

    def one(x: str) -> Lines:
        lines = [f"winner = {x} {sign} winner ? {x} : winner;", f"has_nan |= {x} != {x};"]
        return lines if work.x.dtype.kind == "f" else lines[:1]

    if work.x.dtype.kind != "f":
        return [f"{kind} winner = {first};", *work.over(kept, one)]
    return [
        f"{kind} winner = {'-' if largest else ''}INFINITY;",
        "int has_nan = 0;",
        *work.over(kept, one, f"{'max' if largest else 'min'}:winner) reduction(|:has_nan"),
    ]


def logsumexp(node: Node, inputs: Sequence[Any], output: Array, number: object) -> Lines:
    """ln of the sum of the exponentials, which are taken less the largest element."""
    work = Reduction(node, inputs[0], output)
    kind, suffix = total_type(output.dtype, 0), "f64" if output.dtype.itemsize == 8 else "f32"

    def one(kept: Sequence[str]) -> Lines:
        return [
            f"{kind} highest = -INFINITY;",
            *work.over(
                kept, lambda x: [f"highest = {x} > highest ? {x} : highest;"], "max:highest"
            ),
            f"if (!isfinite_{suffix}(highest)) highest = 0;",
            f"{total_type(output.dtype, work.count)} running = 0;",
            *work.over(kept, lambda x: [f"running += exp_{suffix}({x} - highest);"], "+:running"),
            f"{work.output.at(*kept)} = log_{suffix}(running) + highest;",
        ]

    return work.each(one)


def argument(node: Node, inputs: Sequence[Any], output: Array, number: object) -> Lines:
    """Where the first largest or smallest element is; where the first NaN is if there is one."""
    work = Reduction(node, inputs[0], output)

    def one(kept: Sequence[str]) -> Lines:
        x = work.element(kept, ["place0"] * len(work.gone.shape))
        found = f"{x} == winner"
        if work.x.dtype.kind == "f":
            found = f"(has_nan ? {x} != {x} : {found})"
        return [
            *_find_winner(work, kept, node.op.name == "argmax"),
            "int64_t place0 = 0;",
            f"while (!({found})) place0++;",
            f"{work.output.at(*kept)} = place0;",
        ]

    return work.each(one)


# ---- along one dimension, with a result for each element ----


def _rows(array: Array, dim: int) -> tuple[Array, Callable[[Sequence[str], str], str]]:
    """The array of the other dimensions, and C of an element by these and its place in the row."""
    kept, _ = _split(array, [dim])

    def at(others: Sequence[str], place: str) -> str:
        return array.at(*others[:dim], place, *others[dim:])

    return kept, at


def running_sum(node: Node, inputs: Sequence[Any], output: Array, number: object) -> Lines:
    """Sums of all elements so far."""
    x, dim = inputs[0], node.attributes["dim"]
    if not x.shape:
        return [f"{output.at()} = {x.at()};"]
    kept, element = _rows(x, dim)
    _, result = _rows(output, dim)

    def one(*i: str) -> Lines:
        return [
            f"{total_type(x.dtype, 0)} running = 0;",
            f"for (int64_t k0 = 0; k0 < {x.shape[dim]}; k0++) {{",
            f"running += {widened(element(i, 'k0'), x.dtype)};",
            f"{result(i, 'k0')} = running;",
            "}",
        ]

    return loops(kept.shape, one)


def order(node: Node, inputs: Sequence[Any], output: Array, number: object) -> Lines:
    """The order that sorts, by a heap: of equal elements, the one that came first is first."""
    x, dim, size = inputs[0], node.attributes["dim"], output.shape[node.attributes["dim"]]
    kept, element = _rows(x, dim)
    _, result = _rows(output, dim)
    suffix, kind = ("f64", "double") if x.dtype.kind == "f" else ("i64", "int64_t")

    def comes_before(i: Sequence[str], first: str, second: str) -> str:
        keys = [f"({kind}){element(i, place)}" for place in (first, second)]
        keys = keys[::-1] if node.attributes["descending"] else keys
        return f"sorts_before_{suffix}({keys[0]}, {keys[1]}, {first} < {second})"

    def one(*i: str) -> Lines:
        child, last = result(i, "child"), result(i, "--end")
        return [
            f"for (int64_t k0 = 0; k0 < {size}; k0++) {result(i, 'k0')} = k0;",
            f"for (int64_t unsorted = {size // 2}, end = {size}; end > 1;) {{",
            "const int is_heap = unsorted == 0;",
            f"const int64_t moved = is_heap ? {last} : {result(i, '--unsorted')};",
            f"if (is_heap) {result(i, 'end')} = {result(i, '0')};",
            "int64_t parent = unsorted;",
            "for (int64_t child = 2 * parent + 1; child < end; child = 2 * parent + 1) {",
            f"if (child + 1 < end && {comes_before(i, child, result(i, '(child + 1)'))}) child++;",
            f"if (!{comes_before(i, 'moved', child)}) break;",
            f"{result(i, 'parent')} = {child};",
            "parent = child;",
            "}",
            f"{result(i, 'parent')} = moved;",
            "}",
        ]

    return loops(kept.shape, one)
