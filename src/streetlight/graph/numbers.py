"""Python numbers that may change between calls: learning rates, step counts, float arguments.

For the time of the trace a traced number stands in their place: a Tensor that the promotion rules
treat as a Python number.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from streetlight import dtypes
from streetlight.errors import TraceError
from streetlight.graph.capture import Origin
from streetlight.graph.recorder import Recorder
from streetlight.graph.symbol import Storage, Symbol
from streetlight.graph.traced import Guard, NumberPlace, Traced
from streetlight.tensor import Tensor

NUMBERS = (int, float)
WHOLE = (int, np.integer)


def holds_numbers(value: Any) -> bool:
    """Whether it is a number that may change between calls, or a tuple or list of such."""
    if type(value) in (tuple, list):
        return bool(value) and {*map(type, value)} <= {*NUMBERS}
    return _is_plain(value)


def _is_plain(value: Any) -> bool:
    return type(value) in NUMBERS or isinstance(value, np.floating | np.integer)


@dataclass(eq=False)
class Replaced:
    """An entry of a dict in which numbers were replaced."""

    container: MutableMapping[str, Any]
    key: str
    original: Any
    substitute: Any  # a Tensor, or a tuple or list with Tensors in it
    path: str


class Numbers:
    """The numbers that were replaced, and their places."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._replaced: list[Replaced] = []
        self._origins: list[Origin] = []

    def argument(self, name: str, leaf: int) -> Tensor:
        """The traced number for a float argument."""
        return self._traced(Origin("number", name, name, (), dtypes.float64, leaf=leaf))

    def replace(self, container: MutableMapping[str, Any], path: str) -> None:
        """Replace all numbers of a dict, also those in tuples."""
        for key, value in list(container.items()):
            where = f"{path}.{key}"
            if not holds_numbers(value):
                continue
            if _is_plain(value):
                place = NumberPlace(container, key, None, isinstance(value, WHOLE))
                substitute: Any = self._number(place, where)
            else:
                substitute = type(value)(
                    self._number(NumberPlace(container, key, i, type(v) is int), f"{where}.{i}")
                    for i, v in enumerate(value)
                )
            self._replaced.append(Replaced(container, key, value, substitute, where))
            container[key] = substitute

    def _number(self, place: NumberPlace, path: str) -> Tensor:
        origin = Origin("number", path, path, (), dtypes.float64, place=place)
        origin.present = place.read()
        return self._traced(origin)

    def _traced(self, origin: Origin) -> Tensor:
        self._origins.append(origin)
        symbol = Symbol(Storage(self._recorder, None, origin), (), dtypes.get_default_dtype())
        symbol.ndim = -1
        return Tensor.wrap(symbol)

    def restore(self) -> dict[int, Any]:
        """Put the numbers back, and return by its place what stood there at the end."""
        found = {}
        for index, replaced in enumerate(self._replaced):
            found[index] = replaced.container.get(replaced.key)
            replaced.container[replaced.key] = replaced.original
        return found

    def finish(self, found: dict[int, Any], traced: Traced) -> None:
        """Note the places of numbers that were used, their updates, and guards of their truth."""
        for index, replaced in enumerate(self._replaced):
            now = found[index]
            if now is replaced.substitute or now is replaced.original:
                continue
            self._update(replaced, now, traced)
        for origin in self._origins:
            if origin.input is not None:
                place = origin.leaf if origin.place is None else origin.place
                traced.numbers[origin.input.value.name] = place  # type: ignore[assignment]

    def _update(self, replaced: Replaced, now: Any, traced: Traced) -> None:
        old = replaced.substitute
        if not isinstance(old, Tensor) or not _is_number(now):
            raise TraceError(
                f"the function sets {replaced.path} to something new",
                got={"from": replaced.original, "to": type(now).__name__},
                fix="change it between the calls, outside of the function",
            )
        recorder = self._recorder
        value = recorder.read(now._data)
        own = recorder.input(old._data.storage).value
        if value is not own:
            graph = recorder.graph
            given = {one.value for one in graph.inputs}
            graph.updates[own] = recorder.distinct(value) if value in given else value

    def guards(self) -> list[Guard]:
        """The truths that were asked for."""
        guards = []
        for storage in {id(s): s for s in self._recorder.answers}.values():
            place, truth = storage.origin.place, storage.origin.truth()
            at = f"{{0}}[{{1}}]{'' if place.item is None else f'[{place.item}]'}"
            words = f"{storage.origin.path} is {'not ' if truth else ''}0"
            guards.append(Guard(words, f"bool({at}) is {truth}", (place.container, place.key)))
        return guards


def _is_number(value: Any) -> bool:
    return isinstance(value, Tensor) and type(value._data) is Symbol and value._data.ndim == -1
