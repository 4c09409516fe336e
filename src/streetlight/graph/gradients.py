"""What becomes of `.grad` of the leaves that a traced function uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from streetlight.graph.capture import Captures, Taken
from streetlight.graph.symbol import Symbol
from streetlight.graph.traced import SPENT, Guard, Leaf, Output, Traced
from streetlight.optim.optimizer import Optimizer


@dataclass
class Ending:
    """How a leaf's gradient stands at the end: the tensor, and whether it was used up."""

    taken: Taken
    gradient: Any
    spent: bool


class Gradients:
    """Follows the gradients of leaves through a trace."""

    def __init__(self, captures: Captures) -> None:
        self._captures = captures
        self._reset: set[int] = set()  # leaves whose old gradient was dropped before any use
        self._stepped: dict[int, tuple[Any, int]] = {}  # gradient and version an optimiser saw

    def forget(self, parameters: list[Any]) -> None:
        """Hear that gradients are about to be dropped."""
        wanted = set(map(id, parameters))
        for taken in self._captures.taken:
            tensor = taken.tensor()
            if tensor is not None and id(tensor) in wanted:
                self._drop(tensor, taken)

    def _drop(self, tensor: Any, taken: Taken) -> None:
        old = taken.links.get("grad")
        untouched = tensor.grad is old and id(tensor) not in self._stepped
        if untouched and (old is None or _unread(old._data)):
            self._reset.add(id(tensor))

    def step(self, optimizer: Optimizer) -> None:
        """Hear that an optimiser is about to use the gradients."""
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                gradient = parameter.grad
                if gradient is not None and type(gradient._data) is Symbol:
                    version = gradient._data.storage.version
                    self._stepped[id(parameter)] = gradient, version
                else:
                    self._stepped.setdefault(id(parameter), (None, 0))

    def end(self) -> tuple[list[Ending], list[Guard]]:
        """How the gradient of each leaf ends, and what was relied on at the start."""
        endings, guards, seen = [], [], set()
        for taken in self._captures.taken:
            tensor = taken.tensor()
            if tensor is None or id(tensor) in seen:
                continue
            seen.add(id(tensor))
            old, new = taken.links.get("grad"), vars(tensor).get("grad")
            if id(tensor) not in self._reset and (tensor.requires_grad or old is not None):
                guards.append(_guard(tensor, taken.path, old))
            if new is not old:
                endings.append(Ending(taken, new, self._is_spent(tensor, new)))
        self._stepped.clear()
        return endings, guards

    def _is_spent(self, tensor: Any, gradient: Any) -> bool:
        used, version = self._stepped.get(id(tensor), (None, 0))
        return (
            gradient is not None
            and id(tensor) in self._reset
            and used is gradient
            and type(gradient._data) is Symbol
            and gradient._data.storage.version == version
        )


def finish(endings: list[Ending], output: Any, traced: Traced) -> None:
    """Say in `traced` what the gradients are to be; `output` gives the Output of a tensor."""
    for ending in endings:
        tensor, origin = ending.taken.tensor(), ending.taken.symbol.storage.origin
        place: Any = tensor if origin.leaf is None else Leaf(origin.leaf)
        result: Output | str | None = None
        if ending.gradient is not None:
            result = SPENT if ending.spent else output(ending.gradient)
        traced.gradients.append((place, result))


def _unread(data: Any) -> bool:
    return type(data) is not Symbol or data.storage.value is None


def _guard(tensor: Any, path: str, old: Any) -> Guard:
    if old is None:
        return Guard(f"{path}.grad is None", "{0}.grad is None", (tensor,))
    data = old._data
    words = f"{path}.grad is a tensor of shape {data.shape}"
    code = "{0}.grad is not None and {0}.grad._data.shape == {1} and type({0}.grad._data) is {2}"
    kind = np.ndarray if type(data) is Symbol else type(data)
    return Guard(words, code, (tensor, data.shape, kind))
