"""Activations and losses as modules: each calls a function of `functional` with its options.

The formulas, shapes and errors are told there. `inplace` is taken where PyTorch has it, so that
its scripts run; it never changes the input.

>>> nn.LeakyReLU(0.5)(sl.tensor([-1.0, 2.0])).tolist()
[-0.5, 2.0]
>>> nn.CrossEntropyLoss(reduction="sum")(sl.tensor([[1e4, 0.0]]), sl.tensor([1])).item()
10000.0
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, InitVar, dataclass, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, dataclass_transform

import streetlight.functional as F
from streetlight.nn.module import Module

if TYPE_CHECKING:
    from streetlight.tensor import Tensor


@dataclass_transform(eq_default=False)
@dataclass(eq=False, repr=False)
class FunctionalModule(Module):
    """Calls the function that its class names; such a class is a dataclass of the options."""

    function: ClassVar[Callable[..., Tensor]]

    def __init_subclass__(
        cls, function: Callable[..., Tensor] | None = None, kw_only: bool = False
    ) -> None:
        super().__init_subclass__()
        if function is not None:
            cls.function = staticmethod(function)
            dataclass(eq=False, repr=False, kw_only=kw_only)(cls)

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """Call the function."""
        options = {field.name: getattr(self, field.name) for field in fields(self)}
        return self.function(*args, **kwargs, **options)

    def extra_repr(self) -> str:
        """Tell the options."""
        shown = (field.name for field in fields(self) if field.repr)
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)


class ReLU(FunctionalModule, function=F.relu):
    """max(0, x); see `functional.relu`."""

    inplace: InitVar[bool] = False


class LeakyReLU(FunctionalModule, function=F.leaky_relu):
    """x if x > 0, else negative_slope · x; see `functional.leaky_relu`."""

    negative_slope: float = 0.01
    inplace: InitVar[bool] = False


class ELU(FunctionalModule, function=F.elu):
    """x if x > 0, else alpha · (eˣ − 1); see `functional.elu`."""

    alpha: float = 1.0
    inplace: InitVar[bool] = False


class GELU(FunctionalModule, function=F.gelu):
    """x · Φ(x), with the normal distribution's Φ; see `functional.gelu`."""

    approximate: str = "none"


class SiLU(FunctionalModule, function=F.silu):
    """x · sigmoid(x); see `functional.silu`."""

    inplace: InitVar[bool] = False


class Sigmoid(FunctionalModule, function=F.sigmoid):
    """1 / (1 + e⁻ˣ); see `functional.sigmoid`."""


class Tanh(FunctionalModule, function=F.tanh):
    """(eˣ − e⁻ˣ) / (eˣ + e⁻ˣ); see `functional.tanh`."""


class Softplus(FunctionalModule, function=F.softplus):
    """log(1 + e^(beta · x)) / beta; see `functional.softplus`."""

    beta: float = 1.0
    threshold: float = 20.0


class Softmax(FunctionalModule, function=F.softmax):
    """eˣ / Σ eˣ, the sum along `dim`; see `functional.softmax`."""

    dim: int


class LogSoftmax(FunctionalModule, function=F.log_softmax):
    """x − log Σ eˣ, the sum along `dim`; see `functional.log_softmax`."""

    dim: int


@dataclass(eq=False, repr=False)
class _Loss(FunctionalModule):
    reduction: str = "mean"

    def extra_repr(self) -> str:
        return ""  # as PyTorch has it


class MSELoss(_Loss, function=F.mse_loss):
    """Mean squared error, (input − target)²; see `functional.mse_loss`."""


class L1Loss(_Loss, function=F.l1_loss):
    """Mean absolute error, |input − target|; see `functional.l1_loss`."""


class SmoothL1Loss(_Loss, function=F.smooth_l1_loss):
    """d²/(2 beta) if |d| < beta, else |d| − beta/2; see `functional.smooth_l1_loss`."""

    beta: float = 1.0


class HuberLoss(_Loss, function=F.huber_loss):
    """d²/2 if |d| < delta, else delta · (|d| − delta/2); see `functional.huber_loss`."""

    delta: float = 1.0


class KLDivLoss(_Loss, function=F.kl_div):
    """Kullback-Leibler divergence of log-probabilities from the truth; see `functional.kl_div`."""

    log_target: bool = False


@dataclass(eq=False, repr=False)
class _WeightedLoss(_Loss):
    weight: Tensor | None = None
    _: KW_ONLY
    reduction: str = "mean"

    _buffer_names = MappingProxyType({"weight": True, "pos_weight": True})


class BCELoss(_WeightedLoss, function=F.binary_cross_entropy):
    """Surprise of yes-or-no answers, from probabilities; see `functional.binary_cross_entropy`."""


class BCEWithLogitsLoss(_WeightedLoss, function=F.binary_cross_entropy_with_logits, kw_only=True):
    """Binary cross-entropy of sigmoid(x); see `functional.binary_cross_entropy_with_logits`."""

    pos_weight: Tensor | None = None


class NLLLoss(_WeightedLoss, function=F.nll_loss, kw_only=True):
    """Minus the log-probability of the true class; see `functional.nll_loss`."""

    ignore_index: int = -100


class CrossEntropyLoss(_WeightedLoss, function=F.cross_entropy, kw_only=True):
    """Minus the logarithm of the softmax at the true class; see `functional.cross_entropy`."""

    ignore_index: int = -100
    label_smoothing: float = 0.0
