"""Operations that draw random numbers: they have no inputs, only a shape and a generator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from streetlight import devices, dtypes
from streetlight.devices import Array
from streetlight.errors import DTypeError
from streetlight.ops.registry import Sample, Shape, primitive
from streetlight.random import Generator


def _samples(**more: Any) -> Callable[[], list[Sample]]:
    return lambda: [
        Sample((), {"shape": shape, "generator": Generator(), "dtype": dtypes.float64, **more})
        for shape in ((), (3,), (2, 3), (0,))
    ]


def _floating(name: str) -> Callable[..., Shape]:
    """The shape rule of an operation that draws fractions."""

    def shape_rule(shape: Shape, dtype: dtypes.DType, **_: Any) -> Shape:
        if dtype.kind != "f":
            words = f"{name}: random numbers are floating-point, not {dtype}"
            raise DTypeError(words, fix="sl.randint(low, high, shape) draws whole numbers")
        return shape

    return shape_rule


@primitive(shape=_floating("uniform"), dtype="attribute", algebra="uniform",
           onnx="RandomUniform", samples=_samples())  # fmt: skip
def uniform(xp: Any, shape: Shape, generator: Generator, dtype: dtypes.DType) -> Array:
    """Numbers spread evenly over [0, 1)."""
    if dtype.kind != "f":
        raise TypeError(dtype)
    return generator.uniform(shape).astype(dtype, copy=False)


@primitive(shape=_floating("normal"), dtype="attribute", algebra="normal",
           onnx="RandomNormal", samples=_samples())  # fmt: skip
def normal(xp: Any, shape: Shape, generator: Generator, dtype: dtypes.DType) -> Array:
    """Numbers from the standard normal distribution."""
    if dtype.kind != "f":
        raise TypeError(dtype)
    return np.asarray(generator.normal(shape)).astype(dtype)


@primitive(shape=lambda shape, **_: shape, dtype="attribute", algebra="bernoulli",
           onnx="Bernoulli", samples=_samples(probability=0.3))  # fmt: skip
def bernoulli(
    xp: Any,
    shape: Shape,
    probability: float,
    generator: Generator,
    dtype: dtypes.DType,
    on: str = "cpu",
) -> Array:
    """1 with the given probability, otherwise 0; one 32-bit word decides each."""
    words = generator.words(int(np.prod(shape))).reshape(shape)
    return devices.move((words < round(probability * 2**32)).astype(dtype), on)
