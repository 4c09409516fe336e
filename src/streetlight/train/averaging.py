"""Averaged weights while a model is trained: validated with, and left in it at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streetlight.autograd import no_grad
from streetlight.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from streetlight.train.callbacks import Callback

if TYPE_CHECKING:
    from streetlight.nn.module import Module
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
        self.average: AveragedModel | None = None
        self._resumed: dict[str, Any] = {}
        self._swapped = False

    def on_fit_start(self, trainer: Trainer) -> None:
        """Begin a new average, or go on with that of the run that is resumed."""
        resumed, self._resumed = self._resumed, {}
        self.average = AveragedModel(trainer.model, multi_avg_fn=self.rule, use_buffers=True)
        if resumed:
            self.average.load_state_dict(resumed["average"])
        self._swapped = bool(resumed.get("swapped"))

    def on_epoch_start(self, trainer: Trainer) -> None:
        """Go on with the weights where the average has been validated."""
        if self._swapped and trainer.batch < trainer.batches:
            self._swap(trainer.model)

    def on_step_end(self, trainer: Trainer) -> None:
        """Take in the new weights; after an epoch's last update, validate with the averages."""
        if self.average is not None:
            self.average.update_parameters(trainer.model)
        if trainer.batch == trainer.batches:
            self._swap(trainer.model)

    def on_fit_end(self, trainer: Trainer) -> None:
        """Leave the averages in the model."""
        if not self._swapped:
            self._swap(trainer.model)

    def _swap(self, model: Module) -> None:
        """Exchange what the model and the average hold; the arrays stay those that they are."""
        if self.average is None:
            return
        self._swapped = not self._swapped
        kept = self.average.module.state_dict()
        with no_grad():
            for name, value in model.state_dict().items():
                before = value.clone()
                value.copy_(kept[name])
                kept[name].copy_(before)

    def state_dict(self) -> dict[str, Any]:
        """Give the averages, or while the model holds them the weights."""
        if self.average is None:
            return {}
        return {"average": self.average.state_dict(), "swapped": self._swapped}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what `state_dict` gave."""
        self._resumed = state
