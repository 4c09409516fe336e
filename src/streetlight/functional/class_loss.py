"""Losses of classifiers: the surprise of the predicted probabilities at the true classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streetlight.errors import DTypeError, IndexOutOfRangeError, ShapeError, StreetlightError
from streetlight.functional.checks import check_tensors, not_in_range
from streetlight.functional.loss import reduce
from streetlight.ops.reduce import below_the_largest, log_softmax

if TYPE_CHECKING:
    from streetlight.tensor import Tensor


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Negative log-likelihood of the true classes: −input[label].

    Args:
        input: log-probabilities (N, C), (N, C, d1, …) or (C,).
        target, weight, ignore_index, reduction, errors: as `cross_entropy` with labels.

    >>> F.nll_loss(sl.tensor([[-1.0, -2.0], [-3.0, -4.0]]), sl.tensor([1, 0])).item()
    2.5
    """
    check_tensors("nll_loss", input, target)
    dim = _class_dim("nll_loss", input, target)
    return _label_loss(input, 0.0, dim, target, weight, ignore_index, reduction)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Surprise of the softmax at the true classes: log Σ eˣ − x[label].

    With probabilities as target it is −Σ t · log softmax(x). The mean divides by the weights of
    the labels that count; with probabilities, by the number of samples.

    Args:
        input: logits (N, C), (N, C, d1, …) or (C,).
        target: labels 0 to C − 1 of shape (N,), (N, d1, …) or (), or probabilities of the shape
            of `input`.
        weight: a factor for each class (C,).
        ignore_index: the label that does not count.
        reduction: "mean", "sum" or "none" of the samples' losses.
        label_smoothing: the share of the truth that is spread over all classes, 0 to 1.

    Raises:
        IndexOutOfRangeError: a label is not one of the classes.
        DTypeError: labels are not integers.
        ShapeError: the shapes do not fit.
        ArgumentError: an option has a value that makes no sense.

    Source: Szegedy et al., 2015, arXiv:1512.00567 (label smoothing).

    >>> F.cross_entropy(sl.tensor([[1e4, 0.0], [0.0, 1e4]]), sl.tensor([0, 0])).item()
    5000.0
    """
    if not 0.0 <= label_smoothing <= 1.0:
        raise not_in_range("cross_entropy", "label_smoothing", label_smoothing, "0 to 1")
    check_tensors("cross_entropy", input, target)
    if target.dtype.kind == "f":
        return _soft_label_loss(input, target, weight, ignore_index, reduction, label_smoothing)
    dim = _class_dim("cross_entropy", input, target)
    scores = below_the_largest("cross_entropy", input, dim)
    total = scores.exp().sum(dim, keepdim=True).log()
    return _label_loss(scores, total, dim, target, weight, ignore_index, reduction, label_smoothing)


def _label_loss(
    scores: Tensor,
    total: Tensor | float,
    dim: int,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    smoothing: float = 0.0,
) -> Tensor:
    """Loss total − scores[label], with whatever options: the bare form needs two operations."""
    labels = target.unsqueeze(dim)
    if weight is None and not smoothing and not 0 <= ignore_index < scores.shape[dim]:
        try:
            losses = total - scores.gather(dim, labels)
        except IndexOutOfRangeError:
            pass  # some labels do not count, or are wrong: the careful way finds out
        else:
            return reduce(losses.squeeze(dim) if reduction == "none" else losses, reduction)
    ignored = labels == ignore_index
    labels = labels.masked_fill(ignored, 0)
    surprise = total - scores
    if weight is not None:
        surprise = surprise * _along(weight, dim, scores)
    try:
        losses = surprise.gather(dim, labels)
    except IndexOutOfRangeError:
        raise _wrong_label(scores, target, scores.shape[dim], ignore_index) from None
    if smoothing:
        losses = losses * (1.0 - smoothing) + surprise.mean(dim, keepdim=True) * smoothing
    losses = losses.masked_fill(ignored, 0.0)
    if reduction == "mean":
        counts = (~ignored).to(scores.dtype) if weight is None else weight[labels]
        return losses.sum() / counts.masked_fill(ignored, 0.0).sum()
    return reduce(losses.squeeze(dim), reduction)


def _soft_label_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    smoothing: float,
) -> Tensor:
    """Cross-entropy with probabilities as the target."""
    if input.shape != target.shape:
        raise _not_probabilities(input, target)
    if ignore_index >= 0:
        raise not_in_range("cross_entropy", "ignore_index", ignore_index, "labels as target")
    dim = 1 if input.ndim > 1 else 0
    if smoothing:
        target = target * (1.0 - smoothing) + smoothing / input.shape[dim]
    losses = log_softmax(input, dim) * -target
    if weight is not None:
        losses = losses * _along(weight, dim, input)
    return reduce(losses.sum(dim), reduction)


def _along(weight: Tensor, dim: int, scores: Tensor) -> Tensor:
    """Class weights, shaped to line up with the dimension of the classes."""
    if weight.shape != scores.shape[dim : dim + 1]:
        raise ShapeError(
            f"the loss has {tuple(weight.shape)} weights for {scores.shape[dim]} classes",
            expected="weight of shape (number of classes,)",
            got={"input": scores, "weight": weight},
            fix="give one factor for each class",
        )
    return weight.reshape(-1, *[1] * (scores.ndim - dim - 1))


def _class_dim(name: str, input: Tensor, target: Tensor) -> int:
    """Dimension of the classes, once it is sure that the labels fit the other dimensions."""
    shape = input.shape
    dim = 1 if len(shape) > 1 else 0
    if target.shape != shape[:dim] + shape[dim + 1 :] or not shape:
        raise _not_labels(name, input, target)
    if target.dtype.kind not in "iu":
        raise _not_integers(name, target)
    return dim


def _not_labels(name: str, input: Tensor, target: Tensor) -> StreetlightError:
    fix = "one label for each sample: target.reshape(-1) for a column of labels"
    if input.shape == target.shape:
        fix = "target.argmax(1) for one-hot labels, target.float() for probabilities"
    return ShapeError(
        f"{name}: labels of shape {tuple(target.shape)} do not fit input {tuple(input.shape)}",
        expected="input (N, C) with labels (N,), or (N, C, d1, …) with (N, d1, …), or (C,) with ()",
        got={"input": input, "target": target},
        fix=fix,
    )


def _not_integers(name: str, target: Tensor) -> StreetlightError:
    return DTypeError(
        f"{name}: labels are integers, not {target.dtype}",
        expected="int64 labels",
        got={"target": target},
        fix="target.long()",
    )


def _not_probabilities(input: Tensor, target: Tensor) -> StreetlightError:
    dim = 1 if input.ndim > 1 else 0
    if target.shape == input.shape[:dim] + input.shape[dim + 1 :]:
        return _not_integers("cross_entropy", target)
    return ShapeError(
        f"cross_entropy: probabilities {tuple(target.shape)} do not fit {tuple(input.shape)}",
        expected="floating-point targets of the shape of the input",
        got={"input": input, "target": target},
        fix="one probability for each logit, or integer labels: target.long()",
    )


def _wrong_label(
    scores: Tensor, target: Tensor, classes: int, ignore_index: int
) -> StreetlightError:
    """The error that names the first label that is not a class, and where it stands."""
    labels = target.reshape(-1).tolist()
    wrong = (i for i, n in enumerate(labels) if n != ignore_index and not 0 <= n < classes)
    place = next(wrong)
    position: list[int] = []
    rest = place
    for size in reversed(target.shape):
        rest, index = divmod(rest, size)
        position.insert(0, index)
    return IndexOutOfRangeError(
        f"label {labels[place]} at position {position} is not one of the {classes} classes",
        expected=f"labels 0 to {classes - 1}, or {ignore_index} for one that does not count",
        got={"input": scores, "target": target},
        fix="mend the labels, or give the network more outputs",
    )
