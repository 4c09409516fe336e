"""Mixed dtypes: every pair gives the dtype that PyTorch gives, for tensors, 0-d and numbers."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from tests.core.parity import torch

import streetlight as sl
from streetlight.errors import DTypeError, StreetlightError

NAMES = ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool"]
SHAPES = [((2,), (2,)), ((2,), ()), ((), (2,)), ((), ()), ((1, 2), (1,)), ((0,), (1,))]
FUNCTIONS = {
    "add": lambda T, x, y: x + y,
    "mul": lambda T, x, y: x * y,
    "div": lambda T, x, y: x / y,
    "pow": lambda T, x, y: x**y,
    "floor_divide": lambda T, x, y: x // y,
    "eq": lambda T, x, y: x == y,
    "lt": lambda T, x, y: T.lt(x, y),
    "maximum": lambda T, x, y: T.maximum(x, y),
    "where": lambda T, x, y: T.where(x == y, x, y),
    "cat": lambda T, x, y: T.cat([x.reshape(-1), y.reshape(-1)]),
}


def dtype_of(library: ModuleType, function: Callable[..., Any], *operands: Any) -> str:
    """The name of the result's dtype, or "refused"."""
    try:
        return function(library, *operands).numpy().dtype.name
    except (RuntimeError, TypeError):
        return "refused"


def filled(library: ModuleType, shape: tuple[int, ...], name: str) -> Any:
    return library.ones(shape, dtype=getattr(library, name))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_pair_of_dtypes(name: str) -> None:
    for first, second, shapes in itertools.product(NAMES, NAMES, SHAPES):
        if name == "cat" and () in shapes:
            continue  # PyTorch lets 0-d tensors count less; reshaped, they no longer are
        mine, theirs = (
            dtype_of(T, FUNCTIONS[name], filled(T, shapes[0], first), filled(T, shapes[1], second))
            for T in (sl, torch)
        )
        if (first, second) == ("bool", "bool") and name in ("pow", "floor_divide"):
            assert mine == "refused"
        else:
            assert mine == theirs, (first, second, shapes)


@pytest.mark.parametrize("symbol", [operator.add, operator.mul, operator.truediv, operator.lt])
def test_every_dtype_with_python_numbers(symbol: Any) -> None:
    for name, number, shape in itertools.product(NAMES, (True, 3, 2.5), [(2,), (), (0,)]):
        for function in (lambda T, x, n=number: symbol(x, n), lambda T, x, n=number: symbol(n, x)):
            mine, theirs = (dtype_of(T, function, filled(T, shape, name)) for T in (sl, torch))
            assert mine == theirs, (name, number, shape)


@pytest.mark.parametrize("name", ["sum", "prod", "cumsum", "mean", "amax", "all", "any", "argmax"])
def test_every_dtype_reduced(name: str) -> None:
    for dtype in NAMES:
        mine, theirs = (
            dtype_of(T, lambda T, x: getattr(x, name)(0), filled(T, (2, 3), dtype))
            for T in (sl, torch)
        )
        if dtype == "uint8" and name in ("all", "any"):
            assert (mine, theirs) == ("bool", "uint8")  # a truth is a bool here
        elif dtype == "bool" and name == "argmax":
            assert (mine, theirs) == ("int64", "refused")
        else:
            assert mine == theirs, dtype


@pytest.mark.parametrize("name", ["exp", "sqrt", "sin", "sigmoid", "erf"])
def test_curves_of_integers_are_floats(name: str) -> None:
    for dtype in NAMES:
        mine, theirs = (
            dtype_of(T, lambda T, x: getattr(T, name)(x), filled(T, (2,), dtype))
            for T in (sl, torch)
        )
        assert mine == theirs, dtype


def test_types_are_promoted_like_tensors() -> None:
    for first, second in itertools.product(NAMES, NAMES):
        expected = torch.promote_types(getattr(torch, first), getattr(torch, second))
        ours = sl.promote_types(getattr(sl, first), getattr(sl, second))
        assert str(expected) == f"torch.{ours.name}"


def test_a_changed_default_counts_everywhere() -> None:
    try:
        sl.set_default_dtype(sl.float64)
        assert sl.tensor(1.5).dtype == sl.zeros(2).dtype == sl.rand(2).dtype == sl.float64
        assert (sl.tensor([1, 2]) / 2).dtype == sl.tensor([1, 2]).exp().dtype == sl.float64
        assert (sl.tensor([1, 2]) + 0.5).dtype == sl.arange(0.0, 1.0, 0.5).dtype == sl.float64
    finally:
        sl.set_default_dtype(sl.float32)
    assert sl.get_default_dtype() == sl.float32
    with pytest.raises(DTypeError, match="set_default_dtype: int64 is not a floating-point type"):
        sl.set_default_dtype(sl.int64)


@pytest.mark.parametrize("dtype", [np.complex64, "uint32", "U3", object, "no such type", 3])
def test_other_dtypes_are_refused(dtype: Any) -> None:
    with pytest.raises(DTypeError, match=r"(?s)is not a dtype of tensors.*one of bool, float16"):
        sl.zeros(2, dtype=dtype)


def test_arrays_of_other_dtypes_are_refused() -> None:
    for make in (sl.tensor, sl.from_numpy, sl.as_tensor, lambda a: sl.ones(2) + a):
        with pytest.raises(StreetlightError, match="is not a dtype of tensors"):
            make(np.array([1j, 2.0]))


def test_casting_follows_pytorch() -> None:
    values = [-1.5, -0.5, 0.0, 0.5, 1.5, 100.7]
    for first, second in itertools.product(NAMES, NAMES):
        if "uint8" in (first, second):
            continue  # a negative float as an unsigned number is undefined in C
        mine, theirs = (
            T.tensor(values).to(getattr(T, first)).to(getattr(T, second)) for T in (sl, torch)
        )
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())
