"""Activations as modules: the bends between two linear layers. The formulas are in `functional`.

`inplace` is taken where PyTorch has it, so that its scripts run; it never changes the input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import streetlight.functional as F
from streetlight.nn.module import Module

if TYPE_CHECKING:
    from streetlight.tensor import Tensor


class ReLU(Module):
    """max(0, x); see `functional.relu`.

    >>> nn.ReLU()(sl.tensor([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    def __init__(self, inplace: bool = False) -> None:
        pass

    def forward(self, input: Tensor) -> Tensor:
        """Apply it to an input of any shape."""
        return F.relu(input)


class LeakyReLU(Module):
    """x if x > 0, else negative_slope · x; see `functional.leaky_relu`.

    Args:
        negative_slope: the share of a negative value that comes through.

    >>> nn.LeakyReLU(0.5)(sl.tensor([-1.0, 2.0])).tolist()
    [-0.5, 2.0]
    """

    _shown = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        self.negative_slope = negative_slope

    def forward(self, input: Tensor) -> Tensor:
        """Apply it to an input of any shape."""
        return F.leaky_relu(input, self.negative_slope)


class ELU(Module):
    """x if x > 0, else alpha · (eˣ − 1); see `functional.elu`.

    Args:
        alpha: minus the value that very negative inputs end at.

    >>> nn.ELU()(sl.tensor([-100.0, 2.0])).tolist()
    [-1.0, 2.0]
    """

    _shown = ("alpha",)

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        self.alpha = alpha

    def forward(self, input: Tensor) -> Tensor:
        """Apply it to an input of any shape."""
        return F.elu(input, self.alpha)


class GELU(Module):
    """x · Φ(x), with the normal distribution's Φ; see `functional.gelu`.

    Args:
        approximate: "none", or "tanh" for the approximation by tanh.

    >>> nn.GELU()(sl.tensor([0.0, 100.0])).tolist()
    [0.0, 100.0]
    """

    _shown = ("approximate",)

    def __init__(self, approximate: str = "none") -> None:
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        """Apply it to an input of any shape."""
        return F.gelu(input, self.approximate)


class SiLU(Module):
    """x · sigmoid(x); see `functional.silu`.

    >>> nn.SiLU()(sl.tensor([0.0, 100.0])).tolist()
    [0.0, 100.0]
    """

    def __init__(self, inplace: bool = False) -> None:
        pass

    def forward(self, input: Tensor) -> Tensor:
        """Apply it to an input of any shape."""
        return F.silu(input)


class Sigmoid(Module):
    """1 / (1 + e⁻ˣ); see `functional.sigmoid`.

    >>> nn.Sigmoid()(sl.tensor([0.0])).tolist()
    [0.5]
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply it to an input of any shape."""
        return F.sigmoid(input)


class Tanh(Module):
    """(eˣ − e⁻ˣ) / (eˣ + e⁻ˣ); see `functional.tanh`.

    >>> nn.Tanh()(sl.tensor([0.0, 100.0])).tolist()
    [0.0, 1.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply it to an input of any shape."""
        return F.tanh(input)


class Softmax(Module):
    """eˣ / Σ eˣ, the sum along `dim`; see `functional.softmax`.

    Args:
        dim: the dimension along which the result adds up to 1.

    >>> nn.Softmax(dim=-1)(sl.tensor([3.0, 3.0])).tolist()
    [0.5, 0.5]
    """

    _shown = ("dim",)

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """Apply it to an input that has the dimension `dim`."""
        return F.softmax(input, self.dim)


class LogSoftmax(Module):
    """x − log Σ eˣ, the sum along `dim`; see `functional.log_softmax`.

    Args:
        dim: the dimension along which the probabilities add up to 1.

    >>> nn.LogSoftmax(dim=-1)(sl.tensor([0.0, -1e4])).tolist()
    [0.0, -10000.0]
    """

    _shown = ("dim",)

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """Apply it to an input that has the dimension `dim`."""
        return F.log_softmax(input, self.dim)


class Softplus(Module):
    """log(1 + e^(beta · x)) / beta; see `functional.softplus`.

    Args:
        beta: the sharpness of the bend.
        threshold: where beta · x is above it, x itself is given.

    >>> nn.Softplus()(sl.tensor([100.0])).tolist()
    [100.0]
    """

    _shown = ("beta", "threshold")

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Tensor) -> Tensor:
        """Apply it to an input of any shape."""
        return F.softplus(input, self.beta, self.threshold)
