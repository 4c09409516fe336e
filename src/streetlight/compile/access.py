"""How a value is read out of memory: views folded into strides, strides folded into loop indices.

A view operation (reshape, permute, slice, expand) makes no code. A value that it gives is read
from the memory of its root with other strides, and `Index` turns strides into C for a loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from streetlight.graph.graph import Node, Value
from streetlight.ops.registry import Shape


@dataclass(frozen=True)
class View:
    """Element (i, j, …) of a value is element offset + Σ strides · (i, j, …) of its root."""

    root: Value
    offset: int
    shape: Shape
    strides: tuple[int, ...]

    @property
    def size(self) -> int:
        """The number of elements."""
        count = 1
        for n in self.shape:
            count *= n
        return count

    @property
    def is_identity(self) -> bool:
        """Whether it is all of the root's memory, in order."""
        return self.offset == 0 and self.size == self.root.size and self.is_contiguous

    @property
    def is_contiguous(self) -> bool:
        """Whether the elements lie in a row in memory."""
        return not self.size or collapse(self.shape, self.strides) in ([], [(self.size, 1)])


def contiguous_strides(shape: Shape) -> tuple[int, ...]:
    """Strides, in elements, of rows after rows.

    >>> contiguous_strides((2, 3, 4))
    (12, 4, 1)
    """
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return tuple(reversed(strides))


def whole(value: Value) -> View:
    """The view of a value that is its own root."""
    return View(value, 0, value.shape, contiguous_strides(value.shape))


def collapse(shape: Shape, strides: tuple[int, ...]) -> list[tuple[int, int]]:
    """Join dimensions that one stride can walk; returns (size, stride), without sizes of 1.

    >>> collapse((2, 3, 4), (12, 4, 1)), collapse((2, 3), (1, 2)), collapse((5, 1, 4), (0, 9, 1))
    ([(24, 1)], [(2, 1), (3, 2)], [(5, 0), (4, 1)])
    """
    joined: list[tuple[int, int]] = []
    for n, stride in zip(shape, strides, strict=True):
        if n == 1:
            continue
        if joined and joined[-1][1] == stride * n:
            joined[-1] = (joined[-1][0] * n, stride)
        else:
            joined.append((n, stride))
    return joined


def broadcast(view: View, shape: Shape) -> tuple[int, ...]:
    """Strides with which the view is read by a loop over a larger shape."""
    lead = len(shape) - len(view.shape)
    own = [
        0 if n == 1 and m != 1 else stride
        for n, m, stride in zip(view.shape, shape[lead:], view.strides, strict=True)
    ]
    return (0,) * lead + tuple(own)


# ---- view operations ----

VIEWS = frozenset({"reshape", "permute", "matrix_transpose", "expand", "slice", "copy"})


def viewed(node: Node, source: View) -> View | None:
    """The view that a node gives of its input's root; None if elements must be moved for it."""
    name, attributes = node.op.name, node.attributes
    if name == "copy":
        return source
    if name == "expand":
        shape = attributes["shape"]
        return View(source.root, source.offset, shape, broadcast(source, shape))
    if name == "permute":
        return _permuted(source, attributes["dims"])
    if name == "matrix_transpose":
        rest = tuple(range(len(source.shape) - 2))
        return _permuted(source, (*rest, len(rest) + 1, len(rest)))
    if name == "slice":
        return _sliced(source, attributes["index"])
    return reshaped(source, attributes["shape"])


def _permuted(source: View, dims: tuple[int, ...]) -> View:
    shape = tuple(source.shape[d] for d in dims)
    return View(source.root, source.offset, shape, tuple(source.strides[d] for d in dims))


def _stand_in(source: View) -> Any:
    """A byte array with the same shape and strides, whose memory is never touched."""
    one = np.zeros(1, np.int8)
    return np.lib.stride_tricks.as_strided(one, source.shape, source.strides)


def _address(array: Any) -> int:
    return int(array.__array_interface__["data"][0])


def _sliced(source: View, index: Any) -> View:
    before = _stand_in(source)
    after = before[index]
    moved = _address(after) - _address(before) if after.size else 0
    return View(source.root, source.offset + moved, after.shape, after.strides)


def reshaped(source: View, shape: Shape) -> View | None:
    """The same elements in another shape, if strides can say it."""
    if source.is_contiguous:
        return View(source.root, source.offset, shape, contiguous_strides(shape))
    try:
        array = _stand_in(source).reshape(shape, copy=False)
    except (ValueError, TypeError):
        return None
    return View(source.root, source.offset, shape, array.strides)


# ---- indices in loops ----


@dataclass(frozen=True)
class Index:
    """Where a loop over rows r and columns c finds an element: Σ rows + inner · c + offset.

    Attributes:
        rows: (stride, divisor, size) of each part that depends on the row: the part's own index is
            r / divisor % size.
        inner: the step from column to column.
        offset: of the first element.
    """

    rows: tuple[tuple[int, int, int], ...]
    inner: int
    offset: int

    def row_text(self, row: str) -> str:
        """C for the part that stays the same along a row; "" if it is 0."""
        parts = [str(self.offset)] if self.offset else []
        for stride, divisor, size in self.rows:
            text = row if divisor == 1 else f"{row} / {divisor}"
            text = text if not size else f"{text} % {size}"
            text = f"({text})" if " " in text and stride != 1 else text
            parts.append(text if stride == 1 else f"{text} * {stride}")
        return " + ".join(parts)

    def text(self, row: str, column: str) -> str:
        """C for the whole index."""
        parts = [self.row_text(row)] if self.rows or self.offset else []
        if self.inner:
            parts.append(column if self.inner == 1 else f"{column} * {self.inner}")
        return " + ".join(parts) or "0"


def longest_row(shape: Shape, strides: tuple[int, ...]) -> int:
    """How many of the last elements one stride can walk; 0 for a single element (any number)."""
    dims = collapse(shape, strides)
    return dims[-1][0] if dims else 0


def index_of(shape: Shape, strides: tuple[int, ...], offset: int, columns: int) -> Index | None:
    """The index for a loop with so many columns; None if one stride cannot walk a row."""
    dims = collapse(shape, strides)
    inner = 0
    if columns > 1 and dims:
        size, stride = dims.pop()
        if size % columns:
            return None
        inner = stride
        if size > columns:
            dims.append((size // columns, stride * columns))
    rows, divisor = [], 1
    for place, (size, stride) in enumerate(reversed(dims)):
        first = place == len(dims) - 1
        if stride:
            rows.append((stride, divisor, 0 if first else size))
        divisor *= size
    return Index(tuple(reversed(rows)), inner, offset)
