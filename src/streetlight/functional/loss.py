"""Losses: how far numbers are from their targets, and how surprising the true classes are."""

from streetlight.errors import DTypeError, IndexOutOfRangeError, ShapeError
from streetlight.functional import checks
from streetlight.functional.activation import softplus
from streetlight.ops import where
from streetlight.ops.reduce import below_the_largest
from streetlight.tensor import Tensor


def mse_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """Mean squared error: (input − target)².

    Args: target of the shape of the input, or broadcast to it; reduction "mean", "sum" or "none".
    Raises: ShapeError if they do not pair up. All this holds for the losses below, too.

    >>> F.mse_loss(sl.tensor([1.0, 2.0]), sl.tensor([1.0, 4.0])).item()
    2.0
    """
    checks.pair("mse_loss", input, target)
    difference = input - target
    return _reduce(difference * difference, reduction)


def l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """Mean absolute error: |input − target|.

    >>> F.l1_loss(sl.tensor([1.0, 2.0]), sl.tensor([1.0, 4.0])).item()
    1.0
    """
    checks.pair("l1_loss", input, target)
    return _reduce((input - target).abs(), reduction)


def smooth_l1_loss(
    input: Tensor, target: Tensor, *, reduction: str = "mean", beta: float = 1.0
) -> Tensor:
    """Squared near the target, absolute far away: d²/(2 beta) if |d| < beta, else |d| − beta/2.

    Source: Girshick, Fast R-CNN, 2015, arXiv:1504.08083.

    >>> F.smooth_l1_loss(sl.tensor([1.0, 3.0]), sl.tensor([0.0, 0.0]), reduction="none").tolist()
    [0.5, 2.5]
    """
    if beta < 0:
        raise checks.bad_argument("smooth_l1_loss", "beta", beta, "0 or more")
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    checks.pair("smooth_l1_loss", input, target)
    difference = input - target
    size = difference.abs()
    near = difference * difference * (0.5 / beta)
    return _reduce(where(size < beta, near, size - 0.5 * beta), reduction)


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0
) -> Tensor:
    """Squared near the target, straight far away: d²/2 if |d| < delta, else delta (|d| − delta/2).

    Source: Huber, Robust Estimation of a Location Parameter, 1964.

    >>> F.huber_loss(sl.tensor([1.0, 3.0]), sl.tensor([0.0, 0.0]), "none", delta=2.0).tolist()
    [0.5, 4.0]
    """
    if not delta > 0:
        raise checks.bad_argument("huber_loss", "delta", delta, "more than 0")
    checks.pair("huber_loss", input, target)
    difference = input - target
    size = difference.abs()
    near = difference * difference * 0.5
    return _reduce(where(size < delta, near, size * delta - 0.5 * delta * delta), reduction)


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """Surprise of yes-or-no answers: −(t log p + (1 − t) log(1 − p)), each log at least −100.

    Where a logarithm is cut off, its gradient is 0; `binary_cross_entropy_with_logits` cuts none.
    Args: input p and target t in [0, 1], of one shape; weight, broadcast to the elements' losses.

    >>> F.binary_cross_entropy(sl.tensor([1.0, 0.0]), sl.tensor([0.0, 0.0])).item()
    50.0
    """
    checks.pair("binary_cross_entropy", input, target, equal=True)
    losses = (target - 1.0) * _bounded_log(1.0 - input) - target * _bounded_log(input)
    return _reduce(losses if weight is None else losses * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Binary cross-entropy of sigmoid(x), safe for any x: (1 − t) x + log(1 + e⁻ˣ).

    Args: as `binary_cross_entropy`, with logits x; pos_weight, factors for the part of t = 1.

    >>> logits, truth = sl.tensor([1e4, -1e4]), sl.tensor([1.0, 1.0])
    >>> F.binary_cross_entropy_with_logits(logits, truth).item()
    5000.0
    """
    checks.pair("binary_cross_entropy_with_logits", input, target, equal=True)
    # Above 40 no digit of x + log(1 + e⁻ˣ) differs from x, not even in float64.
    surprise = softplus(-input, threshold=40.0)
    if pos_weight is not None:
        surprise = surprise * ((pos_weight - 1.0) * target + 1.0)
    losses = (1.0 - target) * input + surprise
    return _reduce(losses if weight is None else losses * weight, reduction)


def kl_div(
    input: Tensor, target: Tensor, *, reduction: str = "mean", log_target: bool = False
) -> Tensor:
    """Kullback-Leibler divergence of log-probabilities from the truth: t (log t − input).

    Args: target t, or log t if log_target; reduction "batchmean" divides the sum by the first
    size only, which is the divergence as books have it.
    Source: Kullback and Leibler, On Information and Sufficiency, 1951.

    >>> truth = sl.tensor([[0.5, 0.5]])
    >>> F.kl_div(truth.log(), truth, reduction="batchmean").item()
    0.0
    """
    checks.pair("kl_div", input, target)
    if log_target:
        losses = target.exp() * (target - input)
    else:
        losses = target * (target.masked_fill(target == 0, 1.0).log() - input)
    if reduction == "batchmean":
        return losses.sum() / (input.shape[0] if input.ndim else 1)
    return _reduce(losses, reduction)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Negative log-likelihood of the true classes: −input[label].

    Args: input, log-probabilities; the rest as in `cross_entropy` with labels.

    >>> F.nll_loss(sl.tensor([[-1.0, -2.0], [-3.0, -4.0]]), sl.tensor([1, 0])).item()
    2.5
    """
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
        target: labels (N,), (N, d1, …) or (), or probabilities of the shape of the input.
        weight: a factor for each class (C,).
        ignore_index: the label that does not count.
        label_smoothing: the share of the truth that is spread over all classes, 0 to 1.

    Raises: IndexOutOfRangeError if a label is no class, DTypeError if it is no integer.
    Source: Szegedy et al., 2015, arXiv:1512.00567 (label smoothing).

    >>> F.cross_entropy(sl.tensor([[1e4, 0.0], [0.0, 1e4]]), sl.tensor([0, 0])).item()
    5000.0
    """
    if not 0.0 <= label_smoothing <= 1.0:
        raise checks.bad_argument("cross_entropy", "label_smoothing", label_smoothing, "0 to 1")
    dim = _class_dim("cross_entropy", input, target)
    scores = below_the_largest("cross_entropy", input, dim)
    total = scores.exp().sum(dim, keepdim=True).log()
    if target.dtype.kind != "f":
        options = weight, ignore_index, reduction, label_smoothing
        return _label_loss(scores, total, dim, target, *options)
    if ignore_index >= 0:
        raise checks.bad_argument("cross_entropy", "ignore_index", ignore_index, "labels as target")
    if label_smoothing:
        target = target * (1.0 - label_smoothing) + label_smoothing / input.shape[dim]
    return _reduce((_surprise(scores, total, weight, dim) * target).sum(dim), reduction)


def _reduce(losses: Tensor, reduction: str) -> Tensor:
    """Mean or sum of the losses, or the losses themselves."""
    if reduction == "mean":
        return losses.mean()
    if reduction == "sum":
        return losses.sum()
    if reduction == "none":
        return losses
    raise checks.bad_argument("loss", "reduction", reduction, '"mean", "sum" or "none"')


def _bounded_log(probabilities: Tensor) -> Tensor:
    """Logarithms of at least −100, as e⁻¹⁰⁰ is almost the smallest number that float32 has."""
    tiny = probabilities < 3.7e-44
    return probabilities.masked_fill(tiny, 1.0).log().masked_fill(tiny, -100.0)


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
    classes = scores.shape[dim]
    if weight is None and not smoothing and not 0 <= ignore_index < classes:
        try:
            losses = total - scores.gather(dim, labels)
            return _reduce(losses.squeeze(dim) if reduction == "none" else losses, reduction)
        except IndexOutOfRangeError:
            pass  # some labels do not count, or are wrong: the careful way finds out
    ignored = labels == ignore_index
    labels = labels.masked_fill(ignored, 0)
    surprise = _surprise(scores, total, weight, dim)
    try:
        losses = surprise.gather(dim, labels)
    except IndexOutOfRangeError:
        words = "label {} at position {} is not one of the {} classes"
        raise checks.wrong_index(words, target, classes, ignore_index) from None
    if smoothing:
        losses = losses * (1.0 - smoothing) + surprise.mean(dim, keepdim=True) * smoothing
    losses = losses.masked_fill(ignored, 0.0)
    if reduction == "mean":
        counts = (~ignored).to(scores.dtype) if weight is None else weight[labels]
        return losses.sum() / counts.masked_fill(ignored, 0.0).sum()
    return _reduce(losses.squeeze(dim), reduction)


def _surprise(scores: Tensor, total: Tensor | float, weight: Tensor | None, dim: int) -> Tensor:
    """Minus the log-probability of each class, times its weight."""
    if weight is None:
        return total - scores
    words = "the loss has {given} weights for {size} classes"
    checks.shapes(words, scores, scores.shape[dim : dim + 1], weight)
    return (total - scores) * weight.reshape(-1, *[1] * (scores.ndim - dim - 1))


def _class_dim(name: str, input: Tensor, target: Tensor) -> int:
    """Dimension of the classes, once it is sure that the target fits the input."""
    checks.tensors(name, input, target)
    shape = input.shape
    dim = 1 if input.ndim > 1 else 0
    soft = target.dtype.kind == "f"
    if shape and target.shape == shape[:dim] + shape[dim + 1 :]:
        if target.dtype.kind not in "iu":
            raise DTypeError(
                f"{name}: labels are integers, not {target.dtype}",
                expected="int64 labels",
                fix="target.long()",
            )
    elif not soft or target.shape != shape or name == "nll_loss":
        words = "probabilities {} do not fit {}" if soft else "labels {} do not fit input {}"
        raise ShapeError(
            f"{name}: {words.format(target.shape, shape)}",
            expected="labels (N,) for input (N, C), (N, d1, …) for (N, C, d1, …), () for (C,)",
            fix="one label for each sample: target.reshape(-1) for a column of labels, "
            "target.argmax(1) for one-hot labels, target.float() for probabilities",
        )
    return dim
