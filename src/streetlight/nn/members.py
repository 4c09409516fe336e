"""How a module finds what it holds: tensors and modules in attributes, lists, tuples and dicts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, TypeVar

from streetlight.errors import ModuleError

T = TypeVar("T")


def join(prefix: str, name: str) -> str:
    """Put two parts of a name together with a dot, where there are two.

    >>> join("encoder", "weight"), join("", "weight")
    ('encoder.weight', 'weight')
    """
    return f"{prefix}.{name}" if prefix and name else prefix or name


def collect(
    items: Iterable[tuple[Any, Any]],
    kinds: tuple[type, ...],
    found: dict[str, Any],
    prefix: str = "",
    above: frozenset[int] = frozenset(),
) -> None:
    """Put every value of one of the kinds into `found`, also those in lists, tuples and dicts.

    `above` holds the ids of the containers around these items, so that circles end.
    """
    for key, value in items:
        if isinstance(value, kinds):
            name = f"{prefix}{key}"
            if name in found:
                raise ModuleError(
                    f"two members have the same name '{name}'",
                    fix="use dict keys that stay different as text, and without dots",
                )
            found[name] = value
        elif isinstance(value, (list, tuple, dict)) and id(value) not in above:
            inside = value.items() if isinstance(value, dict) else enumerate(value)
            collect(inside, kinds, found, f"{prefix}{key}.", above | {id(value)})


def refuse_in_set(where: str, values: Iterable[Any], kinds: tuple[type, ...]) -> None:
    """Raise if a set holds members: it has no order, so they would have no names."""
    if any(isinstance(value, kinds) for value in values):
        raise ModuleError(
            f"{where} is a set of modules or parameters, which gives them no names",
            fix="use a list or a dict",
        )


def unique(pairs: Iterable[tuple[str, T]]) -> Iterator[tuple[str, T]]:
    """Yield the pairs whose value did not come before."""
    seen: set[int] = set()
    for name, value in pairs:
        if id(value) not in seen:
            seen.add(id(value))
            yield name, value


def near_match(name: str, names: Iterable[str]) -> str:
    """Say which names come nearest to a wrong one, or list them all."""
    names = list(names)
    near = get_close_matches(name, names, n=3, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(f"'{one}'" for one in near) + "?"
    return f"use one of: {', '.join(names)}" if names else "there is none to choose from"


def lookup(named: Iterable[tuple[str, T]], target: str, kind: str) -> T:
    """Return the member of that name, or raise with the nearest names."""
    known = dict(named)
    if target not in known:
        names = [name for name in known if name]
        raise ModuleError(f"there is no {kind} '{target}'", fix=near_match(target, names))
    return known[target]
