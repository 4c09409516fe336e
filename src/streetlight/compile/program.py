"""A compiled program in this process: its shared object, its memory, and the calls to it."""

from __future__ import annotations

import ctypes
import functools
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from streetlight.compile.toolchain import compile_c

_HERE = Path(__file__).parent / "c"


class StepFailed(Exception):  # noqa: N818
    """A step stopped: `args` are its code, node, value, and the step of `repeat` it was."""


class Source(Protocol):
    """What a program is made from: C text with `static int64_t step(sl_call *call)`."""

    @property
    def text(self) -> str: ...
    @property
    def inputs(self) -> Sequence[str]: ...
    @property
    def outputs(self) -> Sequence[tuple[tuple[int, ...], Any]]: ...
    @property
    def numbers(self) -> Sequence[str]: ...
    @property
    def number_outputs(self) -> int: ...
    @property
    def generators(self) -> int: ...
    @property
    def workspace(self) -> int: ...


class _Call(ctypes.Structure):
    _fields_ = (
        ("buffers", ctypes.c_void_p),
        ("numbers", ctypes.c_void_p),
        ("generators", ctypes.c_void_p),
        ("workspace", ctypes.c_void_p),
        ("error", ctypes.c_int64 * 4),
    )


def program_text(source: Source) -> str:
    """The whole C text of a program."""
    front = (_HERE / "runtime.h").read_text("utf-8")
    return front + "\n" + source.text + "\n" + (_HERE / "entry.h").read_text("utf-8")


def _load(text: str) -> ctypes.CDLL:
    folder = Path(tempfile.mkdtemp(prefix="streetlight-"))
    (folder / "program.c").write_text(text, "utf-8")
    compile_c(folder / "program.c", folder / "program.so")
    return ctypes.CDLL(str(folder / "program.so"))


@functools.cache
def _runtime() -> ctypes.CDLL:
    names = ("runtime.h", "runtime.c")
    return _load("".join((_HERE / name).read_text("utf-8") for name in names))


class Program:
    """A loaded program.

    Args:
        source: the C text and what it takes.
        constants: the data of those inputs that never change, by name.
    """

    def __init__(self, source: Source, constants: Mapping[str, Any]) -> None:
        self.source = source
        self._library = _load(program_text(source))
        self._library.sl_bind(
            ctypes.c_void_p(ctypes.addressof(ctypes.c_char.in_dll(_runtime(), "sl_services")))
        )
        self._constants = {name: np.ascontiguousarray(x) for name, x in constants.items()}
        self._workspace = np.empty(source.workspace + 64, np.uint8)

    def run(
        self,
        buffers: Sequence[Any],
        numbers: Sequence[float] = (),
        generators: Sequence[Any] = (),
    ) -> tuple[float, ...]:
        """One step. Returns the numbers and number outputs as they are afterwards.

        Args:
            buffers: arrays for the inputs that are not constants, in order, then for the outputs,
                then those that are drawn by the host; all contiguous.
            numbers: the number inputs.
            generators: of streetlight.random.
        """
        given = iter(buffers)
        arrays = [
            self._constants[n] if n in self._constants else next(given) for n in self.source.inputs
        ] + list(given)
        pointers = (ctypes.c_void_p * max(len(arrays), 1))(*[a.ctypes.data for a in arrays])
        count = len(self.source.numbers) + self.source.number_outputs
        values = (ctypes.c_double * max(count, 1))(*numbers)
        states = (ctypes.c_void_p * max(len(generators), 1))(
            *[g._bits.ctypes.state_address for g in generators]
        )
        call = _Call(
            ctypes.addressof(pointers),
            ctypes.addressof(values),
            ctypes.addressof(states),
            -(-self._workspace.ctypes.data // 64) * 64,
        )
        if self._library.sl_run(ctypes.byref(call)):
            raise StepFailed(*call.error)
        return tuple(values)[:count]
