"""Makers of sample inputs for the fact sheets: seeded numbers of chosen ranges and shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from streetlight.devices import Array
from streetlight.errors import DTypeError, ShapeError
from streetlight.ops.registry import ErrorSample, Sample

UNARY_SHAPES = [(), (3,), (2, 3), (0, 3), (2, 1, 4)]
BINARY_SHAPES = [
    ((3,), (3,)), ((2, 3), (3,)), ((2, 1, 4), (3, 1)), ((), (2,)), ((0, 3), (1, 3)), ((1, 1), (4,)),
]  # fmt: skip


def numbers(*shape: int, low: float = -2.0, high: float = 2.0, seed: int = 0) -> Array:
    """Return float64 numbers, spread evenly and shuffled, so that no two are equal.

    >>> sorted(numbers(3).tolist())
    [-2.0, 0.06666666666666667, 2.0]
    """
    count = int(np.prod(shape))
    spread = np.linspace(low, high, count) if count > 1 else np.full(count, high * 0.7 + low * 0.3)
    if count > 1:
        spread[1:-1] += 0.05 * (high - low) / count  # keep away from zero and other round numbers
    return np.random.default_rng(seed).permutation(spread).reshape(shape)


def within(low: float, high: float) -> Callable[[], list[Sample]]:
    """Samples of one input with values between low and high."""
    return lambda: [Sample((numbers(*s, low=low, high=high),)) for s in UNARY_SHAPES]


def pairs(
    low: float = -2.0, high: float = 2.0, *, scalar: float = 1.5
) -> Callable[[], list[Sample]]:
    """Samples of two inputs that are broadcast, the second between low and high."""
    return lambda: [
        *(Sample((numbers(*a), numbers(*b, low=low, high=high, seed=1))) for a, b in BINARY_SHAPES),
        Sample((numbers(2, 3), scalar)),
    ]


def misfits(name: str) -> Callable[[], list[ErrorSample]]:
    """Wrong calls of an operation with two inputs: shapes that do not fit, operands of no use."""
    a, b = numbers(2, 3), numbers(2, 4)
    return lambda: [
        ErrorSample((a, b), {}, ShapeError, f"{name}: sizes 3 and 4 do not fit in dimension -1"),
        ErrorSample((a, "text"), {}, DTypeError, f"{name}: cannot compute with a str"),
    ]


def calls(*samples: tuple[tuple[Any, ...], dict[str, Any]]) -> Callable[[], list[Sample]]:
    """Samples written out: pairs of inputs and attributes."""
    return lambda: [Sample(inputs, attributes) for inputs, attributes in samples]
