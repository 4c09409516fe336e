"""Activations as modules: the bends between two linear layers.

`inplace` is taken where PyTorch has it, so that its scripts run; it never changes the input.
"""

from __future__ import annotations

from dataclasses import InitVar, dataclass

import streetlight.functional as F
from streetlight.nn.functional_module import FunctionalModule


@dataclass(eq=False, repr=False)
class ReLU(FunctionalModule, function=F.relu):
    """max(0, x); see `functional.relu`.

    >>> nn.ReLU()(sl.tensor([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    inplace: InitVar[bool] = False


@dataclass(eq=False, repr=False)
class LeakyReLU(FunctionalModule, function=F.leaky_relu):
    """x if x > 0, else negative_slope · x; see `functional.leaky_relu`.

    >>> nn.LeakyReLU(0.5)(sl.tensor([-1.0, 2.0])).tolist()
    [-0.5, 2.0]
    """

    negative_slope: float = 0.01
    inplace: InitVar[bool] = False


@dataclass(eq=False, repr=False)
class ELU(FunctionalModule, function=F.elu):
    """x if x > 0, else alpha · (eˣ − 1); see `functional.elu`.

    >>> nn.ELU()(sl.tensor([-100.0, 2.0])).tolist()
    [-1.0, 2.0]
    """

    alpha: float = 1.0
    inplace: InitVar[bool] = False


@dataclass(eq=False, repr=False)
class GELU(FunctionalModule, function=F.gelu):
    """x · Φ(x), with the normal distribution's Φ; see `functional.gelu`.

    >>> nn.GELU()(sl.tensor([0.0, 100.0])).tolist()
    [0.0, 100.0]
    """

    approximate: str = "none"


@dataclass(eq=False, repr=False)
class SiLU(FunctionalModule, function=F.silu):
    """x · sigmoid(x); see `functional.silu`.

    >>> nn.SiLU()(sl.tensor([0.0, 100.0])).tolist()
    [0.0, 100.0]
    """

    inplace: InitVar[bool] = False


class Sigmoid(FunctionalModule, function=F.sigmoid):
    """1 / (1 + e⁻ˣ); see `functional.sigmoid`.

    >>> nn.Sigmoid()(sl.tensor([0.0])).tolist()
    [0.5]
    """


class Tanh(FunctionalModule, function=F.tanh):
    """(eˣ − e⁻ˣ) / (eˣ + e⁻ˣ); see `functional.tanh`.

    >>> nn.Tanh()(sl.tensor([0.0, 100.0])).tolist()
    [0.0, 1.0]
    """


@dataclass(eq=False, repr=False)
class Softmax(FunctionalModule, function=F.softmax):
    """eˣ / Σ eˣ, the sum along `dim`; see `functional.softmax`.

    >>> nn.Softmax(dim=-1)(sl.tensor([3.0, 3.0])).tolist()
    [0.5, 0.5]
    """

    dim: int


@dataclass(eq=False, repr=False)
class LogSoftmax(FunctionalModule, function=F.log_softmax):
    """x − log Σ eˣ, the sum along `dim`; see `functional.log_softmax`.

    >>> nn.LogSoftmax(dim=-1)(sl.tensor([0.0, -1e4])).tolist()
    [0.0, -10000.0]
    """

    dim: int


@dataclass(eq=False, repr=False)
class Softplus(FunctionalModule, function=F.softplus):
    """log(1 + e^(beta · x)) / beta; see `functional.softplus`.

    >>> nn.Softplus()(sl.tensor([100.0])).tolist()
    [100.0]
    """

    beta: float = 1.0
    threshold: float = 20.0
