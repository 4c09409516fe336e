"""What a module holds: its parameters and buffers, and how it finds them and other modules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, TypeVar

from streetlight.tensor import Tensor

T = TypeVar("T")


class Parameter(Tensor):
    """A tensor that a module learns: it is found by `parameters()` and requires a gradient.

    It shares the memory of the floating-point tensor that it is made of.

    >>> nn.Parameter(sl.ones(2)).requires_grad
    True
    """

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        _share(self, data)
        self.requires_grad_(requires_grad)

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


class Buffer(Tensor):
    """A tensor that belongs to a module's state but is not learnt, such as a running mean.

    It shares the memory of the tensor that it is made of; `state_dict()` holds it if `persistent`.

    >>> nn.Buffer(sl.zeros(2)).requires_grad
    False
    """

    def __init__(self, data: Any, *, persistent: bool = True) -> None:
        _share(self, data)
        self.persistent = persistent

    def __deepcopy__(self, memo: dict[Any, Any]) -> Tensor:
        twin = super().__deepcopy__(memo)
        vars(twin)["persistent"] = self.persistent
        return twin


def _share(member: Tensor, data: Any) -> None:
    shared = (data if isinstance(data, Tensor) else Tensor(data)).detach()
    member._data, member._changed = shared._data, shared._changed


def walk(
    items: Iterable[tuple[Any, Any]], kind: type[T], prefix: str = "", above: tuple[int, ...] = ()
) -> Iterator[tuple[str, T]]:
    """Yield every value of a kind with its name, also those in lists, tuples and dicts.

    `above` holds the ids of the containers around these items, so that circles end.
    """
    for key, value in items:
        if isinstance(value, kind):
            yield f"{prefix}{key}", value
        elif isinstance(value, (list, tuple, dict)) and id(value) not in above:
            inside = value.items() if isinstance(value, dict) else enumerate(value)
            yield from walk(inside, kind, f"{prefix}{key}.", (*above, id(value)))


def unique(pairs: Iterable[tuple[str, T]]) -> Iterator[tuple[str, T]]:
    """Yield the pairs whose value did not come before."""
    seen: dict[int, tuple[str, T]] = {}
    for name, value in pairs:
        seen.setdefault(id(value), (name, value))
    return iter(seen.values())


def near_match(name: str, names: Iterable[str]) -> str:
    """Say which names come nearest to a wrong one, or list them all."""
    names = list(names)
    near = get_close_matches(name, names, n=3, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(f"'{one}'" for one in near) + "?"
    return f"use one of: {', '.join(names)}" if names else "there is none to choose from"
