"""Data from Python and NumPy brought to arrays of the supported dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np

from streetlight import devices, dtypes
from streetlight.devices import Array
from streetlight.errors import DTypeError, ShapeError
from streetlight.ops.registry import Value


def as_array(data: Any) -> Array:
    """Return data as an array of a supported dtype, without a copy if it is one.

    Python floats get the default dtype; NumPy arrays keep theirs.

    Raises:
        DTypeError: if the data are not numbers.
        ShapeError: if nested lists are ragged.
    """
    if isinstance(data, Value):
        return data._data
    if not hasattr(data, "__array__") and not hasattr(data, "dtype"):
        return _from_python(data)
    array = data if devices.device_of(data) == "cuda" else np.asarray(data)
    dtype = dtypes.as_dtype(array.dtype)
    return array if dtype == array.dtype else array.astype(dtype)


def _from_python(data: Any) -> Array:
    if isinstance(data, (list, tuple)) and any(isinstance(part, Value) for part in data):
        data = [part._data.tolist() if isinstance(part, Value) else part for part in data]
    try:
        array = np.asarray(data)
    except (ValueError, TypeError) as error:
        raise ShapeError(
            f"tensor: these nested lists do not form a block: {error}",
            expected="lists of equal lengths, of numbers",
        ) from error
    if array.dtype == np.float64 or array.size == 0:
        return array.astype(dtypes.get_default_dtype())
    if array.dtype.kind not in "iufb":
        raise DTypeError(
            f"tensor: cannot make numbers of {type(data).__name__} data", got={"data": data},
            expected="numbers, nested lists of numbers, or NumPy arrays of numbers",
        )  # fmt: skip
    return array
