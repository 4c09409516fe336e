"""Nested arguments and results (tuples, lists, dicts) taken apart into leaves, and put together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streetlight.ops.registry import Value


def flatten(tree: Any) -> tuple[list[Any], Any]:
    """Return the leaves that may change from call to call, and a hashable key of all the rest.

    Tensors and floats are leaves, a tensor that comes twice only once; the key holds shape, dtype
    and requires_grad of each tensor, and everything else (containers, ints, bools, strings, None,
    other objects) as it is.
    """
    leaves: list[Any] = []
    return leaves, _key(tree, leaves)


def _key(tree: Any, leaves: list[Any]) -> Any:
    if isinstance(tree, Value):
        for place, leaf in enumerate(leaves):
            if leaf is tree:  # it shares memory with itself, which other tensors would not
                return (Value, "as leaf", place)
        leaves.append(tree)
        return (Value, tree._data.shape, tree._data.dtype, tree.requires_grad)
    kind = type(tree)
    if kind is float:
        leaves.append(tree)
        return float
    if isinstance(tree, tuple) or kind is list:
        return (kind, *[_key(part, leaves) for part in tree])
    if kind is dict:
        return (dict, *[(name, _key(part, leaves)) for name, part in tree.items()])
    try:
        hash(tree)
    except TypeError:
        return (kind, id(tree))
    return (kind, tree)


def rebuild(tree: Any, leaf: Callable[[Any], Any]) -> Any:
    """Return the same containers with `leaf` applied to everything that is no container."""
    kind = type(tree)
    if kind is tuple or kind is list:
        return kind([rebuild(part, leaf) for part in tree])
    if kind is dict:
        return {name: rebuild(part, leaf) for name, part in tree.items()}
    if isinstance(tree, tuple):  # a named tuple
        return kind(*[rebuild(part, leaf) for part in tree])
    return leaf(tree)
