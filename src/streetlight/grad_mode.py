"""Whether operations are recorded: the switches `no_grad`, `enable_grad`, `set_grad_enabled`."""

from __future__ import annotations

import functools
import inspect
from contextlib import ContextDecorator
from typing import Any

from streetlight.ops.registry import context


def is_grad_enabled() -> bool:
    """Whether operations are being recorded in this thread."""
    return context.grad_enabled


class _Switch(ContextDecorator):
    """A context manager and decorator that sets recording; it may be entered again and again."""

    mode = False

    def __new__(cls, function: Any = None) -> Any:
        """Let the decorator be written without brackets, too."""
        return cls()(function) if callable(function) else super().__new__(cls)

    def __init__(self) -> None:
        self.previous: list[bool] = []

    def _recreate_cm(self) -> Any:
        return type(self)()  # each call of a decorated function notes what was there before

    def __enter__(self) -> None:
        self.previous.append(context.grad_enabled)
        context.grad_enabled = self.mode

    def __exit__(self, *error: object) -> None:
        context.grad_enabled = self.previous.pop()

    def __call__(self, function: Any) -> Any:
        """Decorate a function, or a generator: that is switched each time it goes on."""
        if not inspect.isgeneratorfunction(function):
            return super().__call__(function)

        @functools.wraps(function)
        def generate(*args: Any, **kwargs: Any) -> Any:
            source, sent = function(*args, **kwargs), None
            while True:
                try:
                    with self._recreate_cm():
                        item = source.send(sent)
                except StopIteration as end:
                    return end.value
                sent = yield item

        return generate


class no_grad(_Switch):  # noqa: N801
    """Do not record operations: in a `with` block or for a decorated function."""


class enable_grad(_Switch):  # noqa: N801
    """Record operations again, inside of `no_grad`."""

    mode = True


class set_grad_enabled(_Switch):  # noqa: N801
    """Switch recording on or off: at once and for good, or until the end of a `with` block."""

    def __init__(self, mode: bool) -> None:
        self.mode, self.previous = mode, [context.grad_enabled]
        context.grad_enabled = mode

    def __call__(self, function: Any) -> Any:
        """Decorate a function; nothing is switched until it is called."""
        context.grad_enabled = self.previous.pop()
        return super().__call__(function)

    def _recreate_cm(self) -> Any:
        return set_grad_enabled(self.mode)

    def __enter__(self) -> None:
        context.grad_enabled = self.mode  # what was there before was noted at the start
