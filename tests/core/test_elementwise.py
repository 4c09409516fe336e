"""Operations on each element: PyTorch's values, dtypes and gradients, and the edges of numbers."""

from __future__ import annotations

import itertools
import math
import operator
from typing import Any

import numpy as np
import pytest
from tests.core.parity import both_refuse, compare, numbers, torch

import streetlight as sl

SHAPES = [(), (1,), (5,), (2, 3), (2, 1, 4), (0,), (3, 0, 2)]
PAIRS = [
    ((3,), (3,)), ((2, 3), (3,)), ((2, 1, 4), (3, 1)), ((), (2,)), ((0, 3), (1, 3)), ((2, 3), ()),
    ((1, 1), (4,)),
]  # fmt: skip
UNARY = [
    "abs", "neg", "sign", "floor", "round", "exp", "expm1", "log", "log1p", "sqrt", "rsqrt", "sin",
    "cos", "tanh", "sigmoid", "relu", "erf", "isfinite", "isnan", "logical_not",
]  # fmt: skip
POSITIVE = {"log", "log1p", "sqrt", "rsqrt"}
BINARY = [
    "add", "sub", "mul", "div", "pow", "remainder", "maximum", "minimum", "eq", "ne", "lt", "le",
    "gt", "ge", "logical_and", "logical_or",
]  # fmt: skip
OPERATORS = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod,
    operator.pow, operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne,
]  # fmt: skip
EDGES = [
    -math.inf,
    -1e4,
    -2.5,
    -1.0,
    -0.5,
    -0.0,
    0.0,
    1e-30,
    0.5,
    1.0,
    3.5,
    1e4,
    math.inf,
    math.nan,
]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8", "bool"])
@pytest.mark.parametrize("name", UNARY)
def test_unary(name: str, dtype: str) -> None:
    if dtype == "bool" and name in ("neg", "relu"):
        both_refuse(lambda T, x: getattr(T, name)(x), np.array([True]))
        return
    if dtype == "bool" and name in ("abs", "floor", "round", "sign"):
        return  # they are no numbers: PyTorch refuses three of these, Streetlight the fourth
    for shape in SHAPES:
        x = numbers(*shape)
        x = np.abs(x) + 0.1 if name in POSITIVE or dtype == "uint8" else x
        compare(lambda T, x: (getattr(T, name)(x), getattr(x, name)()), x.astype(dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", UNARY)
def test_unary_at_the_edges(name: str, dtype: str) -> None:
    edges = [x for x in EDGES if not (name == "sign" and math.isnan(x))]  # PyTorch: 0
    compare(lambda T, x: getattr(T, name)(x), np.array(edges, dtype), grad=False)
    compare(lambda T, x: getattr(T, name)(x), np.array(EDGES[:-1], dtype))


@pytest.mark.parametrize("shapes", PAIRS)
@pytest.mark.parametrize("name", [*BINARY, "floor_divide"])
def test_binary(name: str, shapes: tuple[Any, Any]) -> None:
    a, b = numbers(*shapes[0]), numbers(*shapes[1], seed=1)
    a = np.abs(a) + 0.1 if name == "pow" else a
    smooth = name != "floor_divide"
    for dtype in ("float32", "float64"):
        compare(
            lambda T, x, y: getattr(T, name)(x, y), a.astype(dtype), b.astype(dtype), grad=smooth
        )
    a, b = np.rint(a * 5), np.rint(np.abs(b) + 1)
    for dtype in ("int64", "int8"):
        compare(lambda T, x, y: getattr(T, name)(x, y), a.astype(dtype), b.astype(dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [*BINARY, "floor_divide"])
def test_binary_at_the_edges(name: str, dtype: str) -> None:
    """All pairs of edges; gradients where both numbers are finite, and not at infinite slopes."""
    x, y = np.array(list(itertools.product(EDGES, EDGES))).T.astype(dtype)
    with torch.no_grad():
        expected = getattr(torch, name)(torch.tensor(x), torch.tensor(y)).numpy()
    with sl.no_grad():
        ours = getattr(sl, name)(sl.tensor(x), sl.tensor(y)).numpy()
    np.testing.assert_allclose(ours, expected, rtol=2e-6)
    finite = np.isfinite(x) & np.isfinite(y) & np.isfinite(expected)
    if name == "pow":
        finite &= (x != 0) | (y >= 1)
    if name in ("remainder", "div"):
        finite &= np.abs(y) > 1e-20
    if name != "floor_divide":
        compare(lambda T, x, y: getattr(T, name)(x, y), x[finite], y[finite], tolerance=2e-5)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "uint8", "bool"])
@pytest.mark.parametrize("symbol", OPERATORS)
def test_operators_with_python_numbers(symbol: Any, dtype: str) -> None:
    x = np.array([1, 2, 5, 7], dtype=dtype)
    for number in (2, 0.5, 3.0, True):
        if symbol is operator.sub and (number is True or dtype == "bool"):
            continue  # PyTorch does not subtract bools
        if number is True and dtype == "bool" and symbol in OPERATORS[1:7]:
            continue  # and hardly counts with them
        smooth = symbol not in (operator.floordiv, operator.mod) and number is not True
        compare(lambda T, x, n=number: symbol(x, n), x, grad=smooth)
        if dtype != "bool" or symbol not in (operator.floordiv, operator.mod, operator.truediv):
            compare(lambda T, x, n=number: symbol(n, x), x, grad=smooth)


@pytest.mark.parametrize("base", [-7, -1, 0, 1, 7])
def test_signs_of_whole_quotients_and_remainders(base: int) -> None:
    x, y = np.full(6, base), np.array([-3, -2, -1, 1, 2, 3])
    for dtype in ("int64", "int8", "float64"):
        compare(lambda T, x, y: (x // y, x % y), x.astype(dtype), y.astype(dtype), grad=False)
    assert (sl.tensor(x) // sl.tensor(y)).tolist() == [base // n for n in y.tolist()]
    assert (sl.tensor(x) % sl.tensor(y)).tolist() == [base % n for n in y.tolist()]


@pytest.mark.parametrize("symbol", [operator.floordiv, operator.mod])
def test_integers_are_not_divided_by_zero(symbol: Any) -> None:
    for divide in (lambda T, x, y: symbol(x, y), lambda T, x, y: symbol(x, 0),
                   lambda T, x, y: symbol(5, y)):  # fmt: skip
        error = both_refuse(divide, np.array([1, 2]), np.array([1, 0]))
        assert "these inputs cannot be used: an integer is divided by zero" in str(error)
        assert error.code == "E107"


def test_powers_of_integers() -> None:
    compare(lambda T, x, y: (x**y, x**2, 2**y, x**0), np.array([-2, 0, 3]), np.array([3, 0, 2]))
    error = both_refuse(lambda T, x: x**-1, np.array([1, 2]))
    assert "pow: these inputs cannot be used" in str(error)


def test_pow_at_zero() -> None:
    zero = np.zeros(1)
    for power in (0, 0.0, 0.5, 1, 2, 3.0, 4):
        compare(lambda T, x, p=power: x**p, zero)
        compare(lambda T, x, y: x**y, zero, np.array([float(power)]))
        compare(lambda T, y: 0.0**y, np.array([float(power)]))
    compare(lambda T, x: x**2, np.array([-3.0, 0.0]))
    compare(lambda T, x: x**3.0, np.array([-3.0, 0.0]))


@pytest.mark.parametrize(
    ("dtype", "limit"), [("float64", 5e-15), ("float32", 2e-7), ("float16", 1e-3)]
)
def test_erf_is_accurate(dtype: str, limit: float) -> None:
    x = np.concatenate([np.linspace(-7, 7, 4001), np.logspace(-30, 2, 200), [0.0, 1.0, -1.0]])
    x = x.astype(dtype)
    exact = np.array([math.erf(value) for value in x.astype(float)])
    error = np.abs(sl.tensor(x).erf().numpy().astype(float) - exact)
    assert error.max() < limit
    assert sl.tensor([-math.inf, math.inf]).erf().tolist() == [-1.0, 1.0]
    assert math.isnan(sl.tensor(math.nan).erf())


@pytest.mark.parametrize(
    ("low", "high"),
    [(-1.0, 1.0), (None, 0.5), (-0.5, None), (0, 2), (1.0, -1.0), (-math.inf, math.inf)],
)
@pytest.mark.parametrize("shape", SHAPES)
def test_clamp(low: Any, high: Any, shape: Any) -> None:
    compare(lambda T, x: (x.clip(low, high), T.clamp(x, min=low, max=high)), numbers(*shape))
    compare(lambda T, x: x.clamp(low, high), np.array([-1.0, -0.5, 0.0, 0.5, 1.0, 2.0]))
    compare(lambda T, x: x.clamp(low, high), np.array([np.nan, -np.inf, np.inf]), grad=False)


def test_clamp_by_tensors_and_of_integers() -> None:
    x, low, high = numbers(2, 3), numbers(3, seed=1) - 1, numbers(2, 1, seed=2) + 1
    compare(lambda T, x, a, b: x.clamp(a, b), x, low, high)
    compare(lambda T, x: (x.clamp(2, 4), x.clamp(min=1.5)), np.arange(6))
    both_refuse(lambda T, x: x.clamp(), x)


@pytest.mark.parametrize("shapes", [((3,), (3,), (3,)), ((2, 1), (3,), (2, 3)), ((), (2,), (1, 1)),
                                    ((0, 1), (1, 4), ()), ((2, 3), (), ())])  # fmt: skip
def test_where(shapes: Any) -> None:
    c, x, y = (numbers(*shape, seed=i) for i, shape in enumerate(shapes))
    compare(lambda T, c, x, y: (T.where(c, x, y), x.where(c, y)), c > 0, x, y)
    compare(lambda T, c, x: (T.where(c, x, 1.5), T.where(c, 2, x), T.where(c, 1, 0)), c > 0, x)


def test_numpy_numbers_count_as_python_numbers() -> None:
    for number in (np.float64(2.5), np.float32(2.5), np.int64(3), np.int8(3), np.bool_(True)):
        compare(lambda T, x, n=number: (x * n, x + n, x / n), numbers(3, dtype=np.float32))
    x = sl.tensor([1.0, 2.0])
    assert (np.float64(2.0) * x).dtype == sl.float32
    assert (np.array([1.0, 2.0]) + x).dtype == sl.float64
    assert (np.array([1.0, 2.0], np.float32) - x).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("shape", [(3,), (2, 2)])
def test_words_for_bools(shape: Any) -> None:
    x, y = numbers(*shape) > 0, numbers(*shape, seed=1) > 0
    compare(lambda T, x, y: (x & y, x | y, x ^ y, ~x, x & True, False | y), x, y)


@pytest.mark.parametrize("symbol", [operator.and_, operator.or_, operator.xor])
def test_bits_of_integers_are_not_taken_for_bools(symbol: Any) -> None:
    """PyTorch combines the bits; NumPy's logical functions would give bools without a word."""
    with pytest.raises(sl.errors.DTypeError, match="is for bool tensors, not for int64"):
        symbol(sl.tensor([1, 2]), sl.tensor([3, 4]))
    with pytest.raises(sl.errors.DTypeError, match="is for bool tensors, not for int64"):
        ~sl.tensor([1, 2])


def test_numbers_that_integers_cannot_hold() -> None:
    """PyTorch's arithmetic goes round (255 + 2 is 1): here it is an error with a name."""
    x = sl.tensor([100], dtype=sl.uint8)
    for change in (lambda: x + 300, lambda: x * -1, lambda: sl.maximum(x, 256)):
        with pytest.raises(sl.errors.DTypeError, match="uint8 cannot hold one of the numbers"):
            change()
    assert (x < 300).tolist() == [True]
    assert (x == 356).tolist() == [False]
    with pytest.raises(sl.errors.DTypeError, match="int64 cannot hold one of the numbers"):
        sl.tensor([1]) + 2**70
    assert (sl.tensor([1.0]) + 2**70).item() == 2.0**70
    with pytest.raises(sl.errors.DTypeError, match="float32 cannot hold one of the numbers"):
        sl.tensor([1.0]) + 10**400


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_where_clears_whatever_stands_there(dtype):
    values = np.array([[1.5, -0.0, np.nan, np.inf], [-np.inf, -2.0, 1e-7, 0.0]], dtype)
    mask = np.array([[True, False, True, False], [True, True, False, False]])
    for turned in (np.asarray, np.transpose):  # the second one is strided
        result = sl.where(sl.tensor(turned(mask)), 0.0, sl.from_numpy(turned(values)))
        expected = np.where(turned(mask), 0.0, turned(values)).astype(dtype)
        np.testing.assert_array_equal(result.numpy(), expected)
        np.testing.assert_array_equal(np.signbit(result.numpy()), np.signbit(expected))
