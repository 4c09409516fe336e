"""Makers of the Tensor's operators and conversions: plain functions, which Python calls fastest."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from streetlight.errors import DTypeError

if TYPE_CHECKING:
    from streetlight.tensor import Tensor


def operator(op: Any) -> Callable[[Tensor, Any], Tensor]:
    """Return the method for `self ∘ other`."""

    def method(self: Tensor, other: Any) -> Tensor:
        result: Tensor = op(self, other)
        return result

    return method


def reflected(op: Any) -> Callable[[Tensor, Any], Tensor]:
    """Return the method for `other ∘ self`, where other is not a tensor."""

    def method(self: Tensor, other: Any) -> Tensor:
        result: Tensor = op(other, self)
        return result

    return method


def of_bools(symbol: str, op: Any) -> Callable[..., Tensor]:
    """Return the method for an operator that PyTorch applies to the bits of integers.

    Only for bools is that the same as the logical operation.
    """

    def method(self: Tensor, *other: Any) -> Tensor:
        for operand in (self, *other):
            dtype = operand.dtype if hasattr(operand, "dtype") else np.asarray(operand).dtype
            if dtype.kind != "b":
                raise DTypeError(
                    f"{symbol} is for bool tensors, not for {dtype}",
                    got={"tensor": self}, fix="x.bool(), or sl.logical_and and its like",
                )  # fmt: skip
        result: Tensor = op(self, *other)
        return result

    return method


def converter(target: str) -> Callable[[Tensor], Tensor]:
    """Return the method for `self.to(target)`, a device or a dtype by its name."""

    def method(self: Tensor) -> Tensor:
        return self.to(target)

    method.__doc__ = f"Return it as {target}, itself if it is that already."
    return method
