"""The conditions under which a version may run, as Python expressions.

Input: the arguments of the traced call, and the guards of the trace. Output: expressions that all
hold where the version fits; the names in them; and the objects that some of the names stand for.

Example: `isinstance(x := args[0], Tensor)`, `(x_array := x._data).shape == (8, 3)`.
"""

from __future__ import annotations

import builtins
import inspect
import itertools
import keyword
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from streetlight.graph.traced import Guard
from streetlight.ops.registry import Value


class Names:
    """The identifiers of a generated function, and the objects that some of them stand for."""

    def __init__(self, objects: Mapping[str, Any]) -> None:
        self.objects = dict(objects)
        self._taken = {*objects, *keyword.kwlist, *keyword.softkwlist, *vars(builtins)}
        self._bound = {id(thing): name for name, thing in objects.items() if thing is not None}

    def fresh(self, wanted: str) -> str:
        """Return an identifier that is not in use yet, as near to the wanted one as can be."""
        stem = re.sub(r"\W+", "_", wanted, flags=re.ASCII).strip("_")
        stem = f"_{stem}" if not stem or stem[0].isdigit() else stem
        more = (f"{stem}_{number}" for number in itertools.count(2))
        tried = itertools.chain([stem, f"{stem}_"], more)
        name = next(name for name in tried if name not in self._taken)
        self._taken.add(name)
        return name

    def bind(self, wanted: str, thing: Any) -> str:
        """Return the identifier that stands for an object."""
        if vars(builtins).get(wanted) is thing:
            return wanted
        if id(thing) not in self._bound:
            name = self._bound[id(thing)] = self.fresh(wanted)
            self.objects[name] = thing
        return self._bound[id(thing)]


class Arguments:
    """The arguments of a call taken apart in text, in the order of `graph.tree.flatten`.

    Attributes:
        facts: what must be so for other arguments to fit in their place.
        leaves: the names of the tensors and floats among them.
        arrays: the names of the tensors' arrays; for a float None.
        with_gradient: the names of those that require a gradient.
    """

    def __init__(
        self, names: Names, function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> None:
        self.names = names
        self.leaves: list[str] = []
        self.arrays: list[str | None] = []
        self.with_gradient: list[str] = []
        self._tensors: list[tuple[Any, str]] = []
        self.facts = [f"len(args) == {len(args)}"]
        self.facts += [f"tuple(kwargs) == {tuple(kwargs)}" if kwargs else "not kwargs"]
        for place, (wanted, value) in enumerate(zip(named(function, args), args, strict=True)):
            self._take(f"args[{place}]", wanted, value)
        for name, value in kwargs.items():
            self._take(f"kwargs[{name!r}]", name, value)
        self._tensors.clear()  # nobody else may need them any longer

    def _take(self, text: str, wanted: str, value: Any) -> None:
        """Note the facts about one argument, or part of one, that `text` gives."""
        if value is None or isinstance(value, bool):
            self.facts.append(f"{text} is {value}")
            return
        if isinstance(value, Value):
            self._take_tensor(text, wanted, value)
            return
        name, kind = self.names.fresh(wanted), type(value)
        self.facts.append(f"type({name} := {text}) is {self.names.bind(kind.__name__, kind)}")
        if kind is float:
            self.leaves.append(name)
            self.arrays.append(None)
        elif isinstance(value, tuple) or kind in (list, dict):
            self._take_parts(name, value)
        else:
            self.facts.append(self._equals(name, value))

    def _take_tensor(self, text: str, wanted: str, tensor: Any) -> None:
        same = [other for known, other in self._tensors if known is tensor]
        if same:  # it counts once
            self.facts.append(f"{text} is {same[0]}")
            return
        name = self.names.fresh(wanted)
        self._tensors.append((tensor, name))
        array = self.names.fresh(f"{name}_array")
        dtype = self.names.bind(tensor.dtype.name, tensor.dtype)
        self.facts += [
            f"isinstance({name} := {text}, Tensor)",
            f"({array} := {name}._data).shape == {tensor.shape}",
            f"{array}.dtype == {dtype}",
            f"{name}.requires_grad is {tensor.requires_grad}",
        ]
        self.leaves.append(name)
        self.arrays.append(array)
        if tensor.requires_grad:
            self.with_gradient.append(name)

    def distinct(self) -> list[str]:
        """Facts that no tensor comes twice, which matters where one is changed."""
        names = [name for name, array in zip(self.leaves, self.arrays, strict=True) if array]
        return [f"{one} is not {other}" for one, other in itertools.combinations(names, 2)]

    def _take_parts(self, name: str, container: Any) -> None:
        self.facts.append(f"len({name}) == {len(container)}")
        if type(container) is not dict:
            for place, part in enumerate(container):
                self._take(f"{name}[{place}]", f"{name}_{place}", part)
            return
        keys = self.names.bind(f"{name}_keys", tuple(container))
        self.facts.append(f"tuple({name}) == {keys}")
        for place, (key, part) in enumerate(container.items()):
            self._take(f"{name}[{keys}[{place}]]", f"{name}_{key}", part)

    def _equals(self, name: str, value: Any) -> str:
        if type(value) in (int, str):
            return f"{name} == {value!r}"
        try:
            hash(value)
        except TypeError:
            return f"{name} is {self.names.bind(f'the_{name}', value)}"
        return f"{name} == {self.names.bind(f'the_{name}', value)}"


def named(function: Any, args: Sequence[Any]) -> Iterator[str]:
    """The names that a function gives to its positional arguments."""
    try:
        parameters = inspect.signature(getattr(function, "forward", function)).parameters.values()
    except (TypeError, ValueError):
        parameters = {}.values()
    rest = "args"
    for place in range(len(args)):
        parameter = next(itertools.islice(parameters, place, None), None)
        if parameter is None or parameter.kind is parameter.VAR_POSITIONAL:
            rest = rest if parameter is None else parameter.name
            yield from (f"{rest}_{number}" for number in range(len(args) - place))
            return
        yield parameter.name


def fact(names: Names, guard: Guard) -> str:
    """A guard of the trace as an expression."""
    return f"({guard.code.format(*[_name_of(names, thing) for thing in guard.objects])})"


def _name_of(names: Names, thing: Any) -> str:
    if thing is None or isinstance(thing, bool):
        return repr(thing)
    if isinstance(thing, int | float | str):
        return names.bind(f"the_{thing}", thing)
    return names.bind(getattr(thing, "__name__", type(thing).__name__.lower()), thing)


def failing(facts: Sequence[str], objects: Mapping[str, Any]) -> int | None:
    """The number of the first fact that does not hold now, if there is one."""
    space = dict(objects)
    for number, text in enumerate(facts):
        try:
            if not eval(text, space):
                return number
        except Exception:
            return number
    return None
