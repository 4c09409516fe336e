"""Tensors from shapes and ranges: PyTorch's values, dtypes and refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.core.parity import both_refuse, compare, numbers, torch

import streetlight as sl
from streetlight.errors import ArgumentError, DTypeError, ShapeError


@pytest.mark.parametrize("name", ["zeros", "ones", "empty"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 2), (1, 0, 3)])
def test_filled_blocks(name: str, shape: Any) -> None:
    for dtype in ("float32", "int64", "bool", "float64"):
        made = getattr(sl, name)(shape, dtype=getattr(sl, dtype))
        assert made.shape == shape
        assert made.dtype == dtype
    for made in (getattr(sl, name)(*shape), getattr(sl, name)(list(shape), requires_grad=True)):
        assert made.shape == shape
        assert made.dtype == sl.float32
    assert made.requires_grad
    if name != "empty":
        compare(lambda T: getattr(T, name)(shape))
        like = f"{name}_like"  # zeros_like and ones_like
        compare(lambda T, x: getattr(T, like)(x), numbers(*shape))
        compare(lambda T, x: getattr(T, like)(x, dtype=T.int32), numbers(*shape))


@pytest.mark.parametrize("shape", [(-1,), (2, -3), (2.5,), ("a",), (2, None)])
def test_shapes_that_are_none(shape: Any) -> None:
    for name in ("zeros", "ones", "empty", "rand", "randn"):
        error = both_refuse(lambda T, n=name: getattr(T, n)(shape))
        assert isinstance(error, ArgumentError)
        assert f"{name}: {shape} is not a shape" in str(error)
    both_refuse(lambda T: T.full(shape, 1.0))
    both_refuse(lambda T: T.randint(0, 3, shape))


def test_full() -> None:
    for value in (1, 1.5, True, -3):
        compare(lambda T, v=value: (T.full((2, 3), v), T.full((), v), T.full((0,), v)))
        compare(lambda T, v=value: T.full((2,), v, dtype=T.float64))
        compare(lambda T, x, v=value: T.full_like(x, v), numbers(2, 3))
    assert sl.full((2,), 1, dtype=sl.float32, requires_grad=True).requires_grad
    with pytest.raises(DTypeError, match="full: uint8 cannot hold 300"):
        sl.full((2,), 300, dtype=sl.uint8)
    with pytest.raises(DTypeError, match="full: float32 cannot hold 'text'"):
        sl.full((2,), "text", dtype=sl.float32)


@pytest.mark.parametrize("arguments", [
    (5,), (2, 5), (2, 11, 3), (5, 0, -2), (0,), (3, 3), (0.0, 1.0, 0.25), (1.5,), (2, 3, 0.5),
    (-1, 1, 0.3), (0, 5, 1.0), (np.int64(4),), (1, np.float32(3)),
])  # fmt: skip
def test_arange(arguments: Any) -> None:
    compare(lambda T: T.arange(*arguments))
    compare(lambda T: T.arange(*arguments, dtype=T.float64))
    compare(lambda T: T.arange(T.tensor(4)))


def test_arange_that_never_arrives() -> None:
    for arguments in ((0, 5, -1), (5, 0), (0, 1, 0)):
        error = both_refuse(lambda T, a=arguments: T.arange(*a))
        assert isinstance(error, ArgumentError)
        assert "never arrives" in str(error)
    with pytest.raises(ArgumentError, match="arange: 'a' is not a number"):
        sl.arange("a")


def test_linspace() -> None:
    for arguments in ((0, 1, 5), (1, -1, 4), (2.5, 2.5, 3), (0, 1, 1), (0, 1, 0)):
        compare(lambda T, a=arguments: T.linspace(*a))
        compare(lambda T, a=arguments: T.linspace(*a, dtype=T.float64))
    error = both_refuse(lambda T: T.linspace(0, 1, -1))
    assert "linspace: -1 steps" in str(error)


def test_eye_and_triangles() -> None:
    for shape in ((3,), (2, 4), (3, 1), (0,), (0, 2)):
        compare(lambda T, s=shape: (T.eye(*s), T.eye(*s, dtype=T.int64)))
    both_refuse(lambda T: T.eye(-1))
    for diagonal in (-1, 0, 2):
        compare(lambda T, x, d=diagonal: (T.tril(x, d), T.triu(x, diagonal=d)), numbers(2, 3, 4))
    for name in ("tril", "triu"):
        error = both_refuse(lambda T, x, n=name: getattr(T, n)(x), numbers(3))
        assert isinstance(error, ShapeError)
        assert f"{name}: the tensor has 1 dimensions" in str(error)
    compare(lambda T, x: T.tril(x), np.arange(9).reshape(3, 3))


@pytest.mark.parametrize("make", [
    lambda T, **o: T.arange(3.0, **o), lambda T, **o: T.linspace(0, 1, 3, **o),
    lambda T, **o: T.eye(2, **o), lambda T, **o: T.rand(2, **o), lambda T, **o: T.randn(2, **o),
    lambda T, **o: T.zeros_like(T.ones(2), **o), lambda T, **o: T.full((2,), 1.0, **o),
    lambda T, **o: T.randint(0, 3, (2,), dtype=T.float32, **o),
    lambda T, **o: T.rand_like(T.ones(2), **o), lambda T, **o: T.randn_like(T.ones(2), **o),
    lambda T, **o: T.full_like(T.ones(2), 3.0, **o),
])  # fmt: skip
def test_all_take_requires_grad_and_device(make: Any) -> None:
    for library in (sl, torch):
        assert make(library, requires_grad=True).requires_grad
        assert not make(library, device="cpu").requires_grad
    with pytest.raises(sl.errors.DeviceError):
        make(sl, device="gpu")
