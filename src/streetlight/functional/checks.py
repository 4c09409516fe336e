"""What the functions check before they compute, and the words when it does not hold."""

from __future__ import annotations

from typing import Any

from streetlight.errors import ArgumentError, DTypeError
from streetlight.tensor import Tensor


def check_tensors(name: str, input: Any, target: Any) -> None:
    """Refuse lists and NumPy arrays where a prediction and its target belong."""
    if not (isinstance(input, Tensor) and isinstance(target, Tensor)):
        raise DTypeError(
            f"{name}: {type(input).__name__} and {type(target).__name__} are not both tensors",
            expected="tensors",
            got={"input": input, "target": target},
            fix="sl.tensor(data) makes a tensor of numbers, lists and arrays",
        )


def not_in_range(name: str, argument: str, value: object, expected: str) -> ArgumentError:
    """The error for an argument with a value that makes no sense."""
    return ArgumentError(
        f"{name}: {argument}={value!r} makes no sense",
        expected=expected,
        got={argument: value},
        fix=f"choose another {argument}",
    )
