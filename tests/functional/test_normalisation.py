"""Normalisation: PyTorch's numbers, gradients and running statistics, and the words of errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import streetlight as sl
import streetlight.nn.functional as F
from streetlight.errors import ArgumentError, DTypeError, ShapeError


@pytest.mark.parametrize(
    ("shape", "last"),
    [((4,), (4,)), ((3, 4), (4,)), ((2, 3, 5), (3, 5)), ((2, 1, 7), (7,)), ((0, 4), (4,))],
)
@pytest.mark.parametrize("parameters", [0, 1, 2])
def test_layer_norm_equals_pytorch(shape, last, parameters, against_torch, numbers):
    more = [numbers(*last, seed=seed) for seed in range(1, parameters + 1)]
    against_torch(lambda F, T, x, *p: F.layer_norm(x, last, *p), numbers(*shape), *more)
    against_torch(lambda F, T, x, *p: F.layer_norm(x, last, *p, eps=0.1), numbers(*shape), *more)


@pytest.mark.parametrize(
    ("shape", "last"), [((4,), (4,)), ((3, 4), (4,)), ((2, 3, 5), (3, 5)), ((0, 4), (4,))]
)
@pytest.mark.parametrize("eps", [None, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_rms_norm_equals_pytorch(shape, last, eps, weighted, against_torch, numbers):
    more = [numbers(*last, seed=1)] if weighted else []
    against_torch(lambda F, T, x, *p: F.rms_norm(x, last, *p, eps=eps), numbers(*shape), *more)


@pytest.mark.parametrize("name", ["layer_norm", "rms_norm"])
def test_norm_of_constant_samples(name, against_torch):
    against_torch(lambda F, T, x: getattr(F, name)(x, (3,)), np.full((2, 3), 7.0), orders=1)


@given(
    hnp.arrays(np.float64, (3, 6), elements=st.floats(-100, 100)),
    st.floats(-50, 50),
    st.floats(0.5, 50),
)
def test_layer_norm_does_not_see_shift_and_scale(array, shift, scale):
    varied = array + np.arange(6.0) ** 2  # no constant rows: those have no direction to keep
    first = F.layer_norm(sl.tensor(varied), (6,), eps=0.0).numpy()
    second = F.layer_norm(sl.tensor(varied * scale + shift), (6,), eps=0.0).numpy()
    spread = varied.std(-1, keepdims=True)
    assert (np.abs(first - second) * np.minimum(spread, 1.0) < 1e-6).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: F.layer_norm(x, (4,)), r"layer_norm: input ends with \(3,\), but normal"),
        (lambda x: F.layer_norm(x, ()), r"layer_norm: .*normalized_shape is \(\)"),
        (lambda x: F.rms_norm(x, (3, 3)), r"rms_norm: input ends with \(2, 3\), but normalized"),
        (lambda x: F.rms_norm(x, (1, 2, 3)), r"but normalized_shape is \(1, 2, 3\)"),
        (lambda x: F.layer_norm(x, (3,), sl.ones(2)), r"layer_norm: a parameter is \(2,\), not"),
        (lambda x: F.layer_norm(x, (3,), None, sl.ones(1)), r"a parameter is \(1,\), not \(3,\)"),
        (lambda x: F.rms_norm(x, (3,), sl.ones(2)), r"rms_norm: a parameter is \(2,\), not \(3,\)"),
    ],
)
def test_norms_of_other_shapes(call, words):
    with pytest.raises(ShapeError, match=words):
        call(sl.zeros(2, 3))


@pytest.mark.parametrize("name", ["layer_norm", "rms_norm"])
def test_norms_want_fractions(name):
    with pytest.raises(DTypeError, match="int64 has no fractions"):
        getattr(F, name)(sl.tensor([[1, 2]]), (2,))


BATCHES = [(4, 3), (2, 1), (5, 3, 2), (1, 2, 3), (2, 3, 4, 5), (2, 3, 2, 2, 2)]


@pytest.mark.parametrize("shape", BATCHES)
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("parameters", [0, 1, 2])
def test_batch_norm_equals_pytorch(shape, training, parameters, against_torch, numbers):
    channels = shape[1]
    more = [numbers(channels, seed=seed) for seed in range(1, parameters + 1)]

    def norm(F, T, x, *parameters):
        mean = T.tensor(numbers(channels, seed=3), dtype=x.dtype)
        variance = T.tensor(abs(numbers(channels, seed=4)), dtype=x.dtype)
        return F.batch_norm(x, mean, variance, *parameters, training=training)

    against_torch(norm, numbers(*shape), *more)


@pytest.mark.parametrize("momentum", [0.1, 0.7, 1.0, 0.0])
@pytest.mark.parametrize("shape", [*BATCHES, (0, 3)])
def test_batch_norm_moves_the_running_statistics(shape, momentum, numbers):
    torch = pytest.importorskip("torch", reason="parity tests need torch==2.13.0")

    def run(library):
        mean, variance = library.zeros(shape[1]), library.ones(shape[1])
        for seed in range(3):
            batch = library.tensor(numbers(*shape, seed=seed).astype(np.float32))
            library.nn.functional.batch_norm(
                batch, mean, variance, training=True, momentum=momentum
            )
        return mean.numpy(), variance.numpy()

    for mine, theirs in zip(run(sl), run(torch), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)


def test_batch_norm_at_rest_leaves_the_running_statistics():
    mean, variance = sl.tensor([1.0]), sl.tensor([4.0])
    result = F.batch_norm(sl.tensor([[5.0], [1.0]]), mean, variance, eps=0.0)
    assert result.tolist() == [[2.0], [0.0]]
    assert (mean.tolist(), variance.tolist()) == ([1.0], [4.0])


def test_running_statistics_have_no_history():
    mean, variance = sl.zeros(2), sl.ones(2)
    F.batch_norm(sl.ones(3, 2, requires_grad=True), mean, variance, training=True)
    assert not mean.requires_grad
    assert not variance.requires_grad


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1)])
def test_batch_norm_of_a_single_value(shape):
    with pytest.raises(ShapeError, match="a single value for each channel") as caught:
        F.batch_norm(sl.zeros(*shape), None, None, training=True)
    assert "drop_last=True" in str(caught.value)


def test_batch_norm_names_what_does_not_fit():
    with pytest.raises(ShapeError, match="an input of 1 dimensions has no channels"):
        F.batch_norm(sl.zeros(3), sl.zeros(3), sl.ones(3))
    for place in range(4):
        given = [sl.ones(3)] * place + [sl.ones(2)] + [sl.ones(3)] * (3 - place)
        with pytest.raises(ShapeError, match=r"input has 3 channels, but a parameter is \(2,\)"):
            F.batch_norm(sl.zeros(4, 3), *given)


def test_batch_norm_at_rest_needs_statistics():
    with pytest.raises(ArgumentError, match="outside of training the running statistics are nee"):
        F.batch_norm(sl.zeros(4, 3), None, None)


@pytest.mark.parametrize(("shape", "dim"), [((3, 4), 1), ((3, 4), 0), ((2, 3, 4), -1), ((0, 3), 1)])
@pytest.mark.parametrize("p", [1.0, 2.0, 3.0, float("inf")])
def test_normalize_equals_pytorch(shape, dim, p, against_torch, numbers):
    against_torch(lambda F, T, x: F.normalize(x, p, dim), numbers(*shape))


def test_normalize_of_zeros():
    x = sl.zeros(1, 3, requires_grad=True)
    result = F.normalize(x)
    result.sum().backward()
    assert result.tolist() == [[0.0, 0.0, 0.0]]
    np.testing.assert_allclose(x.grad.numpy(), [[1e12, 1e12, 1e12]], rtol=1e-6)


@given(hnp.arrays(np.float64, (4, 3), elements=st.floats(-1e3, 1e3)))
def test_normalized_vectors_have_length_one(array):
    lengths = np.linalg.norm(array, axis=1)
    result = np.linalg.norm(F.normalize(sl.tensor(array)).numpy(), axis=1)
    np.testing.assert_allclose(result[lengths > 1e-6], 1.0, rtol=1e-9)
    assert (result <= 1.0 + 1e-9).all()
