"""Version: one traced and compiled form of a function, for one kind of call."""

from __future__ import annotations

import functools
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from streetlight.compile.build import build
from streetlight.compile.caller import Caller
from streetlight.compile.plan import Plan
from streetlight.graph.traced import Traced

MAKING = threading.RLock()
"""Held while a version is made: one at a time in the whole process."""

_versions: weakref.WeakSet[Version] = weakref.WeakSet()


@dataclass(frozen=True)
class Reason:
    """Why a version was made: what differs from the version that ran before.

    Attributes:
        kind: "tensor" for tensors among the arguments, "argument" for other arguments, "program"
            for what is around the function; "" for the first version.
        words: what it is, for the user.
    """

    kind: str
    words: str


class Version:
    """One form of a function, and how to call it. To be made by who holds MAKING.

    Attributes:
        arguments: what matters of each argument.
        reason: why it was made.
        traced, source: the graph, and its C.
        run: called with args and kwargs; returns MISS where this version does not fit.
        text: the Python of `run`.
        calls: how often it was used.
        trace_seconds, compile_seconds: how long it took to make.
    """

    def __init__(
        self, function: Any, traced: Traced, args: Any, kwargs: Any, arguments: Mapping[str, str],
        reason: Reason, trace_seconds: float,
    ) -> None:  # fmt: skip
        self.traced, self.arguments, self.reason = traced, arguments, reason
        self.trace_seconds, self.calls = trace_seconds, 0
        start = time.perf_counter()
        self.source = build(traced.graph)
        if os.environ.get("STREETLIGHT_SHOW_C") == "1":
            print(self.source.text)
        self.name = getattr(function, "__name__", type(function).__name__)
        self.plan = Plan(function, traced, self.source, args, kwargs)
        self.run, self.text = Caller(self.name, self.plan).make()
        self.compile_seconds = time.perf_counter() - start
        _versions.add(self)

    @functools.cached_property
    def repeat(self) -> Callable[..., Any] | None:
        """Called with args, kwargs, a count and arrays of arguments, it makes a step for each.

        None if a step needs Python between it and the next.
        """
        if not self.plan.may_repeat():
            return None
        return Caller(self.name, self.plan, many=True).make()[0]


@contextmanager
def nobody_running() -> Iterator[None]:
    """Keep other threads out of all versions: a trace takes the arrays out of tensors for a time.

    The same is wanted when the process forks, so that no lock is held in the child for ever.
    """
    with MAKING, ExitStack() as locks:
        for version in list(_versions):
            locks.enter_context(version.plan.lock)
        yield


_forking = ExitStack()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: _forking.enter_context(nobody_running()) and None,
        after_in_parent=_forking.close,
        after_in_child=_forking.close,
    )
