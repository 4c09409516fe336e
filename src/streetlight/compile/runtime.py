"""The runtime of compiled programs in this process: its threads, its BLAS, its way into C.

It is one shared object, made once through the same cache as the programs, and shared by all.
"""

from __future__ import annotations

import ctypes
import functools
import os
from pathlib import Path
from typing import Any

import numpy as np

from streetlight.compile import tiles
from streetlight.compile.blas import Blas, find
from streetlight.compile.cache import load
from streetlight.compile.toolchain import FLAGS

FOLDER = Path(__file__).parent / "c"
FILES = ("runtime.h", "threads.c", "gemm.c", "runtime.c", "python.c")
THREAD_VARIABLES = ("STREETLIGHT_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")

_PYTHON = (  # what python.c is given, in this order
    "PyEval_SaveThread", "PyEval_RestoreThread", "PyLong_FromLongLong", "PyErr_BadArgument",
    "Py_IncRef",
)  # fmt: skip


class Runtime:
    """The loaded runtime.

    Attributes:
        services: the address of the table that programs are bound to.
        reads_arrays: whether C finds in an array what NumPy says of it.
    """

    def __init__(self) -> None:
        header = f"#define _GNU_SOURCE\n#define SL_OBJECT_HEADER {object.__basicsize__}\n"
        text = header + "".join((FOLDER / name).read_text("utf-8") for name in FILES)
        self._library = load(text, (*FLAGS, "-O2"))
        self.services = self._address("sl_services")
        self._tiles: dict[str, ctypes.CDLL] = {}
        self._python = _python()
        self._library.sl_use_python(ctypes.byref(self._python))
        self.reads_arrays = all(map(self._reads, _samples()))
        self.set_threads(thread_count())

    def _address(self, name: str) -> int:
        return ctypes.addressof(ctypes.c_char.in_dll(self._library, name))

    def _reads(self, array: Any) -> bool:
        """Whether what C finds in an array is what NumPy says of it."""
        told = (id(type(array)), array.ctypes.data, id(array.dtype), array.flags.num, array.ndim)
        shape = (ctypes.c_int64 * array.ndim)(*array.shape)
        reads = self._library.sl_reads
        return bool(reads(ctypes.py_object(array), *map(ctypes.c_int64, told), shape))

    @property
    def threads(self) -> int:
        """How many threads a program uses."""
        return int(self._library.sl_threads())

    def set_threads(self, count: int) -> None:
        """Have programs use so many threads, at most 32, from now on."""
        self._library.sl_set_threads(count)

    @functools.cached_property
    def blas(self) -> Blas:
        """What multiplies matrices; loaded when the first program needs it."""
        found = find()
        self.use_blas(found)
        return found

    def use_blas(self, found: Blas) -> None:
        """Multiply matrices with this from now on."""
        single, double = ctypes.c_void_p(found.f32), ctypes.c_void_p(found.f64)
        self._library.sl_use_blas(single, double, found.wide, found.keeps_threads)

    def use_tiles(self, suffix: str) -> None:
        """Have our own products and convolutions, of f32 or f64: compiled when first needed."""
        if suffix in self._tiles:
            return
        header = (FOLDER / "runtime.h").read_text("utf-8")
        library = load(header + tiles.library(suffix), (*FLAGS, "-O2"))
        library.sl_bind(ctypes.c_void_p(self.services))
        names = ("multiply", "pack", "convolve", "correlate")
        addresses = [ctypes.cast(library[f"{n}_{suffix}"], ctypes.c_void_p) for n in names]
        self._library.sl_use_tiles(int(suffix[1:]) // 8, *addresses)
        self._tiles[suffix] = library

    def step(self, entry: Any) -> Any:
        """A built-in function that goes through an entry: an array with C's `entry` in it."""
        kind = ctypes.PYFUNCTYPE(
            ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p
        )
        make = kind(("PyCFunction_NewEx", ctypes.pythonapi))
        return make(self._address("sl_step"), entry, None)


@functools.cache
def runtime() -> Runtime:
    """The runtime of this process.

    Raises:
        CompileError: if there is no C compiler that can make it.
    """
    return Runtime()


def thread_count() -> int:
    """How many threads NumPy uses, or what STREETLIGHT_NUM_THREADS says."""
    told = [os.environ.get(name, "") for name in THREAD_VARIABLES]
    counts = [int(text) for text in told if text.isdecimal() and int(text)]
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return min(counts[0], cores) if counts else cores


def _python() -> Any:
    """What C needs of Python: functions, NotImplemented, and the type of arrays."""
    functions = [ctypes.cast(ctypes.pythonapi[name], ctypes.c_void_p).value for name in _PYTHON]
    needed = [*functions, id(NotImplemented), id(np.ndarray)]
    return (ctypes.c_void_p * len(needed))(*needed)


def _samples() -> list[Any]:
    read_only = np.arange(6.0)
    read_only.flags.writeable = False
    return [np.zeros((2, 3), np.float32), np.array(True), np.empty((4, 0), np.int8).T, read_only]
