"""Comparing vectors: distances, similarities, and attention, which looks up by similarity."""

import math

from streetlight.creation import arange
from streetlight.errors import ShapeError
from streetlight.functional import checks
from streetlight.functional.linear import dropout
from streetlight.functional.normalisation import normalize
from streetlight.ops import softmax, where
from streetlight.tensor import Tensor

_ATTENTION = "scaled_dot_product_attention"  # as its errors name it


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """Distance between vectors (…, D): ‖x1 − x2 + eps‖ₚ along the last dimension.

    The distance of equal vectors stays away from 0, where it has no gradient.

    >>> F.pairwise_distance(sl.tensor([0.0, 3.0]), sl.tensor([4.0, 0.0]), eps=0.0).item()
    5.0
    """
    return (x1 - x2 + eps).norm(p, -1, keepdim=keepdim)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Cosine of the angle between vectors along `dim`: x1 · x2 / (max(‖x1‖, eps) · max(‖x2‖, eps)).

    >>> F.cosine_similarity(sl.tensor([[1.0, 0.0]]), sl.tensor([[0.0, 2.0]])).tolist()
    [0.0]
    """
    return (normalize(x1, 2.0, dim, eps) * normalize(x2, 2.0, dim, eps)).sum(dim)


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
) -> Tensor:
    """Look up values by the likeness of queries and keys: softmax(q kᵀ · scale + mask) v.

    A query that may look at no key at all finds 0.

    Args:
        query, key, value: (…, L, E), (…, S, E) and (…, S, V); the result is (…, L, V).
        attn_mask: broadcast to (…, L, S): bool with True where a query may look at a key, or
            numbers to be added to the scores, −inf where it may not.
        dropout_p: the probability of dropping a weight; give 0 outside of training.
        is_causal: let query i look at the keys 0 to i only.
        scale: 1/√E unless given.

    Raises: ShapeError if the sizes do not fit, ArgumentError if there are two masks.
    Source: Vaswani et al., Attention Is All You Need, 2017, arXiv:1706.03762.

    >>> keys = sl.tensor([[1e4, 0.0], [0.0, 1e4]])
    >>> F.scaled_dot_product_attention(keys, keys, sl.tensor([[1.0], [2.0]])).tolist()
    [[1.0], [2.0]]
    """
    q, k, v = query.shape, key.shape, value.shape
    if min(len(q), len(k), len(v)) < 2 or q[-1] != k[-1] or k[-2] != v[-2]:
        raise ShapeError(
            f"{_ATTENTION}: query {q}, key {k} and value {v} do not fit",
            expected="query (…, L, E), key (…, S, E), value (…, S, V)",
            fix="give query and key the same last size, key and value the same number of rows",
        )
    if is_causal:
        if attn_mask is not None:
            problem = ": attn_mask and is_causal are both given"
            raise checks.bad_argument(_ATTENTION, "is_causal", is_causal, "one of them", problem)
        attn_mask = (arange(q[-2]).unsqueeze(-1) >= arange(k[-2])).to(query.device)
    scale = 1.0 / math.sqrt(max(q[-1], 1)) if scale is None else scale
    scores = (query * scale) @ key.transpose(-2, -1)
    weights = softmax(scores, -1) if attn_mask is None else _masked_softmax(scores, attn_mask)
    return dropout(weights, dropout_p) @ value


def _masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the keys that gives 0, and not NaN, where no key may be looked at."""
    pairs = zip(reversed(mask.shape), reversed(scores.shape), strict=False)
    if mask.ndim > scores.ndim or any(m not in (1, n) for m, n in pairs):
        raise ShapeError(
            f"{_ATTENTION}: attn_mask {mask.shape} does not fit the scores {scores.shape}",
            expected="a mask that broadcasts to (…, queries, keys)",
            fix="attn_mask.unsqueeze(...) where a dimension is missing",
        )
    scores = where(mask, scores, -math.inf) if mask.dtype.kind == "b" else scores + mask
    largest = scores.detach().amax(-1, keepdim=True)
    powers = (scores - largest.masked_fill(largest == -math.inf, 0.0)).exp()
    total = powers.sum(-1, keepdim=True)
    return powers / total.masked_fill(total == 0, 1.0)
