"""Trainer: fit a model to data, evaluate it, predict with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import numpy as np

from streetlight.errors import ArgumentError, DataError, DivergenceError, UnknownNameError, describe
from streetlight.nn.module import Module
from streetlight.optim.lr_scheduler import LRScheduler
from streetlight.optim.optimizer import Optimizer
from streetlight.tensor import Tensor
from streetlight.train import checkpoint
from streetlight.train.callbacks import Callback, at_least_one
from streetlight.train.evaluate import check_loader, measure, predict
from streetlight.train.history import History
from streetlight.train.loop import Loop
from streetlight.train.metrics import find_metric
from streetlight.train.progress import Progress
from streetlight.train.running import Metric, unknown_name
from streetlight.train.schedule import Schedule
from streetlight.train.steps import Compile


class Trainer(Loop):
    """Fits `model` to batches: for each, the loss, its gradients, and one step of the optimiser.

    A batch is a tuple of tensors, the last one the targets, the others the model's inputs.

    Args:
        model: the network.
        optimizer: holds the model's parameters.
        loss: takes (outputs, targets) and gives their mean loss, for example
            `nn.CrossEntropyLoss()`.
        metrics: names ("accuracy", "top5", "confusion_matrix", "mse", "r2") or `Metric` objects.
        scheduler: a schedule of the learning rate.
        clip_norm: gradients are scaled down together to this norm where it is exceeded.
        accumulate: how many batches' gradients are averaged into one step.
        scheduler_step: when the scheduler steps: after each "epoch", or after each "batch" (each
            step of the optimiser). None is "batch" for `OneCycleLR`, "epoch" for all others.
            `ReduceLROnPlateau` is given the validation loss, without validation the loss.
        compile: whether gradients and update run as native code, see `sl.compile`. "auto" does so
            where there is a C compiler and the model can be traced, and says in a line if not.

    Raises:
        ArgumentError: clip_norm is not positive, accumulate less than 1, scheduler_step or
            compile unknown.
        CompileError, TraceError: with compile=True, if the model cannot be compiled (when fitting).
        UnknownNameError: there is no metric of that name.

    Attributes:
        history: the `History` of the latest run, also after an error.
        epoch, batch, step: epochs finished, batches done in this epoch, updates in all.
        best: the best epoch so far (`best.epoch`, `best.value`, `best.weights`), None before
            one ended. It is judged by the column `monitor`: what EarlyStopping watches,
            otherwise `validation_loss`, without validation `loss`.

    >>> import streetlight as sl
    >>> from streetlight import nn, optim
    >>> x = sl.linspace(-1, 1, 20).reshape(20, 1)
    >>> model = nn.Linear(1, 1)
    >>> trainer = Trainer(model, optim.SGD(model.parameters(), lr=0.5), nn.MSELoss())
    >>> history = trainer.fit([(x, 3 * x + 1)], epochs=100, quiet=True)
    >>> round(model.weight.item(), 3), round(model.bias.item(), 3)
    (3.0, 1.0)
    """

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer,
        loss: Callable[[Tensor, Tensor], Tensor],
        metrics: Sequence[str | Metric] = (),
        scheduler: LRScheduler | None = None,
        clip_norm: float | None = None,
        accumulate: int = 1,
        scheduler_step: Literal["epoch", "batch"] | None = None,
        compile: Compile = False,
    ) -> None:
        if clip_norm is not None and not clip_norm > 0:
            raise _wrong("clip_norm", clip_norm, "a number above 0, or None")
        if compile not in (True, False, "auto"):
            raise _wrong("compile", compile, 'True, False or "auto"')
        if scheduler_step not in (None, "epoch", "batch"):
            raise _wrong("scheduler_step", scheduler_step, '"epoch", "batch" or None')
        super().__init__(
            model,
            optimizer,
            loss,
            [find_metric(metric) for metric in metrics],
            Schedule(scheduler, scheduler_step),
            clip_norm,
            at_least_one("Trainer", "accumulate", accumulate),
            compile,
        )

    def fit(
        self,
        loader: Iterable[Any],
        validation: Iterable[Any] | None = None,
        epochs: int = 1,
        callbacks: Sequence[Callback] = (),
        resume: str | os.PathLike[str] | None = None,
        quiet: bool = False,
    ) -> History:
        """Train for `epochs` epochs, and give what each of them measured.

        Ctrl-C ends the run after the batch at hand (a second one at once): the history so far is
        returned with `interrupted` set. The model then holds its latest weights, or the best ones
        with `EarlyStopping`; `restore_best()` gives the best ones in any case.

        Args:
            loader: a `DataLoader`, or any sequence of batches.
            validation: the same, to measure on after each epoch; never trained on.
            epochs: how many epochs in all, with those of the run that is resumed.
            callbacks: run at named points, see `Callback`.
            resume: a file that `Checkpoint` wrote; the run goes on from there, bit for bit. (Draws
                that the program makes outside of Streetlight's generators are its own affair.)
            quiet: say nothing while it runs.

        Raises:
            DivergenceError: the loss or a gradient is no longer finite.
            DataError: a loader is empty, a batch is malformed or holds NaN or infinity. After
                these two the model has the weights of the best epoch so far, if there is one.
            CheckpointError: the checkpoint is of another model, optimiser or data set.
            FileAccessError, FileFormatError: the checkpoint cannot be read or written.
        """
        check_loader("training", loader)
        if validation is not None:
            check_loader("validation", validation)
        at_least_one("fit", "epochs", epochs)
        self.quiet = quiet
        shown = [] if quiet else [Progress()]
        self.begin(loader, validation, epochs, [*callbacks, *shown])
        if resume is not None:
            checkpoint.restore(self, resume)
        try:
            self.run(resumed=resume is not None)
        except BaseException as error:
            if isinstance(error, DivergenceError | DataError):
                self.restore_best()
            self.call("on_error")
            raise
        return self.history

    def say(self, line: str) -> None:
        """Print a line, unless the run is a quiet one."""
        if not self.quiet:
            print(line, flush=True)

    def watch(self, monitor: str) -> None:
        """Judge epochs by the column `monitor` of the history from now on.

        Raises:
            UnknownNameError: the run has no such column; the nearest one is offered.
        """
        names = self.running.names()
        if self.validation is not None:
            names += [f"validation_{name}" for name in names]
        elif monitor.startswith("validation_"):
            raise UnknownNameError(
                f"there are no validation data, and so no {monitor!r} to watch",
                fix="give them: fit(..., validation=loader), or watch 'loss'",
            )
        if monitor not in names:
            raise unknown_name("column to watch", monitor, names)
        if monitor != self.monitor:
            self.monitor, self.best = monitor, None

    def restore_best(self) -> None:
        """Give the model the weights of the best epoch so far; nothing if none has ended."""
        if self.best is not None:
            self.model.load_state_dict(self.best.weights)

    def evaluate(self, loader: Iterable[Any]) -> dict[str, Any]:
        """Measure the model without changing it: `{"loss": ..., "accuracy": ..., ...}`.

        Args:
            loader: batches of inputs and targets.

        Raises:
            DataError: the loader is empty, or a batch is malformed or holds NaN or infinity.
            DivergenceError: the data are finite, and the loss is not.
        """
        return measure(self, loader).values()

    def predict(self, inputs: Tensor | np.ndarray[Any, Any] | Iterable[Any]) -> Tensor:
        """Give the model's outputs (in evaluation mode, no gradients), one row per sample.

        Args:
            inputs: samples (N, ...), or a loader; targets in its batches are left aside.

        Raises:
            DataError: there are no samples.
        """
        return predict(self.model, inputs)

    def stop(self) -> None:
        """End the run: after this batch, or, called at the end of an epoch, after that."""
        self.stopping = True


def _wrong(name: str, value: Any, expected: str) -> ArgumentError:
    return ArgumentError(
        f"Trainer: {name} cannot be {describe(value)}",
        expected=expected,
        fix=f"change {name}, or leave it out",
    )
