"""Max pooling over windows of pictures, and where in the picture each maximum stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from streetlight.devices import Array
from streetlight.errors import ShapeError
from streetlight.ops.convolution import Pair, padded, window_counts, windows
from streetlight.ops.indexing import _scatter_add
from streetlight.ops.movement import _reshape
from streetlight.ops.registry import ErrorSample, Shape, primitive
from streetlight.ops.samples import calls, numbers

__all__: list[str] = []


def _extra(size: Any, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Pair:
    """Rows and columns to add below and to the right, so that windows that stick out fit in.

    As in PyTorch, a window must begin in the picture or in the padding before it.
    """
    more = []
    for n, k, s, p, d in zip(size, kernel_size, stride, padding, dilation, strict=True):
        rest = n + 2 * p - d * (k - 1) - 1
        count = -(-rest // s)
        begins_inside = count * s < n + p
        more.append(count * s - rest if begins_inside else 0)
    return more[0], more[1]


def pooled_size(name: str, size: Any, ceil_mode: bool, **how: Any) -> tuple[Pair, Pair]:
    """Return the counts of windows, and the rows and columns that ceil_mode adds.

    Raises:
        ShapeError: if no window fits in, or the padding alone could fill one.
    """
    if any(2 * p > k for p, k in zip(how["padding"], how["kernel_size"], strict=True)):
        raise ShapeError(
            f"{name}: padding is more than half of the kernel, so windows may hold nothing",
            got=how, fix="use a padding of at most half the kernel size",
        )  # fmt: skip
    more = _extra(size, **how) if ceil_mode else (0, 0)
    reached = tuple(n + extra for n, extra in zip(size, more, strict=True))
    return window_counts(name, reached, **how), more


def _pooled(x: Any, *, ceil_mode: bool, **how: Any) -> Shape:
    if x.ndim != 4:
        raise ShapeError("max_pool: pictures have 4 dimensions", got={"input": x})
    return (*x.shape[:2], *pooled_size("max_pool", x.shape[2:], ceil_mode, **how)[0])


def lowest(dtype: Any) -> Any:
    """Return what nothing of this dtype is below."""
    if dtype.kind == "b":
        return False
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


def _looks(xp: Any, x: Array, ceil_mode: bool, **how: Any) -> Iterator[Array]:
    """For each place in the kernel what all windows see there, (N, C, H', W')."""
    counts, more = pooled_size("max_pool", x.shape[2:], ceil_mode, **how)
    pictures = padded(xp, x, how["padding"], lowest(x.dtype), more)
    steps = {"kernel_size": how["kernel_size"], "stride": how["stride"]}
    seen = windows(xp, pictures, counts, dilation=how["dilation"], **steps)
    for row in range(how["kernel_size"][0]):
        for column in range(how["kernel_size"][1]):
            yield seen[:, :, row, column]


def _pooling(
    kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool
) -> dict[str, Any]:
    return {"kernel_size": kernel_size, "stride": stride, "padding": padding,
            "dilation": dilation, "ceil_mode": ceil_mode}  # fmt: skip


_SAMPLES = calls(
    ((numbers(2, 3, 4, 6),), _pooling((2, 2), (2, 2), (0, 0), (1, 1), False)),
    ((numbers(2, 1, 5, 7),), _pooling((3, 2), (2, 3), (1, 1), (1, 2), True)),
    ((numbers(1, 2, 4, 4),), _pooling((3, 3), (1, 1), (1, 1), (1, 1), False)),
    ((numbers(0, 2, 3, 3),), _pooling((2, 2), (1, 1), (0, 0), (1, 1), False)),
)


def _add_back(g: Any, out: Any, x: Any, **how: Any) -> Any:
    """Give each gradient to the place that its maximum came from."""
    flat = (*x.shape[:2], x.shape[2] * x.shape[3])
    rows = (*g.shape[:2], g.shape[2] * g.shape[3])
    index = _reshape(_max_pool_index(x, **how), shape=rows)
    spread = _scatter_add(_reshape(g, shape=rows), index, dim=2, shape=flat)
    return _reshape(spread, shape=tuple(x.shape))


@primitive(
    shape=_pooled, saves="x", vjp=[_add_back], algebra="max pool {0}", onnx="MaxPool",
    samples=_SAMPLES,
    error_samples=lambda: [
        ErrorSample((numbers(1, 1, 2, 2),), _pooling((3, 3), (1, 1), (0, 0), (1, 1), False),
                    ShapeError, "max_pool: a kernel that reaches over (3, 3) does not fit"),
        ErrorSample((numbers(1, 1, 4, 4),), _pooling((2, 2), (1, 1), (2, 0), (1, 1), False),
                    ShapeError, "max_pool: padding is more than half of the kernel"),
        ErrorSample((numbers(4, 4),), _pooling((2, 2), (1, 1), (0, 0), (1, 1), False),
                    ShapeError, "max_pool: pictures have 4 dimensions"),
    ],
)  # fmt: skip
def _max_pool(
    xp: Any, x: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair,
    ceil_mode: bool,
) -> Array:  # fmt: skip
    """The largest element of each window; beyond the picture there is nothing."""
    how = _pooling(kernel_size, stride, padding, dilation, ceil_mode)
    _pooled(x, **how)
    looks = _looks(xp, x, **how)
    out = next(looks).copy()
    for look in looks:
        xp.maximum(out, look, out=out)
    return out


@primitive(shape=_pooled, dtype="int64", algebra="argmax pool {0}", samples=_SAMPLES)
def _max_pool_index(
    xp: Any, x: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair,
    ceil_mode: bool,
) -> Array:  # fmt: skip
    """The place of each maximum in its picture, row by row; the first one if several are equal."""
    how = _pooling(kernel_size, stride, padding, dilation, ceil_mode)
    _pooled(x, **how)
    looks = _looks(xp, x, **how)
    best = next(looks).copy()
    place = xp.zeros(best.shape, np.int64)
    for number, look in enumerate(looks, 1):
        better = (look > best) | (look != look)  # a NaN wins, as in PyTorch
        xp.copyto(best, look, where=better)
        xp.copyto(place, number, where=better)
    return _in_picture(xp, place, x.shape[2:], **how)


def _in_picture(xp: Any, place: Array, size: Any, **how: Any) -> Array:
    """Turn places in the kernel into places in the picture; windows of −inf count from inside."""
    rows, columns = xp.divmod(place, how["kernel_size"][1])
    for axis, offset in enumerate((rows, columns)):
        starts = xp.arange(place.shape[2 + axis]) * how["stride"][axis] - how["padding"][axis]
        offset *= how["dilation"][axis]
        offset += starts.reshape((-1, 1) if axis == 0 else (-1,))
        xp.clip(offset, 0, size[axis] - 1, out=offset)
    return rows * size[1] + columns
