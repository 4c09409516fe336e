"""The arguments of a traced call: tensors get symbols, floats become traced numbers."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from streetlight.errors import TraceError
from streetlight.graph.capture import Captures
from streetlight.graph.numbers import Numbers
from streetlight.graph.traced import OnlyEagerly
from streetlight.graph.tree import flatten, rebuild
from streetlight.tensor import Tensor

CONSTANTS = (bool, int, str, type(None))


class Arguments:
    """The arguments of one call, with their names.

    Attributes:
        leaves: tensors and floats, as `flatten` gives them.
        others: objects that are neither containers, leaves nor plain values, by name.
    """

    def __init__(self, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._tree = args, kwargs
        self.leaves, _ = flatten(self._tree)
        named = list(_named(_top_names(fn, args), args, kwargs))
        self._floats = [name for name, value in named if type(value) is float]
        self._names = {id(v): name for name, v in reversed(named) if isinstance(v, Tensor)}
        plain = (Tensor, float, *CONSTANTS)
        self.others = {name: value for name, value in named if not isinstance(value, plain)}

    def take(self, captures: Captures) -> None:
        """Replace the arrays of all tensors by symbols."""
        for index, leaf in enumerate(self.leaves):
            if isinstance(leaf, Tensor):
                name = self._names.get(id(leaf), f"input_{index}")
                if leaf._node is not None:
                    raise TraceError(
                        f"the argument {name} has a history of recorded operations",
                        got={name: leaf},
                        fix=f"pass {name}.detach(), or trace the function that computes it too",
                    )
                captures.take(leaf, "argument", name, leaf=index)

    def refuse_captured(self, tensor: Tensor, path: str, captures: Captures) -> None:
        """Refuse a tensor that is an argument, and reached in another way as well."""
        known = captures.storages.get(id(tensor._data))
        for index, leaf in enumerate(self.leaves):
            if leaf is tensor or (known is not None and known.origin.leaf == index):
                words = f"the argument {self._names[id(leaf)]} is also used as {path}"
                fix = "use it in one way only, or pass a clone"
                raise OnlyEagerly(words) from TraceError(words, fix=fix)

    def substituted(self, numbers: Numbers) -> Any:
        """The arguments with traced numbers in place of floats."""
        places = iter([i for i, leaf in enumerate(self.leaves) if type(leaf) is float])
        names = iter(self._floats)

        def substitute(leaf: Any) -> Any:
            if type(leaf) is not float:
                return leaf
            return numbers.argument(next(names), next(places))

        return rebuild(self._tree, substitute)


def _top_names(fn: Any, args: tuple[Any, ...]) -> list[str]:
    """The names of the positional arguments."""
    try:
        parameters = list(inspect.signature(fn).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names = []
    for index in range(len(args)):
        plain = index < len(parameters) and parameters[index].kind in (
            inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD,
        )  # fmt: skip
        names.append(parameters[index].name if plain else f"input_{index}")
    return names


def _named(
    names: list[str], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Iterator[tuple[str, Any]]:
    for name, value in (*zip(names, args, strict=True), *kwargs.items()):
        yield from _inside(name, value)


def _inside(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, tuple) or type(value) is list:
        for index, part in enumerate(value):
            yield from _inside(f"{path}.{index}", part)
    elif type(value) is dict:
        for name, part in value.items():
            yield from _inside(f"{path}.{name}", part)
    else:
        yield path, value
