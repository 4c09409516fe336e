"""Activations and softmax: PyTorch's numbers and gradients, and no NaN at the edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import streetlight as sl
import streetlight.nn.functional as F
from streetlight.errors import ArgumentError, IndexOutOfRangeError

SHAPES = [(), (1,), (7,), (3, 5), (2, 1, 4), (0, 3)]
ACTIVATIONS = {
    "relu": lambda F, T, x: F.relu(x),
    "tanh": lambda F, T, x: F.tanh(x),
    "sigmoid": lambda F, T, x: F.sigmoid(x),
    "leaky_relu": lambda F, T, x: F.leaky_relu(x),
    "leaky_relu steep": lambda F, T, x: F.leaky_relu(x, 1.7),
    "elu": lambda F, T, x: F.elu(x),
    "elu alpha": lambda F, T, x: F.elu(x, 0.3),
    "gelu": lambda F, T, x: F.gelu(x),
    "gelu tanh": lambda F, T, x: F.gelu(x, approximate="tanh"),
    "silu": lambda F, T, x: F.silu(x),
    "softplus": lambda F, T, x: F.softplus(x),
    "softplus beta": lambda F, T, x: F.softplus(x, 2.5, 3.0),
}
EDGES = np.array([-1e4, -100.0, -20.5, -1e-3, 1e-3, 20.5, 100.0, 1e4])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_equals_pytorch(name, shape, against_torch, numbers):
    against_torch(ACTIVATIONS[name], numbers(*shape))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_at_extreme_values(name, against_torch):
    against_torch(ACTIVATIONS[name], EDGES, orders=1)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_gradient_at_zero(name, against_torch):
    against_torch(ACTIVATIONS[name], np.zeros(3), orders=1)


@pytest.mark.parametrize(
    ("function", "low", "high"),
    [(F.relu, 0.0, math.inf), (F.elu, -1.0, math.inf), (F.softplus, 0.0, math.inf),
     (F.tanh, -1.0, 1.0), (F.sigmoid, 0.0, 1.0)],
)  # fmt: skip
def test_activation_at_infinity(function, low, high):
    assert function(sl.tensor([-math.inf, math.inf])).tolist() == [low, high]


def test_gelu_names_the_approximations():
    with pytest.raises(ArgumentError, match="gelu: there is no such approximation") as caught:
        F.gelu(sl.zeros(2), approximate="sigmoid")
    assert '"none" or "tanh"' in str(caught.value)
    assert "'sigmoid'" in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "dim"), [((5,), 0), ((3, 4), 1), ((3, 4), 0), ((2, 3, 5), -2), ((0, 3), 1), ((), 0)]
)
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_equals_pytorch(name, shape, dim, against_torch, numbers):
    against_torch(lambda F, T, x: getattr(F, name)(x, dim), numbers(*shape))


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_of_large_scores(name, against_torch):
    scores = np.array([[1e4, 1e4 - 1, 0.0], [-1e4, -1e4 - 0.5, -1e4 + 2], [1e30, 1.0, -1e30]])
    against_torch(lambda F, T, x: getattr(F, name)(x, 1), scores, orders=1)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_with_masked_scores(name, against_torch):
    scores = np.array([[-math.inf, 1.0, 2.0], [3.0, -math.inf, -math.inf]])
    against_torch(lambda F, T, x: getattr(F, name)(x, 1), scores, orders=1)


def test_softmax_of_nothing_but_masks_is_nan():
    assert np.isnan(F.softmax(sl.tensor([-math.inf, -math.inf]), 0).numpy()).all()


def test_softmax_turns_into_dtype_first():
    result = F.softmax(sl.tensor([1, 2]), 0, dtype=sl.float64)
    expected = np.exp([1.0, 2.0]) / np.exp([1.0, 2.0]).sum()
    assert result.dtype == sl.float64
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-15)
    assert F.log_softmax(sl.tensor([1.0, 2.0]), 0, dtype=sl.float64).dtype == sl.float64


@pytest.mark.parametrize("function", [F.softmax, F.log_softmax])
def test_softmax_names_a_missing_dimension(function):
    with pytest.raises(IndexOutOfRangeError, match="there is no dimension 2"):
        function(sl.zeros(2, 3), 2)


ARRAYS = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=1, max_dims=3, max_side=5),
    elements=st.floats(-1e4, 1e4),
)


@given(ARRAYS)
def test_softmax_adds_up_to_one(array):
    probabilities = F.softmax(sl.tensor(array), -1).numpy()
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(-1), 1.0, rtol=1e-12)


@given(ARRAYS, st.floats(-1e3, 1e3))
def test_log_softmax_does_not_see_a_shift(array, shift):
    first = F.log_softmax(sl.tensor(array), 0).numpy()
    second = F.log_softmax(sl.tensor(array + shift), 0).numpy()
    np.testing.assert_allclose(first, second, rtol=1e-9, atol=1e-9)


@given(ARRAYS)
def test_softplus_mirrors_itself(array):
    difference = F.softplus(sl.tensor(array)) - F.softplus(sl.tensor(-array))
    np.testing.assert_allclose(difference.numpy(), array, rtol=1e-8, atol=1e-8)


def test_relu_in_place():
    x = sl.tensor([-1.0, 2.0])
    assert F.relu(x, inplace=True) is x
    assert x.tolist() == [0.0, 2.0]
    assert F.relu(-x, False).tolist() == [0.0, 0.0]
    assert x.tolist() == [0.0, 2.0]
