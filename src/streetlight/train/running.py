"""What is gathered batch by batch: metrics, the mean loss with them, and the best epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from streetlight.errors import UnknownNameError
from streetlight.nn.members import near_match
from streetlight.tensor import Tensor


class Metric:
    """Base class: `update` takes one batch, `compute` gives the figure so far, `reset` forgets.

    `name` is the column in the history, `higher_is_better` which way is up; what is no single
    number (`is_scalar`) is no column. What a metric gathers lies in its attributes (numbers,
    arrays, tensors), so that a checkpoint can keep them.

    >>> class Largest(Metric):
    ...     name = "largest"
    ...
    ...     def reset(self):
    ...         self.largest = float("-inf")
    ...
    ...     def update(self, outputs, targets):
    ...         self.largest = max(self.largest, outputs.max().item())
    ...
    ...     def compute(self):
    ...         return self.largest
    """

    name: str = ""
    higher_is_better: bool = True
    is_scalar: bool = True

    def reset(self) -> None:
        """Forget all batches."""
        raise NotImplementedError

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        """Take in one batch: the model's outputs and the targets."""
        raise NotImplementedError

    def compute(self) -> float | Tensor:
        """Give the figure for all batches since `reset`; NaN for no samples."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """Give what a checkpoint must keep: the attributes."""
        return dict(vars(self))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what `state_dict` gave."""
        vars(self).update(state)


class Mean(Metric):
    """A metric that is a total divided by a count."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self.total, self.count = 0.0, 0

    def add(self, total: float, count: int) -> None:
        """Take in one batch: its part of the total, and of the count."""
        self.total += total
        self.count += count

    def compute(self) -> float:
        """Give the mean so far."""
        return self.total / self.count if self.count else float("nan")


class Running:
    """The mean loss and the metrics over the batches seen so far, in training or in evaluation."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self.loss, self.metrics = Mean(), metrics

    def reset(self) -> None:
        """Forget all batches."""
        for part in (self.loss, *self.metrics):
            part.reset()

    def update(self, loss: float, outputs: Tensor, targets: Tensor) -> None:
        """Take in one batch, with its mean loss."""
        count = len(targets)
        self.loss.add(loss * count, count)
        if self.metrics:
            outputs = outputs.detach()
            for metric in self.metrics:
                metric.update(outputs, targets)

    def values(self) -> dict[str, Any]:
        """Give `loss` and each metric by name."""
        figures = {metric.name: metric.compute() for metric in self.metrics}
        return {"loss": self.loss.compute(), **figures}

    def scalars(self) -> dict[str, float]:
        """Give those of `values` that are single numbers: the columns of a history."""
        figures = {m.name: float(m.compute()) for m in self.metrics if m.is_scalar}
        return {"loss": self.loss.compute(), **figures}

    def names(self) -> list[str]:
        """Give the names that `scalars` has."""
        return ["loss", *(metric.name for metric in self.metrics if metric.is_scalar)]

    def higher_is_better(self, name: str) -> bool:
        """Whether more of this figure is better; it is not for the loss."""
        return any(metric.higher_is_better for metric in self.metrics if metric.name == name)

    def state_dict(self) -> list[dict[str, Any]]:
        """Give what a checkpoint must keep."""
        return [part.state_dict() for part in (self.loss, *self.metrics)]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        """Take back what `state_dict` gave."""
        for part, state in zip((self.loss, *self.metrics), states, strict=True):
            part.load_state_dict(state)


@dataclass
class Best:
    """The best epoch so far: its number (from 1), its figure, and a copy of its weights."""

    epoch: int
    value: float
    weights: dict[str, Tensor]


def unknown_name(kind: str, name: str, names: Sequence[str]) -> UnknownNameError:
    """Say that there is no such name, and offer the nearest one."""
    return UnknownNameError(f"there is no {kind} {name!r}", fix=near_match(name, names))
