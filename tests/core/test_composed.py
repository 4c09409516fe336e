"""Operations made of other operations give what PyTorch gives, and refuse in our words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from tests.core.parity import both_refuse, compare, numbers

import streetlight as sl


@pytest.mark.parametrize(("name", "shapes"), [
    ("mm", [(2, 3), (3, 4)]), ("mm", [(1, 0), (0, 5)]), ("bmm", [(2, 3, 4), (2, 4, 1)]),
    ("bmm", [(0, 3, 4), (0, 4, 1)]), ("expand_as", [(3, 1), (2, 3, 4)]), ("expand_as", [(), (2,)]),
])  # fmt: skip
def test_of_two_tensors(name: str, shapes: Any) -> None:
    x, y = (numbers(*shape, seed=i) for i, shape in enumerate(shapes))
    compare(lambda T, x, y: getattr(x, name)(y), x, y)
    if name != "expand_as":
        compare(lambda T, x, y: getattr(T, name)(x, y), x, y)


@pytest.mark.parametrize(("name", "x", "y", "words"), [
    ("mm", (3,), (3, 2), "mm: (3,) and (3, 2) cannot be multiplied"),
    ("mm", (2, 3, 4), (4, 2), "mm: (2, 3, 4) and (4, 2) cannot be multiplied"),
    ("bmm", (2, 3), (3, 2), "two batches of as many matrices"),
    ("bmm", (2, 3, 4), (1, 4, 2), "bmm: (2, 3, 4) and (1, 4, 2) cannot be multiplied"),
    ("mm", (2, 3), (2, 3), "matmul"),
])  # fmt: skip
def test_products_refuse(name: str, x: Any, y: Any, words: str) -> None:
    error = both_refuse(lambda T, x, y: getattr(T, name)(x, y), numbers(*x), numbers(*y))
    assert words in str(error)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 2)])
@pytest.mark.parametrize("name", ["square", "ceil"])
def test_of_each_element(name: str, shape: Any) -> None:
    compare(lambda T, x: (getattr(T, name)(x), getattr(x, name)()), np.abs(numbers(*shape)) + 0.5)


def test_of_each_whole_number() -> None:
    x = np.array([-3, 0, 8])
    compare(lambda T, x: (T.square(x), T.ceil(x), T.isinf(x)), x)


def test_ceil_and_isinf_at_the_edges() -> None:
    x = np.array([-1.5, -0.0, 0.2, math.inf, -math.inf, math.nan])
    compare(lambda T, x: (T.ceil(x), T.isinf(x), x.isinf()), x, grad=False)


@pytest.mark.parametrize("sizes", [(2, 1), (1, 1), (3, 2, 2), (0, 2), (1, 4, 1, 2)])
def test_repeat(sizes: Any) -> None:
    compare(lambda T, x: (x.repeat(*sizes), x.repeat(sizes)), numbers(2, 3))
    compare(lambda T, x: x.repeat(*sizes), numbers())
    assert sl.ones(2, 3).repeat(sizes).is_contiguous()


def test_repeat_is_a_copy() -> None:
    x = sl.zeros(2)
    x.repeat(1).fill_(1.0)
    assert x.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("sizes", [(2,), (2, -1)])
def test_repeat_refuses(sizes: Any) -> None:
    error = both_refuse(lambda T, x: x.repeat(*sizes), numbers(2, 3))
    assert f"repeat: {sizes} does not suit 2 dimensions" in str(error)


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_unbind(dim: int) -> None:
    compare(lambda T, x: (*T.unbind(x, dim), *x.unbind(dim=dim)), numbers(2, 3))
    assert sl.zeros(0, 3).unbind() == ()


def test_unbind_refuses() -> None:
    error = both_refuse(lambda T, x: T.unbind(x), numbers())
    assert "unbind: a 0-d tensor has no slices" in str(error)


@pytest.mark.parametrize("shape", [(), (4,), (3, 4), (2, 0), (2, 3, 2)])
def test_nonzero(shape: Any) -> None:
    x = np.round(numbers(*shape))
    compare(lambda T, x: (T.nonzero(x), (x > 0).nonzero()), x, grad=False)
    assert sl.nonzero(sl.tensor(x)).is_contiguous()
