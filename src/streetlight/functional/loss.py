"""Losses of numbers and of yes-or-no answers: how far each prediction is from its target."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from streetlight.errors import ShapeError
from streetlight.functional.activation import softplus
from streetlight.functional.checks import check_tensors, not_in_range
from streetlight.ops import where
from streetlight.ops.registry import broadcast_shape

if TYPE_CHECKING:
    from streetlight.tensor import Tensor


def mse_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """Mean squared error: (input − target)².

    Args:
        input: predictions, any shape.
        target: what they should be; must not broadcast the predictions to more elements.
        reduction: "mean", "sum" or "none" of the elements' losses.

    Raises:
        ShapeError: the shapes do not fit.

    >>> F.mse_loss(sl.tensor([1.0, 2.0]), sl.tensor([1.0, 4.0])).item()
    2.0
    """
    difference = _difference("mse_loss", input, target)
    return reduce(difference * difference, reduction)


def l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """Mean absolute error: |input − target|.

    Args and errors: as `mse_loss`.

    >>> F.l1_loss(sl.tensor([1.0, 2.0]), sl.tensor([1.0, 4.0])).item()
    1.0
    """
    return reduce(_difference("l1_loss", input, target).abs(), reduction)


def smooth_l1_loss(
    input: Tensor, target: Tensor, *, reduction: str = "mean", beta: float = 1.0
) -> Tensor:
    """Squared near the target, absolute far away: d²/(2 beta) if |d| < beta, else |d| − beta/2.

    Args:
        input, target, reduction: as `mse_loss`.
        beta: the distance at which it changes over; at 0 it is `l1_loss`.

    Raises:
        ArgumentError: `beta` is negative.
        ShapeError: the shapes do not fit.

    Source: Girshick, Fast R-CNN, 2015, arXiv:1504.08083.

    >>> F.smooth_l1_loss(sl.tensor([1.0, 3.0]), sl.tensor([0.0, 0.0]), reduction="none").tolist()
    [0.5, 2.5]
    """
    if beta < 0:
        raise not_in_range("smooth_l1_loss", "beta", beta, "0 or more")
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    difference = _difference("smooth_l1_loss", input, target)
    size = difference.abs()
    near = difference * difference * (0.5 / beta)
    return reduce(where(size < beta, near, size - 0.5 * beta), reduction)


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0
) -> Tensor:
    """Squared near the target, straight far away: d²/2 if |d| < delta, else delta (|d| − delta/2).

    Args:
        input, target, reduction: as `mse_loss`.
        delta: the distance at which it changes over.

    Raises:
        ArgumentError: `delta` is not positive.
        ShapeError: the shapes do not fit.

    Source: Huber, Robust Estimation of a Location Parameter, 1964.

    >>> F.huber_loss(sl.tensor([1.0, 3.0]), sl.tensor([0.0, 0.0]), "none", delta=2.0).tolist()
    [0.5, 4.0]
    """
    if not delta > 0:
        raise not_in_range("huber_loss", "delta", delta, "more than 0")
    difference = _difference("huber_loss", input, target)
    size = difference.abs()
    near = difference * difference * 0.5
    return reduce(where(size < delta, near, size * delta - 0.5 * delta * delta), reduction)


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """Surprise of yes-or-no answers: −(t log p + (1 − t) log(1 − p)), each log at least −100.

    Where a logarithm is cut off, its gradient is 0. Rather than sigmoid and this, use
    `binary_cross_entropy_with_logits`: it loses no digits.

    Args:
        input: probabilities p in [0, 1], any shape.
        target: the truth t in [0, 1], of the same shape.
        weight: factors for the elements' losses, broadcast to them.
        reduction: "mean", "sum" or "none" of the elements' losses.

    Raises:
        ShapeError: the shapes differ.

    >>> F.binary_cross_entropy(sl.tensor([1.0, 0.0]), sl.tensor([0.0, 0.0])).item()
    50.0
    """
    _check_same_shape("binary_cross_entropy", input, target)
    losses = (target - 1.0) * _bounded_log(1.0 - input) - target * _bounded_log(input)
    return reduce(losses if weight is None else losses * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Binary cross-entropy of sigmoid(x), safe for any x: (1 − t) x + log(1 + e⁻ˣ).

    Args:
        input: logits x, any shape.
        target: the truth t in [0, 1], of the same shape.
        weight: factors for the elements' losses, broadcast to them.
        reduction: "mean", "sum" or "none" of the elements' losses.
        pos_weight: factors for the part of t = 1, broadcast to the elements.

    Raises:
        ShapeError: the shapes differ.

    >>> logits, truth = sl.tensor([1e4, -1e4]), sl.tensor([1.0, 1.0])
    >>> F.binary_cross_entropy_with_logits(logits, truth).item()
    5000.0
    """
    _check_same_shape("binary_cross_entropy_with_logits", input, target)
    # Above 40 no digit of x + log(1 + e⁻ˣ) differs from x, not even in float64.
    surprise = softplus(-input, threshold=40.0)
    if pos_weight is not None:
        surprise = surprise * ((pos_weight - 1.0) * target + 1.0)
    losses = (1.0 - target) * input + surprise
    return reduce(losses if weight is None else losses * weight, reduction)


def kl_div(
    input: Tensor, target: Tensor, *, reduction: str = "mean", log_target: bool = False
) -> Tensor:
    """Kullback-Leibler divergence of log-probabilities from the truth: t (log t − input).

    Args:
        input: log-probabilities, any shape.
        target: probabilities t, or their logarithms if `log_target`.
        reduction: "batchmean" (the sum, divided by the first size: the divergence as books have
            it), "mean" (over all elements), "sum" or "none".
        log_target: whether `target` holds logarithms.

    Raises:
        ShapeError: the shapes do not fit.

    Source: Kullback and Leibler, On Information and Sufficiency, 1951.

    >>> truth = sl.tensor([[0.5, 0.5]])
    >>> F.kl_div(truth.log(), truth, reduction="batchmean").item()
    0.0
    """
    _check_fits("kl_div", input, target)
    if log_target:
        losses = target.exp() * (target - input)
    else:
        losses = target * (target.masked_fill(target == 0, 1.0).log() - input)
    if reduction == "batchmean":
        return losses.sum() / (input.shape[0] if input.ndim else 1)
    return reduce(losses, reduction)


def reduce(losses: Tensor, reduction: str) -> Tensor:
    """Mean or sum of the losses, or the losses themselves."""
    if reduction == "mean":
        return losses.mean()
    if reduction == "sum":
        return losses.sum()
    if reduction == "none":
        return losses
    raise not_in_range("loss", "reduction", reduction, '"mean", "sum" or "none"')


def _bounded_log(probabilities: Tensor) -> Tensor:
    """Logarithms of at least −100, as e⁻¹⁰⁰ is almost the smallest number that float32 has."""
    tiny = probabilities < 3.7e-44
    return probabilities.masked_fill(tiny, 1.0).log().masked_fill(tiny, -100.0)


def _difference(name: str, input: Tensor, target: Tensor) -> Tensor:
    _check_fits(name, input, target)
    return input - target


def _check_fits(name: str, input: Tensor, target: Tensor) -> None:
    """Refuse (N, 1) against (N,): every prediction would be compared with every target."""
    check_tensors(name, input, target)
    if input.shape == target.shape:
        return
    if math.prod(broadcast_shape(name, input, target)) != input.numel():
        raise ShapeError(
            f"{name}: input {tuple(input.shape)} and target {tuple(target.shape)} do not pair up",
            expected="one target for each prediction",
            got={"input": input, "target": target},
            fix="target.reshape(input.shape) if both have as many elements",
        )


def _check_same_shape(name: str, input: Tensor, target: Tensor) -> None:
    check_tensors(name, input, target)
    if input.shape != target.shape:
        raise ShapeError(
            f"{name}: input is {tuple(input.shape)}, but target is {tuple(target.shape)}",
            expected="equal shapes",
            got={"input": input, "target": target},
            fix="target.reshape(input.shape), or input.squeeze(-1) for a last size of 1",
        )
