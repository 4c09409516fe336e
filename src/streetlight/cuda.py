"""What PyTorch scripts ask about CUDA before they choose a device."""

from __future__ import annotations

from streetlight.devices import load_cupy
from streetlight.errors import DeviceError, MissingDependencyError


def is_available() -> bool:
    """Whether CuPy is installed and a CUDA device answers.

    >>> is_available() in (True, False)
    True
    """
    return device_count() > 0


def device_count() -> int:
    """Return how many CUDA devices answer; only the first one is used."""
    try:
        return int(load_cupy().cuda.runtime.getDeviceCount())
    except (MissingDependencyError, DeviceError):
        return 0
