"""Tensors that a traced function finds around it: their arrays become inputs of the graph.

For the time of the trace such a tensor holds a symbol instead of its array; `restore` undoes that.
"""

from __future__ import annotations

import sys
import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np

from streetlight.errors import TraceError
from streetlight.graph.graph import Input, Kind
from streetlight.graph.symbol import Storage, Symbol, here
from streetlight.graph.traced import GradientOf, NumberPlace, OnlyEagerly
from streetlight.tensor import Tensor

LINKS = ("_node", "_base", "requires_grad", "grad")


@dataclass(eq=False)
class Origin:
    """Where the memory of a storage was before the trace.

    Attributes:
        kind, path, name: of the graph's input; `path` as the user would write it.
        shape, dtype: of the array.
        array: the array; None for numbers.
        holder: the tensor, or the GradientOf one, that holds it at later calls; for a tensor that
            was perhaps made inside of the trace a weak reference.
        leaf: number of the argument's leaf.
        place, present: where a number lives, and what it is there.
        input: the graph's input, once it is read.
    """

    kind: Kind
    path: str
    name: str
    shape: tuple[int, ...]
    dtype: Any
    array: Any = None
    holder: Any = None
    leaf: int | None = None
    place: NumberPlace | None = None
    present: float | None = None
    input: Input | None = None

    @property
    def number(self) -> bool:
        """Whether it is a Python number."""
        return self.kind == "number" or (self.array is None and self.leaf is not None)

    def truth(self) -> bool | None:
        """Whether a number is not 0 at present."""
        return None if self.present is None else bool(self.present)


@dataclass(eq=False)
class Taken:
    """A tensor whose array was replaced by a symbol, and what it was before."""

    tensor: weakref.ref[Any]
    array: Any
    symbol: Symbol
    links: dict[str, Any]
    path: str


class Captures:
    """The tensors that were found so far, and what they held."""

    def __init__(self) -> None:
        self.recorder: Any = None
        self.taken: list[Taken] = []
        self.storages: dict[int, Storage] = {}  # by the id of the array, which the origin keeps
        self._paths: dict[int, Taken] = {}

    def take(self, tensor: Any, kind: Kind, path: str, *, leaf: int | None = None) -> None:
        """Replace the array of a tensor whose name is known."""
        data = tensor._data
        if not isinstance(data, np.ndarray) or tensor._node is not None:
            return
        storage = self._storage(data, kind, path, tensor)
        storage.origin.leaf = leaf
        self._replace(tensor, storage, path)
        gradient = vars(tensor).get("grad")
        if gradient is not None and isinstance(gradient._data, np.ndarray):
            place = GradientOf(tensor)
            inner = self._storage(gradient._data, "state", f"{path}.grad", place)
            self._replace(gradient, inner, f"{path}.grad")

    def adopt(self, tensor: Any) -> Symbol:
        """Replace the array of a tensor that nobody knew of, at its first use."""
        data = tensor._data
        if isinstance(data, Symbol):  # a gradient that was used up
            data.refuse("")
        if tensor._node is not None:
            raise TraceError(
                f"a tensor from outside has a history of recorded operations{here()}",
                got={"tensor": tensor},
                fix="pass x.detach(), or compute it inside of the function as well",
            )
        known = self.storages.get(id(data))
        if known is None:
            kind: Kind = "parameter" if tensor.requires_grad else "state"
            known = self._storage(data, kind, "tensor", weakref.ref(tensor))
        elif known.origin.leaf is not None:
            words = f"the function finds the memory of {known.origin.path} in another way as well"
            raise OnlyEagerly(words) from TraceError(words, fix="use the argument only")
        return self._replace(tensor, known, known.origin.path)

    def _storage(self, array: Any, kind: Kind, path: str, holder: Any) -> Storage:
        if not isinstance(array, np.ndarray):
            raise TraceError(
                f"only tensors on the CPU can be traced{here()}", fix='model.to("cpu")'
            )
        found = self.storages.get(id(array))
        if found is None:
            origin = Origin(kind, path, path, array.shape, array.dtype, array, holder)
            found = self.storages[id(array)] = Storage(self.recorder, None, origin)
        return found

    def _replace(self, tensor: Any, storage: Storage, path: str) -> Symbol:
        array = tensor._data
        plain = array.flags.c_contiguous and array.flags.writeable
        layout = None if plain else array
        symbol = Symbol(storage, array.shape, array.dtype, layout=layout)
        links = {name: value for name, value in vars(tensor).items() if name in LINKS}
        self.taken.append(Taken(weakref.ref(tensor), array, symbol, links, path))
        tensor._data = symbol
        return symbol

    def restore(self) -> None:
        """Give all tensors back what they held."""
        for taken in reversed(self.taken):
            tensor = taken.tensor()
            if tensor is None:
                continue
            facts = vars(tensor)
            facts["_data"] = taken.array
            for name in LINKS:
                if name in taken.links:
                    facts[name] = taken.links[name]
                else:
                    facts.pop(name, None)

    def settle(self, storage: Storage, arrays: dict[int, tuple[Any, str]]) -> None:
        """Say what a tensor without a name is: a constant if it was made inside, or state.

        `arrays` are the NumPy arrays that the function can reach, by id, with their names.
        """
        origin = storage.origin
        if not isinstance(origin.holder, weakref.ref):
            return
        tensor = origin.holder()
        if tensor is not None:
            origin.holder = tensor
            return
        if id(origin.array) in arrays:
            origin.holder, origin.path = Tensor.wrap(origin.array), arrays[id(origin.array)][1]
            if origin.input is not None:
                origin.input.path = origin.path
            return
        origin.kind, origin.holder = "constant", None
        if origin.input is not None:
            origin.input.kind = "constant"
        if _held_elsewhere(origin.array):
            raise TraceError(
                "the function reads a NumPy array, or a tensor that it does not keep",
                got={"array": origin.array},
                fix="make a tensor of it outside, and use or pass that",
            )


def _held_elsewhere(array: Any) -> bool:
    """Whether the memory of an array that only the trace should know is known to others."""
    owner, own = array, 3  # the origin, the caller's argument, and `array` here
    count = sys.getrefcount(array) - 1
    while isinstance(owner.base, np.ndarray):
        if count > own:
            return True
        owner = owner.base
        count, own = sys.getrefcount(owner) - 1, 2
    return count > own or owner.base is not None
