"""Averaged weights while a model is trained: validated with, and left in it at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streetlight.autograd import no_grad
from streetlight.optim.swa_utils import get_ema_multi_avg_fn
from streetlight.tensor import Tensor
from streetlight.train.callbacks import Callback

if TYPE_CHECKING:
    from streetlight.train.trainer import Trainer


class ExponentialMovingAverage(Callback):
    """Keep a moving average of the weights, one share of 1 − `decay` for each update of them.

    average ← decay · average + (1 − decay) · weights, for the buffers (the statistics of batch
    norm) as well. From the last update of an epoch to the first of the next one the model holds
    the averages: so they are what is validated, kept as the best, and there at the end of `fit`.

    Args:
        decay: from 0 (the weights themselves) to 1 (the first ones); the average reaches back
            about 1 / (1 − decay) updates.

    Raises:
        ArgumentError: decay is not from 0 to 1.

    Source: Polyak and Juditsky, 1992, "Acceleration of stochastic approximation by averaging".

    >>> ExponentialMovingAverage(decay=0.99).decay
    0.99
    """

    order = -10  # before EarlyStopping, whose best weights stay in the model

    def __init__(self, decay: float = 0.999) -> None:
        self.decay, self.rule = decay, get_ema_multi_avg_fn(decay)
        self._averages: list[Tensor] = []
        self._weights: list[Tensor] = []  # of the model, in the same order
        self._begun = self._swapped = False
        self._resumed: dict[str, Any] = {}

    def on_fit_start(self, trainer: Trainer) -> None:
        """Begin a new average, or go on with that of the run that is resumed."""
        self._weights = [*trainer.model.parameters(), *trainer.model.buffers()]
        self._averages = [weight.detach().clone() for weight in self._weights]
        kept = self._resumed.get("averages", self._averages)
        for average, value in zip(self._averages, kept, strict=True):
            average.copy_(value)
        self._begun = self._resumed.get("begun", False)
        self._swapped = self._resumed.get("swapped", False)
        self._resumed = {}

    def on_epoch_start(self, trainer: Trainer) -> None:
        """Go on with the weights where the average has been validated."""
        if self._swapped and trainer.batch < trainer.batches:
            self._swap()

    def on_step_end(self, trainer: Trainer) -> None:
        """Take in the new weights; after an epoch's last update, validate with the averages."""
        rule = self.rule if self._begun else get_ema_multi_avg_fn(0.0)  # the first are copied
        rule(self._averages, self._weights, None)
        self._begun = True
        if trainer.batch == trainer.batches:
            self._swap()

    def on_fit_end(self, trainer: Trainer) -> None:
        """Leave the averages in the model."""
        if not self._swapped:
            self._swap()

    def _swap(self) -> None:
        """Exchange what the model and the average hold; the arrays stay those that they are."""
        self._swapped = not self._swapped
        with no_grad():
            for weight, average in zip(self._weights, self._averages, strict=True):
                before = weight.clone()
                weight.copy_(average)
                average.copy_(before)

    def state_dict(self) -> dict[str, Any]:
        """Give the averages, or while the model holds them the weights."""
        return {"averages": self._averages, "begun": self._begun, "swapped": self._swapped}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what `state_dict` gave."""
        self._resumed = state
