"""Comparing vectors: distances, similarities, and attention, which looks up by similarity."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from streetlight.creation import arange
from streetlight.errors import ArgumentError, ShapeError
from streetlight.functional.linear import dropout

if TYPE_CHECKING:
    from streetlight.tensor import Tensor


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """Distance between vectors: ‖x1 − x2 + eps‖ₚ along the last dimension.

    Args:
        x1, x2: (…, D), broadcast to each other.
        p: the exponent of the norm.
        eps: keeps the distance of equal vectors away from 0, where it has no gradient.
        keepdim: whether the last dimension stays, with size 1.

    >>> F.pairwise_distance(sl.tensor([0.0, 3.0]), sl.tensor([4.0, 0.0]), eps=0.0).item()
    5.0
    """
    return (x1 - x2 + eps).norm(p, -1, keepdim=keepdim)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Cosine of the angle between vectors: x1 · x2 / (max(‖x1‖, eps) · max(‖x2‖, eps)).

    Args:
        x1, x2: tensors that broadcast to each other.
        dim: the dimension along which the vectors lie.
        eps: the least length to divide by.

    >>> F.cosine_similarity(sl.tensor([[1.0, 0.0]]), sl.tensor([[0.0, 2.0]])).tolist()
    [0.0]
    """
    first = x1 / x1.norm(2, dim, keepdim=True).clamp(min=eps)
    second = x2 / x2.norm(2, dim, keepdim=True).clamp(min=eps)
    return (first * second).sum(dim)


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
        query: (…, L, E).
        key: (…, S, E).
        value: (…, S, V).
        attn_mask: broadcast to (…, L, S): bool with True where a query may look at a key, or
            numbers to be added to the scores, −inf where it may not.
        dropout_p: the probability of dropping a weight; give 0 outside of training.
        is_causal: let query i look at the keys 0 to i only.
        scale: 1/√E unless given.

    Returns:
        The values found (…, L, V).

    Raises:
        ShapeError: the sizes do not fit.
        ArgumentError: both `attn_mask` and `is_causal` are given, or `dropout_p` is no probability.

    Source: Vaswani et al., Attention Is All You Need, 2017, arXiv:1706.03762.

    >>> keys = sl.tensor([[1e4, 0.0], [0.0, 1e4]])
    >>> F.scaled_dot_product_attention(keys, keys, sl.tensor([[1.0], [2.0]])).tolist()
    [[1.0], [2.0]]
    """
    _check_attention(query, key, value)
    if is_causal:
        if attn_mask is not None:
            raise ArgumentError(
                "scaled_dot_product_attention: attn_mask and is_causal are both given",
                expected="one of them",
                got={"attn_mask": attn_mask, "is_causal": is_causal},
                fix="put the causal order into attn_mask, and leave is_causal out",
            )
        places = arange(query.shape[-2]).unsqueeze(-1)
        attn_mask = (places >= arange(key.shape[-2])).to(query.device)
    scale = 1.0 / math.sqrt(max(query.shape[-1], 1)) if scale is None else scale
    scores = (query * scale) @ key.transpose(-2, -1)
    weights = _weights(scores if attn_mask is None else _masked(scores, attn_mask))
    return dropout(weights, dropout_p) @ value


def _masked(scores: Tensor, mask: Tensor) -> Tensor:
    if not _broadcasts_to(mask.shape, scores.shape):
        raise ShapeError(
            f"scaled_dot_product_attention: attn_mask {tuple(mask.shape)} does not fit the "
            f"scores {tuple(scores.shape)}",
            expected="a mask that broadcasts to (…, queries, keys)",
            got={"attn_mask": mask},
            fix="attn_mask.unsqueeze(...) where a dimension is missing",
        )
    if mask.dtype.kind == "b":
        return scores.masked_fill(~mask, -math.inf)
    return scores + mask


def _weights(scores: Tensor) -> Tensor:
    """Softmax over the keys that gives 0, and not NaN, where all scores are −inf."""
    largest = scores.detach().amax(-1, keepdim=True)
    powers = (scores - largest.masked_fill(largest == -math.inf, 0.0)).exp()
    total = powers.sum(-1, keepdim=True)
    return powers / total.masked_fill(total == 0, 1.0)


def _broadcasts_to(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    if len(shape) > len(wanted):
        return False
    return all(a in (1, b) for a, b in zip(reversed(shape), reversed(wanted), strict=False))


def _check_attention(query: Tensor, key: Tensor, value: Tensor) -> None:
    q, k, v = query.shape, key.shape, value.shape
    if min(len(q), len(k), len(v)) < 2 or q[-1] != k[-1] or k[-2] != v[-2]:
        raise ShapeError(
            f"scaled_dot_product_attention: query {tuple(q)}, key {tuple(k)} and value {tuple(v)} "
            "do not fit",
            expected="query (…, L, E), key (…, S, E), value (…, S, V)",
            got={"query": query, "key": key, "value": value},
            fix="give query and key the same last size, key and value the same number of rows",
        )
