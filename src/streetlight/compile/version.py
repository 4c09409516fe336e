"""Version: one traced and compiled form of a function, for one kind of arguments."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from streetlight.compile.build import build
from streetlight.compile.caller import Caller
from streetlight.graph.trace import trace_call
from streetlight.graph.traced import Traced

if TYPE_CHECKING:
    from streetlight.compile.explain import Reason


class Version:
    """One form of a function, and how to call it.

    Attributes:
        run: called with args and kwargs; returns MISS where this version does not fit.
        text: the Python of `run`.
        reason: why it was made.
        calls: how often it was used.
        trace_seconds, compile_seconds: how long it took to make.
    """

    reason: Reason
    arguments: dict[str, str]

    def __init__(self, function: Any, args: Any, kwargs: Any, settled: bool = False) -> None:
        self.calls = 0
        start = time.perf_counter()
        self.traced: Traced = trace_call(function, args, kwargs, settled)
        traced = time.perf_counter()
        self.source = build(self.traced.graph)
        if os.environ.get("STREETLIGHT_SHOW_C") == "1":
            print(self.source.text)
        self.caller = Caller(function, self.traced, self.source, args, kwargs)
        self.run, self.text = self.caller.make()
        self.trace_seconds = traced - start
        self.compile_seconds = time.perf_counter() - traced

    @functools.cached_property
    def repeat(self) -> Callable[..., Any] | None:
        """Called with args, kwargs, a count and arrays of arguments, it makes a step for each.

        None if a step needs Python between it and the next.
        """
        return self.caller.make(many=True)[0] if self.caller.may_repeat() else None

    def changed_fact(self, args: Any, kwargs: Any) -> str:
        """The first fact that does not hold for a call, in words."""
        return self.caller.changed_fact(args, kwargs)
