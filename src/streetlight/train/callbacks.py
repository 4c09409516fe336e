"""Callbacks: code that runs at named points of the training loop."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streetlight.errors import ArgumentError
from streetlight.train import checkpoint

if TYPE_CHECKING:
    from streetlight.train.trainer import Trainer


class Callback:
    """Base class: override the points you need; each gets the `Trainer` that runs.

    The trainer says where it stands: `trainer.epoch` (epochs finished), `trainer.epochs` (asked
    for), `trainer.batch` (batches done in this epoch), `trainer.batches` (per epoch),
    `trainer.step` (updates of the weights so far), `trainer.history`, `trainer.running.scalars()`
    (the means of this epoch so far); and `trainer.stop()` ends the run.

    Callbacks run in the order of `order`, and of the list where that is equal. A callback that
    must go on where it stood after a resume gives its numbers in `state_dict` and takes them back
    in `load_state_dict`.

    >>> class Shout(Callback):
    ...     def on_epoch_end(self, trainer):
    ...         print("epoch", trainer.epoch, "is over")
    """

    order: int = 0

    def on_fit_start(self, trainer: Trainer) -> None:
        """Before the first epoch; on a resume, after the state was restored."""

    def on_epoch_start(self, trainer: Trainer) -> None:
        """Before the first batch of an epoch, also when it resumes in the middle."""

    def on_batch_end(self, trainer: Trainer) -> None:
        """After each batch."""

    def on_step_end(self, trainer: Trainer) -> None:
        """After each update of the weights: each batch, or each `accumulate` batches."""

    def on_epoch_end(self, trainer: Trainer) -> None:
        """After the epoch's validation; its row is the last one in `trainer.history`."""

    def on_interrupt(self, trainer: Trainer) -> None:
        """After Ctrl-C, between two updates, before `on_fit_end`."""

    def on_fit_end(self, trainer: Trainer) -> None:
        """When the run is over: by itself, by `stop()` or by Ctrl-C."""

    def on_error(self, trainer: Trainer) -> None:
        """When an error ends the run, in place of `on_fit_end`."""

    def state_dict(self) -> dict[str, Any]:
        """Give the numbers that a checkpoint must keep: plain values, lists, dicts, tensors."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what `state_dict` gave."""


class EarlyStopping(Callback):
    """Stop when `monitor` has not improved for `patience` epochs, and restore the best weights.

    What is better is known from the name: low for losses and errors, high for scores. It needs no
    state of its own, as the trainer itself keeps the best epoch.

    Args:
        monitor: a column of the history, `"validation_loss"`, `"validation_accuracy"`, ...
        patience: how many epochs in a row may pass without a new best.

    Raises:
        ArgumentError: patience is less than 1.
        UnknownNameError: the run has no such column (raised when the run starts).

    >>> EarlyStopping(patience=3).monitor
    'validation_loss'
    """

    def __init__(self, monitor: str = "validation_loss", patience: int = 3) -> None:
        self.monitor, self.patience = monitor, at_least_one("EarlyStopping", "patience", patience)

    def on_fit_start(self, trainer: Trainer) -> None:
        """Have the trainer judge epochs by what this one watches."""
        trainer.watch(self.monitor)

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Stop when the best epoch lies too far back."""
        best = trainer.best.epoch if trainer.best else 0
        if trainer.epoch - best >= self.patience:
            trainer.stop()

    def on_fit_end(self, trainer: Trainer) -> None:
        """Go back to the best weights."""
        trainer.restore_best()


class Checkpoint(Callback):
    """Save all that is needed to resume the run, bit for bit, in one file, whole or not at all.

    `Trainer.fit(..., resume=path)` goes on from it. It also saves at the very start, so that there
    is something to resume from and a path that cannot be written is known at once, after the last
    epoch, and after Ctrl-C.

    Args:
        path: the file, replaced at each save.
        every_epochs: save at the end of each so many epochs; None for never.
        every_steps: save after each so many updates, in mid-epoch too; None for never.

    Raises:
        ArgumentError: an interval is less than 1.
        FileAccessError: the file cannot be written (raised when the run starts).

    >>> Checkpoint("run.safetensors", every_steps=500).every_epochs
    1
    """

    order = 100  # after all others, so that their state is the one of this moment

    def __init__(
        self,
        path: str | os.PathLike[str],
        every_epochs: int | None = 1,
        every_steps: int | None = None,
    ) -> None:
        self.path = Path(path)
        self.every_epochs = at_least_one("Checkpoint", "every_epochs", every_epochs)
        self.every_steps = at_least_one("Checkpoint", "every_steps", every_steps)

    def on_fit_start(self, trainer: Trainer) -> None:
        """Save before the first step."""
        if trainer.epoch == trainer.batch == 0:
            checkpoint.save(trainer, self.path)

    def on_step_end(self, trainer: Trainer) -> None:
        """Save in the midst of an epoch; at its end `on_epoch_end` does."""
        if self.every_steps and trainer.step % self.every_steps == 0:
            checkpoint.save(trainer, self.path)

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Save after an epoch, and in any case after the last one."""
        over = trainer.stopping or trainer.epoch == trainer.epochs
        if self.every_epochs and (over or trainer.epoch % self.every_epochs == 0):
            checkpoint.save(trainer, self.path)

    def on_interrupt(self, trainer: Trainer) -> None:
        """Save where the run stands."""
        checkpoint.save(trainer, self.path)


def at_least_one(owner: str, name: str, value: Any) -> Any:
    """Return `value` if it is None or a count of at least 1, else raise an ArgumentError."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise ArgumentError(
            f"{owner}: {name} is not a count",
            expected="a whole number of at least 1",
            got={name: value},
            fix=f"pass {name}=1 or more",
        )
    return value
