"""Initialisation: the right bounds, moments and matrices, from the right generator."""

from __future__ import annotations

import math

import numpy as np
import pytest

import streetlight as sl
from streetlight import nn
from streetlight.errors import ArgumentError, ShapeError

init = nn.init
DRAWN = [
    init.uniform_, init.normal_, init.xavier_uniform_, init.xavier_normal_,
    init.kaiming_uniform_, init.kaiming_normal_, init.orthogonal_,
]  # fmt: skip


def drawn(function, *shape, **options) -> np.ndarray:
    generator = sl.Generator().manual_seed(3)
    return function(sl.empty(*shape), generator=generator, **options).numpy()


def assert_uniform(values, low, high):
    assert values.min() >= low
    assert values.max() <= high
    width, n = high - low, values.size
    assert abs(values.mean() - (low + high) / 2) < 5 * width / math.sqrt(12 * n)
    assert values.max() - values.min() > 0.99 * width
    middle = np.mean(np.abs(values - (low + high) / 2) < width / 4)
    assert abs(middle - 0.5) < 5 * 0.5 / math.sqrt(n)


def assert_normal(values, mean, std):
    n = values.size
    assert abs(values.mean() - mean) < 5 * std / math.sqrt(n)
    assert abs(values.std() / std - 1) < 5 / math.sqrt(2 * n)
    within = np.mean(np.abs(values - mean) < std)
    assert abs(within - 0.6827) < 5 * 0.466 / math.sqrt(n)


def test_plain_distributions():
    assert_uniform(drawn(init.uniform_, 60, 70, a=-2.0, b=6.0), -2, 6)
    assert_normal(drawn(init.normal_, 60, 70, mean=3.0, std=0.5), 3, 0.5)
    assert init.constant_(sl.empty(2, 2), 0.25).tolist() == [[0.25, 0.25], [0.25, 0.25]]
    assert init.ones_(sl.empty(3)).tolist() == [1, 1, 1]
    assert init.zeros_(sl.empty(3)).tolist() == [0, 0, 0]


def test_xavier():
    bound = 2 * math.sqrt(6 / (50 + 80))
    assert_uniform(drawn(init.xavier_uniform_, 50, 80, gain=2.0), -bound, bound)
    assert_normal(drawn(init.xavier_normal_, 50, 80), 0, math.sqrt(2 / 130))
    # a convolution: 6 inputs and 20 outputs, each through a kernel of 5 x 5
    assert_normal(drawn(init.xavier_normal_, 20, 6, 5, 5), 0, math.sqrt(2 / (26 * 25)))


@pytest.mark.parametrize(("mode", "fan"), [("fan_in", 80), ("fan_out", 50)])
def test_kaiming(mode, fan):
    relu = {"mode": mode, "nonlinearity": "relu"}
    bound = math.sqrt(2) * math.sqrt(3 / fan)
    assert_uniform(drawn(init.kaiming_uniform_, 50, 80, **relu), -bound, bound)
    assert_normal(drawn(init.kaiming_normal_, 50, 80, **relu), 0, math.sqrt(2 / fan))
    steep = drawn(init.kaiming_normal_, 50, 80, a=math.sqrt(5), mode=mode)
    assert_normal(steep, 0, math.sqrt(2 / 6 / fan))


@pytest.mark.parametrize("shape", [(6, 6), (4, 9), (9, 4), (3, 2, 2), (1, 5), (5, 1)])
def test_orthogonal(shape):
    matrix = drawn(init.orthogonal_, *shape, gain=3.0).reshape(shape[0], -1)
    small = matrix @ matrix.T if shape[0] <= matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(small, 9 * np.eye(len(small)), atol=1e-5)


def test_orthogonal_draws_all_rotations_alike():
    """The sign of QR is not left to chance: the first entry is as often negative as positive."""
    generator = sl.Generator().manual_seed(0)
    corners = [init.orthogonal_(sl.empty(2, 2), generator=generator)[0, 0] for _ in range(400)]
    values = np.array([corner.item() for corner in corners])
    assert abs(np.mean(values > 0) - 0.5) < 0.125  # 5 standard deviations
    # the angle of a random rotation is uniform, so cos has mean square one half
    assert abs(np.mean(values**2) - 0.5) < 5 * math.sqrt(1 / 8 / 400)


@pytest.mark.parametrize("function", DRAWN)
def test_each_follows_its_generator_and_the_default_one(function):
    first = drawn(function, 3, 4)
    assert (drawn(function, 3, 4) == first).all()
    sl.manual_seed(3)
    assert (function(sl.empty(3, 4)).numpy() == first).all()
    assert (function(sl.empty(3, 4)).numpy() != first).any()


@pytest.mark.parametrize("function", [*DRAWN, init.ones_, init.zeros_])
def test_each_fills_parameters_in_place_and_returns_them(function):
    parameter = nn.Parameter(sl.full((3, 4), 17.0, dtype=sl.float64))
    assert function(parameter) is parameter
    assert parameter.requires_grad
    assert parameter.is_leaf
    assert parameter.dtype == sl.float64
    assert 17.0 not in parameter.detach().numpy()


@pytest.mark.parametrize("function", DRAWN)
def test_empty_tensors_stay_empty(function):
    assert function(sl.empty(0, 4)).shape == (0, 4)


def test_gains_are_pytorchs():
    torch = pytest.importorskip("torch", reason="parity tests need torch==2.13.0")
    for name in ("linear", "conv1d", "conv2d", "conv3d", "sigmoid", "tanh", "relu", "selu"):
        assert init.calculate_gain(name) == torch.nn.init.calculate_gain(name)
    for slope in (None, 0.0, 0.2, math.sqrt(5)):
        expected = torch.nn.init.calculate_gain("leaky_relu", slope)
        assert init.calculate_gain("leaky_relu", slope) == pytest.approx(expected, rel=1e-15)


def test_wrong_use_is_named():
    with pytest.raises(ArgumentError, match=r"no gain is known for 'relo'(.|\n)*'relu'"):
        init.calculate_gain("relo")
    with pytest.raises(ArgumentError, match="there is no mode 'in'"):
        init.kaiming_normal_(sl.empty(2, 2), mode="in")
    for function in DRAWN[2:]:
        with pytest.raises(ShapeError, match="fan-in and fan-out need a weight of two or more"):
            function(sl.empty(3))
