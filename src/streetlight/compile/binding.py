"""The memory that a program works on between its calls: captured tensors, generators, constants.

A program is given addresses. They are taken once, and again when a tensor holds another array than
before. Where the program would work on memory in another way than eager code (two tensors that
share it, memory that is expanded), the call is refused and runs eagerly.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.exceptions import TooHardError
from numpy.lib.array_utils import byte_bounds

from streetlight.compile.program import Argument, Program
from streetlight.devices import device_of
from streetlight.errors import CompileError
from streetlight.graph.graph import Value
from streetlight.graph.traced import Traced
from streetlight.tensor import Tensor

_STATE = 32  # bytes of a generator's state
_TRIES = 1000  # for two arrays whose bounds overlap: then they count as sharing memory


class RunEagerly(Exception):  # noqa: N818
    """This call cannot be made with the program, for the reason given.

    Attributes:
        done: how many steps of a loop were carried out before.
    """

    def __init__(self, reason: str, done: int = 0) -> None:
        super().__init__(reason)
        self.done = done


def refuse_other_devices(array: Any) -> None:
    """Raise the CompileError for an array that does not lie in the memory of the CPU."""
    if device_of(array) != "cpu":
        raise CompileError(
            "compiled steps run on the CPU", expected="tensors on the CPU", got={"array": array},
            fix='move model and data with .to("cpu"), or call the function without sl.compile',
        )  # fmt: skip


def tidy(array: Any) -> Any:
    """The array, or a copy, as a program can read it: element after element, aligned.

    Raises:
        CompileError: if it does not lie in the memory of the CPU.
    """
    refuse_other_devices(array)
    plain = isinstance(array, np.ndarray) and array.flags.c_contiguous and array.flags.aligned
    return array if plain else np.array(array, order="C", subok=False)


def share_memory(first: Any, second: Any) -> bool:
    """Whether an element of one array lies where one of the other lies."""
    try:
        return np.shares_memory(first, second, max_work=_TRIES)  # type: ignore[arg-type]
    except TooHardError:
        return True


def is_expanded(array: Any) -> bool:
    """Whether several elements lie in one place."""
    sizes = zip(array.shape, array.strides, strict=True)
    return any(stride == 0 and size > 1 for size, stride in sizes)


@dataclass
class Captured:
    """A tensor that the program reads or changes, and is no argument.

    Attributes:
        path: its name in the user's program.
        place: its place among the program's buffers; None if the program does without it.
        updated: whether the program changes it.
    """

    tensor: Any
    value: Value
    path: str
    place: int | None
    updated: bool


@dataclass(frozen=True)
class Given:
    """An array that is given to the program anew at each call.

    Attributes:
        name: its name in the user's program.
        argument: where it goes, and what it must be.
        changed: whether the step changes it.
        fresh: whether it was made for this call: then nobody else knows its memory.
    """

    name: str
    argument: Argument
    changed: bool = False
    fresh: bool = False


class Binding:
    """Holds the addresses of a program's captured tensors and generators up to date.

    Attributes:
        arrays: the array of each captured tensor whose address the program has.
        bits: the same of generators.
        strided, strided_updates: pairs of a captured array that does not lie element after
            element, and the copy that the program has: to be filled before a call; and to be
            brought back after it.
        given: the arrays that each call is given, in the order of the program's entry.
    """

    def __init__(self, traced: Traced, program: Program) -> None:
        self.program, self.generators = program, traced.generators
        places = {name: place for place, name in enumerate(program.source.inputs)}
        updated = {value.name for value in traced.graph.updates}
        self.captured = [
            Captured(tensor, given.value, given.path, places.get(name), name in updated)
            for given in traced.graph.inputs
            if (tensor := traced.tensors.get(name := given.value.name)) is not None
        ]
        self.arrays: list[Any] = [None] * len(self.captured)
        self.bits: list[Any] = [None] * len(self.generators)
        self.strided: list[tuple[Any, Any]] = []
        self.strided_updates: list[tuple[Any, Any]] = []
        self.given: list[Given] = []
        self._copies: dict[int, Any] = {}  # of strided arrays, by the place of their tensor
        count = len(self.captured)
        self._low, self._high = np.zeros(count, np.int64), np.zeros(count, np.int64)
        self._changes = np.array([captured.updated for captured in self.captured], bool)

    def rebind(self) -> bool:
        """Take up the arrays that the captured tensors hold now; False if they are of other kinds.

        Raises:
            RunEagerly: if one that is changed shares memory, or cannot be written to.
        """
        arrays = [captured.tensor._data for captured in self.captured]
        pairs = enumerate(zip(arrays, self.arrays, strict=True))
        moved = [place for place, (array, old) in pairs if array is not old]
        for place in moved:
            value, array = self.captured[place].value, arrays[place]
            if array.shape != value.shape or array.dtype != value.dtype:
                return False
        for place in moved:
            self._take(place, arrays[place])
        for place in moved:
            self._refuse_shared(place, arrays)
        self.strided[:] = [(arrays[i], copy) for i, copy in self._copies.items()]
        self.strided_updates[:] = [
            (arrays[i], copy) for i, copy in self._copies.items() if self._changes[i]
        ]
        if self._changes[moved].any():
            spans = zip(self._low[self._changes], self._high[self._changes], strict=True)
            self.program.keep_out([(int(low), int(high)) for low, high in spans])
        self.arrays[:] = arrays
        return True

    def _take(self, place: int, array: Any) -> None:
        """Give the program the address of an array, or of a tidy copy."""
        captured, given = self.captured[place], tidy(array)
        if captured.updated:
            if not array.flags.writeable or is_expanded(array):
                raise RunEagerly(f"{captured.path} is read-only or expanded")
            if isinstance(captured.tensor, Tensor) and captured.tensor._changed is None:
                captured.tensor._changed = [0]
        self._low[place], self._high[place] = byte_bounds(array) if array.size else (0, 0)
        self._copies.pop(place, None)
        if given is not array:
            self._copies[place] = given
        if captured.place is not None:
            self.program.buffers[captured.place] = given.ctypes.data

    def _refuse_shared(self, place: int, arrays: Sequence[Any]) -> None:
        """See to it that an array shares no memory with another if one of them is changed."""
        near = (self._low < self._high[place]) & (self._high > self._low[place])
        if not self._changes[place]:
            near &= self._changes
        for other in map(int, np.flatnonzero(near)):
            if other != place and share_memory(arrays[place], arrays[other]):
                paths = [self.captured[i].path for i in sorted((place, other))]
                raise RunEagerly(f"{' and '.join(paths)} share memory that the step changes")

    def _updated(self, arrays: Sequence[Any]) -> list[tuple[Captured, Any]]:
        pairs = zip(self.captured, arrays, strict=True)
        return [(captured, array) for captured, array in pairs if captured.updated]

    def carefully(self, *arrays: Any) -> int:
        """Make a step with arrays that are not as the program's entry expects them.

        Raises:
            RunEagerly: if one shares memory with something that the step changes.
        """
        pairs = list(zip(self.given, arrays, strict=True))
        for given, array in pairs:
            if not given.fresh:
                self._refuse(given, array, pairs)
        tidied = [array if given.fresh else tidy(array) for given, array in pairs]
        for given, array in zip(self.given, tidied, strict=True):
            self.program.buffers[given.argument.place] = array.ctypes.data
        return int(self.program.run())

    def _refuse(self, given: Given, array: Any, others: Iterable[tuple[Given, Any]]) -> None:
        refuse_other_devices(array)
        shared = [(c.path, other) for c, other in self._updated(self.arrays)]
        if given.changed:
            shared = [(c.path, x) for c, x in zip(self.captured, self.arrays, strict=True)]
            if not array.flags.carray:
                raise RunEagerly(f"{given.name} is changed, and is no plain, writeable memory")
        shared += [
            (o.name, x) for o, x in others if o is not given and (o.changed or given.changed)
        ]
        for path, other in shared:
            if share_memory(array, other):
                raise RunEagerly(f"{given.name} and {path} share memory that the step changes")

    def take_generators(self) -> None:
        """Give the program the states that the generators hold now."""
        for place, generator in enumerate(self.generators):
            self.bits[place] = generator._bits
            self.program.states[place] = generator._bits.ctypes.state_address

    def words(self) -> list[bytes]:
        """The states of the generators, to be put back with `restore`."""
        return [ctypes.string_at(state or 0, _STATE) for state in self.program.states]

    def restore(self, words: Iterable[bytes]) -> None:
        """Put the states of the generators back to what they were."""
        for state, before in zip(self.program.states, words, strict=False):
            ctypes.memmove(state, before, _STATE)
