"""The training loop: fit a model to data, evaluate it, predict with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import numpy as np

from streetlight.nn.module import Module
from streetlight.tensor import Tensor
from streetlight.train.callbacks import Callback
from streetlight.train.history import History
from streetlight.train.metrics import Metric


class Trainer:
    """Fits `model` to batches: for each, the loss, its gradients, and one step of the optimiser.

    A batch is a tuple of tensors, the last one the targets, the others the model's inputs.

    Args:
        model: the network.
        optimizer: holds the model's parameters.
        loss: takes (outputs, targets) and gives their mean loss, for example
            `nn.CrossEntropyLoss()`.
        metrics: names ("accuracy", "top5", "mse", "r2") or `Metric` objects.
        scheduler: a schedule of the learning rate.
        clip_norm: gradients are scaled down together to this norm where it is exceeded.
        accumulate: how many batches' gradients are averaged into one step.
        scheduler_step: when the scheduler steps: after each "epoch", or after each "batch" (each
            step of the optimiser). None is "batch" for `OneCycleLR`, "epoch" for all others.
            `ReduceLROnPlateau` is given the validation loss, without validation the loss.

    Raises:
        ArgumentError: clip_norm is not positive, accumulate less than 1, scheduler_step unknown.
        UnknownNameError: there is no metric of that name.

    Attributes:
        history: the `History` of the latest run, also after an error.
        epoch, batch, step: epochs finished, batches done in this epoch, updates in all.
        best: the best epoch so far (`best.epoch`, `best.value`, `best.weights`), None before
            one ended. It is judged by the column `monitor`: what EarlyStopping watches,
            otherwise `validation_loss`, without validation `loss`.
    """

    def __init__(
        self,
        model: Module,
        optimizer: Any,
        loss: Callable[[Tensor, Tensor], Tensor],
        metrics: Sequence[str | Metric] = (),
        scheduler: Any = None,
        clip_norm: float | None = None,
        accumulate: int = 1,
        scheduler_step: Literal["epoch", "batch"] | None = None,
    ) -> None:
        raise NotImplementedError

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
            resume: a file that `Checkpoint` wrote; the run goes on from there, bit for bit.
            quiet: say nothing while it runs.

        Raises:
            DivergenceError: the loss or a gradient is no longer finite; the model has the weights
                of the best epoch so far.
            DataError: a loader is empty, a batch is malformed or holds NaN or infinity.
            CheckpointError: the checkpoint is of another model, optimiser or data set.
            FileAccessError, FileFormatError: the checkpoint cannot be read or written.
        """
        raise NotImplementedError

    def evaluate(self, loader: Iterable[Any]) -> dict[str, Any]:
        """Measure the model without changing it: `{"loss": ..., "accuracy": ..., ...}`.

        Args:
            loader: batches of inputs and targets.

        Raises:
            DataError: the loader is empty, or a batch is malformed or holds NaN or infinity.
        """
        raise NotImplementedError

    def predict(self, inputs: Tensor | np.ndarray[Any, Any] | Iterable[Any]) -> Tensor:
        """Give the model's outputs (in evaluation mode, no gradients), one row per sample.

        Args:
            inputs: samples (N, ...), or a loader; targets in its batches are left aside.

        Raises:
            DataError: there are no samples.
        """
        raise NotImplementedError

    def stop(self) -> None:
        """End the run: after this batch, or, called at the end of an epoch, after that."""
        raise NotImplementedError

    def restore_best(self) -> None:
        """Give the model the weights of the best epoch so far; nothing if none has ended."""
        raise NotImplementedError
