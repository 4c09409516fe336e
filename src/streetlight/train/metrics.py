"""Metrics: figures that say how good a model is, gathered batch by batch."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from streetlight.creation import from_numpy
from streetlight.errors import ArgumentError, IndexOutOfRangeError, ShapeError
from streetlight.tensor import Tensor
from streetlight.train.running import Mean, Metric, unknown_name

_Array = np.ndarray[Any, Any]


class Accuracy(Mean):
    """Share of samples whose class is right: mean of [argmax(outputs) = target].

    Outputs (N, C) or (N, C, ...) are scores per class; targets are classes (N, ...), or
    probabilities of the outputs' shape. Outputs (N,) or (N, 1) are one score per sample, and mean
    yes above `threshold`.

    Args:
        threshold: 0 for logits, 0.5 for probabilities.

    Raises:
        ShapeError: outputs and targets do not fit together.

    >>> import streetlight as sl
    >>> accuracy = Accuracy()
    >>> accuracy.update(sl.tensor([[2.0, 1.0], [0.0, 3.0]]), sl.tensor([0, 0]))
    >>> accuracy.compute()
    0.5
    """

    name = "accuracy"

    def __init__(self, threshold: float = 0.0) -> None:
        super().__init__()
        self.threshold = threshold

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        """Take in one batch."""
        scores, truth = _numbers(outputs), _numbers(targets)
        if scores.ndim > 1 and scores.shape[1] == 1:
            scores, truth = scores[:, 0], truth.reshape(truth.shape[:1] + truth.shape[2:])
        if scores.ndim == truth.ndim + 1:
            said = scores.argmax(axis=1)
        elif scores.ndim == 1:
            said, truth = scores > self.threshold, truth > 0.5
        else:
            _check_equal(self.name, scores, truth)
            said, truth = scores.argmax(axis=1), truth.argmax(axis=1)
        _check_equal(self.name, said, truth)
        self.add(float(np.count_nonzero(said == truth)), said.size)


class TopK(Mean):
    """Share of samples whose class is among the `k` highest outputs; its name is `top{k}`.

    Of equal outputs those of lower classes count as higher.

    Raises:
        ArgumentError: k is less than 1.
        ShapeError: outputs are not (N, C) or targets not (N,).
        IndexOutOfRangeError: a target is not a class from 0 to C − 1.

    >>> import streetlight as sl
    >>> top2 = TopK(2)
    >>> top2.update(sl.tensor([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2]]), sl.tensor([2, 2]))
    >>> top2.name, top2.compute()
    ('top2', 0.5)
    """

    def __init__(self, k: int = 5) -> None:
        super().__init__()
        if k < 1:
            raise ArgumentError(
                "TopK: k is not a count", expected="k of 1 or more", got={"k": k}, fix="pass k=5"
            )
        self.k, self.name = k, f"top{k}"

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        """Take in one batch."""
        scores, truth = _scores_and_classes(self.name, outputs, targets)
        own = np.take_along_axis(scores, truth[:, None], axis=1)
        ahead = np.arange(scores.shape[1]) < truth[:, None]
        rank = ((scores > own) | ((scores == own) & ahead)).sum(axis=1)
        self.add(float(np.count_nonzero(rank < self.k)), truth.size)


class ConfusionMatrix(Metric):
    """Counts of (true class, said class): entry [i, j] is how often class i was called j.

    `compute` gives an int64 tensor (classes, classes). It is no column of the history; get it from
    `trainer.evaluate(loader)["confusion_matrix"]`.

    Raises:
        ShapeError: outputs are not (N, C) or targets not (N,), or C changes.
        IndexOutOfRangeError: a target is not a class from 0 to C − 1.

    >>> import streetlight as sl
    >>> confusion = ConfusionMatrix()
    >>> confusion.update(sl.tensor([[2.0, 1.0], [0.0, 3.0]]), sl.tensor([0, 0]))
    >>> confusion.compute().tolist()
    [[1, 1], [0, 0]]
    """

    name = "confusion_matrix"
    is_scalar = False

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self.counts: _Array = np.zeros((0, 0), np.int64)

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        """Take in one batch."""
        scores, truth = _scores_and_classes(self.name, outputs, targets)
        classes = scores.shape[1]
        pairs = truth * classes + scores.argmax(axis=1)
        counts = np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
        if self.counts.size:
            _check_equal(self.name, counts, self.counts)
            counts = counts + self.counts
        self.counts = counts

    def compute(self) -> Tensor:
        """Give the counts, (classes, classes)."""
        return from_numpy(self.counts.astype(np.int64))


class MSE(Mean):
    """Mean squared error over all elements: mean of (outputs − targets)².

    Raises:
        ShapeError: outputs and targets have different shapes.

    >>> import streetlight as sl
    >>> error = MSE()
    >>> error.update(sl.tensor([1.0, 5.0]), sl.tensor([2.0, 2.0]))
    >>> error.compute()
    5.0
    """

    name = "mse"
    higher_is_better = False

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        """Take in one batch."""
        said, truth = _numbers(outputs), _numbers(targets)
        _check_equal(self.name, said, truth)
        difference = said.astype(np.float64) - truth
        self.add(float(np.sum(difference**2)), difference.size)


class R2(Metric):
    """Share of the targets' variance that is explained: 1 − Σ(y − ŷ)² / Σ(y − mean(y))².

    With several outputs, (N, K), the mean of their shares. Constant targets give 1 when they are
    met exactly and 0 otherwise.

    Raises:
        ShapeError: outputs and targets have different shapes.

    Source of the running variance: Chan, Golub and LeVeque, 1979.

    >>> import streetlight as sl
    >>> r2 = R2()
    >>> r2.update(sl.tensor([1.0, 2.0, 4.0]), sl.tensor([1.0, 2.0, 3.0]))
    >>> r2.compute()
    0.5
    """

    name = "r2"

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self.count = 0
        self.mean: _Array = np.zeros(1)
        self.spread: _Array = np.zeros(1)  # Σ(y − mean(y))² so far, per output
        self.missed: _Array = np.zeros(1)  # Σ(y − ŷ)² so far, per output

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        """Take in one batch."""
        said, truth = _numbers(outputs), _numbers(targets)
        _check_equal(self.name, said, truth)
        rows = truth.astype(np.float64).reshape(len(truth), -1)
        if not rows.size:
            return
        count, mean = self.count + len(rows), rows.mean(axis=0)
        step = mean - self.mean
        self.spread = self.spread + np.sum((rows - mean) ** 2, axis=0)
        self.spread += step**2 * self.count * len(rows) / count
        self.missed = self.missed + np.sum((rows - said.reshape(rows.shape)) ** 2, axis=0)
        self.mean = self.mean + step * len(rows) / count
        self.count = count

    def compute(self) -> float:
        """Give the share so far."""
        if not self.count:
            return float("nan")
        share = 1 - self.missed / np.where(self.spread > 0, self.spread, 1.0)
        met = np.where(self.missed > 0, 0.0, 1.0)
        return float(np.mean(np.where(self.spread > 0, share, met)))


_NAMED: dict[str, type[Metric]] = {kind.name: kind for kind in (Accuracy, ConfusionMatrix, MSE, R2)}


def find_metric(metric: str | Metric) -> Metric:
    """Give the metric of that name, or the object as it is.

    Args:
        metric: "accuracy", "top5" (any number), "confusion_matrix", "mse", "r2", or a `Metric`.

    Raises:
        UnknownNameError: there is no metric of that name; the nearest one is offered.

    >>> find_metric("top3").k
    3
    """
    if not isinstance(metric, str):
        return metric
    if match := re.fullmatch(r"top([1-9]\d*)", metric):
        return TopK(int(match[1]))
    if metric not in _NAMED:
        raise unknown_name("metric", metric, [*_NAMED, "top5"])
    return _NAMED[metric]()


def _numbers(tensor: Tensor) -> _Array:
    array: _Array = tensor.detach().cpu().numpy()
    return array


def _check_equal(name: str, said: _Array, truth: _Array) -> None:
    if said.shape != truth.shape:
        raise ShapeError(
            f"{name}: outputs and targets do not fit together",
            expected="outputs (N, C) with targets (N,), or two equal shapes",
            got={"outputs": said, "targets": truth},
            fix="reshape the targets, or squeeze a last size of 1: outputs.squeeze(1)",
        )


def _scores_and_classes(name: str, outputs: Tensor, targets: Tensor) -> tuple[_Array, _Array]:
    """Outputs (N, C) and targets (N,) as arrays, with every target a class from 0 to C − 1."""
    scores, truth = _numbers(outputs), _numbers(targets)
    if scores.ndim != 2 or truth.shape != scores.shape[:1] or truth.dtype.kind not in "iu":
        raise ShapeError(
            f"{name}: outputs and targets do not fit together",
            expected="outputs (N, C), and as targets N whole numbers",
            got={"outputs": outputs, "targets": targets},
            fix="pass one row of scores and one class for each sample",
        )
    wrong = truth[(truth < 0) | (truth >= scores.shape[1])]
    if wrong.size:
        raise IndexOutOfRangeError(
            f"{name}: a target is not among the classes",
            expected=f"classes from 0 to {scores.shape[1] - 1}",
            got={"target": int(wrong[0])},
            fix="number the classes from 0, and give the model one output for each",
        )
    return scores, truth
