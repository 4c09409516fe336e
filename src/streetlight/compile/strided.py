"""C for arrays with strides: how an element is named, loops over a shape, copies.

The lines have no indent; whoever puts them together sets it by their braces.

Example: a (4, 3) matrix x that is read transposed is `Array("x", float32, (3, 4), (1, 3))`, its
element (i0, i1) is `x[i0 + i1 * 3]`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from streetlight.compile.access import View, broadcast, collapse, contiguous_strides, viewed
from streetlight.compile.c_text import literal, memory_type
from streetlight.dtypes import DType
from streetlight.graph.graph import Node, Value
from streetlight.ops.registry import Op, Shape

Lines = list[str]
Body = Callable[..., Lines]


@dataclass(frozen=True)
class Array:
    """How a kernel sees one operand.

    Attributes:
        pointer: C of a pointer to memory.
        dtype: what lies there.
        shape: the sizes.
        strides: the steps along the dimensions, in elements.
        offset: where in the memory element 0 lies.
    """

    pointer: str
    dtype: DType
    shape: Shape
    strides: tuple[int, ...]
    offset: int = 0

    def at(self, *indices: str) -> str:
        """C of the element with these indices, one for each dimension.

        >>> import numpy as np
        >>> Array("x", np.dtype("float32"), (2, 1, 3), (3, 3, -1), 2).at("i0", "0", "i2")
        'x[i0 * 3 + 2 - i2]'
        """
        steps = [p for p in zip(indices, self.strides, strict=True) if p[0] != "0" and p[1]]
        forward = [_times(index, step) for index, step in steps if step > 0]
        backward = [_times(index, -step) for index, step in steps if step < 0]
        offset = [str(self.offset)] if self.offset else []
        text = " - ".join([" + ".join([*forward, *offset]) or "0", *backward])
        return f"{self.pointer}[{text}]"

    @property
    def size(self) -> int:
        """The number of elements."""
        return prod(self.shape)

    @property
    def is_contiguous(self) -> bool:
        """Whether the elements lie in a row in memory."""
        return not self.size or collapse(self.shape, self.strides) in ([], [(self.size, 1)])

    def start(self) -> str:
        """C of a pointer to element 0."""
        return f"{self.pointer} + {self.offset}" if self.offset else self.pointer

    def expanded(self, shape: Shape) -> Array:
        """Repeated to a larger shape."""
        return replace(self, shape=shape, strides=broadcast(self._view(), shape))

    def viewed(self, op: Op, attributes: dict[str, Any]) -> Array:
        """What a view operation shows of it; reshape only of what lies in a row."""
        node = Node(op, (), attributes, Value("", (), self.dtype))
        view = viewed(node, self._view())
        if view is None:
            raise ValueError(f"{op.name} of strides {self.strides} is not a view")
        return replace(self, shape=view.shape, strides=view.strides, offset=view.offset)

    def part(self, dim: int, start: int, size: int) -> Array:
        """The part of `size` elements from `start` along a dimension."""
        shape = (*self.shape[:dim], size, *self.shape[dim + 1 :])
        return replace(self, shape=shape, offset=self.offset + start * self.strides[dim])

    def flipped(self, dim: int) -> Array:
        """With the order along a dimension turned round."""
        strides = (*self.strides[:dim], -self.strides[dim], *self.strides[dim + 1 :])
        return replace(self.part(dim, self.shape[dim] - 1, self.shape[dim]), strides=strides)

    def _view(self) -> View:
        root = Value(self.pointer, self.shape, self.dtype)
        return View(root, self.offset, self.shape, self.strides)


def _times(index: str, step: int) -> str:
    return index if step == 1 else f"{index} * {step}"


def contiguous(array: Array, shape: Shape) -> Array:
    """An array that lies in a row, in another shape of as many elements."""
    return replace(array, shape=shape, strides=contiguous_strides(shape))


def joined(*arrays: Array) -> list[Array]:
    """Arrays of one shape with dimensions joined that one stride can walk in all of them."""
    dims: list[tuple[int, tuple[int, ...]]] = []
    for size, *steps in zip(arrays[0].shape, *(a.strides for a in arrays), strict=True):
        before = dims[-1] if dims else None
        if size == 1:
            continue
        if before and before[1] == tuple(step * size for step in steps):
            dims[-1] = (before[0] * size, tuple(steps))
        else:
            dims.append((size, tuple(steps)))
    shape = tuple(size for size, _ in dims)
    return [
        replace(array, shape=shape, strides=tuple(steps[i] for _, steps in dims))
        for i, array in enumerate(arrays)
    ]


def loops(shape: Shape, body: Body, letter: str = "i") -> Lines:
    """Loops around the lines that `body(*indices)` gives; a size of 1 needs none.

    >>> loops((2, 1), lambda i, j: [f"y[{i}] = {j};"])
    ['for (int64_t i0 = 0; i0 < 2; i0++) {', 'y[i0] = 0;', '}']
    """
    indices = ["0" if n == 1 else f"{letter}{d}" for d, n in enumerate(shape)]
    heads = [
        f"for (int64_t {i} = 0; {i} < {n}; {i}++) {{"
        for i, n in zip(indices, shape, strict=True)
        if n != 1
    ]
    return [*heads, *body(*indices), *["}"] * len(heads)]


def each(body: Callable[..., str], *arrays: Array) -> Lines:
    """One line for the elements, at the same place, of arrays of one shape."""
    arrays = tuple(joined(*arrays))
    return loops(arrays[0].shape, lambda *i: [body(*(array.at(*i) for array in arrays))])


def copied(source: Array, target: Array) -> Lines:
    """Copy an array to another of the same shape."""
    if source.is_contiguous and target.is_contiguous:
        size = f"{target.size} * sizeof({memory_type(target.dtype)})"
        return [f"memcpy({target.start()}, {source.start()}, {size});"]
    return each(lambda x, y: f"{y} = {x};", source, target)


def filled(target: Array, number: Any) -> Lines:
    """Set all elements to a Python number."""
    text = literal(number, target.dtype)
    if target.is_contiguous and number == 0:
        return [
            f"memset({target.start()}, 0, {target.size} * sizeof({memory_type(target.dtype)}));"
        ]
    return each(lambda y: f"{y} = {text};", target)


def assigned(value: Array | bool | int | float, target: Array) -> Lines:
    """Copy an array, repeated to the target's shape, or a number."""
    if isinstance(value, Array):
        return copied(value.expanded(target.shape), target)
    return filled(target, value)


def widened(text: str, dtype: DType) -> str:
    """An element as it is computed with: half floats as float."""
    return f"(float){text}" if dtype.name == "float16" else text


def operand(value: Array | bool | int | float, shape: Shape, dtype: DType) -> Callable[..., str]:
    """A function from indices of a shape to C of an operand's element, a number's literal."""
    if isinstance(value, Array):
        return value.expanded(shape).at
    return lambda *_: literal(value, dtype)
