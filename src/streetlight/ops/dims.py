"""Dimension arguments brought to one form: non-negative, in range, without repeats."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from streetlight.errors import ArgumentError, IndexOutOfRangeError, ShapeError

Dim = int | Sequence[int] | None


def one_dim(name: str, dim: int, ndim: int) -> int:
    """Return `dim` counted from the front.

    Raises:
        IndexOutOfRangeError: if there is no such dimension.
        ArgumentError: if it is not a whole number.

    >>> one_dim("sum", -1, 3)
    2
    """
    size = max(ndim, 1)  # a 0-d tensor takes 0 and -1, as in PyTorch
    try:
        place = operator.index(dim)
    except TypeError as error:
        raise ArgumentError(
            f"{name}: {dim!r} is not a dimension", expected="a whole number"
        ) from error
    if not -size <= place < size:
        raise IndexOutOfRangeError(
            f"{name}: there is no dimension {dim}",
            expected=f"-{size} to {size - 1}, because the tensor has {ndim} dimensions",
        )
    return place % size


def many_dims(name: str, dim: Dim, ndim: int) -> tuple[int, ...]:
    """Return a sorted tuple of dimensions; None and () stand for all of them.

    Raises:
        ArgumentError: if one is named twice.

    >>> many_dims("sum", (-1, 0), 3)
    (0, 2)
    """
    if dim is None:
        return tuple(range(ndim))
    if not isinstance(dim, (tuple, list)):
        return (one_dim(name, dim, ndim),)[:ndim]  # type: ignore[arg-type]
    dims = tuple(sorted(one_dim(name, d, ndim) for d in dim))
    if len(set(dims)) < len(dims):
        raise ArgumentError(f"{name}: a dimension is named twice in {tuple(dim)}")
    return dims if dims and ndim else tuple(range(ndim))


def reduced_shape(shape: tuple[int, ...], dims: Sequence[int], keepdim: bool) -> tuple[int, ...]:
    """Return the shape that is left when `dims` are reduced."""
    if keepdim:
        return tuple(1 if i in dims else size for i, size in enumerate(shape))
    return tuple(size for i, size in enumerate(shape) if i not in dims)


def as_shape(name: str, sizes: tuple[Any, ...]) -> tuple[int, ...]:
    """Return a shape given as `f(2, 3)` or `f((2, 3))`.

    Raises:
        ArgumentError: if a size is not a whole number.
    """
    given = sizes[0] if len(sizes) == 1 and isinstance(sizes[0], Sequence) else sizes
    try:
        return tuple(map(operator.index, given))
    except TypeError as error:
        raise ArgumentError(
            f"{name}: {tuple(given)} is not a shape", expected="whole numbers"
        ) from error


def fill_in_size(name: str, shape: tuple[int, ...], count: int) -> tuple[int, ...]:
    """Replace a -1 in a new shape by the size that is left over for `count` elements.

    Raises:
        ShapeError: if the elements do not fit the shape.

    >>> fill_in_size("reshape", (2, -1), 6)
    (2, 3)
    """
    known = 1
    for size in shape:
        known *= size if size != -1 else 1
    unknown = shape.count(-1)
    fits = known == count if unknown == 0 else known > 0 and count % known == 0
    if unknown > 1 or not fits or min(shape, default=0) < -1:
        raise ShapeError(
            f"{name}: {count} elements do not fit the shape {shape}",
            expected="sizes whose product is the number of elements; one may be -1",
        )
    return tuple(count // known if size == -1 else size for size in shape)
