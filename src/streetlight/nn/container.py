"""Modules that hold other modules: one after the other, in a list, or by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from itertools import count
from typing import Any, Self

from streetlight.errors import IndexOutOfRangeError, ModuleError, UnknownNameError
from streetlight.nn.members import near_match
from streetlight.nn.module import Module


class _Container(Module):
    """Modules kept as attributes of this module, in order."""

    def _entries(self) -> dict[str, Module]:
        return {name: value for name, value in vars(self).items() if isinstance(value, Module)}

    def _put(self, name: str, module: Module) -> None:
        if not isinstance(module, Module):
            raise ModuleError(
                f"{type(self).__name__} holds modules only, '{name}' is none",
                got={"given": module},
                fix="a class needs brackets, `nn.ReLU()`; a function goes into a `forward`",
            )
        if name in self._entries():
            setattr(self, name, module)
        else:
            self.add_module(name, module)

    def __len__(self) -> int:
        return len(self._entries())


class _Sequence(_Container):
    """A container whose modules are named "0", "1" and so on, unless they were given names."""

    def __iter__(self) -> Iterator[Module]:
        return iter(self._entries().values())

    def _name_at(self, index: int) -> str:
        names = list(self._entries())
        if not -len(names) <= index < len(names):
            raise IndexOutOfRangeError(
                f"{type(self).__name__} has no module {index}, it holds {len(names)}"
            )
        return names[index]

    def __getitem__(self, index: int | slice) -> Any:
        """Return one module, or several in a container of their own; they are not copied."""
        if not isinstance(index, slice):
            return self._entries()[self._name_at(index)]
        several = dict(list(self._entries().items())[index])
        return Sequential(several) if isinstance(self, Sequential) else ModuleList(several.values())

    def __setitem__(self, index: int, module: Module) -> None:
        self._put(self._name_at(index), module)

    def append(self, module: Module) -> Self:
        """Add a module at the end."""
        names = self._entries()  # those of a slice do not begin at 0
        self._put(next(str(i) for i in count(len(names)) if str(i) not in names), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add several modules at the end."""
        for module in list(modules):
            self.append(module)
        return self


class Sequential(_Sequence):
    """Modules one after the other: each takes what the one before gives.

    They are given one by one, or as a dict of names to modules.

    >>> model = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2))
    >>> model(sl.zeros(5, 4)).shape, model[-1]
    ((5, 2), Linear(in_features=3, out_features=2, bias=True))
    """

    def __init__(self, *args: Module | Mapping[str, Module]) -> None:
        named: Any = args[0] if len(args) == 1 else None
        if not isinstance(named, Mapping):
            named = {str(place): module for place, module in enumerate(args)}
        for name, module in named.items():
            self._put(name, module)

    def forward(self, input: Any) -> Any:
        """Give the input to the first module, its output to the second, and so on."""
        for module in self:
            input = module(input)
        return input


class ModuleList(_Sequence):
    """A list of modules for a `forward` of your own. A plain Python list serves as well.

    >>> layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
    >>> len(layers), [name for name, _ in layers[:1].named_parameters()]
    (3, ['0.weight', '0.bias'])
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        self.extend(modules)


class ModuleDict(_Container, MutableMapping[str, Module]):
    """Modules by name, with the methods of a dict. A plain Python dict serves as well.

    >>> choices = nn.ModuleDict({"flat": nn.Flatten(), "bend": nn.ReLU()})
    >>> list(choices), choices["bend"]
    (['flat', 'bend'], ReLU())
    """

    __eq__, __hash__ = object.__eq__, object.__hash__  # those of a module, not of a mapping

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] = ()) -> None:
        self.update(modules)

    def __getitem__(self, name: str) -> Module:
        entries = self._entries()
        if name not in entries:
            raise UnknownNameError(
                f"ModuleDict has no module '{name}'", fix=near_match(name, entries)
            )
        return entries[name]

    def __setitem__(self, name: str, module: Module) -> None:
        self._put(name, module)

    def __delitem__(self, name: str) -> None:
        self[name]  # a wrong name is answered with the nearest right one
        delattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries())
