"""What a traced function gives back: its tensors become outputs of the graph."""

from __future__ import annotations

from typing import Any

from streetlight.errors import TraceError
from streetlight.graph.capture import Captures, Taken
from streetlight.graph.recorder import Recorder
from streetlight.graph.symbol import Symbol
from streetlight.graph.traced import Leaf, Output
from streetlight.graph.tree import rebuild
from streetlight.tensor import Tensor


class Results:
    """Numbers the outputs of a graph."""

    def __init__(self, recorder: Recorder, captures: Captures, leaves: list[Any]) -> None:
        self._recorder, self._captures = recorder, captures
        self._leaves = {id(leaf): i for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor)}
        self._numbered: dict[int, Output] = {}
        self._kept: list[Any] = []  # so that no id is used twice

    def of(self, result: Any) -> Any:
        """The result with Output and Leaf in place of tensors."""
        return rebuild(result, self._stand_in)

    def _stand_in(self, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        if id(value) in self._leaves:
            return Leaf(self._leaves[id(value)])
        if type(value._data) is Symbol and self._is_state(value._data):
            if any(taken.tensor() is value for taken in self._captures.taken):
                return value  # the very tensor, as eager code hands it back
            raise TraceError(
                "the function returns a view of memory that it keeps, as state",
                got={"result": value},
                fix="return x.clone()",
            )
        return self.output(value)

    def _is_state(self, symbol: Symbol) -> bool:
        origin = symbol.storage.origin
        return origin is not None and isinstance(origin.holder, Tensor) and origin.leaf is None

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
