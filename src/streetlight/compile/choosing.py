"""C for operations that choose elements by index tensors or masks, and that add them back.

Every index is checked before anything is written; those that count from the end do so only where
they do in eager code: in square brackets, not in `gather` and `in_range`.

Example: rows of a table, `table[index]`,

    for (int64_t i0 = 0; i0 < 130; i0++) {
      const int64_t place0 = index[i0] + (index[i0] < 0 ? 74000 : 0);
      for (int64_t i1 = 0; i1 < 100; i1++) {
        rows[i0 * 100 + i1] = table[place0 * 100 + i1];
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from streetlight.compile.strided import (
    Array,
    Lines,
    copied,
    filled,
    joined,
    loops,
    operand,
    widened,
)
from streetlight.errors import CompileError
from streetlight.graph.graph import Node
from streetlight.ops.indexing import HERE

Operand = Array | bool | int | float


# ---- checks ----


def check_range(index: Array, size: int, number: object) -> Lines:
    """Refuse an index that is not all within 0 to size - 1; the error names the worst."""
    (index,) = joined(index)
    body = [
        f"const int64_t place0 = {index.at(*(f'i{d}' for d in range(len(index.shape))))};",
        "lowest = place0 < lowest ? place0 : lowest;",
        "highest = place0 > highest ? place0 : highest;",
    ]
    return [
        "int64_t lowest = 0, highest = -1;",
        *loops(index.shape, lambda *_: body),
        f"if (lowest < 0) return sl_fail(call, SL_INDEX, {number}, lowest);",
        f"if (highest >= {size}) return sl_fail(call, SL_INDEX, {number}, highest);",
    ]


def _check_places(index: Array, size: int, number: object) -> Lines:
    """Refuse an index that is not all within -size to size - 1; the error names the first."""
    (index,) = joined(index)

    def body(*i: str) -> Lines:
        place = index.at(*i)
        fail = f"return sl_fail(call, SL_INDEX, {number}, {place});"
        return [f"if ({place} < -{size} || {place} >= {size}) {fail}"]

    return loops(index.shape, body)


def _block(lines: Lines) -> Lines:
    return ["{", *lines, "}"]


# ---- along one dimension ----


def gather(node: Node, inputs: Sequence[Any], output: Array, number: object) -> Lines:
    """out[i, j] = x[i, index[i, j]], for dimension 1."""
    x, index = inputs
    place = _along(x, index, node.attributes["dim"])
    body = loops(index.shape, lambda *i: [f"{output.at(*i)} = {place(*i)};"])
    return [*_checked_along(x, index, node, number), *body]


def scatter_add(node: Node, inputs: Sequence[Any], output: Array, number: object) -> Lines:
    """out[i, index[i, j]] += x[i, j], for dimension 1, onto zeros."""
    x, index = inputs
    place = _along(output, index, node.attributes["dim"])
    body = loops(index.shape, lambda *i: [_added(output, place(*i), x.at(*i))])
    return [*_checked_along(output, index, node, number), *filled(output, 0), *body]


def _along(array: Array, index: Array, dim: int) -> Callable[..., str]:
    """C of the element that the index names, from the indices of the index's element."""
    return lambda *i: array.at(*i[:dim], f"(int64_t){index.at(*i)}", *i[dim + 1 :])


def _checked_along(array: Array, index: Array, node: Node, number: object) -> Lines:
    size = array.shape[node.attributes["dim"]] if array.shape else 1
    return _block(check_range(index, size, number))


def _added(target: Array, place: str, value: str, scale: str = "1") -> str:
    """Add a value to an element, as NumPy does it in the target's dtype."""
    value = widened(value, target.dtype)
    if scale not in ("1", "-1"):
        value = f"{scale} * {value}"
    if target.dtype.kind == "b":
        return f"{place} |= {value};"
    if target.dtype.name == "float16":
        return f"{place} = (float){place} {'-' if scale == '-1' else '+'} {value};"
    return f"{place} {'-' if scale == '-1' else '+'}= {value};"


# ---- square brackets ----


@dataclass(frozen=True)
class Chosen:
    """The elements of an array that an index chooses.

    Attributes:
        array: the array with the strides of the slices, and the shape of what is chosen.
        lists: the index tensors, repeated to that shape.
        steps: for each of them, size and stride of the dimension whose places it names.
        depth: how many loops are open when the index tensors can be read.
    """

    array: Array
    lists: tuple[Array, ...]
    steps: tuple[tuple[int, int], ...]
    depth: int

    def at(self, *indices: str) -> str:
        """C of the element, once the places are known."""
        names = (f"place{k}" for k in range(len(self.lists)))
        strides = (*(stride for _, stride in self.steps), *self.array.strides)
        return replace(self.array, strides=strides).at(*names, *indices)

    def loops(self, body: Callable[..., str]) -> Lines:
        """One line for each chosen element; the places are read as early as possible."""
        shape, depth = self.array.shape, self.depth

        def inner(*outer: str) -> Lines:
            rest = (1,) * depth + shape[depth:]
            line = loops(rest, lambda *i: [body(*outer, *i[depth:])])
            return [*self._places(*outer, *["0"] * (len(shape) - depth)), *line]

        return loops(shape[:depth], inner)

    def _places(self, *indices: str) -> Lines:
        lines = []
        for k, (index, (size, _)) in enumerate(zip(self.lists, self.steps, strict=True)):
            lines.append(f"int64_t place{k} = {index.at(*indices)};")
            lines.append(f"place{k} += place{k} < 0 ? {size} : 0;")
        return lines


def choose(array: Array, index: tuple[Any, ...], lists: Sequence[Array]) -> Chosen:
    """Find out what `array[index]` chooses, where the index tensors are whole numbers.

    The dimensions of the index tensors, repeated to one shape, stand where the first of them
    stands, or in front if something else stands between them.
    """
    parts = _without_dots(index, [1] * len(lists), len(array.shape))
    common = np.broadcast_shapes(*(x.shape for x in lists))
    here = [place for place, part in enumerate(parts) if part is HERE]
    first = here[0] if here[-1] - here[0] < len(here) else 0
    sliced, steps = _sliced(array, parts)
    shape = (*sliced.shape[:first], *common, *sliced.shape[first:])

    def around(strides: tuple[int, ...], middle: tuple[int, ...]) -> tuple[int, ...]:
        return (*strides[:first], *middle, *strides[first:])

    none = (0,) * len(sliced.shape)
    repeated = [
        replace(x, shape=shape, strides=around(none, x.expanded(common).strides)) for x in lists
    ]
    strides = around(sliced.strides, (0,) * len(common))
    whole = replace(sliced, shape=shape, strides=strides)
    return Chosen(whole, tuple(repeated), steps, first + len(common))


def _without_dots(index: tuple[Any, ...], taken: Sequence[int], ndim: int) -> list[Any]:
    """The index with full slices for the dots, or for what it does not mention.

    Args:
        taken: how many dimensions each index tensor takes.
    """
    slices = sum(isinstance(part, slice) for part in index)
    full = [slice(None)] * (ndim - slices - sum(taken))
    place = next((p for p, part in enumerate(index) if part is ...), len(index))
    return [*index[:place], *full, *index[place + 1 :]]


def _sliced(array: Array, parts: Sequence[Any]) -> tuple[Array, tuple[tuple[int, int], ...]]:
    """The array without the dimensions of the index tensors, and the sizes and strides of these."""
    dims = iter(zip(array.shape, array.strides, strict=True))
    kept, steps, offset = [], [], array.offset
    for part in parts:
        size, stride = (1, 0) if part is None else next(dims)
        if part is HERE:
            steps.append((size, stride))
        elif part is None:
            kept.append((1, 0))
        else:
            start, stop, step = part.indices(size)
            offset += start * stride
            kept.append((len(range(start, stop, step)), step * stride))
    shape, strides = tuple(n for n, _ in kept), tuple(s for _, s in kept)
    return replace(array, shape=shape, strides=strides, offset=offset), tuple(steps)


def _checked(
    array: Array, node: Node, lists: Sequence[Array], number: object
) -> tuple[Chosen, Lines]:
    """What the node's index chooses of the array, and the lines that check it."""
    if any(x.dtype.kind == "b" for x in lists):
        raise _refused(node)
    chosen = choose(array, node.attributes["index"], lists)
    checks: Lines = []
    for index, (size, _) in zip(lists, chosen.steps, strict=True):
        checks += _check_places(index, size, number)
    return chosen, checks


def pick(node: Node, inputs: Sequence[Any], output: Array, number: object) -> Lines:
    """out = x[index]."""
    x, *lists = inputs
    chosen, checks = _checked(x, node, lists, number)
    return [*checks, *chosen.loops(lambda *i: f"{output.at(*i)} = {chosen.at(*i)};")]


def add_rows(node: Node, inputs: Sequence[Any], output: Array, scale: str, number: object) -> Lines:
    """out[index] += scale * x, for the inputs of an `unpick`; equal places add up.

    Args:
        scale: C of a number; "1" and "-1" cost nothing.
    """
    chosen, checks = _checked(output, node, inputs[1:], number)
    return [*checks, *_add(chosen, inputs[0], output, scale)]


def unpick(node: Node, inputs: Sequence[Any], output: Array, number: object) -> Lines:
    """out[index] += x, onto zeros."""
    chosen, checks = _checked(output, node, inputs[1:], number)
    return [*checks, *filled(output, 0), *_add(chosen, inputs[0], output, "1")]


def _add(chosen: Chosen, x: Array, output: Array, scale: str) -> Lines:
    x = x.expanded(chosen.array.shape)
    return chosen.loops(lambda *i: _added(output, chosen.at(*i), x.at(*i), scale))


def put(node: Node, inputs: Sequence[Any], output: Array, number: object) -> Lines:
    """A copy of x with out[index] = value."""
    x, value, *lists = inputs
    if any(index.dtype.kind == "b" for index in lists):
        return [*copied(x, output), *_put_where(node, value, output, lists)]
    chosen, checks = _checked(output, node, lists, number)
    element = operand(value, chosen.array.shape, output.dtype)
    return [
        *checks,
        *copied(x, output),
        *chosen.loops(lambda *i: f"{chosen.at(*i)} = {element(*i)};"),
    ]


def _put_where(node: Node, value: Operand, output: Array, lists: Sequence[Array]) -> Lines:
    """out[mask] = value, for one mask, and slices beside it."""
    if len(lists) > 1:
        raise _refused(node)
    mask, index = lists[0], node.attributes["index"]
    parts = _without_dots(index, [len(mask.shape)], len(output.shape))
    first = next(place for place, part in enumerate(parts) if part is HERE)
    last = first + len(mask.shape)
    slices = [slice(None)] * len(mask.shape)
    target, _ = _sliced(output, [*parts[:first], *slices, *parts[first + 1 :]])
    before, after = target.shape[:first], target.shape[last:]
    none = ((0,) * len(before), (0,) * len(after))
    mask = replace(mask, shape=target.shape, strides=(*none[0], *mask.strides, *none[1]))
    if isinstance(value, Array):
        if (1, *value.shape)[-len(after) - 1 :][0] != 1:
            raise _refused(node)
        row = value.expanded((*before, 1, *after)).strides
        strides = (*row[:first], *(0,) * (last - first), *row[first + 1 :])
        value = replace(value, shape=target.shape, strides=strides)
    element = operand(value, target.shape, output.dtype)
    return loops(target.shape, lambda *i: [f"if ({mask.at(*i)}) {target.at(*i)} = {element(*i)};"])


def _refused(node: Node) -> CompileError:
    return CompileError(
        f"{node.op.name}: how many elements a mask chooses is known only when the step runs",
        expected="operations whose shapes are known",
        fix="where(mask, x, 0), or leave this part out of the compiled function",
    )
