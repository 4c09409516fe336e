"""The one seam between array libraries: NumPy for the CPU, CuPy for a CUDA device.

Operations receive the array module as their first argument and never ask which one it is.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from streetlight.errors import DeviceError, MissingDependencyError

Array = Any  # numpy.ndarray or cupy.ndarray: one structural type, two libraries

cupy: Any = None  # set when the first tensor moves to a CUDA device


def device(name: Any) -> str:
    """Return the plain name of a device, `"cpu"` or `"cuda"`: that is all a device is here.

    Raises:
        DeviceError: for any other name.

    >>> device("cuda:0")
    'cuda'
    """
    plain = str(name).split(":")[0]
    if plain not in ("cpu", "cuda"):
        raise DeviceError(
            f"there is no device {str(name)!r}", expected='"cpu" or "cuda"', fix='x.to("cpu")'
        )
    return plain


def load_cupy() -> Any:
    """Import CuPy and make sure that a CUDA device answers.

    Raises:
        MissingDependencyError: if CuPy is not installed.
        DeviceError: if no CUDA device is usable.
    """
    global cupy
    if cupy is None:
        try:
            module = importlib.import_module("cupy")
        except ImportError as error:
            words = "CUDA tensors need CuPy, which is not installed"
            raise MissingDependencyError(words, fix="python -m pip install cupy-cuda12x") from error
        try:
            module.cuda.Device(0).use()
        except module.cuda.runtime.CUDARuntimeError as error:
            raise DeviceError(
                f"no CUDA device answers: {error}", fix='stay on the CPU: x.to("cpu")'
            ) from error
        cupy = module
    return cupy


def module_of(*arrays: Array) -> Any:
    """Return the array library that the arrays belong to; Python numbers belong to any.

    Raises:
        DeviceError: if they lie on different devices.
    """
    if cupy is None:
        return np
    on_cuda = {isinstance(a, cupy.ndarray) for a in arrays if hasattr(a, "dtype")}
    if len(on_cuda) > 1:
        raise DeviceError(
            "the inputs lie on different devices, cpu and cuda",
            expected="all on one device",
            fix='move them with .to("cuda") or .to("cpu")',
        )
    return cupy if on_cuda == {True} else np


def device_of(array: Array) -> str:
    """Return the name of the device that an array lies on.

    >>> device_of(np.zeros(3))
    'cpu'
    """
    return "cuda" if cupy is not None and isinstance(array, cupy.ndarray) else "cpu"


def move(array: Array, to: str) -> Array:
    """Return the array on the named device: itself if it is there already, otherwise a copy."""
    target = device(to)
    if target == device_of(array):
        return array
    return load_cupy().asarray(array) if target == "cuda" else cupy.asnumpy(array)
