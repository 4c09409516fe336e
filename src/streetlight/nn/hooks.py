"""Hooks around a module's forward, and the note that tells in which module an error arose."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from streetlight.nn.module import Module

Hook = Callable[..., Any]


class RemovableHandle:
    """Takes a hook out again: with `remove()`, or at the end of a `with` block."""

    def __init__(self, module: Module, place: str, hook: Hook) -> None:
        self.module, self.place, self.hook = module, place, hook
        setattr(module, place, (*getattr(module, place), self))

    def remove(self) -> None:
        """Take the hook out; a second call does nothing."""
        others = tuple(one for one in getattr(self.module, self.place) if one is not self)
        setattr(self.module, self.place, others)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


def note_path(error: Exception, module: Module) -> None:
    """Keep one note on an error: the path from the outermost module to the one that failed.

    Each module on the way out calls this once, and the note grows by the name that the module has
    for the one before, for example "in: Network.layers.0 (Linear(in_features=2, ...))".
    """
    inner, path, layer, note = vars(error).get("_module_path", (None, "", "", ""))
    outer = type(module).__name__
    if inner is None:
        layer = note = f"{outer}({module.extra_repr()})"
    else:
        error.__notes__.remove(f"in: {note}")
        names = (name for name, below in module.named_modules() if below is inner)
        path = ".".join(part for part in (next(names, "?"), path) if part)
        note = f"{outer}.{path} ({layer})"
    error.add_note(f"in: {note}")
    vars(error)["_module_path"] = (module, path, layer, note)
