"""Losses of classes: every combination of options as in PyTorch, and labels that are wrong."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import streetlight as sl
import streetlight.nn.functional as F
from streetlight.errors import ArgumentError, DTypeError, IndexOutOfRangeError, ShapeError

SHAPES = [(4,), (1, 1), (3, 4), (5, 2), (2, 3, 4), (2, 3, 2, 5), (0, 3), (2, 3, 0)]
OPTIONS = list(
    itertools.product(["mean", "sum", "none"], [False, True], [None, -100, 1], [0.0, 0.3, 1.0])
)


def make_labels(shape, ignored, seed=3):
    """Labels for logits of a shape; every third one is the ignored one, but never all."""
    dim = 1 if len(shape) > 1 else 0
    without = shape[:dim] + shape[dim + 1 :]
    labels = np.asarray(np.random.default_rng(seed).integers(0, shape[dim], without))
    if ignored is not None and labels.size > 2:
        labels.flat[::3] = ignored
        labels.flat[1] = 0
    return labels


@pytest.mark.parametrize(("reduction", "weighted", "ignored", "smoothing"), OPTIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_cross_entropy_equals_pytorch(
    shape, reduction, weighted, ignored, smoothing, against_torch, numbers
):
    classes = shape[1 if len(shape) > 1 else 0]
    labels = make_labels(shape, ignored if ignored != 1 or classes > 1 else None)
    factors = np.random.default_rng(4).random(classes) + 0.1

    def loss(F, T, x):
        return F.cross_entropy(
            x,
            T.tensor(labels),
            T.tensor(factors, dtype=x.dtype) if weighted else None,
            ignore_index=-100 if ignored is None else ignored,
            reduction=reduction,
            label_smoothing=smoothing,
        )

    against_torch(loss, numbers(*shape), orders=2 if shape == (3, 4) else 1)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ignored", [None, -100, 1])
@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4), (2, 3, 2, 5), (0, 3)])
def test_nll_loss_equals_pytorch(shape, ignored, weighted, reduction, against_torch, numbers):
    labels = make_labels(shape, ignored)
    factors = np.random.default_rng(4).random(shape[1 if len(shape) > 1 else 0])

    def loss(F, T, x):
        weight = T.tensor(factors, dtype=x.dtype) if weighted else None
        index = -100 if ignored is None else ignored
        return F.nll_loss(x, T.tensor(labels), weight, ignore_index=index, reduction=reduction)

    against_torch(loss, numbers(*shape), orders=1)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4), (2, 3, 2, 5), (0, 3)])
def test_cross_entropy_with_probabilities_equals_pytorch(
    shape, smoothing, weighted, reduction, against_torch, numbers
):
    factors = np.random.default_rng(4).random(shape[1 if len(shape) > 1 else 0])

    def loss(F, T, x, y):
        weight = T.tensor(factors, dtype=x.dtype) if weighted else None
        truth = F.softmax(y, 1 if y.ndim > 1 else 0)
        return F.cross_entropy(x, truth, weight, reduction=reduction, label_smoothing=smoothing)

    against_torch(loss, numbers(*shape), numbers(*shape, seed=1))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "int64"])
def test_labels_of_any_integer_dtype(dtype):
    logits = sl.tensor([[0.0, math.log(3.0)], [0.0, math.log(3.0)]])
    labels = sl.tensor(np.array([1, 0], dtype=dtype))
    losses = F.cross_entropy(logits, labels, reduction="none")
    np.testing.assert_allclose(losses.numpy(), [math.log(4 / 3), math.log(4.0)], rtol=1e-6)


def test_cross_entropy_of_large_logits(against_torch):
    logits = np.array([[1e4, 1e4 - 1, 0.0], [-1e4, 1e4, 5.0], [1e30, -1e30, 0.0]])
    against_torch(
        lambda F, T, x: F.cross_entropy(x, T.tensor([1, 1, 0]), reduction="none"), logits, orders=1
    )


def test_cross_entropy_with_impossible_classes(against_torch):
    logits = np.array([[-math.inf, 1.0, 2.0], [3.0, -math.inf, -math.inf]])
    against_torch(lambda F, T, x: F.cross_entropy(x, T.tensor([1, 0])), logits, orders=1)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_no_label_that_counts(smoothing):
    logits, labels = sl.zeros(2, 3), sl.tensor([-100, -100])
    mean = F.cross_entropy(logits, labels, label_smoothing=smoothing)
    total = F.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="sum")
    assert math.isnan(mean.item())
    assert total.item() == 0.0


def test_ignored_samples_get_no_gradient():
    logits = sl.zeros(3, 2, requires_grad=True)
    F.cross_entropy(logits, sl.tensor([1, -100, 0])).backward()
    assert logits.grad.tolist() == [[0.25, -0.25], [0.0, 0.0], [-0.25, 0.25]]


def test_labels_are_left_as_they_were():
    labels = sl.tensor([1, -100, 0])
    F.cross_entropy(sl.zeros(3, 2), labels)
    assert labels.tolist() == [1, -100, 0]


@pytest.mark.parametrize("loss", [F.cross_entropy, F.nll_loss])
@pytest.mark.parametrize(
    ("shape", "labels", "words"),
    [
        ((3, 4), [1, 4, 9], r"label 4 at position \[1\] is not one of the 4 classes"),
        ((3, 4), [1, 0, -1], r"label -1 at position \[2\] is not one of the 4 classes"),
        ((3, 4), [-100, 0, 7], r"label 7 at position \[2\] is not one of the 4 classes"),
        ((1, 2, 2, 2), [[[0, 1], [1, 2]]], r"label 2 at position \[0, 1, 1\] is not one of the 2"),
        ((4,), 5, r"label 5 at position \[\] is not one of the 4 classes"),
    ],
)
def test_the_first_wrong_label_is_named(loss, shape, labels, words):
    with pytest.raises(IndexOutOfRangeError, match=words) as caught:
        loss(sl.zeros(*shape), sl.tensor(labels))
    assert "or -100 for one that does not count" in str(caught.value)
    assert "give the network more outputs" in str(caught.value)


@pytest.mark.parametrize("options", [{"weight": [1.0, 1.0]}, {"ignore_index": 0}])
def test_wrong_labels_are_named_with_options_too(options):
    chosen = {k: sl.tensor(v) if k == "weight" else v for k, v in options.items()}
    with pytest.raises(IndexOutOfRangeError, match=r"label 2 at position \[1\]"):
        F.cross_entropy(sl.zeros(2, 2), sl.tensor([1, 2]), **chosen)


@pytest.mark.parametrize("loss", [F.cross_entropy, F.nll_loss])
@pytest.mark.parametrize(
    ("shape", "labels", "fix"),
    [
        ((3, 4), [[0], [1], [2]], r"target\.reshape\(-1\)"),
        ((3, 4), [0, 1], "one label for each sample"),
        ((2, 2), [[0, 1], [1, 0]], r"target\.argmax\(1\) for one-hot labels"),
        ((), 0, "for one-hot labels"),
    ],
)
def test_labels_of_another_shape(loss, shape, labels, fix):
    with pytest.raises(ShapeError, match="do not fit input") as caught:
        loss(sl.zeros(shape), sl.tensor(labels))
    assert loss.__name__ in str(caught.value)
    assert caught.match(fix)


@pytest.mark.parametrize(
    ("loss", "labels", "words"),
    [
        (F.cross_entropy, [0.0, 1.0, 1.0], "cross_entropy: labels are integers, not float32"),
        (F.nll_loss, [0.0, 1.0, 1.0], "nll_loss: labels are integers, not float32"),
        (F.cross_entropy, [True, False, True], "cross_entropy: labels are integers, not bool"),
    ],
)
def test_labels_of_another_dtype(loss, labels, words):
    with pytest.raises(DTypeError, match=words) as caught:
        loss(sl.zeros(3, 2), sl.tensor(labels))
    assert "target.long()" in str(caught.value)


def test_probabilities_of_another_shape():
    with pytest.raises(ShapeError, match=r"probabilities \(3, 5\) do not fit \(3, 4\)"):
        F.cross_entropy(sl.zeros(3, 4), sl.zeros(3, 5))


def test_probabilities_cannot_be_ignored():
    with pytest.raises(ArgumentError, match="ignore_index=1 makes no sense"):
        F.cross_entropy(sl.zeros(3, 4), sl.zeros(3, 4), ignore_index=1)


@pytest.mark.parametrize("smoothing", [-0.1, 1.5, float("nan")])
def test_label_smoothing_is_a_share(smoothing):
    with pytest.raises(ArgumentError, match=f"label_smoothing={smoothing} makes no sense"):
        F.cross_entropy(sl.zeros(3, 4), sl.tensor([0, 1, 2]), label_smoothing=smoothing)


@pytest.mark.parametrize("soft", [False, True])
def test_class_weights_of_another_length(soft):
    target = sl.zeros(3, 4) if soft else sl.tensor([0, 1, 2])
    with pytest.raises(ShapeError, match=r"\(3,\) weights for 4 classes"):
        F.cross_entropy(sl.zeros(3, 4), target, sl.ones(3))


@given(st.integers(1, 6), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_labels_are_probabilities_of_one(samples, classes, seed):
    rng = np.random.default_rng(seed)
    logits = sl.tensor(rng.standard_normal((samples, classes)))
    labels = rng.integers(0, classes, samples)
    hard = F.cross_entropy(logits, sl.tensor(labels), reduction="none").numpy()
    soft = F.cross_entropy(logits, sl.tensor(np.eye(classes)[labels]), reduction="none").numpy()
    np.testing.assert_allclose(hard, soft, rtol=1e-12, atol=1e-14)
