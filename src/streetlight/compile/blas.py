"""Finding a BLAS at run time: the library that multiplies matrices for compiled programs.

Looked for are the wheels `mkl` and `scipy-openblas32`, then the OpenBLAS that NumPy has brought
along. Without any of them the runtime's own loops do it. STREETLIGHT_BLAS (mkl, openblas, numpy or
none) takes one alone.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import os
import site
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streetlight.compile.cache import cpu
from streetlight.errors import ArgumentError

_SYMBOLS = {  # where matrices are multiplied, by the way that integers are passed
    "scipy_cblas_{}gemm64_": True,
    "cblas_{}gemm64_": True,
    "scipy_cblas_{}gemm": False,
    "cblas_{}gemm": False,
}
_SEQUENTIAL = 1  # MKL's word for a single thread


@dataclass(frozen=True)
class Blas:
    """A BLAS that has been loaded.

    Attributes:
        name: for people.
        f32, f64: addresses of cblas_sgemm and cblas_dgemm; 0 where there are none.
        wide: whether its integers have 64 bits.
        keeps_threads: whether it goes on using threads of its own, because others use it too.
    """

    name: str
    f32: int = 0
    f64: int = 0
    wide: bool = False
    keeps_threads: bool = False


def find() -> Blas:
    """Load the best BLAS that is here.

    Raises:
        ArgumentError: if STREETLIGHT_BLAS names one that is unknown or not here.
    """
    wanted = os.environ.get("STREETLIGHT_BLAS", "")
    found = filter(None, (_FINDERS[name]() for name in _order() if wanted in ("", name)))
    blas = next(found, None)
    if blas is None and wanted not in ("", "none"):
        raise ArgumentError(
            f"the BLAS of STREETLIGHT_BLAS={wanted} is not here or cannot be loaded",
            expected="mkl, openblas, numpy or none",
            fix='python -m pip install "streetlight[compile]", or unset the variable',
        )
    return blas or Blas("portable loops")


def _order() -> list[str]:
    """What is best, first.

    MKL on Intel's CPUs. On others OpenBLAS: on AMD the two are equally fast with one thread
    (768x512x128 in float32: 955 and 968 µs), and MKL takes 0.17 s to load, OpenBLAS 0.01 s.
    """
    wheels = ["mkl", "openblas"] if "GenuineIntel" in cpu() else ["openblas", "mkl"]
    return [*wheels, "numpy"]


@functools.cache
def _mkl() -> Blas | None:
    """MKL from its wheel, with one thread unless the process has set it up already."""
    folders = [Path(place or "") / "lib" for place in (sys.prefix, site.getuserbase())]
    for path in (path for folder in folders for path in folder.glob("libmkl_rt.*")):
        shared, library = _is_loaded(path), _load(path)
        if library is not None:
            if not shared:
                library.MKL_Set_Threading_Layer(_SEQUENTIAL)
            return _described("MKL", library, shared)
    return None


@functools.cache
def _openblas() -> Blas | None:
    """OpenBLAS from the wheel scipy-openblas32, with one thread."""
    package = importlib.util.find_spec("scipy_openblas32")
    folders = (package.submodule_search_locations if package else None) or []
    for path in (path for folder in folders for path in Path(folder).glob("lib/*openblas*")):
        shared, library = _is_loaded(path), _load(path)
        if library is not None:
            return _described("OpenBLAS of the wheel scipy-openblas32", library, shared)
    return None


@functools.cache
def _numpy() -> Blas | None:
    """The OpenBLAS in NumPy's wheel. Eager code uses it too, with as many threads as it likes."""
    package = Path(np.__file__).parent
    for folder in (package.parent / "numpy.libs", package / ".dylibs"):
        for path in folder.glob("*openblas*"):
            library = _load(path)
            if library is not None:
                return _described("OpenBLAS of NumPy", library, keeps_threads=True)
    return None


_FINDERS: dict[str, Callable[[], Blas | None]] = {
    "mkl": _mkl,
    "openblas": _openblas,
    "numpy": _numpy,
}


def _is_loaded(path: Path) -> bool:
    try:
        ctypes.CDLL(str(path), mode=os.RTLD_NOLOAD)
    except OSError:
        return False
    return True


def _load(path: Path) -> ctypes.CDLL | None:
    """Load a library, without threads of its own if it is not there already."""
    told = os.environ.get("OPENBLAS_NUM_THREADS")
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    try:
        return ctypes.CDLL(str(path))
    except OSError:
        return None
    finally:
        if told is None:
            del os.environ["OPENBLAS_NUM_THREADS"]
        else:
            os.environ["OPENBLAS_NUM_THREADS"] = told


def _described(name: str, library: ctypes.CDLL, keeps_threads: bool) -> Blas | None:
    for symbol, wide in _SYMBOLS.items():
        if hasattr(library, symbol.format("s")) and hasattr(library, symbol.format("d")):
            single, double = (_address(library[symbol.format(kind)]) for kind in "sd")
            return Blas(name, single, double, wide, keeps_threads)
    return None


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0
