"""Operations that make few elements of many: PyTorch's values and gradients for all dims."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from tests.core.parity import both_refuse, compare, numbers

import streetlight as sl
from streetlight.errors import ArgumentError, DTypeError, IndexOutOfRangeError

SHAPES = [(), (1,), (5,), (2, 3), (2, 1, 4), (0, 3), (3, 0)]
MANY = ["sum", "mean", "amax", "amin", "logsumexp", "var", "std", "norm", "all", "any"]
SINGLE = ["max", "min", "argmax", "argmin", "prod", "cumsum", "sort", "argsort", "softmax",
          "log_softmax"]  # fmt: skip
EMPTY_REFUSED = {"amax", "amin", "max", "min", "argmax", "argmin"}


def dims_of(shape: tuple[int, ...]) -> list[Any]:
    """None, every dimension from both ends, and every pair."""
    single = list(range(-len(shape), len(shape))) or [0, -1]
    pairs = [list(p) for p in itertools.combinations(range(len(shape)), 2)]
    return [*single, *pairs, tuple(range(-len(shape), 0))]


def is_empty(shape: tuple[int, ...], dim: Any) -> bool:
    dims = range(len(shape)) if dim is None else [dim] if isinstance(dim, int) else dim
    return bool(shape) and any(shape[d] == 0 for d in dims)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", MANY)
def test_over_many_dims(name: str, shape: tuple[int, ...]) -> None:
    x = numbers(*shape)
    for dim, keepdim in itertools.product(dims_of(shape), (False, True)):
        count = math.prod(shape[d] for d in ([dim] if isinstance(dim, int) else dim) if shape)
        if name in ("var", "std") and (count < 2 or x.size == 0):
            continue  # NaN, with a warning from PyTorch
        if name == "norm" and not isinstance(dim, int) and len(dim) > 2:
            continue  # PyTorch: only matrices and vectors
        if is_empty(shape, dim) and name in ("amax", "amin", "logsumexp"):
            continue
        compare(lambda T, x, d=dim, k=keepdim: getattr(T, name)(x, dim=d, keepdim=k), x)
        compare(lambda T, x, d=dim, k=keepdim: getattr(x, name)(dim=d, keepdim=k),
                x.astype(np.float32), tolerance=2e-5)  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", [*MANY, "prod", "max", "min", "argmax", "argmin"])
def test_over_everything(name: str, shape: tuple[int, ...]) -> None:
    x = numbers(*shape)
    if name == "logsumexp" or (name in ("var", "std") and x.size < 2):
        return
    if x.size == 0 and name in EMPTY_REFUSED:
        error = both_refuse(lambda T, x: getattr(T, name)(x), x)
        assert f"{name}: there is no {name} of nothing" in str(error)
        return
    compare(lambda T, x: (getattr(T, name)(x), getattr(x, name)()), x)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", SINGLE)
def test_along_one_dim(name: str, shape: tuple[int, ...]) -> None:
    x = numbers(*shape)
    for dim in list(range(-len(shape), len(shape))) or [0, -1]:
        if is_empty(shape, dim) and name in EMPTY_REFUSED | {"softmax", "log_softmax"}:
            continue
        compare(lambda T, x, d=dim: getattr(T, name)(x, d), x)
        compare(lambda T, x, d=dim: getattr(x, name)(dim=d), x)
        if name in SINGLE[:5]:
            compare(lambda T, x, d=dim: getattr(x, name)(d, keepdim=True), x)


@pytest.mark.parametrize("name", [*MANY, *SINGLE])
def test_integers_and_bools(name: str) -> None:
    x = np.array([[3, 0, 7], [2, 9, -4]])
    if name in ("mean", "var", "std", "norm", "logsumexp", "softmax", "log_softmax"):
        for array in (x, x > 2):
            with pytest.raises(DTypeError, match=f"(?s){name}: .* has no fractions.*float"):
                getattr(sl, name)(sl.tensor(array), 1)
        return
    for dtype in ("int64", "int32", "uint8", "bool"):
        if dtype == "bool" and name in ("argmax", "argmin", "sort", "argsort", "max", "min"):
            continue  # several elements are equal
        if dtype == "uint8" and name in ("all", "any"):
            continue  # PyTorch answers in uint8
        compare(lambda T, x: getattr(T, name)(x, 1), np.abs(x).astype(dtype))


@pytest.mark.parametrize("dim", [2, -3, (0, 2)])
@pytest.mark.parametrize("name", [*MANY, *SINGLE])
def test_a_dim_that_is_not_there(name: str, dim: Any) -> None:
    if name in SINGLE and not isinstance(dim, int):
        return
    error = both_refuse(lambda T, x: getattr(T, name)(x, dim=dim), numbers(2, 3))
    assert isinstance(error, IndexOutOfRangeError)
    wrong = dim if isinstance(dim, int) else 2
    assert f"{name}: there is no dimension {wrong}" in str(error)
    assert "-2 to 1, because the tensor has 2 dimensions" in str(error)


@pytest.mark.parametrize("name", [*MANY, *SINGLE])
def test_a_dim_of_a_single_number(name: str) -> None:
    error = both_refuse(lambda T, x: getattr(T, name)(x, dim=1), numbers())
    assert f"{name}: there is no dimension 1" in str(error)


@pytest.mark.parametrize("name", MANY)
def test_a_dim_named_twice(name: str) -> None:
    error = both_refuse(lambda T, x: getattr(T, name)(x, dim=(0, -2)), numbers(2, 3))
    assert isinstance(error, ArgumentError)
    assert f"{name}: a dimension is named twice in (0, -2)" in str(error)


def test_dims_given_as_numpy_numbers() -> None:
    x = numbers(2, 3)
    dim = np.int64(1)
    compare(lambda T, x: (x.sum(dim), x.max(dim), x.softmax(dim), x.amax((dim,))), x)
    with pytest.raises(ArgumentError, match=r"sum: 1\.5 is not a dimension"):
        sl.tensor(x).sum(1.5)


@pytest.mark.parametrize("name", sorted(EMPTY_REFUSED))
def test_extremes_of_nothing(name: str) -> None:
    error = both_refuse(lambda T, x: getattr(T, name)(x, 1), np.zeros((2, 0)))
    assert f"{name}: there is no {name} of nothing" in str(error)
    assert "float64 (2, 0)" in str(error)
    if name not in ("max", "min"):
        compare(lambda T, x: getattr(T, name)(x, 1), np.zeros((0, 3)))


def test_softmax_and_logsumexp_of_nothing() -> None:
    for name in ("softmax", "log_softmax", "logsumexp"):
        with pytest.raises(IndexOutOfRangeError, match=f"{name}: there is no {name} of nothing"):
            getattr(sl, name)(sl.zeros(2, 0), 1)  # PyTorch: nothing, or -inf


@pytest.mark.parametrize("p", [2, 1, 3, 0.5, 0, math.inf, -math.inf, -1, "fro"])
@pytest.mark.parametrize("dim", [None, 0, 1, (0, 1)])
def test_norms(p: Any, dim: Any) -> None:
    compare(lambda T, x: T.norm(x, p, dim), numbers(2, 3))
    compare(lambda T, x: x.norm(p=p, dim=dim, keepdim=True), numbers(2, 3))


@pytest.mark.parametrize("p", [2, 1, 3, math.inf])
def test_norm_of_zeros_has_gradient_zero(p: float) -> None:
    compare(lambda T, x: x.norm(p), np.zeros(3))
    compare(lambda T, x: x.norm(p, dim=1), np.array([[0.0, 0.0], [3.0, 4.0], [0.0, -1.0]]))


def test_norm_of_an_unknown_kind() -> None:
    both_refuse(lambda T, x: x.norm("nuclear"), numbers(2, 2))
    with pytest.raises(ArgumentError, match="norm: p is 'nuclear'"):
        sl.ones(2, 2).norm("nuclear")


@pytest.mark.parametrize("correction", [0, 1, 2])
@pytest.mark.parametrize("dim", [None, 0, (0, 1)])
def test_variance_with_a_correction(correction: int, dim: Any) -> None:
    compare(lambda T, x: x.var(dim=dim, correction=correction), numbers(4, 3))
    compare(lambda T, x: T.std(x, dim=dim, correction=correction, keepdim=True), numbers(4, 3))


def test_std_of_equal_numbers() -> None:
    compare(lambda T, x: (x.std(), x.std(1), x.var(1)), np.array([[2.0, 2.0], [2.0, 2.0]]))


def test_variance_of_too_few_is_nan() -> None:
    x = sl.ones(1, 3)
    assert all(math.isnan(v) for v in x.var(0).tolist())
    assert math.isnan(sl.tensor(3.0).std())
    assert x.var(0, correction=0).tolist() == [0.0, 0.0, 0.0]


def test_equal_extremes_share_the_gradient() -> None:
    x = np.array([[3.0, 1.0, 3.0], [2.0, 2.0, 2.0]])
    for name in ("amax", "amin"):
        compare(lambda T, x, n=name: getattr(T, n)(x, 1), x)
    compare(lambda T, x: (x.max(), x.min()), x)


def test_products_with_zeros() -> None:
    for x in ([2.0, 0.0, 3.0], [0.0, 0.0, 3.0], [5.0], []):
        compare(lambda T, x: x.prod(), np.array(x))
    compare(lambda T, x: x.prod(1), np.array([[1.0, 0.0, 2.0], [3.0, 4.0, 5.0]]))


@pytest.mark.parametrize("values", [
    [1e4, -1e4], [-1e4, -1e4 + 1], [0.0, -math.inf], [1e300, 1e300],
])  # fmt: skip
def test_logsumexp_at_the_edges(values: list[float]) -> None:
    compare(lambda T, x: x.logsumexp(0), np.array(values))
    compare(lambda T, x: x.logsumexp(0), np.array([math.inf, 1.0]), grad=False)
    compare(lambda T, x: (x.softmax(0), x.log_softmax(0)), np.array(values))


def test_logsumexp_of_impossible_events() -> None:
    """PyTorch's gradient is NaN there."""
    x = sl.tensor([-math.inf, -math.inf], requires_grad=True)
    x.logsumexp(0).backward()
    assert x.logsumexp(0).item() == -math.inf
    assert x.grad.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("name", ["sum", "mean", "amax", "amin", "max", "min", "prod", "logsumexp",
                                  "argmax", "argmin", "sort", "cumsum", "var", "norm"])  # fmt: skip
def test_nan_is_not_lost(name: str) -> None:
    x = np.array([[1.0, math.nan, 3.0], [4.0, 5.0, 6.0]])
    compare(lambda T, x: getattr(T, name)(x, dim=1), x, grad=False)


def test_sums_of_float16_are_exact() -> None:
    ones = np.ones((5000, 2), np.float16)
    compare(lambda T, x: (x.sum(0), x.sum(), x.cumsum(0), x.mean(0)), ones, grad=False)


def test_sum_and_mean_in_another_dtype() -> None:
    x = numbers(2, 3, dtype=np.float32)
    compare(lambda T, x: (x.sum(dtype=T.float64), x.mean(1, dtype=T.float64)), x)
    compare(lambda T, x: (x.sum(0, dtype=T.float32), x.mean(dtype=T.float32)), np.arange(6))


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize(("shape", "dim"), [((5,), 0), ((2, 4), -1), ((4, 3), 0), ((), 0)])
def test_topk(shape: Any, dim: int, largest: bool) -> None:
    size = shape[dim] if shape else 1
    for k in range(size + 1):
        compare(lambda T, x, k=k: T.topk(x, k, dim, largest), numbers(*shape))
    for k in (size + 1, -1):
        error = both_refuse(lambda T, x, k=k: x.topk(k, dim), numbers(*shape))
        assert f"topk: k is {k}" in str(error)
    both_refuse(lambda T, x: x.topk(1, 5), numbers(*shape))


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(
    ("shape", "dim"), [((5,), 0), ((2, 4), -1), ((4, 3), 0), ((), 0), ((0,), 0)]
)
def test_sort(shape: Any, dim: int, descending: bool) -> None:
    compare(lambda T, x: T.sort(x, dim, descending), numbers(*shape))
    compare(lambda T, x: T.argsort(x, dim, descending), numbers(*shape))


def test_sort_keeps_the_order_of_equal_elements() -> None:
    x = np.array([2, 1, 2, 1, 1, 2])
    for down in (False, True):
        compare(lambda T, x, d=down: T.argsort(x, dim=0, descending=d, stable=True), x)


def test_results_have_names() -> None:
    x = sl.tensor([[1.0, 5.0], [7.0, 2.0]])
    for result in (x.max(1), x.min(1), x.sort(1), x.topk(1)):
        values, indices = result
        assert result.values is values
        assert result.indices is indices
        assert indices.dtype == sl.int64


def test_max_of_two_tensors() -> None:
    compare(lambda T, x, y: (T.max(x, y), x.min(y)), numbers(2, 3), numbers(3, seed=1))


def test_allclose_and_equal() -> None:
    x = numbers(3)
    for y in (x, x + 1e-9, x + 1e-3, x * math.nan, np.array([math.inf] * 3)):
        compare(lambda T, x, y: (T.allclose(x, y), T.equal(x, y), x.allclose(y, atol=1.0)), x, y)
        compare(lambda T, x, y: T.allclose(y, y, equal_nan=True), x, y)
    compare(lambda T, x, y: (T.equal(x, y), x.equal(y)), x, numbers(2))


@pytest.mark.parametrize("name", ["var", "std"])
@pytest.mark.parametrize("unbiased", [True, False])
def test_unbiased_is_a_correction_of_one_or_none(name: str, unbiased: bool) -> None:
    x = numbers(4, 3)
    compare(lambda T, x: getattr(x, name)(unbiased), x)
    compare(lambda T, x: (getattr(x, name)(unbiased=unbiased), getattr(x, name)(0, unbiased)), x)
    compare(lambda T, x: getattr(T, name)(x, 1, unbiased=unbiased, keepdim=True), x)


def test_softmax_of_an_empty_batch() -> None:
    compare(lambda T, x: (T.softmax(x, 1), T.log_softmax(x, -1)), numbers(0, 3))
