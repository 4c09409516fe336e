"""Operations that move elements without computing: shapes, orders, slices, padding, joining."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from streetlight import dtypes
from streetlight.devices import Array
from streetlight.errors import ArgumentError, DTypeError, IndexOutOfRangeError, ShapeError
from streetlight.ops.dims import as_shape, fill_in_size, many_dims, one_dim, refused_index
from streetlight.ops.registry import (
    ErrorSample,
    Op,
    Sample,
    Shape,
    Value,
    cast,
    primitive,
    shape_of,
)
from streetlight.ops.samples import calls, numbers

if TYPE_CHECKING:
    from streetlight.tensor import Tensor

__all__ = [
    "cat", "chunk", "expand", "flatten", "flip", "narrow", "pad", "permute", "reshape", "split",
    "squeeze", "stack", "transpose", "unsqueeze",
]  # fmt: skip

Index = tuple[Any, ...]  # of int, slice, None and Ellipsis


def _reshaped(x: Any, shape: Shape) -> Shape:
    if math.prod(shape) != math.prod(x.shape):
        raise ShapeError(
            f"reshape: {math.prod(x.shape)} elements do not fit the shape {shape}", got={"input": x}
        )
    return shape


@primitive(
    shape=_reshaped, view=True,
    vjp=[lambda g, out, x, shape: _reshape(g, shape=x.shape)], algebra="{0}", onnx="Reshape",
    samples=calls(((numbers(2, 3),), {"shape": (3, 2)}), ((numbers(4),), {"shape": (2, 1, 2)}),
                  ((numbers(),), {"shape": (1, 1)}), ((numbers(0, 3),), {"shape": (3, 0)})),
    error_samples=lambda: [ErrorSample((numbers(2, 3),), {"shape": (4,)}, ShapeError,
                                       "reshape: 6 elements do not fit the shape")],
)  # fmt: skip
def _reshape(xp: Any, x: Array, shape: Shape) -> Array:
    return x.reshape(shape)


@primitive(
    shape=lambda x, dims: tuple(x.shape[d] for d in dims), view=True,
    vjp=[lambda g, out, x, dims: _permute(g, dims=tuple(map(int, np.argsort(dims))))],
    algebra="{0}ᵀ", onnx="Transpose",
    samples=calls(((numbers(2, 3),), {"dims": (1, 0)}), ((numbers(2, 3, 4),), {"dims": (2, 0, 1)})),
)  # fmt: skip
def _permute(xp: Any, x: Array, dims: tuple[int, ...]) -> Array:
    return x.transpose(dims)


@functools.partial(Op, shape=lambda x: (*x.shape[:-2], x.shape[-1], x.shape[-2]), view=True,
                   vjp=[lambda g, out, x: matrix_transpose(g)], algebra="{0}ᵀ", onnx="Transpose",
                   samples=calls(((numbers(2, 3),), {}), ((numbers(2, 1, 3),), {})))  # fmt: skip
def matrix_transpose(xp: Any, x: Array) -> Array:
    """Swap the last two dimensions."""
    return x.swapaxes(-1, -2)


def _expanded(x: Any, shape: Shape) -> Shape:
    own = shape_of(x)
    fits = (
        min(shape, default=0) >= 0
        and len(own) <= len(shape)
        and all(a in (1, b) for a, b in zip(own[::-1], shape[::-1], strict=False))
    )
    if not fits:
        raise ShapeError(
            f"expand: {own} cannot be repeated to {shape}",
            expected="each size equal to the new one, or 1",
            got={"input": x},
        )
    return shape


@primitive(
    shape=_expanded, view=True, vjp=[lambda g, out, x, shape: g], algebra="{0}", onnx="Expand",
    samples=calls(((numbers(2, 1),), {"shape": (2, 3)}), ((numbers(3),), {"shape": (2, 3)}),
                  ((numbers(),), {"shape": (2,)}), ((numbers(0, 1),), {"shape": (0, 3)})),
    error_samples=lambda: [ErrorSample((numbers(2, 3),), {"shape": (2, 4)}, ShapeError,
                                       "cannot be repeated to")],
)  # fmt: skip
def _expand(xp: Any, x: Array, shape: Shape) -> Array:
    if xp is not np or not x.flags.c_contiguous or not x.size:
        return xp.broadcast_to(x, shape)
    repeated = tuple([0 if n == 1 else s for n, s in zip(x.shape, x.strides, strict=True)])
    strides = (0,) * (len(shape) - x.ndim) + repeated
    if any(n not in (1, m) for n, m in zip(x.shape[::-1], shape[::-1], strict=False)):
        raise ValueError("the sizes do not fit")
    return np.ndarray(shape, x.dtype, x, 0, strides)  # nine times faster than broadcast_to


@primitive(
    shape=lambda x, dims: x.shape, vjp=[lambda g, out, x, dims: _flip(g, dims=dims)],
    algebra="flip {0}",
    samples=calls(((numbers(2, 3),), {"dims": (0,)}), ((numbers(2, 3),), {"dims": (0, 1)})),
)  # fmt: skip
def _flip(xp: Any, x: Array, dims: tuple[int, ...]) -> Array:
    return xp.flip(x, dims).copy()


@primitive(shape=lambda x: x.shape, vjp=[lambda g, out, x: g], algebra="{0}", onnx="Identity",
           samples=calls(((numbers(2, 3),), {})))  # fmt: skip
def copy(xp: Any, x: Array) -> Array:
    """A copy with memory of its own."""
    return x.copy()


def _sliced(x: Any, index: Index) -> Shape:
    try:
        return np.broadcast_to(0, shape_of(x))[index].shape
    except (IndexError, ValueError, TypeError) as error:
        raise refused_index(x, index) from error


@primitive(
    shape=_sliced, view=True,
    vjp=[lambda g, out, x, index: _unslice(g, shape=x.shape, index=index)],
    algebra="{0}[…]", onnx="Slice",
    samples=calls(((numbers(4, 3),), {"index": (slice(1, 4, 2), ...)}),
                  ((numbers(4, 3),), {"index": (-1, ...)}),
                  ((numbers(4, 3),), {"index": (..., None, slice(None, None, -1))}),
                  ((numbers(3),), {"index": (slice(0, 0), ...)})),
    error_samples=lambda: [ErrorSample((numbers(2, 3),), {"index": (2, ...)}, IndexOutOfRangeError,
                                       "index 2 is out of bounds")],
)  # fmt: skip
def _slice(xp: Any, x: Array, index: Index) -> Array:
    return x[index]


@primitive(
    shape=lambda x, shape, index: shape,
    vjp=[lambda g, out, x, shape, index: _slice(g, index=index)], algebra="unslice {0}",
    samples=calls(((numbers(2, 3),), {"shape": (4, 3), "index": (slice(1, 4, 2), ...)}),
                  ((numbers(3),), {"shape": (2, 3), "index": (1, ...)})),
)  # fmt: skip
def _unslice(xp: Any, x: Array, shape: Shape, index: Index) -> Array:
    out = xp.zeros(shape, x.dtype)
    out[index] = x
    return out


@primitive(
    shape=lambda x, value, view, attributes: x.shape,
    vjp=[
        lambda g, out, x, value, view, attributes: assign(g, 0.0, view=view, attributes=attributes),
        lambda g, out, x, value, view, attributes: view(g, **attributes),
    ],
    algebra="{0} with {1}",
    samples=lambda: [
        Sample((numbers(2, 3), numbers(3, seed=1)),
               {"view": _slice, "attributes": {"index": (0, ...)}}),
        Sample((numbers(2, 3), numbers(1, seed=1)),
               {"view": _permute, "attributes": {"dims": (1, 0)}}),
    ],
)  # fmt: skip
def assign(xp: Any, x: Array, value: Array, view: Op, attributes: dict[str, Any]) -> Array:
    """A copy of x in which the part seen by a view operation is replaced by `value`."""
    out = x.copy()
    view.forward(xp, out, **attributes)[...] = value
    return out


@primitive(
    shape=lambda x, widths, value: tuple(
        n + a + b for n, (a, b) in zip(x.shape, widths, strict=True)
    ),
    vjp=[lambda g, out, x, widths, value: _slice(
        g, index=tuple(slice(a, a + n) for n, (a, _) in zip(x.shape, widths, strict=True)))],
    algebra="pad {0}", onnx="Pad",
    samples=calls(((numbers(2, 3),), {"widths": ((1, 0), (0, 2)), "value": 0.0}),
                  ((numbers(3),), {"widths": ((2, 1),), "value": -1.5}),
                  ((numbers(),), {"widths": (), "value": 1.0})),
)  # fmt: skip
def _pad(xp: Any, x: Array, widths: tuple[tuple[int, int], ...], value: float) -> Array:
    padded = xp.pad(x, widths, constant_values=value) if x.ndim else x.copy()
    return xp.asarray(padded, order="C")


def _joined(*tensors: Any, dim: int, sizes: tuple[int, ...]) -> Shape:
    first = tensors[0].shape
    for tensor in tensors:
        if tensor.shape[:dim] + tensor.shape[dim + 1 :] != first[:dim] + first[dim + 1 :]:
            words = f"cat: shapes {tuple(first)} and {tuple(tensor.shape)} cannot be joined"
            raise ShapeError(words, expected=f"equal sizes in all dimensions but {dim}")
    return (*first[:dim], builtin_sum(sizes), *first[dim + 1 :])


builtin_sum: Callable[..., int] = sum


@primitive(
    shape=_joined, variadic=True,
    vjp=[lambda g, out, place, dim, sizes: narrow(g, dim, builtin_sum(sizes[:place]),
                                                  sizes[place])],
    algebra="[{0}, {1}]", onnx="Concat",
    samples=calls(((numbers(2, 3), numbers(1, 3)), {"dim": 0, "sizes": (2, 1)}),
                  ((numbers(2, 1), numbers(2, 3), numbers(2, 0)), {"dim": 1, "sizes": (1, 3, 0)})),
    error_samples=lambda: [ErrorSample((numbers(2, 3), numbers(2, 4)), {"dim": 0, "sizes": (2, 2)},
                                       ShapeError, "cat: shapes (2, 3) and (2, 4) cannot be")],
)  # fmt: skip
def _cat(xp: Any, *tensors: Array, dim: int, sizes: tuple[int, ...]) -> Array:
    return xp.asarray(xp.concatenate(tensors, axis=dim), order="C")


# ---- the public functions ----


def reshape(input: Tensor, *shape: Any) -> Tensor:
    """The same elements, row by row, in another shape; one size may be -1.

    It shares memory where that is possible, and copies where PyTorch's `view` would refuse.
    """
    wanted = as_shape("reshape", shape)
    count = math.prod(input.shape)
    return _reshape(input, shape=fill_in_size("reshape", wanted, count))


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Join the dimensions from start_dim to end_dim into one."""
    start, end = (one_dim("flatten", d, input.ndim) for d in (start_dim, end_dim))
    if input.ndim == 0:
        return reshape(input, 1)
    if start > end:
        raise ArgumentError(f"flatten: start_dim {start_dim} lies behind end_dim {end_dim}")
    joined = math.prod(input.shape[start : end + 1])
    return _reshape(input, shape=(*input.shape[:start], joined, *input.shape[end + 1 :]))


def permute(input: Tensor, *dims: Any) -> Tensor:
    """The same elements with the dimensions in another order."""
    order = tuple(one_dim("permute", d, input.ndim) for d in as_shape("permute", dims))
    if len(order) != input.ndim or len(set(order)) != len(order):
        raise ArgumentError(
            f"permute: {order} is not an order of {input.ndim} dimensions", got={"input": input},
            expected="each dimension once",
        )  # fmt: skip
    return _permute(input, dims=order)


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Swap two dimensions."""
    first, second = (one_dim("transpose", d, input.ndim) for d in (dim0, dim1))
    order = list(range(input.ndim))
    if order:
        order[first], order[second] = second, first
    return _permute(input, dims=tuple(order))


def squeeze(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """Leave out dimensions of size 1: all, or those named that are."""
    dims = () if isinstance(dim, tuple) and not dim else many_dims("squeeze", dim, input.ndim)
    shape = tuple(n for i, n in enumerate(input.shape) if n != 1 or i not in dims)
    return _reshape(input, shape=shape)


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """Put in a dimension of size 1."""
    place = one_dim("unsqueeze", dim, input.ndim + 1)
    return _reshape(input, shape=(*input.shape[:place], 1, *input.shape[place:]))


def expand(input: Tensor, *shape: Any) -> Tensor:
    """Repeat dimensions of size 1 without copying; -1 keeps a size."""
    wanted = as_shape("expand", shape)
    own = (-1,) * (len(wanted) - input.ndim) + tuple(input.shape)
    if -1 in wanted:
        wanted = tuple(o if w == -1 else w for w, o in zip(wanted, own, strict=False))
    return _expand(input, shape=wanted)


def flip(input: Tensor, *dims: Any) -> Tensor:
    """Turn the order of elements round along dimensions."""
    given = as_shape("flip", dims)
    return _flip(input, dims=many_dims("flip", given, input.ndim) if given else ())


def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """The part of `length` elements from `start` along a dimension.

    Raises:
        IndexOutOfRangeError: if the dimension is not as long.
    """
    place = one_dim("narrow", dim, input.ndim)
    size = input.shape[place] if input.ndim else 0
    first = start + size if start < 0 else start
    if length < 0 or not 0 <= first <= first + length <= size:
        words = f"narrow: {length} elements from {start} do not lie within 0 to {size - 1}"
        raise IndexOutOfRangeError(words, got={"input": input, "dim": dim})
    return _slice(input, index=(slice(None),) * place + (slice(first, first + length), ...))


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float = 0.0) -> Tensor:
    """Put a border of `value` around; `pad` counts from the last dimension: (left, right, top, …).

    Raises:
        ArgumentError: for an odd number of widths, negative ones, or another mode.
    """
    pairs = list(zip(pad[::2], pad[1::2], strict=False))
    if len(pad) % 2 or len(pairs) > input.ndim or min(pad, default=0) < 0 or mode != "constant":
        raise ArgumentError(
            f"pad: {tuple(pad)} with mode {mode!r} does not suit {input.ndim} dimensions",
            expected='two widths >= 0 for each dimension, from the last, and mode "constant"',
        )
    widths = ((0, 0),) * (input.ndim - len(pairs)) + tuple(pairs[::-1])
    return _pad(input, widths=widths, value=value)


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Join tensors along a dimension that is there already.

    A vector of no elements fits everywhere and adds nothing, as in PyTorch.
    """
    _check_tensors("cat", tensors)
    target = functools.reduce(dtypes.promote_types, (t.dtype for t in tensors))
    tensors = [t for t in tensors if t.shape != (0,)] or tensors
    place = one_dim("cat", dim, tensors[0].ndim)
    if any(t.ndim != tensors[0].ndim or t.ndim == 0 for t in tensors):
        raise ShapeError(
            "cat: the tensors have different numbers of dimensions, or none",
            got={f"input {i}": t for i, t in enumerate(tensors)},
            fix="use stack to join along a new dimension",
        )
    parts = [t if t.dtype == target else cast(t, dtype=target) for t in tensors]
    return _cat(*parts, dim=place, sizes=tuple(t.shape[place] for t in tensors))


def _check_tensors(name: str, tensors: Sequence[Tensor]) -> None:
    if len(tensors) == 0:
        raise ArgumentError(f"{name}: there is nothing to join", expected="at least one tensor")
    for tensor in tensors:
        if not isinstance(tensor, Value):
            words = f"{name}: {tensor!r} is not a tensor"
            raise DTypeError(words, expected="tensors", fix="sl.tensor(...)")


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Join tensors of one shape along a new dimension."""
    _check_tensors("stack", tensors)
    shape = tensors[0].shape
    for tensor in tensors:
        if tensor.shape != shape:
            raise ShapeError(
                f"stack: shapes {shape} and {tensor.shape} differ",
                expected="one shape for all",
                fix="use cat to join along a dimension that is there",
            )
    place = one_dim("stack", dim, len(shape) + 1)
    return cat([unsqueeze(t, place) for t in tensors], place)


def _size_to_cut(name: str, input: Tensor, dim: int) -> int:
    if not input.ndim:
        raise ShapeError(f"{name}: a 0-d tensor cannot be cut", fix="x.reshape(1)")
    return input.shape[one_dim(name, dim, input.ndim)]


def split(input: Tensor, split_size: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Cut into parts of `split_size` (the last may be smaller) or of the sizes given."""
    size = _size_to_cut("split", input, dim)
    if isinstance(split_size, Sequence):
        sizes = list(split_size)
    else:
        step = max(split_size, 1)
        sizes = [min(step, size - start) for start in range(0, size, step)] or [0]
        sizes = sizes if split_size == step or not size else [split_size]
    if builtin_sum(sizes) != size or min(sizes, default=0) < 0:
        raise ArgumentError(f"split: sizes {split_size} do not make up {size}")
    starts = [builtin_sum(sizes[:i]) for i in range(len(sizes))]
    return tuple(narrow(input, dim, a, n) for a, n in zip(starts, sizes, strict=True))


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Cut into `chunks` parts of equal size, the last perhaps smaller."""
    if not isinstance(chunks, int) or chunks < 1:
        raise ArgumentError(f"chunk: {chunks} parts cannot be made", expected="1 or more")
    size = _size_to_cut("chunk", input, dim)
    return split(input, -(-size // chunks) or [0] * chunks, dim)
