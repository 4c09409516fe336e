"""Convolution of pictures (N, C, H, W) and sequences (N, C, L), and what works channel by channel.

Each function also takes a single picture (C, H, W) or sequence (C, L). Sizes of kernels, strides,
paddings and dilations are one number for all dimensions, or one for each.
"""

import math
import operator
from collections.abc import Sequence
from typing import Any

from streetlight.creation import ones
from streetlight.errors import DTypeError, ShapeError
from streetlight.functional import checks
from streetlight.functional.linear import dropout
from streetlight.functional.normalisation import layer_norm
from streetlight.ops import convolution as primitives
from streetlight.ops import pad
from streetlight.ops.convolution import Pair
from streetlight.random import Generator
from streetlight.tensor import Tensor

Sizes = int | Sequence[int]


def conv1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Sizes = 1,
    padding: Sizes | str = 0, dilation: Sizes = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Slide kernels over sequences: out[o, t] = b[o] + Σ x[c, t·stride + i·dilation] w[o, c, i].

    Args: input (N, C, L), weight (out_channels, C / groups, k); the others as in `conv2d`.

    >>> F.conv1d(sl.tensor([[1.0, 2.0, 4.0]]), sl.tensor([[[-1.0, 1.0]]])).tolist()
    [[1.0, 2.0]]
    """
    return _convolve(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Sizes = 1,
    padding: Sizes | str = 0, dilation: Sizes = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Slide kernels over pictures: out[o, y, x] = b[o] + Σ_cij x[c, y s + i d, x s + j d] w[o, c, i, j].

    Each side of H' × W' is (size + 2 padding − dilation (k − 1) − 1) // stride + 1.

    Args: input (N, C, H, W), weight (out_channels, C / groups, kh, kw), bias (out_channels,);
        padding with zeros, "valid" for none, "same" (of stride 1) to keep H and W;
        groups, into how many parts the channels are cut that do not see each other.
    Raises: ShapeError if channels or groups do not fit, or the kernel is larger than the padded
        picture; DTypeError if dtypes differ; ArgumentError for sizes that make no sense.
    Source: LeCun et al., Neural Computation 1, 1989.

    >>> picture, kernel = sl.arange(9.0).reshape(1, 3, 3), sl.ones(1, 1, 2, 2)
    >>> F.conv2d(picture, kernel).tolist()
    [[[8.0, 12.0], [20.0, 24.0]]]
    """  # noqa: E501
    return _convolve(2, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Sizes = 1,
    padding: Sizes = 0, output_padding: Sizes = 0, groups: int = 1, dilation: Sizes = 1,
) -> Tensor:  # fmt: skip
    """Let each step of a sequence write its kernel: the way back through `conv1d`.

    Args: input (N, C, L), weight (C, out_channels / groups, k); others as `conv_transpose2d`.

    >>> F.conv_transpose1d(sl.tensor([[1.0, 2.0]]), sl.tensor([[[1.0, 3.0]]])).tolist()
    [[1.0, 5.0, 6.0]]
    """
    return _transposed(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Sizes = 1,
    padding: Sizes = 0, output_padding: Sizes = 0, groups: int = 1, dilation: Sizes = 1,
) -> Tensor:  # fmt: skip
    """Let each place of a picture write its kernel: the way back through `conv2d`.

    Each side is (size − 1) stride − 2 padding + dilation (k − 1) + output_padding + 1.

    Args: input (N, C, H, W), weight (C, out_channels / groups, kh, kw), bias (out_channels,);
        output_padding, less than the stride or the dilation: which of the sizes that a `conv2d`
        makes this input's size of is made.
    Raises: ShapeError, DTypeError and ArgumentError as `conv2d`.
    Source: Zeiler et al., IEEE Conference on Computer Vision and Pattern Recognition, 2010.

    >>> dots, kernel = sl.tensor([[[1.0, 2.0]]]), sl.ones(1, 1, 1, 2)
    >>> F.conv_transpose2d(dots, kernel, stride=2).tolist()
    [[[1.0, 1.0, 2.0, 2.0]]]
    """
    return _transposed(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def unfold(
    input: Tensor, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1
) -> Tensor:
    """Write the windows of pictures (N, C, H, W) as columns (N, C · kh · kw, number of windows).

    >>> F.unfold(sl.arange(6.0).reshape(1, 2, 3), 2).tolist()
    [[0.0, 1.0], [1.0, 2.0], [3.0, 4.0], [4.0, 5.0]]
    """
    pictures = as_pictures("unfold", 2, input)
    how = geometry("unfold", 2, stride=stride, padding=padding, dilation=dilation)
    size = sizes("unfold", "kernel_size", kernel_size, 2)
    columns = primitives._unfold(pictures, kernel_size=size, **how)
    return columns if input.ndim == 4 else columns.squeeze(0)


def fold(
    input: Tensor, output_size: Sizes, kernel_size: Sizes, dilation: Sizes = 1,
    padding: Sizes = 0, stride: Sizes = 1,
) -> Tensor:  # fmt: skip
    """Add columns (N, C · kh · kw, number of windows) up to pictures (N, C, *output_size).

    Where windows overlap the numbers are added, so this is the adjoint of `unfold`.

    >>> F.fold(sl.ones(1, 4, 2), (2, 3), 2).tolist()
    [[[[1.0, 2.0, 1.0], [1.0, 2.0, 1.0]]]]
    """
    if input.ndim not in (2, 3):
        raise _wrong_dimensions(
            "fold", input, "(N, C · kh · kw, windows) or (C · kh · kw, windows)"
        )
    how = geometry("fold", 2, stride=stride, padding=padding, dilation=dilation)
    size = sizes("fold", "output_size", output_size, 2)
    kernel = sizes("fold", "kernel_size", kernel_size, 2)
    columns = input if input.ndim == 3 else input.unsqueeze(0)
    pictures = primitives._fold(columns, size=size, kernel_size=kernel, **how)
    return pictures if input.ndim == 3 else pictures.squeeze(0)


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """Bring each group of channels of each sample to mean 0 and variance 1, then scale and shift.

    Args: input (N, C, …), weight and bias (C,); num_groups divides C.
    Source: Wu and He, 2018, arXiv:1803.08494.

    >>> F.group_norm(sl.tensor([[1.0, 3.0, 10.0, 30.0]]), 2, eps=0.0).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """
    channels = input.shape[1] if input.ndim > 1 else 0
    if num_groups < 1 or not channels or channels % num_groups:
        raise ShapeError(
            f"group_norm: {channels} channels cannot be cut into {num_groups} groups",
            expected="an input (N, C, …) with channels that num_groups divides",
            got={"input": input}, fix="change num_groups, or the channels of the layer before",
        )  # fmt: skip
    words = "group_norm: input has {size} channels, but a parameter is {given}"
    checks.shapes(words, input, input.shape[1:2], weight, bias)
    each = math.prod(input.shape[1:]) // num_groups
    if len(input) * each == 1:
        raise ShapeError(
            "group_norm: a single value for each group has no variance",
            expected="more than 1 value for each group", got={"input": input},
            fix="use fewer groups, larger pictures or more samples",
        )  # fmt: skip
    groups = input.reshape(len(input), num_groups, each)
    result = layer_norm(groups, (each,), eps=eps).reshape(*input.shape)
    channelwise = (-1, *[1] * (input.ndim - 2))
    result = result if weight is None else result * weight.reshape(*channelwise)
    return result if bias is None else result + bias.reshape(*channelwise)


def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, *,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Put whole channels of sequences (N, C, L) to 0; otherwise as `dropout`.

    >>> F.dropout1d(sl.ones(1, 2), training=False).tolist()
    [[1.0, 1.0]]
    """
    return _dropped_channels(1, input, p, training, generator)


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, *,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Put whole channels of pictures (N, C, H, W) to 0; otherwise as `dropout`.

    Source: Tompson et al., 2015, arXiv:1411.4280.

    >>> F.dropout2d(sl.ones(1, 1, 2), training=False).tolist()
    [[[1.0, 1.0]]]
    """
    return _dropped_channels(2, input, p, training, generator)


# ---- what all of these share ----


def sizes(name: str, argument: str, value: Any, dims: int, least: int = 1) -> tuple[int, ...]:
    """Return whole numbers for the last `dims` dimensions, given as one number or as many.

    Raises:
        ArgumentError: if there are fewer or more of them, or one is less than `least`.
    """
    given = value if isinstance(value, (tuple, list)) else (value,) * dims
    try:
        numbers = tuple(map(operator.index, given))
    except TypeError:
        numbers = ()
    if len(numbers) != dims or min(numbers) < least:
        expected = f"a whole number of at least {least}" + (", or a pair of them" * (dims == 2))
        raise checks.bad_argument(name, argument, value, expected)
    return numbers


def geometry(name: str, dims: int, **given: Sizes) -> dict[str, Any]:
    """Return sizes as pairs for primitives, by their names: sequences are pictures of one row."""
    least = {argument: 0 if "padding" in argument else 1 for argument in given}
    return {
        argument: (least[argument], *sizes(name, argument, value, dims, least[argument]))[-2:]
        for argument, value in given.items()
    }


def as_pictures(name: str, dims: int, input: Tensor) -> Tensor:
    """Return the input as (N, C, H, W), with N = 1 or H = 1 where it has no such dimension.

    Raises:
        ShapeError: if it has too few or too many dimensions.
        DTypeError: if it is no tensor.
    """
    if not isinstance(input, Tensor):
        raise DTypeError(
            f"{name}: the input is no tensor", got={"input": input}, fix="sl.tensor(input)"
        )
    if input.ndim not in (dims + 1, dims + 2):
        size = "L" if dims == 1 else "H, W"
        raise _wrong_dimensions(name, input, f"(N, C, {size}) or (C, {size})")
    if input.ndim == 4:
        return input
    batch = (1,) * (dims + 2 - input.ndim)
    return input.reshape(*batch, *input.shape[:-dims], *(1,) * (2 - dims), *input.shape[-dims:])


def as_given(pictures: Tensor, dims: int, input: Tensor) -> Tensor:
    """Return pictures with the dimensions that the input had."""
    if input.ndim == 4:
        return pictures
    batch = pictures.shape[: input.ndim - dims - 1]
    return pictures.reshape(*batch, pictures.shape[1], *pictures.shape[4 - dims :])


def _wrong_dimensions(name: str, input: Tensor, expected: str) -> ShapeError:
    return ShapeError(
        f"{name}: the input has {input.ndim} dimensions", expected=expected, got={"input": input},
        fix="add the batch, or a single channel, with unsqueeze(0)",
    )  # fmt: skip


def _kernels(
    name: str, dims: int, pictures: Tensor, weight: Tensor, bias: Tensor | None, groups: int,
    transposed: bool,
) -> Tensor:  # fmt: skip
    """Return the weight for pictures, once it is sure that it fits the channels."""
    if pictures.dtype != weight.dtype:
        raise DTypeError(
            f"{name}: the input is {pictures.dtype}, but the weight is {weight.dtype}",
            fix=f"input.to(sl.{weight.dtype})",
        )
    sizes(name, "groups", groups, 1)
    takes, gives = (0, 1) if transposed else (1, 0)
    channels = {takes: "in_channels", gives: "out_channels"}
    if weight.ndim != dims + 2 or weight.shape[0] % groups:
        raise ShapeError(
            f"{name}: a weight of {weight.shape} cannot be cut into {groups} groups of kernels",
            expected=f"({channels[0]}, {channels[1]} / groups, {'kh, kw' if dims == 2 else 'k'})",
            fix="choose groups that divide in_channels and out_channels",
        )
    wanted = weight.shape[takes] * (1 if transposed else groups)
    if pictures.shape[1] != wanted:
        raise ShapeError(
            f"{name}: the input has {pictures.shape[1]} channels, but the weight takes {wanted}",
            expected=f"(N, {wanted}, …)",
            got={"input": pictures, "weight": weight, "groups": groups},
            fix="build the layer with in_channels as the layer before gives them; a grey picture "
            "(N, H, W) gets its single channel with unsqueeze(1)",
        )
    outputs = (weight.shape[gives] * (groups if transposed else 1),)
    checks.shapes(
        name + ": bias is {given}, but weight gives {size} channels", pictures, outputs, bias
    )
    return weight if dims == 2 else weight.unsqueeze(2)


def _convolve(
    dims: int, input: Tensor, weight: Tensor, bias: Tensor | None, stride: Sizes,
    padding: Sizes | str, dilation: Sizes, groups: int,
) -> Tensor:  # fmt: skip
    name = f"conv{dims}d"
    pictures = as_pictures(name, dims, input)
    kernels = _kernels(name, dims, pictures, weight, bias, groups, False)
    how = geometry(name, dims, stride=stride, dilation=dilation)
    if isinstance(padding, str):
        pictures, padding = _padded_by_name(name, dims, pictures, kernels, padding, **how)
    how |= geometry(name, dims, padding=padding)
    out = primitives._convolution(pictures, kernels, groups=groups, **how)
    return as_given(out if bias is None else out + bias.reshape(-1, 1, 1), dims, input)


def check_padding_name(name: str, padding: str, stride: tuple[int, ...]) -> None:
    """Refuse what is neither "valid" nor "same", and "same" with strides."""
    if padding != "valid" and (padding != "same" or set(stride) != {1}):
        problem = " is for strides of 1" if padding == "same" else " makes no sense"
        expected = '"valid", "same" with strides of 1, or whole numbers'
        raise checks.bad_argument(name, "padding", padding, expected, problem)


def _padded_by_name(
    name: str, dims: int, pictures: Tensor, kernels: Tensor, padding: str, stride: Pair,
    dilation: Pair,
) -> tuple[Tensor, Sizes]:  # fmt: skip
    """Return padding as numbers; where it is odd, the pictures have one more row or column."""
    check_padding_name(name, padding, stride)
    if padding == "valid":
        return pictures, 0
    total = [d * (k - 1) for d, k in zip(dilation, kernels.shape[2:], strict=True)]
    if any(n % 2 for n in total):
        pictures = pad(pictures, (0, total[1] % 2, 0, total[0] % 2))
    return pictures, [n // 2 for n in total][-dims:]


def _transposed(
    dims: int, input: Tensor, weight: Tensor, bias: Tensor | None, stride: Sizes,
    padding: Sizes, output_padding: Sizes, groups: int, dilation: Sizes,
) -> Tensor:  # fmt: skip
    name = f"conv_transpose{dims}d"
    pictures = as_pictures(name, dims, input)
    kernels = _kernels(name, dims, pictures, weight, bias, groups, True)
    how = geometry(name, dims, stride=stride, padding=padding, dilation=dilation)
    (more,) = geometry(name, dims, output_padding=output_padding).values()
    larger = map(max, how["stride"], how["dilation"])
    if any(m >= most for m, most in zip(more, larger, strict=True)):
        expected = f"less than the stride, {stride}, or the dilation, {dilation}"
        raise checks.bad_argument(name, "output_padding", output_padding, expected)
    each = zip(pictures.shape[2:], kernels.shape[2:], *how.values(), more, strict=True)
    size = tuple((n - 1) * s - 2 * p + d * (k - 1) + m + 1 for n, k, s, p, d, m in each)
    if min(size) < 1:
        raise ShapeError(
            f"{name}: a padding of {padding} takes away all of the output",
            got={"input": input, "weight": weight}, fix="use less padding or a larger kernel",
        )  # fmt: skip
    if any(m >= s for m, s in zip(more, how["stride"], strict=True)):  # further windows fit in
        below, right = map(operator.floordiv, more, how["stride"])
        pictures = pad(pictures, (0, right, 0, below))
    out = primitives._convolution_input(pictures, kernels, size=size, groups=groups, **how)
    return as_given(out if bias is None else out + bias.reshape(-1, 1, 1), dims, input)


def _dropped_channels(
    dims: int, input: Tensor, p: float, training: bool, generator: Generator | None
) -> Tensor:
    as_pictures(f"dropout{dims}d", dims, input)
    channels = ones(*input.shape[:-dims], *[1] * dims, dtype=input.dtype, device=input.device)
    kept = dropout(channels, p, training, generator=generator)
    return input if kept is channels else input * kept
