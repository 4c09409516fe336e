"""Losses for embeddings: vectors that lie close together if what they stand for belongs together.

All are composed of tensor operations, without a look at the values, so that they can be compiled.
Which of them need labels: `triplet_margin_loss` and `contrastive_loss` are told which pairs belong
together, the two that take `labels` are told the classes; `nt_xent_loss` is told nothing but that
two views are of the same thing.
"""

import math

from streetlight.creation import arange
from streetlight.errors import DTypeError, ShapeError
from streetlight.functional import checks
from streetlight.functional.activation import relu
from streetlight.functional.attention import pairwise_distance
from streetlight.functional.loss import _reduce, cross_entropy
from streetlight.functional.normalisation import normalize
from streetlight.ops import cat, minimum
from streetlight.tensor import Tensor


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    *,
    reduction: str = "mean",
) -> Tensor:
    """Nearer to the positive than to the negative: max(0, d(a, p) − d(a, n) + margin).

    d is `pairwise_distance` with `p` and `eps`.

    Args:
        anchor, positive, negative: (N, D) or (D,).
        margin: by how much farther the negative is to be; more than 0.
        swap: use d(p, n) in place of d(a, n) where it is smaller.
        reduction: "mean", "sum" or "none".

    Raises: ShapeError if the shapes differ, ArgumentError if the margin is not positive.
    Source: Balntas et al., Learning local feature descriptors with triplets, BMVC 2016.

    >>> a, p, n = sl.tensor([[0.0]]), sl.tensor([[1.0]]), sl.tensor([[1.5]])
    >>> round(F.triplet_margin_loss(a, p, n).item(), 4)
    0.5
    """
    name = "triplet_margin_loss"
    _positive(name, "margin", margin)
    _same_shape(name, anchor=anchor, positive=positive, negative=negative)
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = minimum(far, pairwise_distance(positive, negative, p, eps))
    return _reduce(relu(pairwise_distance(anchor, positive, p, eps) - far + margin), reduction)


def semi_hard_triplet_loss(embeddings: Tensor, labels: Tensor, margin: float = 0.2) -> Tensor:
    """Triplet loss of a batch, with the negative chosen that teaches most without misleading.

    Each two of one class are an anchor a and a positive p. Their negative n is the nearest one
    that is farther from a than p is; where no negative is, the farthest. The loss is the mean of
    max(0, ‖a − p‖² − ‖a − n‖² + margin) over these pairs. The choice itself has no gradient.

    Pairs of a batch with one class have no negative and do not count; a batch in which no pair
    counts has the loss 0 and the gradient 0.

    Args:
        embeddings: (N, D), usually of length 1: `F.normalize(x)`.
        labels: (N,) integers.
        margin: more than 0, on the scale of squared distances.

    Raises: ShapeError, DTypeError or ArgumentError. Memory: N³ numbers while it chooses.
    Source: Schroff, Kalenichenko and Philbin, FaceNet, 2015, arXiv:1503.03832.

    >>> x = sl.tensor([[0.0], [1.0], [1.1], [5.0]])
    >>> round(F.semi_hard_triplet_loss(x, sl.tensor([0, 0, 1, 2]), margin=0.5).item(), 3)
    0.145
    """
    name = "semi_hard_triplet_loss"
    _positive(name, "margin", margin)
    same = _same_class(name, embeddings, labels)
    distances = _squared_distances(embeddings)
    seen = distances.detach()
    others, near = (~same).unsqueeze(1), seen.unsqueeze(2)  # (anchor, 1, negative), (a, p, 1)
    farther = others & (seen.unsqueeze(1) > near)
    nearest = seen.unsqueeze(1).expand(farther.shape).masked_fill(~farther, math.inf).argmin(2)
    farthest = seen.masked_fill(same, -math.inf).argmax(1, keepdim=True)
    chosen = farthest.expand(nearest.shape).where(~farther.any(2), nearest)
    losses = relu(distances - distances.gather(1, chosen) + margin)
    counts = same & ~_itself(same) & (~same).any(1, keepdim=True)
    return _mean_where(losses, counts)


def contrastive_loss(
    x1: Tensor, x2: Tensor, target: Tensor, margin: float = 1.0, *, reduction: str = "mean"
) -> Tensor:
    """Pull pairs together, push others apart: t · d²/2 + (1 − t) · max(0, margin − d)²/2.

    d is the distance ‖x1 − x2‖ (`pairwise_distance`). The paper's Y is 1 − t.

    Args:
        x1, x2: (N, D), the two of each pair.
        target: (N,), 1 if the two belong together and 0 if not; bool, integers or floats.
        margin: how far apart the others are to be; more than 0.
        reduction: "mean", "sum" or "none".

    Raises: ShapeError or ArgumentError.
    Source: Hadsell, Chopra and LeCun, Dimensionality reduction by learning an invariant mapping,
    CVPR 2006.

    >>> x1, x2 = sl.tensor([[0.0], [0.0]]), sl.tensor([[2.0], [0.5]])
    >>> round(F.contrastive_loss(x1, x2, sl.tensor([1, 0]), reduction="sum").item(), 4)
    2.125
    """
    name = "contrastive_loss"
    _positive(name, "margin", margin)
    _same_shape(name, x1=x1, x2=x2)
    distance = pairwise_distance(x1, x2)
    _same_shape(name, distances=distance, target=target)
    together = target.to(x1.dtype)
    gap = relu(margin - distance)
    losses = together * distance * distance + (1.0 - together) * gap * gap
    return _reduce(losses * 0.5, reduction)


def nt_xent_loss(z1: Tensor, z2: Tensor, temperature: float = 0.5) -> Tensor:
    """Find the other view of the same thing among all of the batch (NT-Xent, a form of InfoNCE).

    With z the 2N rows of z1 and z2, scaled to length 1, and j(i) the other view of i, the mean of
    −log(exp(zᵢ · z_j(i) / temperature) / Σ_{k ≠ i} exp(zᵢ · z_k / temperature)). No label is used.
    A batch of one has nothing to tell it from and the loss 0.

    Args:
        z1, z2: (N, D); row i of both belongs to the same thing.
        temperature: small ones look at the nearest neighbours alone; more than 0.

    Raises: ShapeError or ArgumentError.
    Source: Chen et al., A simple framework for contrastive learning of visual representations,
    2020, arXiv:2002.05709.

    >>> views = sl.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> round(F.nt_xent_loss(views, views, temperature=1.0).item(), 4)  # log((e + 2) / e)
    0.5514
    """
    _same_shape("nt_xent_loss", z1=z1, z2=z2)
    scores = _cosines("nt_xent_loss", cat([z1, z2]), temperature)
    count = len(z1)
    other = (arange(2 * count) + count) % (2 * count)
    scores = scores.masked_fill(_itself(scores), -math.inf)
    return cross_entropy(scores, other.to(scores.device))


def supervised_contrastive_loss(
    embeddings: Tensor, labels: Tensor, temperature: float = 0.1
) -> Tensor:
    """Find all others of the same class among the batch (SupCon, the sum outside the logarithm).

    With z the rows scaled to length 1 and P(i) the others of i's class, the mean over i of
    −1/|P(i)| Σ_{p ∈ P(i)} log(exp(zᵢ · z_p / temperature) / Σ_{k ≠ i} exp(zᵢ · z_k / temperature)).

    A row without another of its class does not count; if none counts, the loss and its gradient
    are 0.

    Args:
        embeddings: (N, D).
        labels: (N,) integers.
        temperature: more than 0.

    Raises: ShapeError, DTypeError or ArgumentError.
    Source: Khosla et al., Supervised contrastive learning, 2020, arXiv:2004.11362, equation 2.

    >>> x = sl.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> labels = sl.tensor([0, 0, 1])
    >>> round(F.supervised_contrastive_loss(x, labels, 1.0).item(), 4)  # log((e + 1) / e)
    0.3133
    """
    name = "supervised_contrastive_loss"
    same = _same_class(name, embeddings, labels)
    scores = _cosines(name, embeddings, temperature)
    itself = _itself(scores)
    total = scores.masked_fill(itself, -math.inf).logsumexp(1, keepdim=True)
    positives = same & ~itself
    surprise = (total - scores).masked_fill(~positives, 0.0).sum(1)
    counts = positives.to(scores.dtype).sum(1)
    return _mean_where(surprise / counts.clamp(min=1.0), counts > 0)


def _mean_where(losses: Tensor, counted: Tensor) -> Tensor:
    """The mean of the losses that count, 0 if none does."""
    count = counted.to(losses.dtype).sum().clamp(min=1.0)
    return losses.masked_fill(~counted, 0.0).sum() / count


def _cosines(name: str, embeddings: Tensor, temperature: float) -> Tensor:
    """The cosine of each row with each, divided by the temperature: (N, N)."""
    _positive(name, "temperature", temperature)
    if embeddings.ndim != 2:
        raise _no_rows(name, embeddings)
    unit = normalize(embeddings)
    return unit @ unit.T / temperature


def _squared_distances(x: Tensor) -> Tensor:
    """‖xᵢ − xⱼ‖² for each two rows: (N, N)."""
    lengths = (x * x).sum(1, keepdim=True)
    return relu(lengths + lengths.T - x @ x.T * 2.0)


def _itself(square: Tensor) -> Tensor:
    """Where a row of (N, N) meets its own column."""
    rows = arange(len(square)).to(square.device)
    return rows.unsqueeze(1) == rows


def _same_class(name: str, embeddings: Tensor, labels: Tensor) -> Tensor:
    """Which two rows have the same label, (N, N), once it is sure that there is one for each."""
    checks.tensors(name, embeddings, labels)
    if embeddings.ndim != 2:
        raise _no_rows(name, embeddings)
    if labels.dtype.kind not in "iu":
        raise DTypeError(
            f"{name}: labels are integers, not {labels.dtype}",
            expected="int64 labels",
            fix="labels.long()",
        )
    _same_shape(name, rows=embeddings[:, 0], labels=labels)
    return labels.unsqueeze(1) == labels


def _no_rows(name: str, embeddings: Tensor) -> ShapeError:
    return ShapeError(
        f"{name}: embeddings of shape {embeddings.shape} are not one row for each sample",
        expected="embeddings (N, D)",
        fix="x.flatten(1) for (N, …), x[None] for a single one",
    )


def _same_shape(name: str, **tensors: Tensor) -> None:
    """Refuse tensors of different shapes: broadcasting would pair all with all."""
    first, *others = tensors.values()
    for other in others:
        checks.tensors(name, first, other)
    if any(other.shape != first.shape for other in others):
        told = ", ".join(f"{key} {value.shape}" for key, value in tensors.items())
        raise ShapeError(
            f"{name}: {told} are not of one shape",
            expected="one entry of each for each sample",
            fix="x.reshape(other.shape) if both have as many elements",
        )


def _positive(name: str, argument: str, value: float) -> None:
    if not value > 0:
        raise checks.bad_argument(name, argument, value, "a number above 0")
