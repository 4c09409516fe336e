"""How parameters begin: functions that fill a tensor with numbers, in place, and return it.

Each takes a `generator`; without one, the generator that `sl.manual_seed` seeds is used. Weights
are (fan_out, fan_in), followed by the sizes of a convolution's kernel, which multiply both fans.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from streetlight.autograd import no_grad
from streetlight.errors import ArgumentError, ShapeError
from streetlight.nn.members import near_match
from streetlight.tensor import Tensor

if TYPE_CHECKING:
    from streetlight.random import Generator

_GAINS = dict.fromkeys(("linear", "conv1d", "conv2d", "conv3d", "sigmoid"), 1.0)
_GAINS |= {"tanh": 5 / 3, "relu": math.sqrt(2), "leaky_relu": math.sqrt(2), "selu": 3 / 4}


def uniform_(
    tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Draw from the uniform distribution between a and b.

    >>> bool((nn.init.uniform_(sl.empty(3), 2.0, 4.0) >= 2.0).all())
    True
    """
    with no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Draw from the normal distribution."""
    with no_grad():
        return tensor.normal_(mean, std, generator=generator)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Set all elements to one value.

    >>> nn.init.constant_(sl.empty(2), 0.5).tolist()
    [0.5, 0.5]
    """
    with no_grad():
        return tensor.fill_(val)


def ones_(tensor: Tensor) -> Tensor:
    """Set all elements to 1."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Set all elements to 0."""
    return constant_(tensor, 0.0)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return the factor that makes up for what an activation does to the size of values.

    The slope of "leaky_relu" is `param`, or 0.01; its gain is √(2 / (1 + slope²)).

    Raises:
        ArgumentError: there is no such activation.

    >>> nn.init.calculate_gain("leaky_relu", 1.0)
    1.0
    """
    if nonlinearity not in _GAINS:
        words = f"calculate_gain: no gain is known for '{nonlinearity}'"
        raise ArgumentError(words, fix=near_match(str(nonlinearity), _GAINS))
    slope = (0.01 if param is None else param) if nonlinearity == "leaky_relu" else 0.0
    return _GAINS[nonlinearity] / math.sqrt(1 + slope**2)


def xavier_uniform_(
    tensor: Tensor, gain: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Draw uniformly in ±gain · √(6 / (fan_in + fan_out)); see `xavier_normal_`."""
    bound = gain * math.sqrt(6 / max(sum(_fans(tensor)), 1))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Draw from the normal distribution with std gain · √(2 / (fan_in + fan_out)).

    Raises:
        ShapeError: the tensor has fewer than two dimensions.

    Source: Glorot and Bengio, Understanding the difficulty of training ..., 2010.

    >>> nn.init.xavier_normal_(sl.empty(3, 5)).shape
    (3, 5)
    """
    return normal_(tensor, 0.0, gain * math.sqrt(2 / max(sum(_fans(tensor)), 1)), generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Draw uniformly in ±gain · √(3 / fan); see `kaiming_normal_`."""
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Draw from the normal distribution with std gain / √fan.

    The gain is that of the `nonlinearity` after this layer, with the slope `a` if it is leaky. The
    mode "fan_in" keeps the size of values, "fan_out" that of gradients.

    Raises:
        ShapeError: the tensor has fewer than two dimensions.
        ArgumentError: there is no such mode or activation.

    Source: He et al., 2015, arXiv:1502.01852.

    >>> nn.init.kaiming_normal_(sl.empty(3, 5), nonlinearity="relu").shape
    (3, 5)
    """
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Draw a random (half-)orthogonal matrix: W · Wᵀ = gain² · 1, or Wᵀ · W if it is tall.

    Dimensions after the first count as one.

    Raises:
        ShapeError: the tensor has fewer than two dimensions.

    Source: Saxe, McClelland and Ganguli, 2013, arXiv:1312.6120.

    >>> nn.init.orthogonal_(sl.empty(1, 1), gain=2.0).abs().tolist()
    [[2.0]]
    """
    _fans(tensor)  # refuses what is no matrix
    drawn = normal_(tensor, generator=generator).detach().cpu().numpy()
    matrix = drawn.reshape(len(drawn), math.prod(drawn.shape[1:])).astype(np.float64)
    wide = matrix.shape[0] < matrix.shape[1]
    q, r = np.linalg.qr(matrix.T if wide else matrix)
    q = q * np.where(np.diag(r) < 0, -gain, gain)  # this makes all rotations equally likely
    with no_grad():
        return tensor.copy_(Tensor((q.T if wide else q).reshape(drawn.shape)))


def _fans(tensor: Tensor) -> tuple[int, int]:
    """Return how many inputs an output has, and how many outputs an input has."""
    if tensor.ndim < 2:
        raise ShapeError(
            "init: fan-in and fan-out need a weight of two or more dimensions",
            expected="(fan_out, fan_in, ...)",
            got={"tensor": tensor},
            fix="for biases use zeros_ or uniform_",
        )
    receptive_field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * receptive_field, tensor.shape[0] * receptive_field


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    fans = dict(zip(("fan_in", "fan_out"), _fans(tensor), strict=True))
    if mode not in fans:
        raise ArgumentError(f"init: there is no mode '{mode}'", expected='"fan_in" or "fan_out"')
    return calculate_gain(nonlinearity, a) / math.sqrt(max(fans[mode], 1))
