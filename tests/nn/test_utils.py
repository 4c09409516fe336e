"""nn.utils: clipping against PyTorch, and parameters as one vector."""

from __future__ import annotations

import math

import numpy as np
import pytest

import streetlight as sl
from streetlight import nn
from streetlight.errors import NumericalError, ShapeError

SHAPES = [(3, 4), (), (5,), (0,), (2, 1, 3)]


def with_gradients(framework, scale=1.0):
    rng = np.random.default_rng(0)
    parameters = []
    for shape in SHAPES:
        parameter = framework.tensor(np.zeros(shape), requires_grad=True)
        parameter.grad = framework.tensor(rng.normal(size=shape) * scale)
        parameters.append(parameter)
    return [*parameters, framework.tensor(np.zeros(2), requires_grad=True)]


def assert_same_gradients(ours, theirs):
    assert ours[-1].grad is None
    for one, two in zip(ours[:-1], theirs[:-1], strict=True):
        np.testing.assert_allclose(one.grad.numpy(), two.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize("scale", [1.0, 1e-3])
@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0, math.inf])
def test_clip_grad_norm_agrees_with_pytorch(norm_type, scale):
    torch = pytest.importorskip("torch", reason="parity tests need torch==2.13.0")
    ours, theirs = with_gradients(sl, scale), with_gradients(torch, scale)
    if norm_type == math.inf:  # PyTorch cannot take the largest element of nothing
        del ours[3], theirs[3]
    total = nn.utils.clip_grad_norm_(ours, 0.7, norm_type)
    expected = torch.nn.utils.clip_grad_norm_(theirs, 0.7, norm_type)
    assert total.shape == ()
    assert total.item() == pytest.approx(expected.item(), rel=1e-12)
    assert_same_gradients(ours, theirs)


def test_clip_grad_value_agrees_with_pytorch():
    torch = pytest.importorskip("torch", reason="parity tests need torch==2.13.0")
    ours, theirs = with_gradients(sl), with_gradients(torch)
    nn.utils.clip_grad_value_(ours, 0.4)
    torch.nn.utils.clip_grad_value_(theirs, 0.4)
    assert_same_gradients(ours, theirs)


def test_clipping_takes_one_tensor_a_generator_or_none():
    model = nn.Linear(2, 2)
    assert nn.utils.clip_grad_norm_(model.parameters(), 1.0).item() == 0
    assert nn.utils.clip_grad_norm_([], 1.0).item() == 0
    model.weight.grad = sl.full((2, 2), 3.0)
    assert nn.utils.clip_grad_norm_(model.weight, 100.0).item() == 6
    assert model.weight.grad.tolist() == [[3.0, 3.0], [3.0, 3.0]]
    nn.utils.clip_grad_value_(model.parameters(), 1.0)
    assert model.weight.grad.tolist() == [[1.0, 1.0], [1.0, 1.0]]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_norms_that_are_not_finite_can_be_refused(value):
    weight = nn.Parameter(sl.zeros(2))
    weight.grad = sl.tensor([1.0, value])
    with pytest.raises(NumericalError, match=r"the norm of the gradients is (nan|inf)"):
        nn.utils.clip_grad_norm_([weight], 1.0, error_if_nonfinite=True)
    assert weight.grad[0].item() == 1


def test_parameters_to_vector_and_back():
    model = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2))
    vector = nn.utils.parameters_to_vector(model.parameters())
    expected = np.concatenate([p.detach().numpy().ravel() for p in model.parameters()])
    assert vector.tolist() == expected.tolist()
    vector.sum().backward()
    assert model[0].weight.grad.tolist() == [[1.0] * 3] * 2
    weight = model[0].weight
    nn.utils.vector_to_parameters(sl.arange(12, dtype=sl.float32), model.parameters())
    assert model[0].weight is weight
    assert weight.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert model[1].bias.tolist() == [10, 11]


def test_a_vector_of_the_wrong_length_is_refused():
    layer = nn.Linear(1, 1)
    with pytest.raises(ShapeError, match="the parameters have 2 elements"):
        nn.utils.vector_to_parameters(sl.zeros(3), layer.parameters())
