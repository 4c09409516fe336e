"""Max pooling over windows of pictures, and where in the picture each maximum stands."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from streetlight.devices import Array
from streetlight.errors import ShapeError
from streetlight.ops.convolution import Pair, padded, pieces, window_counts, windows
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
    return _largest(xp, x, **how)


def _largest(xp: Any, x: Array, ceil_mode: bool, **how: Any) -> Array:
    """The largest of each column of a window first, in whole rows, and then of these."""
    counts, more = pooled_size("max_pool", x.shape[2:], ceil_mode, **how)
    out = padded(xp, x, how["padding"], lowest(x.dtype), more)
    for axis in (0, 1):
        k, s, d = how["kernel_size"][axis], how["stride"][axis], how["dilation"][axis]
        last = (counts[axis] - 1) * s + 1
        steps = [slice(i * d, i * d + last, s) for i in range(k)]
        looks = [out[:, :, step] if axis == 0 else out[:, :, :, step] for step in steps]
        out = looks[0].copy() if k == 1 else xp.maximum(looks[0], looks[1])
        for look in looks[2:]:
            xp.maximum(out, look, out=out)
    return out


@primitive(shape=_pooled, dtype="int64", algebra="argmax pool {0}", samples=_SAMPLES)
def _max_pool_index(
    xp: Any, x: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair,
    ceil_mode: bool,
) -> Array:  # fmt: skip
    """The place of each maximum in its picture, row by row; the first one if several are equal."""
    how = _pooling(kernel_size, stride, padding, dilation, ceil_mode)
    out = xp.empty(_pooled(x, **how), np.int64)
    for part in pieces(len(x), math.prod(x.shape[1:])):
        out[part] = _places(xp, x[part], **how)
    return out


def _places(xp: Any, x: Array, **how: Any) -> Array:
    size = math.prod(how["kernel_size"])
    largest = _largest(xp, x, **how)
    before = xp.ones(largest.shape, np.bool_)  # whether the maximum has not been met so far
    place = xp.zeros(largest.shape, np.min_scalar_type(size))
    for look in itertools.islice(_looks(xp, x, **how), size - 1):
        before &= look != largest
        place += before
    if (largest != largest).any():  # the last NaN wins, as in PyTorch
        for number, look in enumerate(_looks(xp, x, **how)):
            xp.copyto(place, number, where=look != look)
    return _in_picture(xp, place, x.shape[2:], **how)


def _in_picture(xp: Any, place: Array, size: Any, **how: Any) -> Array:
    """Turn places in the kernel into places in the picture; windows of −inf count from inside."""
    kernel, counts = how["kernel_size"], place.shape[2:]
    if not any(how["padding"]):  # windows begin in the picture: there is nothing to clip
        (down, right), (below, aside) = how["stride"], how["dilation"]
        first = xp.arange(counts[0])[:, None] * (down * size[1]) + xp.arange(counts[1]) * right
        next_row = below * size[1] - kernel[1] * aside
        first = first + xp.multiply(place // kernel[1], next_row, dtype=np.int64)
        return first + xp.multiply(place, aside, dtype=np.int64)
    rows, columns = (
        xp.clip(xp.arange(count)[:, None] * s - p + xp.arange(k) * d, 0, n - 1)
        for n, count, k, s, p, d in zip(
            size, counts, kernel, how["stride"], how["padding"], how["dilation"], strict=True
        )
    )
    table = rows[:, None, :, None] * size[1] + columns[:, None]
    window = xp.arange(math.prod(counts)).reshape(counts) * math.prod(kernel)
    return table.reshape(-1)[window + place]
