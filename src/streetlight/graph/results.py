"""What a traced function gives back: its tensors become outputs of the graph."""

from __future__ import annotations

from typing import Any

from streetlight.errors import TraceError
from streetlight.graph.capture import Captures, Taken
from streetlight.graph.recorder import Recorder
from streetlight.graph.symbol import Symbol
from streetlight.graph.traced import Leaf, Output, View
from streetlight.graph.tree import rebuild
from streetlight.tensor import Tensor


class Results:
    """Numbers the outputs of a graph."""

    def __init__(self, recorder: Recorder, captures: Captures, leaves: list[Any]) -> None:
        self._recorder, self._captures = recorder, captures
        self._leaves = {id(leaf): i for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor)}
        self._numbered: dict[int, Output] = {}
        self._owners: dict[int, Any] = {}  # tensors of the result, by the id of their storage
        self._kept: list[Any] = []  # so that no id is used twice

    def of(self, result: Any) -> Any:
        """The result with Output, Leaf and View in place of tensors."""
        rebuild(result, self._note_owner)
        return rebuild(result, self._stand_in)

    def _note_owner(self, value: Any) -> None:
        """Note the first tensor of the result that holds all of a memory."""
        if isinstance(value, Tensor) and type(value._data) is Symbol and value._data.base is None:
            self._owners.setdefault(id(value._data.storage), value)

    def _stand_in(self, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        if id(value) in self._leaves:
            return Leaf(self._leaves[id(value)])
        if any(taken.tensor() is value for taken in self._captures.taken):
            holder = value._data.storage.origin.holder
            if holder is value:  # the very tensor, as eager code hands it back
                return value
        if type(value._data) is Symbol and value._node is None:
            base = self._base_of(value)
            if base is not None:
                return View(base, _steps(value._data))
        return self.output(value)

    def _base_of(self, tensor: Any) -> Any:
        """What stands for the memory that a tensor looks at, if something outside knows it."""
        storage = tensor._data.storage
        owner, origin = self._owners.get(id(storage)), storage.origin
        if origin is not None and origin.leaf is not None and not origin.number:
            return Leaf(origin.leaf)
        if origin is not None and isinstance(origin.holder, Tensor):
            return origin.holder
        return None if owner is None or owner is tensor else self.output(owner)

    def output(self, tensor: Any) -> Output:
        """The output for a tensor."""
        found = self._numbered.get(id(tensor))
        if found is None:
            self._kept.append(tensor)
            symbol = self._recorder.symbol(tensor)
            graph = self._recorder.graph
            value = self._recorder.read(symbol)
            if value in graph.outputs or any(value is given.value for given in graph.inputs):
                value = self._recorder.distinct(value)
            recorded = tensor._node is not None and tensor._node.saved is not None
            found = Output(len(graph.outputs), value.number, recorded)
            self._numbered[id(tensor)] = found
            graph.outputs.append(value)
        return found

    def rebound(self) -> list[tuple[Any, Output]]:
        """The tensors whose `.data` was exchanged; refuses changes that cannot be repeated."""
        found = []
        for taken in self._captures.taken:
            tensor = taken.tensor()
            if tensor is None:
                continue
            self._check(tensor, taken)
            if tensor._data is not taken.symbol:
                origin = taken.symbol.storage.origin
                place = tensor if origin.leaf is None else Leaf(origin.leaf)
                found.append((place, self.output(tensor)))
        return found

    def _check(self, tensor: Any, taken: Taken) -> None:
        if tensor._node is not None:
            raise TraceError(
                f"{taken.path} is changed in place and would keep the history of the change",
                got={taken.path: tensor},
                fix="change it inside of `with sl.no_grad():`, or write .detach()",
            )
        if tensor.requires_grad != taken.links.get("requires_grad", False):
            raise TraceError(
                f"the function changes requires_grad of {taken.path}",
                fix="change it between the calls, outside of the function",
            )


def _steps(symbol: Symbol) -> tuple[Any, ...]:
    """The view operations that lead from all of the memory to a symbol."""
    steps: list[Any] = []
    at: Symbol | None = symbol
    while at is not None and at.view is not None:
        steps.insert(0, at.view)
        at = at.base
    return tuple(steps)
