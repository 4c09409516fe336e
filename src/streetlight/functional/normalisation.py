"""Normalisation: bring values to a known size, so that deep networks learn evenly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from streetlight.errors import ArgumentError, ShapeError

if TYPE_CHECKING:
    from streetlight.tensor import Tensor

_RESOLUTION = {"float16": 2.0**-10, "float32": 2.0**-23, "float64": 2.0**-52}


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Bring each sample to mean 0 and variance 1: (x − mean) / √(variance + eps) · weight + bias.

    Args:
        input: (…, *normalized_shape).
        normalized_shape: the last sizes of the input, over which mean and variance are taken.
        weight, bias: of shape `normalized_shape`.
        eps: keeps the square root away from 0.

    Raises:
        ShapeError: the sizes do not fit.

    Source: Ba, Kiros and Hinton, 2016, arXiv:1607.06450.

    >>> F.layer_norm(sl.tensor([[1.0, 3.0], [10.0, 30.0]]), (2,), eps=0.0).tolist()
    [[-1.0, 1.0], [-1.0, 1.0]]
    """
    dims = _last_dims("layer_norm", input, normalized_shape, weight, bias)
    centred = input - input.mean(dims, keepdim=True)
    variance = (centred * centred).mean(dims, keepdim=True)
    return _scale_and_shift(centred * (variance + eps).rsqrt(), weight, bias)


def rms_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """Bring each sample to root mean square 1: x / √(mean(x²) + eps) · weight.

    Args:
        input: (…, *normalized_shape).
        normalized_shape: the last sizes of the input, over which the mean is taken.
        weight: of shape `normalized_shape`.
        eps: keeps the square root away from 0; None for the resolution of the dtype.

    Raises:
        ShapeError: the sizes do not fit.

    Source: Zhang and Sennrich, 2019, arXiv:1910.07467.

    >>> F.rms_norm(sl.tensor([3.0, 3.0]), (2,), eps=0.0).tolist()
    [1.0, 1.0]
    """
    dims = _last_dims("rms_norm", input, normalized_shape, weight)
    eps = _RESOLUTION.get(input.dtype.name, 0.0) if eps is None else eps
    size = (input * input).mean(dims, keepdim=True)
    return _scale_and_shift(input * (size + eps).rsqrt(), weight, None)


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Bring each channel to mean 0 and variance 1 over the batch, then scale and shift it.

    In training the statistics are those of the batch, and the running ones move towards them, in
    place: running · (1 − momentum) + batch · momentum, the variance with the divisor n − 1.
    Otherwise the running ones are used.

    Args:
        input: (N, C) or (N, C, d1, …).
        running_mean, running_var: (C,); None in training to keep none.
        weight, bias: (C,).
        training: whether to use the statistics of the batch.
        momentum: the share of the batch in the running statistics.
        eps: keeps the square root away from 0.

    Raises:
        ShapeError: the sizes do not fit, or training has a single value for each channel.
        ArgumentError: there are no running statistics outside of training.

    Source: Ioffe and Szegedy, 2015, arXiv:1502.03167.

    >>> batch = sl.tensor([[1.0], [3.0]])
    >>> F.batch_norm(batch, None, None, training=True, eps=0.0).tolist()
    [[-1.0], [1.0]]
    """
    _check_channels(input, running_mean, running_var, weight, bias)
    shape = (1, -1, *[1] * (input.ndim - 2))
    if training:
        centred, variance = _batch_statistics(input, running_mean, running_var, momentum)
    elif running_mean is None or running_var is None:
        raise ArgumentError(
            "batch_norm: outside of training the running statistics are needed",
            expected="running_mean and running_var of shape (channels,)",
            got={"input": input, "running_mean": running_mean, "running_var": running_var},
            fix="give both, or training=True",
        )
    else:
        centred, variance = input - running_mean.reshape(shape), running_var.reshape(shape)
    scale = (variance + eps).rsqrt()
    if weight is not None:
        scale = scale * weight.reshape(shape)
    result = centred * scale
    return result if bias is None else result + bias.reshape(shape)


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """Bring vectors to length 1: x / max(‖x‖ₚ, eps).

    Args:
        input: any shape.
        p: the exponent of the norm.
        dim: the dimension along which the vectors lie.
        eps: the least length to divide by.

    >>> F.normalize(sl.tensor([[3.0, 4.0]])).tolist()
    [[0.6..., 0.8...]]
    """
    return input / input.norm(p, dim, keepdim=True).clamp(min=eps)


def _batch_statistics(
    input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, momentum: float
) -> tuple[Tensor, Tensor]:
    """Return the centred batch and its variance, and move the running statistics."""
    dims = (0, *range(2, input.ndim))
    count = input.numel() // max(input.shape[1], 1)
    if count == 1:
        raise ShapeError(
            "batch_norm: a single value for each channel has no variance to learn from",
            expected="more than one sample in training",
            got={"input": input},
            fix="use larger batches (drop_last=True drops a last single sample), or model.eval()",
        )
    mean = input.mean(dims, keepdim=True)
    centred = input - mean
    variance = (centred * centred).mean(dims, keepdim=True)
    if count:
        _move_towards(running_mean, mean.detach(), momentum)
        _move_towards(running_var, variance.detach() * (count / (count - 1)), momentum)
    return centred, variance


def _move_towards(running: Tensor | None, batch: Tensor, momentum: float) -> None:
    if running is not None:
        running.mul_(1.0 - momentum).add_(batch.reshape(-1) * momentum)


def _scale_and_shift(input: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    result = input if weight is None else input * weight
    return result if bias is None else result + bias


def _last_dims(
    name: str, input: Tensor, normalized_shape: Sequence[int], *parameters: Tensor | None
) -> tuple[int, ...]:
    """Return the dimensions that `normalized_shape` names, counted from the end."""
    shape = tuple(normalized_shape)
    if not shape or input.shape[-len(shape) :] != shape:
        raise ShapeError(
            f"{name}: input ends with {tuple(input.shape[-len(shape) :])}, "
            f"but normalized_shape is {shape}",
            expected="an input whose last sizes are normalized_shape",
            got={"input": input, "normalized_shape": shape},
            fix="build the layer with the last sizes of its input",
        )
    for parameter in parameters:
        if parameter is not None and parameter.shape != shape:
            raise ShapeError(
                f"{name}: a parameter is {tuple(parameter.shape)}, not {shape}",
                expected="weight and bias of shape normalized_shape",
                got={"input": input, "parameter": parameter},
                fix="reset_parameters() of a layer of the right size",
            )
    return tuple(range(-len(shape), 0))


def _check_channels(input: Tensor, *parameters: Tensor | None) -> None:
    if input.ndim < 2:
        raise ShapeError(
            f"batch_norm: an input of {input.ndim} dimensions has no channels",
            expected="(N, C) or (N, C, d1, …)",
            got={"input": input},
            fix="input.unsqueeze(0) for a single sample",
        )
    channels = input.shape[1:2]
    for parameter in parameters:
        if parameter is not None and parameter.shape != channels:
            raise ShapeError(
                f"batch_norm: input has {channels[0]} channels, "
                f"but a parameter is {tuple(parameter.shape)}",
                expected=f"running statistics, weight and bias of shape ({channels[0]},)",
                got={"input": input, "parameter": parameter},
                fix=f"build the layer with num_features={channels[0]}",
            )
