"""One way to compare a function with PyTorch's: values, gradients and second gradients."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import streetlight as sl
import streetlight.nn.functional

TOLERANCE = {"float32": {"rtol": 2e-5, "atol": 2e-6}, "float64": {"rtol": 1e-9, "atol": 1e-11}}


def _derivatives(
    library: ModuleType, function: Callable[..., Any], arrays: list[np.ndarray], orders: int
) -> list[np.ndarray]:
    """The value, then for each order the gradients of its product with a fixed random array."""
    inputs = [library.tensor(array, requires_grad=True) for array in arrays]
    value = function(library.nn.functional, library, *inputs)
    results = [value.detach().numpy().copy()]
    rng = np.random.default_rng(5)
    for _ in range(orders):
        direction = library.tensor(rng.standard_normal(tuple(value.shape)).astype(arrays[0].dtype))
        gradients: Any = [None] * len(inputs)
        if value.requires_grad:
            gradients = library.autograd.grad(
                (value * direction).sum(), inputs, create_graph=True, allow_unused=True
            )
        gradients = [
            library.zeros_like(x) if g is None else g
            for x, g in zip(inputs, gradients, strict=True)
        ]
        results += [(gradient.detach() + 0.0).numpy().copy() for gradient in gradients]
        value = library.cat([gradient.reshape(-1) for gradient in gradients])
    return results


@pytest.fixture
def against_torch() -> Callable[..., None]:
    """Check `function(F, library, *tensors)` of Streetlight against the same of PyTorch.

    Value, gradients and second gradients are compared in float64, the value and gradients in
    float32 as well.
    """
    torch = pytest.importorskip("torch", reason="parity tests need torch==2.13.0")

    def check(function: Callable[..., Any], *arrays: np.ndarray, orders: int = 2) -> None:
        for dtype, depth in (("float64", orders), ("float32", min(orders, 1))):
            given = [np.asarray(array, dtype=dtype) for array in arrays]
            mine = _derivatives(sl, function, given, depth)
            theirs = _derivatives(torch, function, given, depth)
            for ours, expected in zip(mine, theirs, strict=True):
                assert ours.dtype == expected.dtype
                assert ours.shape == expected.shape
                np.testing.assert_allclose(ours, expected, **TOLERANCE[dtype])

    return check


@pytest.fixture
def numbers() -> Callable[..., np.ndarray]:
    """Draw normal numbers of a shape, the same ones each time."""

    def draw(*shape: int, seed: int = 0, scale: float = 2.0) -> np.ndarray:
        return np.random.default_rng(seed).standard_normal(shape) * scale

    return draw
