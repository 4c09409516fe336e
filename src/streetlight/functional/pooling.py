"""Pooling, which gathers windows of pictures into one number each, and pictures of other sizes.

Pictures are (N, C, H, W) or (C, H, W), sequences (N, C, L) or (C, L); sizes are one number for all
dimensions, or one for each.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from streetlight.creation import ones, tensor
from streetlight.errors import DTypeError, ShapeError
from streetlight.functional import checks
from streetlight.functional.convolution import Sizes, as_given, as_pictures, geometry, sizes
from streetlight.ops import index_select, matmul, pad
from streetlight.ops import pooling as primitives
from streetlight.ops.convolution import _convolution
from streetlight.tensor import Tensor

OutputSize = int | Sequence[int | None] | None


def max_pool1d(
    input: Tensor, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0,
    dilation: Sizes = 1, ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """Keep the largest number of each window of sequences; otherwise as `max_pool2d`.

    >>> F.max_pool1d(sl.tensor([[1.0, 3.0, 2.0, 0.0]]), 2).tolist()
    [[3.0, 2.0]]
    """
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Tensor, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0,
    dilation: Sizes = 1, ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """Keep the largest number of each window of pictures.

    Args: stride, None for kernel_size, so that windows do not overlap; padding, at most half of the
        kernel, with numbers that never win; ceil_mode, whether windows may stick out at the end;
        return_indices, to give back (values, places in the picture, counted row by row).
    Raises: ShapeError if the kernel is larger than the padded picture, or the padding too large.

    >>> F.max_pool2d(sl.arange(8.0).reshape(1, 2, 4), 2).tolist()
    [[[5.0, 7.0]]]
    """
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def avg_pool1d(
    input: Tensor, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0,
    ceil_mode: bool = False, count_include_pad: bool = True,
) -> Tensor:  # fmt: skip
    """Take the mean of each window of sequences; otherwise as `avg_pool2d`.

    >>> F.avg_pool1d(sl.tensor([[1.0, 3.0, 2.0, 0.0]]), 2).tolist()
    [[2.0, 1.0]]
    """
    return _average(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input: Tensor, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0,
    ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """Take the mean of each window of pictures.

    Args: as `max_pool2d`; count_include_pad, whether zeros of the padding count for the mean;
        divisor_override, what to divide the sums by instead of the size of the window.
    Raises: as `max_pool2d`; DTypeError for integers.

    >>> F.avg_pool2d(sl.arange(8.0).reshape(1, 2, 4), 2).tolist()
    [[[2.5, 4.5]]]
    """
    return _average(
        2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def adaptive_max_pool1d(
    input: Tensor, output_size: OutputSize, return_indices: bool = False
) -> Any:
    """Cut sequences into output_size cells and keep the largest number of each.

    >>> F.adaptive_max_pool1d(sl.tensor([[1.0, 3.0, 2.0]]), 2).tolist()
    [[3.0, 3.0]]
    """
    return _adaptive_max(1, input, output_size, return_indices)


def adaptive_max_pool2d(
    input: Tensor, output_size: OutputSize, return_indices: bool = False
) -> Any:
    """Cut pictures into output_size cells and keep the largest number of each.

    Cell i of m along a side of n reaches from ⌊i n / m⌋ to ⌈(i + 1) n / m⌉.

    Args: output_size, one number or a pair; None keeps that side as it is.

    >>> F.adaptive_max_pool2d(sl.arange(8.0).reshape(1, 2, 4), 1).tolist()
    [[[7.0]]]
    """
    return _adaptive_max(2, input, output_size, return_indices)


def adaptive_avg_pool1d(input: Tensor, output_size: OutputSize) -> Tensor:
    """Cut sequences into output_size cells and take the mean of each.

    >>> F.adaptive_avg_pool1d(sl.tensor([[1.0, 3.0, 2.0]]), 2).tolist()
    [[2.0, 2.5]]
    """
    return _adaptive_average(1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: OutputSize) -> Tensor:
    """Cut pictures into output_size cells, as `adaptive_max_pool2d`, and take the mean of each.

    >>> F.adaptive_avg_pool2d(sl.arange(8.0).reshape(1, 2, 4), 1).tolist()
    [[[3.5]]]
    """
    return _adaptive_average(2, input, output_size)


def interpolate(
    input: Tensor, size: Sizes | None = None, scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest", align_corners: bool | None = None,
) -> Tensor:  # fmt: skip
    """Bring pictures (N, C, H, W) or sequences (N, C, L) to another size.

    "nearest" repeats or leaves out numbers; "linear" (sequences) and "bilinear" (pictures) weigh
    the neighbours of each place by how near they are.

    Args: size of the result, or scale_factor by which it grows, each one number or one for each
        dimension; align_corners, whether the first and last numbers stay where they are (else the
        borders of the picture do).
    Raises: ShapeError for other dimensions, ArgumentError for sizes and modes that there are not.

    >>> F.interpolate(sl.tensor([[[1.0, 2.0]]]), scale_factor=2).tolist()
    [[[1.0, 1.0, 2.0, 2.0]]]
    >>> F.interpolate(sl.tensor([[[1.0, 2.0]]]), 3, mode="linear", align_corners=True).tolist()
    [[[1.0, 1.5, 2.0]]]
    """
    dims = input.ndim - 2
    smooth = {1: "linear", 2: "bilinear"}.get(dims, "bilinear")
    if dims not in (1, 2) or mode not in ("nearest", smooth):
        raise ShapeError(
            f"interpolate: mode {mode!r} is not for an input of {input.ndim} dimensions",
            expected='(N, C, H, W) with "nearest" or "bilinear", (N, C, L) with "nearest" or '
            '"linear"', got={"input": input}, fix="unsqueeze(0) for a single picture",
        )  # fmt: skip
    if mode == "nearest" and align_corners is not None:
        expected = 'None, or mode="bilinear"'
        raise checks.bad_argument("interpolate", "align_corners", align_corners, expected)
    steps = _steps(input.shape[2:], size, scale_factor)
    if mode == "nearest":
        return _nearest(input, steps)
    sides = zip(input.shape[2:], steps, strict=True)
    return _weighed(_floats("interpolate", input), [
        _neighbours(n, *step, bool(align_corners)) for n, step in sides
    ])  # fmt: skip


# ---- pooling ----


def _max_pool(
    dims: int, input: Tensor, kernel_size: Sizes, stride: Sizes | None, padding: Sizes,
    dilation: Sizes, ceil_mode: bool, return_indices: bool,
) -> Any:  # fmt: skip
    pictures = as_pictures(f"max_pool{dims}d", dims, input)
    how = _windows(f"max_pool{dims}d", dims, kernel_size, stride, padding)
    how |= {**geometry(f"max_pool{dims}d", dims, dilation=dilation), "ceil_mode": ceil_mode}
    values = as_given(primitives._max_pool(pictures, **how), dims, input)
    if not return_indices:
        return values
    return values, as_given(primitives._max_pool_index(pictures, **how), dims, input)


def _windows(
    name: str, dims: int, kernel_size: Sizes, stride: Sizes | None, padding: Sizes
) -> dict[str, Any]:
    stride = kernel_size if stride is None else stride
    return geometry(name, dims, kernel_size=kernel_size, stride=stride, padding=padding)


def _average(
    dims: int, input: Tensor, kernel_size: Sizes, stride: Sizes | None, padding: Sizes,
    ceil_mode: bool, count_include_pad: bool, divisor: int | None,
) -> Tensor:  # fmt: skip
    """Sum each window by convolution with ones, and divide."""
    name = f"avg_pool{dims}d"
    pictures = _floats(name, as_pictures(name, dims, input))
    how = _windows(name, dims, kernel_size, stride, padding) | {"dilation": (1, 1)}
    if divisor == 0:
        raise checks.bad_argument(name, "divisor_override", divisor, "another number than 0")
    batch, channels, *size = pictures.shape
    counts, more = primitives.pooled_size(name, size, ceil_mode, **how)
    single = pictures.reshape(batch * channels, 1, *size)
    single = pad(single, (0, more[1], 0, more[0])) if any(more) else single
    kernel = ones(1, 1, *how.pop("kernel_size"), dtype=input.dtype, device=input.device)
    sums = _convolution(single, kernel, groups=1, **how).reshape(batch, channels, *counts)
    held: Any = np.full((1, 1), divisor)
    if divisor is None:
        geometries = zip(size, counts, kernel.shape[2:], how["stride"], how["padding"], strict=True)
        parts = [_parts(*one, count_include_pad) for one in geometries]
        held = np.outer(*parts)
    by = tensor(held, input.dtype, input.device) if np.ptp(held) else held[0, 0]
    return as_given(sums / by, dims, input)


def _parts(n: int, count: int, k: int, s: int, p: int, include_pad: bool) -> Any:
    """How many numbers each window holds along one side, of the padding perhaps too."""
    starts = np.arange(count) * s - p
    ends = np.minimum(starts + k, n + p)
    return ends - starts if include_pad else np.minimum(ends, n) - np.maximum(starts, 0)


def _floats(name: str, input: Tensor) -> Tensor:
    if input.dtype.kind != "f":
        raise DTypeError(
            f"{name}: {input.dtype} has no fractions", expected="floats", fix="input.float()"
        )
    return input


def _sides(
    name: str, dims: int, pictures: Tensor, output_size: OutputSize
) -> list[tuple[int, int]]:
    """The length of each side of the pictures, and into how many cells it is cut."""
    own = pictures.shape[2:]
    given = list(output_size) if isinstance(output_size, (tuple, list)) else [output_size] * dims
    for place, n in enumerate(own[-dims:]):
        if given[place : place + 1] == [None]:
            given[place] = n
    wanted = (1, *sizes(name, "output_size", given, dims))[-2:]
    if min(own) < 1:
        raise ShapeError(f"{name}: there is nothing in pictures of {own}", got={"input": pictures})
    return list(zip(own, wanted, strict=True))


def _cells(n: int, m: int) -> tuple[Any, Any]:
    """Where m cells along a side of n start and end."""
    numbers = np.arange(m)
    return numbers * n // m, -(-(numbers + 1) * n // m)


def _adaptive_average(dims: int, input: Tensor, output_size: OutputSize) -> Tensor:
    name = f"adaptive_avg_pool{dims}d"
    pictures = _floats(name, as_pictures(name, dims, input))
    sides = _sides(name, dims, pictures, output_size)
    if all(n % m == 0 for n, m in sides):
        means = avg_pool2d(pictures, tuple(n // m for n, m in sides))
    else:
        means = _weighed(pictures, [_means(n, m) for n, m in sides])
    return as_given(means, dims, input)


def _means(n: int, m: int) -> Any:
    """The matrix (m, n) that takes the mean of each cell."""
    starts, ends = (border[:, None] for border in _cells(n, m))
    places = np.arange(n)
    return ((starts <= places) & (places < ends)) / (ends - starts)


def _adaptive_max(dims: int, input: Tensor, output_size: OutputSize, return_indices: bool) -> Any:
    """Make cells of one size, by repeating the last row or column of the smaller ones, and pool."""
    name = f"adaptive_max_pool{dims}d"
    pictures = as_pictures(name, dims, input)
    sides = _sides(name, dims, pictures, output_size)
    places = [_cells_of_one_size(n, m) for n, m in sides]
    kernel = tuple(len(found) // m for found, (_, m) in zip(places, sides, strict=True))
    for dim, found in enumerate(places, 2):
        if len(found) != pictures.shape[dim]:
            pictures = index_select(pictures, dim, tensor(found, device=input.device))
    values = as_given(max_pool2d(pictures, kernel), dims, input)
    if not return_indices:
        return values
    index = max_pool2d(pictures, kernel, return_indices=True)[1]
    rows, columns = (tensor(found, device=input.device) for found in places)
    width = len(places[1])
    return values, as_given(
        rows[index // width] * sides[1][0] + columns[index % width], dims, input
    )


def _cells_of_one_size(n: int, m: int) -> Any:
    starts, ends = _cells(n, m)
    longest = np.arange(max(ends - starts))
    return np.minimum(starts[:, None] + longest, ends[:, None] - 1).reshape(-1)


# ---- other sizes ----


def _steps(
    own: Sequence[int], size: Sizes | None, scale_factor: float | Sequence[float] | None
) -> list[tuple[int, float]]:
    """For each side the new length, and how far apart its places lie in the old one."""
    if (size is None) == (scale_factor is None):
        problem = " and scale_factor: one of them is needed, not both"
        raise checks.bad_argument("interpolate", "size", size, "size or scale_factor", problem)
    if size is not None:
        new = sizes("interpolate", "size", size, len(own))
        return [(m, n / m) for n, m in zip(own, new, strict=True)]
    many = isinstance(scale_factor, (tuple, list))
    factors: Any = scale_factor if many else [scale_factor] * len(own)
    fits = len(factors) == len(own) and all(isinstance(f, (int, float)) and f > 0 for f in factors)
    if not fits or any(n * f < 1 for n, f in zip(own, factors, strict=True)):
        expected = "a number that leaves something of each side, or one for each"
        raise checks.bad_argument("interpolate", "scale_factor", scale_factor, expected)
    return [(int(n * f), 1 / f) for n, f in zip(own, factors, strict=True)]


def _nearest(input: Tensor, steps: list[tuple[int, float]]) -> Tensor:
    for dim, (m, step) in enumerate(steps, 2):
        n = input.shape[dim]
        step = 0.5 if m == 2 * n else step  # whatever scale_factor was: PyTorch's rule for pictures
        places = np.minimum((np.arange(m) * np.float32(step)).astype(np.int64), n - 1)
        if m % n == 0 and (places == np.arange(m) // (m // n)).all():
            repeated = (*input.shape[: dim + 1], m // n, *input.shape[dim + 1 :])
            shape = (*input.shape[:dim], m, *input.shape[dim + 1 :])
            input = input.unsqueeze(dim + 1).expand(*repeated).reshape(*shape)
        else:
            input = index_select(input, dim, tensor(places, device=input.device))
    return input


def _neighbours(n: int, m: int, step: float, align_corners: bool) -> Any:
    """The matrix (m, n) that weighs the two neighbours of each new place by how near they are."""
    if align_corners:
        step = (n - 1) / (m - 1) if m > 1 else 0.0
    offset = 0.0 if align_corners else (step - 1) / 2
    places = np.clip(np.arange(m) * step + offset, 0, n - 1)
    return np.maximum(0.0, 1 - abs(places[:, None] - np.arange(n)))


def _weighed(input: Tensor, matrices: list[Any]) -> Tensor:
    """Multiply each side with a matrix (new length, length), one after the other."""
    weights = [tensor(matrix, input.dtype, input.device) for matrix in matrices]
    result = matmul(input, weights[-1].T)
    return result if len(weights) == 1 else matmul(weights[0], result)
