"""Distances, similarities and attention: PyTorch's numbers, masks, and the words of errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import streetlight as sl
import streetlight.nn.functional as F
from streetlight.errors import ArgumentError, ShapeError

PAIRS = [
    ((3, 4), (3, 4)),
    ((5,), (5,)),
    ((2, 3, 4), (3, 4)),
    ((2, 1, 4), (1, 3, 4)),
    ((0, 4), (4,)),
]


@pytest.mark.parametrize("shapes", PAIRS)
@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("keepdim", [False, True])
def test_pairwise_distance_equals_pytorch(shapes, p, keepdim, against_torch, numbers):
    first, second = shapes
    against_torch(
        lambda F, T, x, y: F.pairwise_distance(x, y, p, keepdim=keepdim),
        numbers(*first),
        numbers(*second, seed=1),
    )


def test_distance_of_equal_vectors_has_a_gradient():
    x = sl.ones(1, 4, requires_grad=True)
    distance = F.pairwise_distance(x, sl.ones(1, 4))
    distance.sum().backward()
    np.testing.assert_allclose(distance.detach().numpy(), [2e-6], rtol=1e-5)
    np.testing.assert_allclose(x.grad.numpy(), [[0.5, 0.5, 0.5, 0.5]], rtol=1e-5)


@pytest.mark.parametrize("shapes", PAIRS)
def test_cosine_similarity_equals_pytorch(shapes, against_torch, numbers):
    first, second = shapes
    against_torch(
        lambda F, T, x, y: F.cosine_similarity(x, y, -1), numbers(*first), numbers(*second, seed=1)
    )


def test_cosine_similarity_along_the_first_of_two_dimensions(against_torch, numbers):
    against_torch(
        lambda F, T, x, y: F.cosine_similarity(x, y, dim=0), numbers(3, 4), numbers(3, 4, seed=1)
    )


def test_cosine_similarity_of_zeros_is_zero():
    assert F.cosine_similarity(sl.zeros(1, 3), sl.ones(1, 3)).tolist() == [0.0]


@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3))
def test_cosine_similarity_does_not_see_lengths(seed, scale):
    x, y = np.random.default_rng(seed).standard_normal((2, 3, 4))
    first = F.cosine_similarity(sl.tensor(x), sl.tensor(y)).numpy()
    second = F.cosine_similarity(sl.tensor(x * scale), sl.tensor(y)).numpy()
    assert (np.abs(first) <= 1 + 1e-12).all()
    np.testing.assert_allclose(first, second, rtol=1e-9, atol=1e-12)


SIZES = [  # batch, queries, keys, size of a key, size of a value
    ((), 3, 3, 4, 4), ((), 1, 5, 2, 3), ((2,), 4, 4, 3, 5), ((2, 3), 3, 5, 4, 1),
    ((0, 2), 3, 3, 2, 2),
]  # fmt: skip


def make_attention(numbers, batch, queries, keys, size, width):
    return (
        numbers(*batch, queries, size),
        numbers(*batch, keys, size, seed=1),
        numbers(*batch, keys, width, seed=2),
    )


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("scale", [None, 0.3])
@pytest.mark.parametrize("causal", [False, True])
def test_attention_equals_pytorch(sizes, scale, causal, against_torch, numbers):
    against_torch(
        lambda F, T, q, k, v: F.scaled_dot_product_attention(
            q, k, v, is_causal=causal, scale=scale
        ),
        *make_attention(numbers, *sizes),
        orders=1,
    )


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("kind", ["bool", "float", "broadcast"])
def test_masked_attention_equals_pytorch(sizes, kind, against_torch, numbers):
    batch, queries, keys = sizes[:3]
    shape = (queries, keys) if kind == "broadcast" else (*batch, queries, keys)
    allowed = np.random.default_rng(7).random(shape) < 0.6
    allowed[..., 0] = True
    with np.errstate(divide="ignore"):
        added = np.log(allowed) + np.random.default_rng(8).random(shape)

    def attention(F, T, q, k, v):
        mask = T.tensor(added, dtype=q.dtype) if kind == "float" else T.tensor(allowed)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)

    against_torch(attention, *make_attention(numbers, *sizes), orders=1)


def test_attention_second_gradient(against_torch, numbers):
    against_torch(
        lambda F, T, q, k, v: F.softmax(q @ k.transpose(-2, -1) * 0.5, -1) @ v,
        *make_attention(numbers, (), 3, 5, 4, 2),
    )


@pytest.mark.parametrize("kind", ["bool", "float"])
def test_a_query_that_may_look_nowhere_finds_zero(kind, numbers):
    q, k, v = (sl.tensor(a, requires_grad=True) for a in make_attention(numbers, (), 3, 4, 2, 2))
    allowed = np.array([[True] * 4, [False] * 4, [True, False, True, False]])
    mask = allowed if kind == "bool" else np.where(allowed, 0.0, -math.inf)
    result = F.scaled_dot_product_attention(q, k, v, attn_mask=sl.tensor(mask))
    result.sum().backward()
    assert result[1].tolist() == [0.0, 0.0]
    assert q.grad[1].tolist() == [0.0, 0.0]
    for gradient in (q.grad, k.grad, v.grad):
        assert np.isfinite(gradient.numpy()).all()


def test_attention_of_large_scores(against_torch, numbers):
    q, k, v = make_attention(numbers, (2,), 3, 4, 2, 3)
    against_torch(
        lambda F, T, q, k, v: F.scaled_dot_product_attention(q, k, v), q * 100, k * 100, v, orders=0
    )


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_causal_attention_does_not_see_the_future(length, seed):
    q, k, v = np.random.default_rng(seed).standard_normal((3, length, 4))
    before = F.scaled_dot_product_attention(
        sl.tensor(q), sl.tensor(k), sl.tensor(v), is_causal=True
    ).numpy()
    k[-1], v[-1] = 9.0, 9.0
    after = F.scaled_dot_product_attention(
        sl.tensor(q), sl.tensor(k), sl.tensor(v), is_causal=True
    ).numpy()
    np.testing.assert_allclose(before[:-1], after[:-1], rtol=1e-12)
    assert not np.allclose(before[-1], after[-1])


def test_attention_drops_weights():
    sl.manual_seed(0)
    q, v = sl.zeros(1, 8), sl.ones(1000, 1)
    result = F.scaled_dot_product_attention(q, sl.zeros(1000, 8), v, dropout_p=0.5).item()
    assert result != 1.0
    assert abs(result - 1.0) < 4 / math.sqrt(1000)  # four standard deviations


def test_attention_wants_one_mask():
    x = sl.zeros(3, 4)
    with pytest.raises(ArgumentError, match="attn_mask and is_causal are both given"):
        F.scaled_dot_product_attention(x, x, x, attn_mask=sl.ones(3, 3), is_causal=True)


def test_attention_wants_a_probability():
    x = sl.zeros(3, 4)
    with pytest.raises(ArgumentError, match=r"p=1\.5 is not a probability"):
        F.scaled_dot_product_attention(x, x, x, dropout_p=1.5)


@pytest.mark.parametrize("shape", [(2, 3), (4, 5), (1, 4, 3)])
def test_attention_names_a_mask_that_does_not_fit(shape):
    x = sl.zeros(4, 2)
    with pytest.raises(ShapeError, match=r"attn_mask .* does not fit the scores \(4, 4\)"):
        F.scaled_dot_product_attention(x, x, x, attn_mask=sl.zeros(shape))


@pytest.mark.parametrize(
    ("query", "key", "value"),
    [((3, 4), (3, 5), (3, 4)), ((3, 4), (5, 4), (3, 4)), ((4,), (3, 4), (3, 4))],
)
def test_attention_names_sizes_that_do_not_fit(query, key, value):
    with pytest.raises(ShapeError, match=r"query .* and value .* do not fit") as caught:
        F.scaled_dot_product_attention(sl.zeros(query), sl.zeros(key), sl.zeros(value))
    assert "query (…, L, E), key (…, S, E), value (…, S, V)" in str(caught.value)


def test_attention_of_keys_without_size():
    result = F.scaled_dot_product_attention(sl.zeros(2, 0), sl.zeros(4, 0), sl.ones(4, 3))
    assert result.tolist() == [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
