"""Losses as modules: one number that says how wrong a prediction is. See `functional` for more.

All take `reduction`: "mean", "sum", or "none" for the loss of each sample or element.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import streetlight.functional as F
from streetlight.nn.functional_module import FunctionalModule

if TYPE_CHECKING:
    from streetlight.tensor import Tensor


class _Unshown(FunctionalModule):
    def extra_repr(self) -> str:
        return ""  # as PyTorch has it


@dataclass(eq=False, repr=False)
class _Loss(_Unshown):
    reduction: str = "mean"


@dataclass(eq=False, repr=False)
class _WeightedLoss(_Unshown):
    weight: Tensor | None = None
    _: KW_ONLY
    reduction: str = "mean"

    _buffer_names = MappingProxyType({"weight": True, "pos_weight": True})


class MSELoss(_Loss, function=F.mse_loss):
    """Mean squared error, (input − target)²; see `functional.mse_loss`.

    >>> nn.MSELoss()(sl.tensor([1.0, 2.0]), sl.tensor([1.0, 4.0])).item()
    2.0
    """


class L1Loss(_Loss, function=F.l1_loss):
    """Mean absolute error, |input − target|; see `functional.l1_loss`.

    >>> nn.L1Loss()(sl.tensor([1.0, 2.0]), sl.tensor([1.0, 4.0])).item()
    1.0
    """


@dataclass(eq=False, repr=False)
class SmoothL1Loss(_Loss, function=F.smooth_l1_loss):
    """d²/(2 beta) if |d| < beta, else |d| − beta/2; see `functional.smooth_l1_loss`.

    >>> nn.SmoothL1Loss()(sl.tensor([3.0]), sl.tensor([0.0])).item()
    2.5
    """

    beta: float = 1.0


@dataclass(eq=False, repr=False)
class HuberLoss(_Loss, function=F.huber_loss):
    """d²/2 if |d| < delta, else delta · (|d| − delta/2); see `functional.huber_loss`.

    >>> nn.HuberLoss(delta=2.0)(sl.tensor([3.0]), sl.tensor([0.0])).item()
    4.0
    """

    delta: float = 1.0


@dataclass(eq=False, repr=False)
class KLDivLoss(_Loss, function=F.kl_div):
    """Divergence of log-probabilities from the truth; see `functional.kl_div`, also "batchmean".

    >>> truth = sl.tensor([[0.5, 0.5]])
    >>> nn.KLDivLoss(reduction="batchmean")(truth.log(), truth).item()
    0.0
    """

    log_target: bool = False


class BCELoss(_WeightedLoss, function=F.binary_cross_entropy):
    """Surprise of yes-or-no answers, from probabilities; see `functional.binary_cross_entropy`.

    >>> nn.BCELoss()(sl.tensor([1.0, 0.0]), sl.tensor([0.0, 0.0])).item()
    50.0
    """


@dataclass(eq=False, repr=False, kw_only=True)
class BCEWithLogitsLoss(_WeightedLoss, function=F.binary_cross_entropy_with_logits):
    """Binary cross-entropy of sigmoid(x); see `functional.binary_cross_entropy_with_logits`.

    >>> nn.BCEWithLogitsLoss()(sl.tensor([1e4, -1e4]), sl.tensor([1.0, 1.0])).item()
    5000.0
    """

    pos_weight: Tensor | None = None


@dataclass(eq=False, repr=False, kw_only=True)
class NLLLoss(_WeightedLoss, function=F.nll_loss):
    """Minus the log-probability of the true class; see `functional.nll_loss`.

    >>> nn.NLLLoss()(sl.tensor([[-1.0, -2.0], [-3.0, -4.0]]), sl.tensor([1, 0])).item()
    2.5
    """

    ignore_index: int = -100


@dataclass(eq=False, repr=False, kw_only=True)
class CrossEntropyLoss(_WeightedLoss, function=F.cross_entropy):
    """Minus the logarithm of the softmax at the true class; see `functional.cross_entropy`.

    >>> nn.CrossEntropyLoss()(sl.tensor([[1e4, 0.0], [0.0, 1e4]]), sl.tensor([0, 0])).item()
    5000.0
    """

    ignore_index: int = -100
    label_smoothing: float = 0.0
