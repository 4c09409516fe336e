"""Names of the element types, the default floating-point type, and PyTorch's promotion rules.

A dtype of Streetlight is a NumPy dtype; only the rules for mixing them are PyTorch's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streetlight.errors import DTypeError

__all__ = [
    "bool", "double", "float", "float16", "float32", "float64", "get_default_dtype", "half",
    "int", "int8", "int16", "int32", "int64", "long", "promote_types", "set_default_dtype",
    "short", "uint8",
]  # fmt: skip

DType = np.dtype[Any]

float16 = half = np.dtype("float16")
float32 = float = np.dtype("float32")
float64 = double = np.dtype("float64")
int8 = np.dtype("int8")
int16 = short = np.dtype("int16")
int32 = int = np.dtype("int32")
int64 = long = np.dtype("int64")
uint8 = np.dtype("uint8")
bool = np.dtype("bool")

_ALL = (float16, float32, float64, int8, int16, int32, int64, uint8, bool)
_SUPPORTED = {dtype: dtype for dtype in _ALL}  # equal dtypes become one object: `is` is fast
_CATEGORY = {"b": 0, "u": 1, "i": 1, "f": 2}
_default: DType = float32


def get_default_dtype() -> DType:
    """Return the dtype that Python floats get: `float32` unless it was changed."""
    return _default


def set_default_dtype(dtype: Any) -> None:
    """Set the dtype that Python floats get.

    Raises:
        DTypeError: if `dtype` is not a floating-point type.

    >>> set_default_dtype(float32)
    """
    global _default
    chosen = as_dtype(dtype)
    if chosen.kind != "f":
        raise DTypeError(
            f"set_default_dtype: {chosen} is not a floating-point type",
            expected="float16, float32 or float64",
            fix="set_default_dtype(sl.float32)",
        )
    _default = chosen


def as_dtype(dtype: Any) -> DType:
    """Turn whatever names a dtype (a NumPy dtype, type or string) into a supported dtype.

    Raises:
        DTypeError: if there is no such dtype in Streetlight, for instance complex or strings.

    >>> as_dtype("float64")
    dtype('float64')
    """
    try:
        found: DType = np.dtype(dtype).newbyteorder("=")
    except TypeError:
        found = np.dtype(object)
    if found not in _SUPPORTED:
        names = ", ".join(sorted(str(known) for known in _SUPPORTED))
        raise DTypeError(
            f"{dtype!r} is not a dtype of tensors",
            expected=f"one of {names}",
            fix="convert the data to numbers of one of these types first",
        )
    return _SUPPORTED[found]


def of_scalar(value: Any) -> DType:
    """Return the dtype that a Python number has on its own: bool, int64 or the default float.

    >>> of_scalar(3), of_scalar(True)
    (dtype('int64'), dtype('bool'))
    """
    kind = type(value)
    if kind.__name__ == "bool":
        return bool
    return int64 if kind.__name__ == "int" else _default


def promote_types(first: DType, second: DType) -> DType:
    """Return the smallest dtype that PyTorch lets hold both: floats win over ints of any width.

    >>> promote_types(int64, float16), promote_types(uint8, int8)
    (dtype('float16'), dtype('int16'))
    """
    if (first.kind == "f") != (second.kind == "f"):
        return first if first.kind == "f" else second
    return np.promote_types(first, second)


def result_type(*operands: tuple[DType, Any]) -> DType:
    """Return the dtype of an elementwise operation on operands of several dtypes.

    Arrays with dimensions decide first, then 0-d arrays, then Python numbers: a later group
    counts only if it is of a higher category (bool < integer < float).

    Args:
        operands: pairs of dtype and number of dimensions; -1 stands for a Python number.

    >>> result_type((float32, 2), (float64, 0)), result_type((int64, 1), (float32, -1))
    (dtype('float32'), dtype('float32'))
    """
    result: DType | None = None
    for rank in (1, 0, -1):
        group: DType | None = None
        for dtype, ndim in operands:
            if (ndim > 0) - (ndim < 0) == rank:
                group = dtype if group is None else promote_types(group, dtype)
        if group is not None and (result is None or _CATEGORY[group.kind] > _CATEGORY[result.kind]):
            result = group
    return result if result is not None else _default
