"""Loading saved values into a module: everything is checked before the first one is changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from streetlight.autograd import no_grad
from streetlight.errors import StateDictError
from streetlight.tensor import Tensor


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
        by_name = {"missing": missing, "unexpected": unexpected} if strict else {}
        rows = {**by_name, "do not fit": misfits}
        lines = [f"\n  {kind}: {', '.join(names)}" for kind, names in rows.items() if names]
        raise StateDictError(
            f"{where}: the saved values do not fit, nothing was loaded" + "".join(lines),
            fix="build the module with the sizes of the saved one"
            + ("" if misfits else ", or load what fits with strict=False"),
        )
    with no_grad():
        for name, value in values.items():
            own[name].copy_(value)
    return IncompatibleKeys(missing, unexpected)


def _as_tensor(value: Any) -> Tensor | None:
    """Return a tensor, an array or a PyTorch tensor as a tensor; None for what holds no numbers."""
    if isinstance(value, Tensor):
        return value
    value = value.detach() if hasattr(value, "detach") else value
    array = np.asarray(value if hasattr(value, "__array__") else None)
    return Tensor(array) if array.dtype.kind in "biuf" else None


def _misfit(name: str, own: Tensor, value: Tensor | None) -> str:
    if value is None:
        return f"{name} is not an array of numbers"
    return "" if value.shape == own.shape else f"{name} is {value.shape}, not {own.shape}"
