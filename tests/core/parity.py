"""One way to compare a piece of code with PyTorch: values, dtypes and gradients of all results."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import streetlight as sl

torch = pytest.importorskip("torch", reason="parity tests need torch==2.13.0")

TOLERANCE = {"float16": 2e-3, "float32": 2e-6, "float64": 1e-12}


def numbers(*shape: int, seed: int = 0, dtype: Any = np.float64) -> np.ndarray:
    """Normal numbers of a shape, the same ones each time."""
    return np.asarray(np.random.default_rng(seed).normal(0, 2, shape), dtype=dtype)


def flat(result: Any) -> list[Any]:
    """The tensors and plain values of a result, in order."""
    if isinstance(result, (tuple, list)):
        return [part for inner in result for part in flat(inner)]
    return [result]


def plain(value: Any) -> Any:
    return value.detach().numpy() if hasattr(value, "detach") else value


def outcome(
    library: ModuleType, function: Callable[..., Any], inputs: list[Any], grad: bool
) -> list[Any]:
    """The results, then the gradients of their sum with fixed random weights."""
    tensors = [library.tensor(x) for x in inputs]
    leaves = [x for x in tensors if grad and x.is_floating_point()]
    for leaf in leaves:
        leaf.requires_grad_()
    results = flat(function(library, *tensors))
    generator = np.random.default_rng(5)
    loss = 0
    for result in results:
        if getattr(result, "requires_grad", False) or hasattr(result, "is_floating_point"):
            weight = np.asarray(generator.normal(size=tuple(result.shape)))
            loss = loss + (result * library.tensor(weight, dtype=result.dtype)).sum().double()
    gradients = [None] * len(leaves)
    if leaves and getattr(loss, "requires_grad", False):
        gradients = library.autograd.grad(loss, leaves, allow_unused=True)
    filled = [
        np.zeros(tuple(x.shape), plain(x).dtype) if g is None else plain(g)
        for x, g in zip(leaves, gradients, strict=True)
    ]
    return [plain(r) for r in results] + filled


def compare(
    function: Callable[..., Any], *inputs: Any, grad: bool = True, tolerance: float | None = None
) -> None:
    """Check `function(library, *tensors)` of Streetlight against the same of PyTorch."""
    mine, theirs = (outcome(library, function, list(inputs), grad) for library in (sl, torch))
    assert len(mine) == len(theirs)
    for ours, expected in zip(mine, theirs, strict=True):
        if not isinstance(expected, np.ndarray):
            assert ours == (tuple(expected) if isinstance(expected, torch.Size) else expected)
            continue
        assert ours.dtype == expected.dtype
        assert ours.shape == expected.shape
        limit = TOLERANCE.get(expected.dtype.name, 0) if tolerance is None else tolerance
        np.testing.assert_allclose(ours, expected, rtol=limit, atol=limit)


def both_refuse(function: Callable[..., Any], *inputs: np.ndarray) -> sl.errors.StreetlightError:
    """Check that PyTorch raises an error, and Streetlight one of its own; return that."""
    with pytest.raises(Exception):  # noqa: B017, PT011
        function(torch, *map(torch.tensor, inputs))
    with pytest.raises(sl.errors.StreetlightError) as caught:
        function(sl, *map(sl.tensor, inputs))
    return caught.value
