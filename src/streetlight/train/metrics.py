"""Metrics: figures that say how good a model is, gathered batch by batch."""

from __future__ import annotations

from typing import Any

from streetlight.tensor import Tensor


class Metric:
    """Base class: `update` takes one batch, `compute` gives the figure so far, `reset` forgets.

    `name` is the column in the history, `higher_is_better` which way is up.
    """

    name: str = ""
    higher_is_better: bool = True

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


class Accuracy(Metric):
    """Share of samples whose class is right: mean of [argmax(outputs) = target].

    Outputs (N, C) or (N, C, ...) are scores per class, targets are classes (N, ...) or
    probabilities of the outputs' shape. Outputs of the targets' shape, (N,) or (N, 1), are one
    score per sample, and mean yes above `threshold`: 0 for logits, 0.5 for probabilities.
    """

    name = "accuracy"

    def __init__(self, threshold: float = 0.0) -> None:
        raise NotImplementedError


class TopK(Metric):
    """Share of samples whose class is among the `k` highest outputs; named `top{k}`."""

    def __init__(self, k: int = 5) -> None:
        raise NotImplementedError


class ConfusionMatrix(Metric):
    """Counts of (true class, said class): entry [i, j] is how often class i was called j.

    `compute` gives an int64 tensor (classes, classes). It is no column of the history; get it from
    `trainer.evaluate(loader)["confusion_matrix"]`.
    """

    name = "confusion_matrix"

    def __init__(self, classes: int) -> None:
        raise NotImplementedError


class MSE(Metric):
    """Mean squared error over all elements: mean of (outputs − targets)²."""

    name = "mse"
    higher_is_better = False


class R2(Metric):
    """Share of the targets' variance that is explained: 1 − Σ(y − ŷ)² / Σ(y − mean(y))²."""

    name = "r2"


def find_metric(metric: str | Metric) -> Metric:
    """Give the metric of that name (`accuracy`, `top5`, `mse`, `r2`), or the object as it is.

    Raises:
        UnknownNameError: there is no metric of that name; the nearest one is offered.
    """
    raise NotImplementedError
