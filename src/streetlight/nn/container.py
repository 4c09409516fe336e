"""Modules that hold other modules: one after the other, in a list, or by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Any, Self, overload

from streetlight.errors import IndexOutOfRangeError, ModuleError, UnknownNameError
from streetlight.nn.members import near_match
from streetlight.nn.module import Module

_Named = Mapping[str, Module] | Iterable[tuple[str, Module]]


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
        return iter([value for value in vars(self).values() if isinstance(value, Module)])

    def _name_at(self, index: int) -> str:
        names = list(self._entries())
        try:
            return names[index]
        except IndexError:
            raise IndexOutOfRangeError(
                f"{type(self).__name__} has no module {index}, it holds {len(names)}"
            ) from None

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

    Args:
        args: the modules, or one dict of names to modules.

    Raises:
        ModuleError: one of them is not a module.

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

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Sequential: ...
    def __getitem__(self, index: int | slice) -> Module:
        """Return one module, or a Sequential of several; the modules are shared, not copied."""
        if isinstance(index, slice):
            return Sequential(dict(list(self._entries().items())[index]))
        return self._entries()[self._name_at(index)]


class ModuleList(_Sequence):
    """A list of modules for a `forward` of your own. A plain Python list serves as well.

    Args:
        modules: what to begin with.

    Raises:
        ModuleError: one of them is not a module.

    >>> layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
    >>> len(layers), [name for name, _ in layers[:1].named_parameters()]
    (3, ['0.weight', '0.bias'])
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        self.extend(modules)

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> ModuleList: ...
    def __getitem__(self, index: int | slice) -> Module:
        """Return one module, or a ModuleList of several."""
        if isinstance(index, slice):
            return ModuleList(list(self)[index])
        return self._entries()[self._name_at(index)]

    def insert(self, index: int, module: Module) -> None:
        """Put a module before the one at `index`."""
        modules = list(self)
        modules.insert(index, module)
        for position, moved in enumerate(modules):
            self._put(str(position), moved)


class ModuleDict(_Container):
    """Modules by name, in the order they were put in. A plain Python dict serves as well.

    Args:
        modules: what to begin with, a dict or pairs of name and module.

    Raises:
        ModuleError: one of them is not a module, or a name is taken by an attribute.

    >>> choices = nn.ModuleDict({"flat": nn.Flatten(), "bend": nn.ReLU()})
    >>> list(choices), choices["bend"]
    (['flat', 'bend'], ReLU())
    """

    def __init__(self, modules: _Named = ()) -> None:
        self.update(modules)

    def update(self, modules: _Named) -> None:
        """Put in several modules; those of the same names are replaced."""
        for name, module in dict(modules).items():
            self[name] = module

    def __setitem__(self, name: str, module: Module) -> None:
        self._put(name, module)

    def __getitem__(self, name: str) -> Module:
        if name not in self:
            raise UnknownNameError(f"ModuleDict has no module '{name}'", fix=near_match(name, self))
        return self._entries()[name]

    def __delitem__(self, name: str) -> None:
        self[name]  # a wrong name is answered with the nearest right one
        delattr(self, name)

    def __contains__(self, name: object) -> bool:
        return name in self._entries()

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries())

    def keys(self) -> Iterable[str]:
        """Return the names."""
        return self._entries().keys()

    def values(self) -> Iterable[Module]:
        """Return the modules."""
        return self._entries().values()

    def items(self) -> Iterable[tuple[str, Module]]:
        """Return pairs of name and module."""
        return self._entries().items()
