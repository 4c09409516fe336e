"""Linear maps, tables and dropout: PyTorch's numbers, seeded statistics, words of errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import streetlight as sl
import streetlight.nn.functional as F
from streetlight.errors import ArgumentError, DTypeError, IndexOutOfRangeError, ShapeError


@pytest.mark.parametrize("shape", [(3,), (1, 3), (5, 3), (2, 4, 3), (2, 0, 3), (0, 3)])
@pytest.mark.parametrize("features", [(2, 3), (1, 3)])
@pytest.mark.parametrize("biased", [False, True])
def test_linear_equals_pytorch(shape, features, biased, against_torch, numbers):
    given = [numbers(*shape), numbers(*features, seed=1)]
    if biased:
        given.append(numbers(features[0], seed=2))
    against_torch(lambda F, T, *tensors: F.linear(*tensors), *given)


def test_linear_says_which_sizes_differ():
    words = "linear: last size of input is 768, but weight expects 1024"
    with pytest.raises(ShapeError, match=words) as caught:
        F.linear(sl.zeros(77, 768), sl.zeros(4096, 1024))
    for part in ("(77, 768)", "(4096, 1024)", "in_features=768"):
        assert part in str(caught.value)


@pytest.mark.parametrize(("shape", "weight"), [((), (2, 1)), ((1,), ()), ((1,), (1,)), ((), (1,))])
def test_linear_of_too_few_dimensions(shape, weight):
    with pytest.raises(ShapeError, match="linear: last size of input is"):
        F.linear(sl.zeros(shape), sl.zeros(weight))


@pytest.mark.parametrize(
    "given", [[1.0, 2.0], np.ones(2), sl.tensor([1, 2]), sl.ones(2, dtype=sl.float64)]
)
def test_linear_wants_a_tensor_of_the_dtype_of_the_weight(given):
    words = "linear: the input is not a tensor of the weight's dtype"
    with pytest.raises(DTypeError, match=words) as caught:
        F.linear(given, sl.ones(3, 2))
    assert "a float32 tensor" in str(caught.value)


def test_linear_bias_of_another_length():
    words = r"linear: bias is \(3,\), but weight gives 2 outputs"
    with pytest.raises(ShapeError, match=words):
        F.linear(sl.zeros(5, 4), sl.zeros(2, 4), sl.zeros(3))


@pytest.mark.parametrize("padding", [None, 1, -1])
@pytest.mark.parametrize("indices", [[[0, 2], [1, 1]], [3], 2, np.zeros((0, 2), dtype=np.int64)])
def test_embedding_equals_pytorch(indices, padding, against_torch, numbers):
    chosen = np.asarray(indices)
    against_torch(lambda F, T, w: F.embedding(T.tensor(chosen), w, padding), numbers(4, 3))


def test_embedding_gradient_of_the_padding_row():
    table = sl.ones(3, 2, requires_grad=True)
    F.embedding(sl.tensor([0, 1, 1, 2]), table, padding_idx=1).sum().backward()
    assert table.grad.tolist() == [[1.0, 1.0], [0.0, 0.0], [1.0, 1.0]]


@pytest.mark.parametrize("index", [3, -1])
def test_embedding_names_an_index_that_is_no_row(index):
    with pytest.raises(IndexOutOfRangeError, match=f"embedding: index {index} does not") as caught:
        F.embedding(sl.tensor([[0, index]]), sl.zeros(3, 2))
    assert "0 to 2" in str(caught.value)


@pytest.mark.parametrize("padding", [3, -4])
def test_embedding_padding_is_a_row(padding):
    with pytest.raises(IndexOutOfRangeError, match=f"padding_idx {padding} does not exist"):
        F.embedding(sl.tensor([0]), sl.zeros(3, 2), padding_idx=padding)


def test_embedding_wants_integers_and_a_table():
    with pytest.raises(DTypeError, match="embedding: each index is an integer, in a tensor"):
        F.embedding(sl.tensor([1.0]), sl.zeros(3, 2))
    with pytest.raises(DTypeError, match="embedding: each index is an integer, in a tensor"):
        F.embedding([1], sl.zeros(3, 2))
    with pytest.raises(ShapeError, match="embedding: the table has 1 dimensions"):
        F.embedding(sl.tensor([1]), sl.zeros(3))


@given(st.lists(st.integers(0, 6), min_size=1, max_size=9), st.integers(0, 3))
def test_one_hot_marks_the_label(labels, more):
    classes = max(labels) + 1 + more
    rows = F.one_hot(sl.tensor(labels), classes).numpy()
    assert rows.dtype == np.int64
    assert (rows == np.eye(classes, dtype=np.int64)[labels]).all()


def test_one_hot_of_other_shapes():
    assert F.one_hot(sl.tensor(1)).tolist() == [0, 1]
    assert F.one_hot(sl.tensor([[0], [2]])).tolist() == [[[1, 0, 0]], [[0, 0, 1]]]
    assert F.one_hot(sl.zeros(0, dtype=sl.int64), 3).shape == (0, 3)


@pytest.mark.parametrize(("labels", "classes"), [([0, 4], 3), ([0, -1], 3), ([1, -1], -1)])
def test_one_hot_names_a_wrong_label(labels, classes):
    with pytest.raises(IndexOutOfRangeError, match=f"one_hot: label {labels[1]} does not exist"):
        F.one_hot(sl.tensor(labels), classes)


def test_one_hot_needs_labels_and_integers():
    with pytest.raises(ArgumentError, match="the number of classes cannot be found"):
        F.one_hot(sl.zeros(0, dtype=sl.int64))
    with pytest.raises(DTypeError, match="one_hot: each label is an integer, in a tensor"):
        F.one_hot(sl.zeros(2))


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [sl.float32, sl.float64])
def test_dropout_keeps_the_share_and_the_mean(p, dtype):
    count = 40_000
    ones = sl.ones(200, count // 200, dtype=dtype)
    result = F.dropout(ones, p, generator=sl.Generator().manual_seed(1)).numpy()
    values = np.unique(result)
    assert result.dtype == dtype
    np.testing.assert_allclose(values, [0.0, 1.0 / (1.0 - p)], rtol=1e-6)
    share = (result == 0).mean()
    assert abs(share - p) < 4 * (p * (1 - p) / count) ** 0.5  # four standard deviations
    # Neighbours are dropped independently of each other, in both directions.
    dropped = (result == 0).astype(float)
    for pairs in (dropped[1:] * dropped[:-1], dropped[:, 1:] * dropped[:, :-1]):
        assert abs(pairs.mean() - p * p) < 0.01


def test_dropout_gradient_is_its_mask():
    x = sl.ones(50, requires_grad=True)
    result = F.dropout(x, 0.3, generator=sl.Generator().manual_seed(2))
    result.sum().backward()
    assert x.grad.tolist() == result.tolist()


def test_dropout_follows_its_generator():
    def draw(seed):
        return F.dropout(sl.ones(64), 0.5, generator=sl.Generator().manual_seed(seed)).tolist()

    assert draw(3) == draw(3)
    assert draw(3) != draw(4)


def test_dropout_without_generator_follows_the_common_seed():
    sl.manual_seed(7)
    first, second = F.dropout(sl.ones(64)).tolist(), F.dropout(sl.ones(64)).tolist()
    sl.manual_seed(7)
    assert F.dropout(sl.ones(64)).tolist() == first
    assert first != second


def test_dropout_at_rest():
    x = sl.ones(4)
    assert F.dropout(x, 0.5, training=False) is x
    assert F.dropout(x, 0.0) is x
    assert F.dropout(x, 1.0).tolist() == [0.0] * 4


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
@pytest.mark.parametrize("training", [False, True])
def test_dropout_wants_a_probability(p, training):
    with pytest.raises(ArgumentError, match=f"dropout: p={p} is not a probability"):
        F.dropout(sl.ones(2), p, training)


def test_dropout_wants_floats():
    with pytest.raises(DTypeError, match="dropout: cannot scale int64 elements"):
        F.dropout(sl.tensor([1, 2]))


def test_dropout_takes_inplace_and_leaves_its_input():
    x = sl.ones(4)
    assert F.dropout(x, 1.0, True, True).tolist() == [0.0] * 4
    assert F.dropout(x, p=1.0, inplace=True).tolist() == [0.0] * 4
    assert x.tolist() == [1.0] * 4
