"""Operations that are made of other operations, and the indices of what is not zero."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from streetlight.devices import module_of
from streetlight.errors import ArgumentError, ShapeError
from streetlight.ops.dims import as_shape, one_dim
from streetlight.ops.elementwise import abs, eq, floor, neg
from streetlight.ops.indexing import getitem
from streetlight.ops.linalg import matmul
from streetlight.ops.movement import copy, expand, reshape
from streetlight.ops.registry import Value

if TYPE_CHECKING:
    from streetlight.tensor import Tensor

__all__ = [
    "bmm", "ceil", "expand_as", "isinf", "mm", "nonzero", "repeat", "square", "unbind",
]  # fmt: skip


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """Product of two matrices: matmul without batches, refused with a ShapeError."""
    return _product("mm", input, mat2, 2)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Products of the matrices of two batches, (b, n, m) and (b, m, p); nothing is broadcast."""
    return _product("bmm", input, mat2, 3)


def _product(name: str, input: Tensor, mat2: Tensor, ndim: int) -> Tensor:
    if not input.ndim == mat2.ndim == ndim or input.shape[:-2] != mat2.shape[:-2]:
        raise ShapeError(
            f"{name}: {tuple(input.shape)} and {tuple(mat2.shape)} cannot be multiplied",
            expected="two matrices" if ndim == 2 else "two batches of as many matrices",
            fix="use matmul (@), which takes other shapes too",
        )
    return matmul(input, mat2)


def square(input: Tensor) -> Tensor:
    """Square of each element, x²."""
    return input * input


def ceil(input: Tensor) -> Tensor:
    """The smallest whole number that is not below x."""
    return neg(floor(neg(input))) if input.dtype.kind == "f" else floor(input)


def isinf(input: Tensor) -> Tensor:
    """Whether x is ∞ or −∞."""
    return eq(abs(input), math.inf)


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """Repeat dimensions of size 1 without copying, up to the shape of another tensor."""
    return expand(input, tuple(other.shape))


def repeat(input: Tensor, *sizes: Any) -> Tensor:
    """Lay copies side by side: `sizes` says how many along each dimension."""
    times = as_shape("repeat", sizes)
    if len(times) < input.ndim or min(times, default=0) < 0:
        raise ArgumentError(
            f"repeat: {times} does not suit {input.ndim} dimensions",
            expected="a number >= 0 for each dimension, more for new dimensions in front",
        )
    own = (1,) * (len(times) - input.ndim) + tuple(input.shape)
    apart = reshape(copy(input), [n for size in own for n in (1, size)])
    pairs = list(zip(times, own, strict=True))
    return reshape(expand(apart, [n for pair in pairs for n in pair]), [a * b for a, b in pairs])


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """All slices along a dimension, without it."""
    if not input.ndim:
        raise ShapeError("unbind: a 0-d tensor has no slices", fix="x.reshape(1)")
    before = (slice(None),) * one_dim("unbind", dim, input.ndim)
    return tuple(getitem(input, (*before, i)) for i in range(input.shape[len(before)]))


def nonzero(input: Tensor) -> Tensor:
    """Where the elements that are not zero lie: one row of indices for each; no gradient."""
    data = input._data
    xp = module_of(data)
    rows = xp.argwhere(data) if data.ndim else xp.zeros((int(bool(data)), 0), "int64")
    result: Tensor = Value.wrap(xp.asarray(rows, dtype="int64", order="C"))
    return result
