"""Leaves that look at other memory, views whose knowledge is out of date, walks that stop early."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import numpy as np
import pytest

import streetlight as sl
from streetlight.errors import GradientError


@pytest.mark.parametrize("make", ["reshape", "slice", "transpose"])
def test_a_leaf_made_of_a_view_stays_a_leaf(make: str) -> None:
    base = sl.arange(6.0)
    view = {"reshape": base.reshape(2, 3), "slice": base[1:4], "transpose": base.reshape(2, 3).T}
    leaf = view[make].requires_grad_()
    (leaf * leaf).sum().backward()
    with sl.no_grad():
        leaf -= 0.5 * leaf.grad
        base += 0.0
    leaf.grad = None
    (leaf * 3).sum().backward()
    assert leaf.grad.tolist() == np.full(leaf.shape, 3.0).tolist()


def test_a_view_learns_that_its_base_now_needs_gradients() -> None:
    weight = sl.tensor([1.0, 2.0, 3.0], requires_grad=True)
    base = sl.zeros(2, 3)
    column = base[:, 1]
    base.copy_(weight * 3)
    total = sl.zeros(2)
    total += column
    total.sum().backward()
    assert weight.grad.tolist() == [0.0, 6.0, 0.0]


def test_grad_walks_no_further_than_asked() -> None:
    leaf = sl.ones(2, requires_grad=True)
    seen: list[sl.Tensor] = []
    leaf.register_hook(seen.append)
    hidden = leaf.exp()
    (gradient,) = sl.grad((hidden * hidden).sum(), hidden)
    assert not seen
    hidden.backward(gradient)  # what hidden saved is still there
    np.testing.assert_allclose(leaf.grad.numpy(), np.full(2, 2 * np.e**2), rtol=1e-6)


def test_generators_are_switched_only_while_they_run() -> None:
    @sl.no_grad()
    def flags() -> Iterator[bool]:
        yield sl.is_grad_enabled()
        yield sl.is_grad_enabled()

    seen = [(inside, sl.is_grad_enabled()) for inside in flags()]
    assert seen == [(False, True), (False, True)]


def test_views_can_be_pickled_and_results_cannot() -> None:
    view = sl.arange(6).reshape(2, 3)[1:]
    assert pickle.loads(pickle.dumps(view)).tolist() == [[3, 4, 5]]
    with pytest.raises(GradientError, match="pickle: only leaves can be kept"):
        pickle.dumps(sl.ones(1, requires_grad=True) * 2)


def test_triangles_keep_the_dtype() -> None:
    mask = sl.triu(sl.ones(2, 2, dtype=sl.bool), 1)
    assert mask.dtype == sl.bool
    assert mask.tolist() == [[False, True], [False, False]]


def test_a_retained_gradient_is_that_of_the_tensor_as_it_is_now() -> None:
    result = sl.ones(2, requires_grad=True) * 2
    result.retain_grad()
    result.mul_(3)
    result.sum().backward()
    assert result.grad.tolist() == [1.0, 1.0]
