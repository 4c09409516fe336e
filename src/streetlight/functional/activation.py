"""Activations: the bends between two linear layers. sigmoid and tanh are operations."""

import math

from streetlight import ops
from streetlight.errors import ArgumentError
from streetlight.ops import where
from streetlight.tensor import Tensor


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """Keep what is positive: max(0, x); with `inplace`, in the memory of the input."""
    return input.relu_() if inplace else ops.relu(input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """Keep what is positive, shrink the rest: x if x > 0, else negative_slope · x.

    >>> F.leaky_relu(sl.tensor([-2.0, 3.0]), 0.5).tolist()
    [-1.0, 3.0]
    """
    return where(input > 0, input, input * negative_slope)


def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """Bend smoothly towards −alpha: x if x > 0, else alpha · (eˣ − 1).

    Source: Clevert, Unterthiner and Hochreiter, 2015, arXiv:1511.07289.

    >>> F.elu(sl.tensor([-100.0, 3.0])).tolist()
    [-1.0, 3.0]
    """
    positive = input > 0
    # The branch not taken must stay finite, or its gradient, 0 times infinity, is NaN.
    below = input.masked_fill(positive, 0.0).expm1()
    return where(positive, input, below if alpha == 1.0 else below * alpha)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """Weigh each value by its normal probability: x · Φ(x) = x/2 · (1 + erf(x/√2)).

    Args: approximate "tanh" takes x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))).
    Source: Hendrycks and Gimpel, 2016, arXiv:1606.08415.

    >>> F.gelu(sl.tensor([-100.0, 0.0, 100.0])).tolist()
    [-0.0, 0.0, 100.0]
    """
    if approximate == "none":
        return input * 0.5 * ((input * math.sqrt(0.5)).erf() + 1.0)
    if approximate == "tanh":
        bend = (input * input * 0.044715 + 1.0) * input
        return input * 0.5 * ((bend * math.sqrt(2.0 / math.pi)).tanh() + 1.0)
    raise ArgumentError(
        "gelu: there is no such approximation",
        expected='"none" or "tanh"',
        got={"approximate": approximate},
        fix='leave it out, or write approximate="tanh"',
    )


def silu(input: Tensor) -> Tensor:
    """Let a value open its own gate: x · sigmoid(x), also called swish.

    Source: Elfwing, Uchibe and Doya, 2017, arXiv:1702.03118.

    >>> F.silu(sl.tensor([0.0, 100.0])).tolist()
    [0.0, 100.0]
    """
    return input * input.sigmoid()


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """Round off the corner of ReLU: log(1 + e^(beta · x)) / beta.

    Args: where beta · x is above the threshold, x itself is given: the two no longer differ.

    >>> round(F.softplus(sl.tensor(0.0)).item(), 4)
    0.6931
    """
    scaled = input if beta == 1.0 else input * beta
    straight = scaled > threshold
    bend = scaled.masked_fill(straight, 0.0).exp().log1p()
    return where(straight, input, bend if beta == 1.0 else bend / beta)
