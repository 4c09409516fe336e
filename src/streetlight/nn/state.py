"""Changing all values of a module: load saved ones, or move them to a dtype or device.

Everything is checked before the first value is changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from streetlight.autograd import no_grad
from streetlight.creation import zeros
from streetlight.errors import DTypeError, StateDictError
from streetlight.tensor import Tensor

if TYPE_CHECKING:
    from streetlight.nn.module import Module

M = TypeVar("M", bound="Module")


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict(..., strict=False)` could not match by name."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def load(
    where: str, own: dict[str, Tensor], given: Mapping[str, Any], strict: bool
) -> IncompatibleKeys:
    """Copy given values into the tensors of the same names; raise before changing any of them."""
    if not isinstance(given, Mapping):
        raise StateDictError(
            f"{where}: this is not a state dict",
            expected="a dict of names to tensors, as `state_dict()` returns",
            got={"given": given},
        )
    missing = [name for name in own if name not in given]
    unexpected = [str(name) for name in given if name not in own]
    values = {name: _as_tensor(given[name]) for name in own if name in given}
    misfits = [text for name in values if (text := _misfit(name, own[name], values[name]))]
    if misfits or (strict and (missing or unexpected)):
        raise _error(where, missing if strict else [], unexpected if strict else [], misfits)
    with no_grad():
        for name, value in values.items():
            own[name].copy_(value)
    return IncompatibleKeys(missing, unexpected)


def _as_tensor(value: Any) -> Tensor | None:
    """Return a tensor, an array or a PyTorch tensor as a tensor; None for what holds no numbers."""
    value = value.detach() if hasattr(value, "detach") else value
    if isinstance(value, Tensor):
        return value
    array = np.asarray(value) if hasattr(value, "__array__") else np.empty(0, dtype=object)
    return Tensor(array) if array.dtype.kind in "biuf" else None


def _misfit(name: str, own: Tensor, value: Tensor | None) -> str:
    if value is None:
        return f"{name} is not an array of numbers"
    return "" if value.shape == own.shape else f"{name} is {value.shape}, not {own.shape}"


def _error(
    where: str, missing: list[str], unexpected: list[str], misfits: list[str]
) -> StateDictError:
    """List everything at once, so that one look is enough."""
    rows = {"missing": missing, "unexpected": unexpected, "do not fit": misfits}
    lines = [f"\n  {kind}: {', '.join(names)}" for kind, names in rows.items() if names]
    return StateDictError(
        f"{where}: the saved values do not fit, nothing was loaded" + "".join(lines),
        fix="build the module with the sizes of the saved one"
        + ("" if misfits else ", or load what fits with strict=False"),
    )


def convert(module: M, *where: Any, **options: Any) -> M:
    """Move all tensors of a module, and their gradients, as `Tensor.to` would; see `Module.to`."""
    target = zeros(()).to(*where, **options)
    if not target.is_floating_point():
        raise DTypeError(
            f"{type(module).__name__}.to: parameters cannot be {target.dtype}",
            expected="float16, float32 or float64",
            fix="model.float()",
        )
    for tensor in (*module.parameters(), *module.buffers()):
        floating = tensor.is_floating_point()
        tensor.data = (
            tensor.detach().to(*where, **options) if floating else tensor.detach().to(target.device)
        )
        if tensor.grad is not None:
            tensor.grad = tensor.grad.to(*where, **options)
    return module
