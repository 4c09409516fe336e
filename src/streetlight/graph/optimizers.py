"""Optimisers during a trace: their numbers become inputs, and so do the tensors of their state."""

from __future__ import annotations

from typing import Any

from streetlight.graph.capture import Captures
from streetlight.graph.numbers import Numbers
from streetlight.graph.traced import Guard
from streetlight.optim.optimizer import Optimizer
from streetlight.tensor import Tensor


class Optimizers:
    """The optimisers that a trace knows, and the state that they had."""

    def __init__(self, captures: Captures, numbers: Numbers, paths: dict[int, str]) -> None:
        self._captures, self._numbers, self._paths = captures, numbers, paths
        self._known: dict[int, Optimizer] = {}
        self.guards: list[Guard] = []
        self._states: dict[int, dict[Tensor, dict[str, Any]]] = {}

    def learn(self, optimizer: Optimizer, path: str) -> None:
        """Replace the numbers and tensors of an optimiser, once."""
        if id(optimizer) in self._known:
            return
        self._known[id(optimizer)] = optimizer
        self._states[id(optimizer)] = {p: dict(state) for p, state in optimizer.state.items()}
        many = len(optimizer.param_groups) > 1
        for index, group in enumerate(optimizer.param_groups):
            self._numbers.replace(group, f"{path}.param_groups[{index}]" if many else path)
            words = f"{path} has the same parameter group {index}"
            self.guards.append(
                Guard(words, f"{{0}}[{index}] is {{1}}", (optimizer.param_groups, group))
            )
        for parameter, state in optimizer.state.items():
            name = self._paths.get(id(parameter), "tensor")
            where = f"{path}.state[{name}]"
            objects = optimizer, parameter, state
            self.guards.append(Guard(f"{where} is the same", "{0}.state[{1}] is {2}", objects))
            for key, value in state.items():
                if isinstance(value, Tensor):
                    words = f"{where}.{key} is the same"
                    self.guards.append(Guard(words, "{0}[{1}] is {2}", (state, key, value)))
                    self._captures.take(value, "state", f"{where}.{key}")
            self._numbers.replace(state, where)

    def lacks_state(self) -> bool:
        """Whether an optimiser has parameters without any state."""
        return any(
            not self._states[key].get(parameter)
            for key, optimizer in self._known.items()
            for group in optimizer.param_groups
            for parameter in group["params"]
        )

    def restore(self) -> str:
        """Undo new state, and say what was new ("" if nothing)."""
        found = ""
        for key, optimizer in self._known.items():
            before = self._states[key]
            for parameter, state in list(optimizer.state.items()):
                old = before.get(parameter, {})
                for name, value in list(state.items()):
                    if name not in old or (isinstance(value, Tensor) and value is not old[name]):
                        path = self._paths.get(id(parameter), "a parameter")
                        found = found or f"{type(optimizer).__name__}.state[{path}].{name}"
                        del state[name]
                state.update(old)
                if parameter not in before:
                    del optimizer.state[parameter]
        return found
