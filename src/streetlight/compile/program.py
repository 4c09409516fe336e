"""A compiled program in this process: its shared object, its memory, and the ways to call it.

A program works on three tables, which are filled before a call: `buffers` (addresses of the tensor
inputs, constants filled in, then of the tensor outputs, then of what is drawn by the host),
`numbers` (the number inputs, then the number outputs) and `states` (of random generators). They
belong to one call at a time: who shares a program between threads holds a lock from the first
entry in a table to the last number read from one.

There are two ways to make a step. `run()` takes the tables as they stand. A function made by
`entry` also takes arrays, checks them and fills in their addresses itself, which costs far less
than to do so in Python: 0.06 µs in all for three arrays. `repeat` makes many steps.
"""

from __future__ import annotations

import ctypes
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from streetlight.compile import cache
from streetlight.compile.runtime import FOLDER, runtime
from streetlight.compile.toolchain import FLAGS
from streetlight.dtypes import DType
from streetlight.ops.registry import Shape

if TYPE_CHECKING:
    from streetlight.compile.build import CSource

TILED = ("sl_multiply", "sl_convolve", "sl_correlate")  # services that are compiled if needed
_LINE = 64  # bytes of a cache line, to which the workspace is aligned


@dataclass(frozen=True)
class Argument:
    """An array that an entry takes.

    Attributes:
        place: its place among the program's buffers.
        shape, dtype: what it must have; it must also be aligned and lie element after element.
        written: whether the program writes to it.
    """

    place: int
    shape: Shape
    dtype: DType
    written: bool = False

    @property
    def bytes(self) -> int:
        """The length of its memory."""
        return math.prod(self.shape) * self.dtype.itemsize


class _Call(ctypes.Structure):  # sl_call of runtime.h
    _fields_ = (
        ("buffers", ctypes.c_void_p),
        ("numbers", ctypes.c_void_p),
        ("generators", ctypes.c_void_p),
        ("workspace", ctypes.c_void_p),
        ("error", ctypes.c_int64 * 4),
    )


class _Program(ctypes.Structure):  # program of python.c
    _fields_ = (
        ("run", ctypes.c_void_p),
        ("call", _Call),
        ("spans", ctypes.c_void_p),
        ("span_count", ctypes.c_int64),
        ("runs", ctypes.c_int64),
        ("fastest", ctypes.c_int64),
    )


class _Layout(ctypes.Structure):  # layout of python.c
    _fields_ = (
        ("place", ctypes.c_int64),
        ("dtype", ctypes.c_void_p),
        ("ndim", ctypes.c_int64),
        ("shape", ctypes.c_void_p),
        ("bytes", ctypes.c_int64),
        ("written", ctypes.c_int64),
    )


class _Entry(ctypes.Structure):  # entry of python.c
    _fields_ = (
        ("program", ctypes.c_void_p),
        ("arguments", ctypes.c_int64),
        ("layouts", ctypes.c_void_p),
    )


def program_text(source: CSource) -> str:
    """The whole C of a program."""
    names = ["runtime.h", "vector_math.h", "entry.h"]
    *before, after = ((FOLDER / name).read_text("utf-8") for name in names)
    return "\n".join([*before, source.text, after])


class Program:
    """A program, compiled and loaded.

    Args:
        source: its C, and what it takes.
        constants: the data of those inputs that never change, by name.
        flags: what the compiler is told.

    Attributes:
        source: as given.
        buffers, numbers, states: the tables; see the beginning of this file.
        error: after a call that failed its code, node and value, and the step of `repeat`.
        run: makes one step with the tables as they are; returns 0, or the code of an error.

    Raises:
        CompileError: if there is no C compiler that can make it.
    """

    def __init__(
        self, source: CSource, constants: Mapping[str, Any], flags: tuple[str, ...] = FLAGS
    ) -> None:
        self.source = source
        self._library = cache.load(program_text(source), flags)
        self._library.sl_bind(ctypes.c_void_p(runtime().services))
        if "sl_gemm" in source.text:
            _ = runtime().blas
        for suffix in ("f32", "f64"):
            if any(f"{name}_{suffix}" in source.text for name in TILED):
                runtime().use_tiles(suffix)
        count = len(source.inputs) + len(source.outputs) + len(source.host_draws)
        self.buffers = (ctypes.c_void_p * count)()
        self.numbers = (ctypes.c_double * (len(source.numbers) + source.number_outputs))()
        self.states = (ctypes.c_void_p * source.generators)()
        self._constants = {name: np.ascontiguousarray(x) for name, x in constants.items()}
        for place, name in enumerate(source.inputs):
            if name in constants:
                self.buffers[place] = self._constants[name].ctypes.data
        self._workspace = np.empty(source.workspace + _LINE, np.uint8)
        self._program = self._described()
        self.error = self._program.call.error
        self.keep_out([])
        self.run = self.entry([])

    def _described(self) -> _Program:
        """The program as C sees it, which keeps alive what it points to."""
        tables = (self.buffers, self.numbers, self.states)
        first = -self._workspace.ctypes.data % _LINE + self._workspace.ctypes.data
        run = ctypes.cast(self._library.sl_run, ctypes.c_void_p).value
        described = _Program(run, _Call(*[ctypes.addressof(table) for table in tables], first))
        described.kept = (*tables, self._workspace, self._constants)
        return described

    def keep_out(self, spans: Sequence[tuple[int, int]]) -> None:
        """Have entries refuse arrays in spans of memory (low, high): what the program changes."""
        self._spans = (ctypes.c_int64 * (2 * len(spans)))(*itertools.chain(*spans))
        self._program.kept_spans = self._spans  # entries may outlive this object
        self._program.spans = ctypes.addressof(self._spans)
        self._program.span_count = len(spans)

    def entry(self, arguments: Sequence[Argument]) -> Callable[..., Any]:
        """Make a function that takes these arrays and makes one step.

        It returns 0, or the code of an error; or NotImplemented, with nothing done, if one of the
        arrays is not as expected or lies where `keep_out` says.
        """
        layouts, shapes = self._layouts(arguments)
        address = ctypes.addressof(self._program)
        described = _Entry(address, len(arguments), ctypes.addressof(layouts))
        described.kept = (self._program, layouts, shapes, arguments)
        if runtime().reads_arrays:
            return runtime().step(np.frombuffer(memoryview(described).cast("B"), np.uint8))
        return self._careful_entry(arguments)

    def _layouts(self, arguments: Sequence[Argument]) -> tuple[Any, Any]:
        shapes = [(ctypes.c_int64 * len(a.shape))(*a.shape) for a in arguments]
        rows = [
            _Layout(a.place, id(a.dtype), len(a.shape), ctypes.addressof(shape), a.bytes, a.written)
            for a, shape in zip(arguments, shapes, strict=True)
        ]
        return (_Layout * len(rows))(*rows), shapes

    def _careful_entry(self, arguments: Sequence[Argument]) -> Callable[..., Any]:
        """An entry that asks NumPy itself, where C does not know its arrays."""

        def step(*arrays: Any) -> Any:
            for argument, array in zip(arguments, arrays, strict=True):
                if not self._fits(argument, array):
                    return NotImplemented
            for argument, array in zip(arguments, arrays, strict=True):
                self.buffers[argument.place] = array.ctypes.data
            return self._library.sl_run(ctypes.byref(self._program.call))

        return step

    def _fits(self, argument: Argument, array: Any) -> bool:
        if type(array) is not np.ndarray or array.dtype is not argument.dtype:
            return False
        if array.shape != argument.shape or not array.flags.aligned:
            return False
        if not array.flags.c_contiguous or (argument.written and not array.flags.writeable):
            return False
        first = array.ctypes.data
        spans = zip(self._spans[::2], self._spans[1::2], strict=True)
        return all(first >= high or first + argument.bytes <= low for low, high in spans)

    def repeat(self, count: int, advance: Sequence[int]) -> int:
        """Make `count` steps; after each, buffer i moves on by `advance[i]` bytes.

        The tables are afterwards as before, but for numbers. Between steps, about ten times a
        second, Python may do other things, for instance be interrupted.

        Returns:
            0, or the code of the error that ended it.
        """
        buffers = len(self.buffers)
        moves = (ctypes.c_int64 * buffers)(*advance)
        done = 0
        while done < count:
            code: int = self._library.sl_repeat(
                ctypes.byref(self._program.call),
                *map(ctypes.c_int64, (done, count, buffers)),
                moves,
            )
            if code:
                return code
            done = self.error[3]
        return 0
