"""Dimension arguments brought to one form: non-negative, in range, without repeats."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from streetlight.errors import ArgumentError, IndexOutOfRangeError, ShapeError, StreetlightError

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


def refused_index(x: Any, index: tuple[Any, ...]) -> StreetlightError:
    """Find out what is wrong with the parts of an index that NumPy refused, and say it."""
    got = {"input": x}
    parts = [np.asarray(part) if hasattr(part, "ndim") else part for part in index]
    taken = [0 if p is None or p is ... else p.ndim if _is_mask(p) else 1 for p in parts]
    if sum(taken) > x.ndim:
        return IndexOutOfRangeError(
            f"index: too many indices, {sum(taken)} for {x.ndim} dimensions", got=got
        )
    dim = 0
    for part, count in zip(parts, taken, strict=True):
        if part is ...:
            dim += x.ndim - sum(taken)
            continue
        if isinstance(part, slice):
            bounds = (part.start, part.stop, part.step)
            if part.step == 0 or not all(b is None or hasattr(b, "__index__") for b in bounds):
                return ArgumentError(
                    f"index: {part} is not a slice", expected="whole numbers, no step of 0", got=got
                )
        size = x.shape[dim] if dim < x.ndim else 0
        if _is_mask(part) and part.shape != tuple(x.shape[dim : dim + count]):
            return IndexOutOfRangeError(
                f"index: a mask of shape {part.shape} does not fit", got=got,
                expected=f"shape {tuple(x.shape[dim : dim + count])}, one bool for each element",
            )  # fmt: skip
        if count and not isinstance(part, slice) and not _is_mask(part):
            for number in np.asarray(part).reshape(-1):
                if not -size <= number < size:
                    return IndexOutOfRangeError(
                        f"index: index {number} is out of bounds in dimension {dim}", got=got,
                        expected=f"{-size} to {size - 1}" if size else "no index: the size is 0",
                    )  # fmt: skip
        dim += count
    return IndexOutOfRangeError(
        "index: the parts of the index do not go together", got=got | {"index": index},
        expected="whole numbers, and index tensors of shapes that can be broadcast",
    )  # fmt: skip


def _is_mask(part: Any) -> bool:
    return hasattr(part, "dtype") and part.dtype.kind == "b"
