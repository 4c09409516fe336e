"""Measuring and predicting: the model as it is, in evaluation mode and without gradients."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from streetlight.autograd import no_grad
from streetlight.creation import from_numpy
from streetlight.errors import ArgumentError, DataError
from streetlight.nn.module import Module
from streetlight.ops import cat
from streetlight.tensor import Tensor
from streetlight.train.divergence import explain_loss
from streetlight.train.running import Running

if TYPE_CHECKING:
    from streetlight.train.loop import Loop

_AT_ONCE = 1000  # samples


@contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """Put all parts of a model into evaluation mode, without gradients, and back again."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def measure(trainer: Loop, loader: Any) -> Running:
    """Gather the loss and the metrics over a loader, beside those that training gathers."""
    running = Running(copy.deepcopy(trainer.metrics))
    running.reset()
    number = 0
    with evaluating(trainer.model):
        for number, fields in enumerate(loader, start=1):
            batch = split(fields)
            outputs = trainer.model(*batch[:-1])
            value = trainer.loss(outputs, batch[-1]).item()
            if not math.isfinite(value):
                raise explain_loss(trainer, batch, value, f"evaluation, batch {number}")
            running.update(value, outputs, batch[-1])
    if not number:
        raise DataError("evaluate: there is no batch", fix="look where the loader's data come from")
    return running


def predict(model: Module, inputs: Tensor | np.ndarray[Any, Any] | Iterable[Any]) -> Tensor:
    """Give the model's outputs, one row per sample; see `Trainer.predict`."""
    with evaluating(model):
        outputs = [model(*batch) for batch in _input_batches(inputs)]
    if not outputs:
        raise DataError(
            "predict: there are no samples",
            expected="inputs (N, ...) with N of at least 1, or a loader with batches",
            got={"inputs": inputs},
            fix="for a single sample add a dimension: inputs[None]",
        )
    return cat(outputs)


def _input_batches(inputs: Any) -> Iterator[tuple[Tensor, ...]]:
    """Inputs in batches, from a tensor, an array, or a loader (whose targets are left aside)."""
    inputs = from_numpy(inputs) if isinstance(inputs, np.ndarray) else inputs
    if isinstance(inputs, Tensor):
        for start in range(0, len(inputs) if inputs.ndim else 0, _AT_ONCE):
            yield (inputs[start : start + _AT_ONCE],)
        return
    for batch in inputs:
        fields = (batch,) if isinstance(batch, Tensor) else tuple(batch)
        yield fields[:-1] if len(fields) > 1 else fields


def split(batch: Any) -> tuple[Tensor, ...]:
    """A batch as a tuple of tensors: the inputs, and last the targets."""
    if (
        isinstance(batch, tuple | list)
        and len(batch) > 1
        and all(isinstance(field, Tensor) for field in batch)
    ):
        return tuple(batch)
    kinds = [type(field).__name__ for field in batch] if isinstance(batch, tuple | list) else batch
    raise DataError(
        "a batch is not a pair of inputs and targets",
        expected="a tuple of tensors, the last one the targets",
        got={"batch": kinds},
        fix="use DataLoader(TensorDataset(inputs, targets), batch_size)",
    )


def check_loader(purpose: str, loader: Any) -> None:
    """Refuse a loader that cannot be counted or gone through again, or has no batch."""
    if not (hasattr(loader, "__len__") and hasattr(loader, "__iter__")):
        raise ArgumentError(
            f"fit: the {purpose} data cannot be gone through more than once",
            expected="a DataLoader or a list of batches",
            got={"loader": loader},
            fix="wrap them: DataLoader(TensorDataset(inputs, targets), batch_size)",
        )
    if len(loader) == 0:
        raise DataError(
            f"fit: there is no batch of {purpose} data",
            expected="at least one",
            fix="look where the loader's data come from",
        )


def too_short(epoch: int, done: int, batches: int) -> DataError:
    """Say that a loader gave fewer batches than its length says."""
    return DataError(
        f"epoch {epoch}: the loader ended too early",
        expected=f"{batches} batches, as len(loader) says",
        got={"batches": done},
        fix="let len(loader) be the number of batches, in each epoch anew",
    )
