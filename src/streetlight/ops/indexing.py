"""Operations that choose elements by number or by mask, and their adjoints that add them back."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from streetlight.devices import Array
from streetlight.errors import ArgumentError, DTypeError, IndexOutOfRangeError, ShapeError
from streetlight.ops.dims import one_dim, refused_index
from streetlight.ops.elementwise import where
from streetlight.ops.movement import _slice, copy, expand, narrow, reshape
from streetlight.ops.reduce import ValuesAndIndices
from streetlight.ops.registry import (
    ErrorSample,
    Sample,
    Shape,
    Value,
    broadcast_shape,
    cast,
    context,
    primitive,
    shape_of,
)
from streetlight.ops.samples import numbers

if TYPE_CHECKING:
    from streetlight.tensor import Tensor

__all__ = [
    "argsort", "gather", "index_select", "masked_fill", "masked_select", "scatter_add", "sort",
    "topk",
]  # fmt: skip

HERE = "tensor"  # stands in an index for the place of the next index tensor


def _along(xp: Any, index: Array, dim: int, ndim: int) -> tuple[Array, ...]:
    """The NumPy index that picks `index` along `dim` and walks all other dimensions."""
    if index.ndim != ndim or index.dtype.kind not in "iu":
        raise ValueError("the index does not fit")
    if index.size and index.min() < 0:
        raise IndexError("a wrong label must not count from the end")
    places = [
        xp.arange(n).reshape((1,) * d + (n,) + (1,) * (ndim - d - 1))
        for d, n in enumerate(index.shape)
    ]
    places[dim : dim + 1] = [index] if ndim else []
    return tuple(places)


def _gathered(x: Any, index: Any, dim: int, name: str = "gather") -> Shape:
    if index.dtype.kind not in "iu":
        raise DTypeError(
            f"{name}: the index is {index.dtype}", expected="integers", fix="index.long()"
        )
    fits = index.ndim == x.ndim and all(
        i <= n for d, (i, n) in enumerate(zip(index.shape, x.shape, strict=True)) if d != dim
    )
    if not fits:
        raise ShapeError(
            f"{name}: the index does not fit the input",
            expected=f"as many dimensions, and no size larger, but in dimension {dim}",
            got={"input": x, "index": index},
        )
    _check_range(name, x, index, dim)
    return tuple(index.shape)


def _check_range(name: str, x: Any, index: Any, dim: int) -> Any:
    """Return the index; refuse numbers that are negative or too large, once they are known."""
    size = x.shape[dim] if x.ndim else 1
    data = getattr(index, "_data", None)
    if context.tracing:
        return index if data is None else in_range(index, size=size)
    if data is not None and data.size and not 0 <= data.min() <= data.max() < size:
        wrong = data.min() if data.min() < 0 else data.max()
        raise IndexOutOfRangeError(
            f"{name}: index {wrong} is out of bounds in dimension {dim}",
            expected=f"0 to {size - 1}", got={"input": x, "index": index},
        )  # fmt: skip
    return index


def _index_samples() -> list[Sample]:
    rows = np.array([[2], [0]])
    both = np.array([[0, 1, 0], [1, 1, 0]])
    return [
        Sample((numbers(2, 3), rows), {"dim": 1}),
        Sample((numbers(2, 3), both), {"dim": 0}),
        Sample((numbers(4), np.array([3, 3, 1])), {"dim": 0}),
    ]


@primitive(
    shape=_gathered, saves="index",
    vjp=[lambda g, out, x, index, dim: _scatter_add(g, index, dim=dim, shape=x.shape), None],
    algebra="{0}[{1}]", onnx="GatherElements", samples=_index_samples,
    error_samples=lambda: [
        ErrorSample((numbers(2, 3), np.array([[3]])), {"dim": 1}, IndexOutOfRangeError,
                    "gather: index 3 is out of bounds in dimension 1"),
        ErrorSample((numbers(2, 3), np.array([[-1]])), {"dim": 1}, IndexOutOfRangeError,
                    "gather: index -1 is out of bounds in dimension 1"),
        ErrorSample((numbers(2, 3), np.array([1])), {"dim": 1}, ShapeError,
                    "gather: the index does not fit"),
        ErrorSample((numbers(2, 3), numbers(2, 1)), {"dim": 1}, DTypeError,
                    "gather: the index is float64"),
    ],
)  # fmt: skip
def _gather(xp: Any, x: Array, index: Array, dim: int) -> Array:
    return xp.asarray(x[_along(xp, index, dim, x.ndim)], order="C")


@primitive(
    shape=lambda src, index, dim, shape: shape, saves="index",
    vjp=[lambda g, out, src, index, dim, shape: _gather(g, index, dim=dim), None],
    algebra="scatter-add {0}", onnx="ScatterElements",
    samples=lambda: [
        Sample((numbers(*s.inputs[1].shape), s.inputs[1]),
               {**s.attributes, "shape": s.inputs[0].shape}) for s in _index_samples()
    ],
)  # fmt: skip
def _scatter_add(xp: Any, src: Array, index: Array, dim: int, shape: Shape) -> Array:
    out = xp.zeros(shape, src.dtype)
    places = _along(xp, index, dim, len(shape))
    if index.size and index.max() >= (shape or (1,))[dim]:
        raise IndexError("an index must not reach into the next row")
    steps = zip(places, [stride // out.itemsize for stride in out.strides], strict=True)
    flat = sum(xp.multiply(at, step, dtype=np.int64) if step > 1 else at for at, step in steps)
    xp.add.at(out.reshape(-1), xp.reshape(flat, -1), src.reshape(-1))  # far faster than by rows
    return out


@primitive(
    shape=lambda index, size: index.shape, algebra="{0}",
    samples=lambda: [Sample((np.array([[2, 0], [1, 2]]),), {"size": 3}),
                     Sample((np.zeros(0, dtype=np.int64),), {"size": 0})],
    error_samples=lambda: [
        ErrorSample((np.array([0, 3]),), {"size": 3}, IndexOutOfRangeError,
                    "in_range: 0 to 3 is not within 0 to 2"),
        ErrorSample((np.array([-1, 0]),), {"size": 3}, IndexOutOfRangeError,
                    "in_range: -1 to 0 is not within 0 to 2"),
    ],
)  # fmt: skip
def in_range(xp: Any, index: Array, size: int) -> Array:
    """The index, once it is sure that all of it lies from 0 to size − 1."""
    if index.size and not (index.min() >= 0 and index.max() < size):
        raise IndexError(f"{index.min()} to {index.max()} is not within 0 to {size - 1}")
    return index.copy()


def _filled(index: tuple[Any, ...], arrays: tuple[Any, ...]) -> tuple[Any, ...]:
    """Put the index arrays into their places."""
    rest = iter(arrays)
    return tuple(next(rest) if part is HERE else part for part in index)


def _picked(x: Any, *arrays: Any, index: tuple[Any, ...]) -> Shape:
    plain = tuple(np.asarray(a._data if isinstance(a, Value) else a) for a in arrays)
    filled = _filled(index, plain)
    try:
        return np.broadcast_to(0, x.shape)[filled].shape
    except (IndexError, ValueError, TypeError) as error:
        raise refused_index(x, filled) from error


def _put_shape(x: Any, value: Any, *arrays: Any, index: tuple[Any, ...]) -> Shape:
    chosen = _picked(x, *arrays, index=index)
    given = shape_of(value)
    if any(n not in (1, m) for n, m in zip(given[::-1], chosen[::-1], strict=False)):
        words = f"index: a value of shape {given} does not fit the chosen elements, {chosen}"
        raise ShapeError(words, got={"input": x, "value": value})
    return shape_of(x)


def _pick_samples() -> list[Sample]:
    return [
        Sample((numbers(4, 3), np.array([3, 0, 3])), {"index": (HERE,)}),
        Sample((numbers(4, 3), np.array([[1, 2]])), {"index": (slice(1, 3), HERE)}),
        Sample((numbers(4, 3), np.array([0, 1]), np.array([2, 2])), {"index": (HERE, HERE)}),
        Sample((numbers(2, 3), numbers(2, 3) > 0), {"index": (HERE,)}),
    ]


@primitive(
    shape=_picked, saves="arrays",
    vjp=[lambda g, out, x, *arrays, index: _unpick(g, *arrays, index=index, shape=x.shape)],
    algebra="{0}[…]", onnx="GatherND", samples=_pick_samples,
    error_samples=lambda: [ErrorSample((numbers(2, 3), np.array([5])), {"index": (HERE,)},
                                       IndexOutOfRangeError, "index 5 is out of bounds")],
)  # fmt: skip
def _pick(xp: Any, x: Array, *arrays: Array, index: tuple[Any, ...]) -> Array:
    return xp.asarray(x[_filled(index, arrays)], order="C")  # NumPy may lay it out otherwise


@primitive(
    shape=lambda g, *arrays, index, shape: shape, saves="arrays",
    vjp=[lambda g, out, x, *arrays, index, shape: _pick(g, *arrays, index=index)],
    algebra="unpick {0}", onnx="ScatterND",
    samples=lambda: [
        Sample((numbers(*s.inputs[0][_filled(s.attributes["index"], s.inputs[1:])].shape),
                *s.inputs[1:]), {**s.attributes, "shape": s.inputs[0].shape})
        for s in _pick_samples()
    ],
)  # fmt: skip
def _unpick(xp: Any, x: Array, *arrays: Array, index: tuple[Any, ...], shape: Shape) -> Array:
    out = xp.zeros(shape, x.dtype)
    if len(index) == 1 and arrays[0].dtype.kind in "iu" and len(shape) > 1:
        # adding to single elements is far faster than adding to rows
        row = math.prod(shape[1:])
        places = (arrays[0] % shape[0]).reshape(-1, 1) * row + xp.arange(row)
        xp.add.at(out.reshape(-1), places.reshape(-1), x.reshape(-1))
    else:
        xp.add.at(out, _filled(index, arrays), x)
    return out


@primitive(
    shape=_put_shape, saves="arrays",
    vjp=[
        lambda g, out, x, value, *arrays, index: put(g, 0.0, *arrays, index=index),
        lambda g, out, x, value, *arrays, index: _pick(g, *arrays, index=index),
    ],
    algebra="{0} with {1}", onnx="ScatterND",
    samples=lambda: [
        Sample((numbers(4, 3), numbers(2, 3, seed=1), np.array([3, 0])), {"index": (HERE,)}),
        Sample((numbers(2, 3), numbers(), numbers(2, 3) > 0), {"index": (HERE,)}),
    ],
    error_samples=lambda: [
        ErrorSample((numbers(2, 3), numbers(2), numbers(2, 3) > 0), {"index": (HERE,)},
                    ShapeError, "index: a value of shape (2,) does not fit the chosen elements"),
    ],
)  # fmt: skip
def put(xp: Any, x: Array, value: Array, *arrays: Array, index: tuple[Any, ...]) -> Array:
    """A copy of x in which the chosen elements are replaced by `value`."""
    out = x.copy()
    out[_filled(index, arrays)] = value
    return out


@primitive(
    shape=lambda x, dim, descending: x.shape, dtype="int64", algebra="argsort {0}",
    samples=lambda: [Sample((numbers(2, 3),), {"dim": 1, "descending": d}) for d in (False, True)],
)  # fmt: skip
def _argsort(xp: Any, x: Array, dim: int, descending: bool) -> Array:
    if not descending:
        return xp.argsort(x, axis=dim, kind="stable")
    # from behind, so that equal elements keep their order
    backwards = xp.argsort(xp.flip(x, dim), axis=dim, kind="stable")
    return x.shape[dim] - 1 - xp.flip(backwards, dim)


# ---- the public functions ----


def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Pick along `dim` the elements that `index` names: out[i, j] = input[i, index[i, j]]."""
    return _gather(input, index, dim=one_dim("gather", dim, input.ndim))


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """Add the elements of `src` to the places along `dim` that `index` names.

    Raises:
        ShapeError: if src and index differ in shape (PyTorch takes a part of a larger src).
    """
    place = one_dim("scatter_add", dim, input.ndim)
    if tuple(src.shape) != tuple(index.shape):
        raise ShapeError("scatter_add: src and index differ in shape",
                         got={"src": src, "index": index})  # fmt: skip
    if src.dtype != input.dtype:
        raise DTypeError(
            f"scatter_add: src is {src.dtype}, but the input is {input.dtype}", fix="src.to(x)"
        )
    _gathered(input, index, place, "scatter_add")
    return input + _scatter_add(src, index, dim=place, shape=tuple(input.shape))


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Pick whole slices along `dim`: the rows of a table, for instance.

    Raises:
        IndexOutOfRangeError: if there is no such slice; indices do not count from the end.
        DTypeError: if the index is not a vector of integers.
    """
    place = one_dim("index_select", dim, input.ndim)
    if index.dtype.kind not in "iu" or index.ndim > 1:
        raise DTypeError("index_select: the index must be a vector of integers",
                         got={"index": index})  # fmt: skip
    index = _check_range("index_select", input, index, place)
    return _pick(input, reshape(index, -1), index=(slice(None),) * place + (HERE,))


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask is true, in a row."""
    _check_mask("masked_select", mask)
    shape = broadcast_shape("masked_select", input, mask)
    return _pick(expand(input, shape), expand(mask, shape), index=(HERE,))


def masked_fill(input: Tensor, mask: Tensor, value: float) -> Tensor:
    """`input` with `value` where the mask is true."""
    _check_mask("masked_fill", mask)
    result: Tensor = where(mask, value, input)
    return result if result.dtype == input.dtype else cast(result, dtype=input.dtype)


def _check_mask(name: str, mask: Any) -> None:
    if mask.dtype.kind != "b":
        raise DTypeError(f"{name}: the mask is {mask.dtype}", expected="bool", fix="mask.bool()")


def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The order that sorts along a dimension; equal elements always keep theirs."""
    return _order("argsort", input, dim, descending)


def _order(name: str, input: Tensor, dim: int, descending: bool) -> Tensor:
    place = one_dim(name, dim, input.ndim)
    row = input if input.ndim else reshape(input, 1)
    return reshape(_argsort(row, dim=place, descending=descending), input.shape)


def sort(input: Tensor, dim: int = -1, descending: bool = False) -> ValuesAndIndices:
    """Sorted values along a dimension, and where each came from."""
    order = _order("sort", input, dim, descending)
    return ValuesAndIndices(gather(input, dim, order) if input.ndim else copy(input), order)


def topk(
    input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> ValuesAndIndices:
    """The k largest (or smallest) values along a dimension, in order, and where each came from.

    Raises:
        ArgumentError: if there are fewer than k.
    """
    place = one_dim("topk", dim, input.ndim)
    size = input.shape[place] if input.ndim else 1
    if not isinstance(k, (int, np.integer)) or not 0 <= k <= size:
        raise ArgumentError(f"topk: k is {k}", expected=f"0 to {size}", got={"input": input})
    order = _order("topk", input, dim, largest)
    if not input.ndim:
        return ValuesAndIndices(copy(input), order)
    indices = narrow(order, dim, 0, k).contiguous()
    return ValuesAndIndices(_gather(input, indices, dim=place), indices)


# ---- square brackets ----


def _parsed(index: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Split what stands in square brackets into a plain index and the index tensors in it."""
    parts = index if isinstance(index, tuple) else (index,)
    plain: list[Any] = []
    tensors = []
    for part in parts:
        if part is None or part is Ellipsis or isinstance(part, slice) or type(part) is int:
            plain.append(part)
            continue
        tensor = part if isinstance(part, Value) else Value.wrap(np.asarray(part))
        if tensor._data.dtype.kind == "f" and tensor._data.size == 0:
            tensor = Value.wrap(tensor._data.astype(np.int64))  # an empty list
        if tensor._data.dtype.kind not in "iub":
            raise DTypeError(
                f"index: cannot choose elements by {tensor._data.dtype}",
                expected="integers, slices, None, ..., or tensors of integers or bools",
                got={"index": part},
            )
        if tensor._data.ndim == 0 and tensor._data.dtype.kind in "iu":
            plain.append(int(tensor._data))
            continue
        plain.append(HERE)
        tensors.append(tensor)
    if not tensors and Ellipsis not in plain:
        plain.append(Ellipsis)  # so that a single element is a view, not a number
    return tuple(plain), tuple(tensors)


def numbers_first(
    input: Tensor, plain: tuple[Any, ...], tensors: tuple[Any, ...]
) -> tuple[Tensor, tuple[Any, ...]]:
    """Take the single numbers of an index, and return what is left of input and index.

    NumPy would count a number as one more index tensor, which can move the dimension of the
    others to the front: x[0, :, [1, 2]] has the shape (2, n) there, (n, 2) here and in PyTorch.
    """
    if int not in map(type, plain):
        return input, plain
    rest = iter(tensors)
    first: list[Any] = []
    for part in plain:
        if part is HERE:
            data = next(rest)._data
            first += [slice(None)] * (data.ndim if data.dtype.kind == "b" else 1)
        elif part is not None:
            first.append(slice(None) if isinstance(part, slice) else part)
    first += [] if Ellipsis in first else [...]
    return _slice(input, index=tuple(first)), tuple(p for p in plain if type(p) is not int)


def getitem(input: Tensor, index: Any) -> Tensor:
    """input[index]: a view for numbers and slices, a copy for index tensors and masks."""
    plain, tensors = _parsed(index)
    if not tensors:
        return _slice(input, index=plain)
    input, plain = numbers_first(input, plain, tensors)
    return _pick(input, *tensors, index=plain)
