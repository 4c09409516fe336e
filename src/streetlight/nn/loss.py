"""Losses as modules: one number that says how wrong a prediction is. See `functional` for more.

All take `reduction`: "mean", "sum", or "none" for the loss of each sample or element.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import streetlight.functional as F
from streetlight.nn.module import Module

if TYPE_CHECKING:
    from streetlight.tensor import Tensor


class _Loss(Module):
    def __init__(self, reduction: str = "mean") -> None:
        self.reduction = reduction


class _WeightedLoss(Module):
    weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, *, reduction: str = "mean") -> None:
        self.register_buffer("weight", weight)
        self.reduction = reduction


class MSELoss(_Loss):
    """Mean squared error, (input − target)²; see `functional.mse_loss`.

    >>> nn.MSELoss()(sl.tensor([1.0, 2.0]), sl.tensor([1.0, 4.0])).item()
    2.0
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare predictions with targets of the same shape."""
        return F.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """Mean absolute error, |input − target|; see `functional.l1_loss`.

    >>> nn.L1Loss()(sl.tensor([1.0, 2.0]), sl.tensor([1.0, 4.0])).item()
    1.0
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare predictions with targets of the same shape."""
        return F.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """d²/(2 beta) if |d| < beta, else |d| − beta/2; see `functional.smooth_l1_loss`.

    Args:
        reduction: "mean", "sum" or "none".
        beta: the distance at which the square changes over to the straight line.

    >>> nn.SmoothL1Loss()(sl.tensor([3.0]), sl.tensor([0.0])).item()
    2.5
    """

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare predictions with targets of the same shape."""
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(_Loss):
    """d²/2 if |d| < delta, else delta · (|d| − delta/2); see `functional.huber_loss`.

    Args:
        reduction: "mean", "sum" or "none".
        delta: the distance at which the square changes over to the straight line.

    >>> nn.HuberLoss(delta=2.0)(sl.tensor([3.0]), sl.tensor([0.0])).item()
    4.0
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare predictions with targets of the same shape."""
        return F.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class KLDivLoss(_Loss):
    """Kullback-Leibler divergence of log-probabilities from the truth; see `functional.kl_div`.

    Args:
        reduction: "batchmean" (as books have it), "mean", "sum" or "none".
        log_target: whether the target holds logarithms.

    >>> truth = sl.tensor([[0.5, 0.5]])
    >>> nn.KLDivLoss(reduction="batchmean")(truth.log(), truth).item()
    0.0
    """

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction)
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare log-probabilities with probabilities of the same shape."""
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class BCELoss(_WeightedLoss):
    """Surprise of yes-or-no answers, from probabilities; see `functional.binary_cross_entropy`.

    Args:
        weight: factors for the elements' losses.
        reduction: "mean", "sum" or "none".

    >>> nn.BCELoss()(sl.tensor([1.0, 0.0]), sl.tensor([0.0, 0.0])).item()
    50.0
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare probabilities with the truth, 0 to 1, of the same shape."""
        return F.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_WeightedLoss):
    """Binary cross-entropy of sigmoid(x); see `functional.binary_cross_entropy_with_logits`.

    Args:
        weight: factors for the elements' losses.
        reduction: "mean", "sum" or "none".
        pos_weight: factors for the part where the truth is 1.

    >>> nn.BCEWithLogitsLoss()(sl.tensor([1e4, -1e4]), sl.tensor([1.0, 1.0])).item()
    5000.0
    """

    pos_weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        reduction: str = "mean",
        pos_weight: Tensor | None = None,
    ) -> None:
        super().__init__(weight, reduction=reduction)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare logits with the truth, 0 to 1, of the same shape."""
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


class NLLLoss(_WeightedLoss):
    """Minus the log-probability of the true class; see `functional.nll_loss`.

    Args:
        weight: a factor for each class (C,).
        ignore_index: the label that does not count.
        reduction: "mean", "sum" or "none".

    >>> nn.NLLLoss()(sl.tensor([[-1.0, -2.0], [-3.0, -4.0]]), sl.tensor([1, 0])).item()
    2.5
    """

    def __init__(
        self, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean"
    ) -> None:
        super().__init__(weight, reduction=reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare log-probabilities (N, C, ...) with labels (N, ...)."""
        return F.nll_loss(
            input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction
        )


class CrossEntropyLoss(_WeightedLoss):
    """Minus the logarithm of the softmax at the true class; see `functional.cross_entropy`.

    Args:
        weight: a factor for each class (C,).
        ignore_index: the label that does not count.
        reduction: "mean", "sum" or "none".
        label_smoothing: the share of the truth that is spread over all classes, 0 to 1.

    >>> nn.CrossEntropyLoss()(sl.tensor([[1e4, 0.0], [0.0, 1e4]]), sl.tensor([0, 0])).item()
    5000.0
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, reduction=reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare logits (N, C, ...) with labels (N, ...) or probabilities (N, C, ...)."""
        return F.cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )
