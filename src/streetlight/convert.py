"""The way in and out: Python and NumPy data to arrays, and tensors back to Python and NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from streetlight import devices, dtypes
from streetlight.devices import Array
from streetlight.errors import ArgumentError, DeviceError, DTypeError, GradientError, ShapeError
from streetlight.ops.linalg import matmul
from streetlight.ops.registry import Value, all_ops, context


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


def _ragged(data: Any, place: str = "data") -> str:
    """Say where nested lists are of unequal length."""
    lengths = [len(part) if isinstance(part, (list, tuple)) else 0 for part in data]
    for i, length in enumerate(lengths):
        if length != lengths[0]:
            return f"{place}[0] has {lengths[0]} and {place}[{i}] has {length} elements"
    inside = (_ragged(part, f"{place}[{i}]") for i, part in enumerate(data) if lengths[i])
    return next((words for words in inside if words), "")


def _from_python(data: Any) -> Array:
    first = data
    while isinstance(first, (list, tuple)) and first:
        first = first[0]
    if isinstance(data, (list, tuple)):
        data = [devices.move(p._data, "cpu") if isinstance(p, Value) else p for p in data]
    try:
        array = np.asarray(data)
    except (ValueError, TypeError) as error:
        words = f"tensor: these nested lists do not form a block, {_ragged(data)}"
        raise ShapeError(words, expected="lists of equal lengths, of numbers") from error
    if array.size == 0 or (array.dtype == np.float64 and not hasattr(first, "dtype")):
        converted: Array = context.run(array.astype, dtypes.get_default_dtype())
        return converted
    if array.dtype.kind not in "iufb" or array.dtype == np.uint64:
        raise DTypeError(
            f"tensor: cannot make numbers of {type(data).__name__} data", got={"data": data},
            expected="numbers, nested lists of numbers, or NumPy arrays of numbers",
        )  # fmt: skip
    return array


class Convertible(Value):
    """The part of a Tensor that hands its numbers to Python, NumPy and other libraries."""

    requires_grad: bool

    def item(self) -> Any:
        """Return the only element as a Python number.

        Raises:
            ArgumentError: if there is not exactly one element.
        """
        if self._data.size != 1:
            raise ArgumentError(
                f"item: the tensor has {self._data.size} elements, not one", got={"tensor": self},
                fix="use tolist(), or reduce it first with sum() or mean()",
            )  # fmt: skip
        return self._data.item()

    def tolist(self) -> Any:
        """Return the elements as nested lists of Python numbers."""
        return self._data.tolist()

    def numpy(self) -> Any:
        """Return the NumPy array that holds the numbers, without a copy.

        Raises:
            GradientError: if the tensor takes part in a recorded computation.
            DeviceError: if it does not lie on the CPU.
        """
        if self.requires_grad:
            raise GradientError(
                "numpy: NumPy cannot record gradients, and this tensor requires one",
                got={"tensor": self},
                fix="x.detach().numpy()",
            )
        if devices.device_of(self._data) != "cpu":
            raise DeviceError("numpy: the tensor lies on cuda", fix="x.cpu().numpy()")
        return np.asarray(self._data)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        array = self.numpy()
        if dtype is not None and dtype != array.dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """Let NumPy's functions on tensors (`np.exp(x)`, `array + x`) be the operations here."""
        if method == "__call__" and not options:
            if ufunc is np.matmul:
                return matmul(*inputs)
            name = {"power": "pow", "rint": "round"}.get(ufunc.__name__, ufunc.__name__)
            for op in all_ops.values():
                if op.kernel is ufunc or op.name == name:
                    return op(*inputs)
        words = f"numpy.{ufunc.__name__}: there is no such operation on tensors"
        raise DTypeError(words, fix=f"np.{ufunc.__name__}(x.detach().numpy())")

    def __dlpack__(self, **options: Any) -> Any:
        return self.numpy().__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._data.__dlpack_device__()

    def __bool__(self) -> bool:
        if self._data.size != 1:
            raise ArgumentError(
                f"bool: {self._data.size} elements are neither true nor false together",
                got={"tensor": self}, fix="use x.all() or x.any()",
            )  # fmt: skip
        return bool(self._data)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self._data.dtype.kind not in "iub":
            raise DTypeError(f"index: {self._data.dtype} is not a whole number", fix="int(x)")
        return int(self.item())
