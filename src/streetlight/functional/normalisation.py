"""Normalisation: bring values to a known size, so that deep networks learn evenly."""

from collections.abc import Sequence

import numpy as np

from streetlight.errors import ShapeError
from streetlight.functional import checks
from streetlight.ops.registry import Shape
from streetlight.tensor import Tensor


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Bring each sample to mean 0 and variance 1: (x − mean) / √(variance + eps) · weight + bias.

    Args: input (…, *normalized_shape), weight and bias of shape normalized_shape.
    Source: Ba, Kiros and Hinton, 2016, arXiv:1607.06450.

    >>> F.layer_norm(sl.tensor([[1.0, 3.0], [10.0, 30.0]]), (2,), eps=0.0).tolist()
    [[-1.0, 1.0], [-1.0, 1.0]]
    """
    dims = _last_dims("layer_norm", input, tuple(normalized_shape), weight, bias)
    centred = input - input.mean(dims, keepdim=True)
    variance = (centred * centred).mean(dims, keepdim=True)
    result = centred * (variance + eps).rsqrt()
    result = result if weight is None else result * weight
    return result if bias is None else result + bias


def rms_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """Bring each sample to root mean square 1: x / √(mean(x²) + eps) · weight.

    Args: as `layer_norm`; eps None for the resolution of the dtype.
    Source: Zhang and Sennrich, 2019, arXiv:1910.07467.

    >>> F.rms_norm(sl.tensor([3.0, 3.0]), (2,), eps=0.0).tolist()
    [1.0, 1.0]
    """
    dims = _last_dims("rms_norm", input, tuple(normalized_shape), weight)
    size = (input * input).mean(dims, keepdim=True)
    eps = float(np.finfo(input.dtype).eps) if eps is None else eps
    result = input * (size + eps).rsqrt()
    return result if weight is None else result * weight


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

    Args: input (N, C) or (N, C, d1, …), the others (C,); running ones None to keep none.
    Source: Ioffe and Szegedy, 2015, arXiv:1502.03167.

    >>> batch = sl.tensor([[1.0], [3.0]])
    >>> F.batch_norm(batch, None, None, training=True, eps=0.0).tolist()
    [[-1.0], [1.0]]
    """
    if input.ndim < 2:
        raise ShapeError(
            f"batch_norm: an input of {input.ndim} dimensions has no channels",
            expected="(N, C) or (N, C, d1, …)",
            got={"input": input},
            fix="input.unsqueeze(0) for a single sample",
        )
    words = "batch_norm: input has {size} channels, but a parameter is {given}"
    checks.shapes(words, input, input.shape[1:2], running_mean, running_var, weight, bias)
    if training:
        centred, variance = _batch_statistics(input, running_mean, running_var, momentum)
    elif running_mean is None or running_var is None:
        expected = "True, or both running_mean and running_var"
        problem = ": outside of training the running statistics are needed"
        raise checks.bad_argument("batch_norm", "training", training, expected, problem)
    else:
        centred = input - _channelwise(running_mean, input)
        variance = _channelwise(running_var, input)
    scale = (variance + eps).rsqrt()
    scale = scale if weight is None else scale * _channelwise(weight, input)
    return centred * scale if bias is None else centred * scale + _channelwise(bias, input)


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """Bring the vectors along `dim` to length 1: x / max(‖x‖ₚ, eps).

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
    statistics = (running_mean, mean, 1.0), (running_var, variance, count / (count - 1))
    for running, batch, factor in statistics:
        if running is not None and count:
            running.mul_(1.0 - momentum).add_(batch.detach().reshape(-1), alpha=momentum * factor)
    return centred, variance


def _channelwise(parameter: Tensor, input: Tensor) -> Tensor:
    """One number for each channel, in a shape that lines up with the input."""
    return parameter if input.ndim == 2 else parameter.reshape(-1, *[1] * (input.ndim - 2))


def _last_dims(name: str, input: Tensor, shape: Shape, *parameters: Tensor | None) -> Shape:
    """Return the dimensions that `normalized_shape` names, counted from the end."""
    last = input.shape[-len(shape) :]
    if not shape or last != shape:
        raise ShapeError(
            f"{name}: input ends with {last}, but normalized_shape is {shape}",
            expected="an input whose last sizes are normalized_shape",
            got={"input": input, "normalized_shape": shape},
            fix="build the layer with the last sizes of its input",
        )
    checks.shapes(name + ": a parameter is {given}, not {wanted}", input, shape, *parameters)
    return tuple(range(-len(shape), 0))
