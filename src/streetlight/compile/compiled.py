"""Compiled: a function whose calls run as one native program, a version for each kind of call."""

from __future__ import annotations

import copy
import functools
import inspect
import sys
import time
import types
import warnings
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from typing import Any

from streetlight import dtypes
from streetlight.compile import explain
from streetlight.compile.binding import RunEagerly, refuse_other_devices
from streetlight.compile.loop import loop
from streetlight.compile.plan import MISS
from streetlight.compile.version import MAKING, Reason, Version, nobody_running
from streetlight.errors import ArgumentError, CompileError, TraceError
from streetlight.graph.graph import Graph
from streetlight.graph.trace import NotYet, OnlyEagerly, trace_call, tracing
from streetlight.graph.traced import Traced
from streetlight.graph.tree import flatten
from streetlight.ops.registry import Value, context


class _None:
    """Stands for the version that ran last before there is any."""

    calls, repeat = 0, None

    def run(self, args: Any, kwargs: Any) -> Any:
        return MISS


NONE: Any = _None()
_UNFIT = (
    inspect.isgeneratorfunction, inspect.iscoroutinefunction, inspect.isasyncgenfunction,
    lambda function: isinstance(function, staticmethod | classmethod),
)  # fmt: skip


class Compiled:
    """A function that is traced at its first call and from then on runs as native code.

    It gives what the function gives, changes what the function changes, or raises. Each new kind of
    call (other shapes or dtypes, `model.eval()`, another structure of the model) makes a version.
    The attributes of the function are there, too.

    Raises:
        ArgumentError: if it is not a function, method or module.
    """

    __name__: str

    def __init__(self, function: Callable[..., Any]) -> None:
        if not callable(function) or any(kind(function) for kind in _UNFIT):
            raise ArgumentError(
                f"compile: a {type(function).__name__} cannot be compiled",
                expected="a function, method or module that returns its result",
                got={"function": function},
                fix="write @sl.compile next to the function, below @staticmethod and the like",
            )
        functools.update_wrapper(self, function, updated=())
        self.__wrapped__ = function
        self._versions: dict[Hashable, list[Version]] = {}
        self._made: list[Version] = []
        self.latest: Version = NONE  # that ran last
        self._unsettled: set[Hashable] = set()  # kinds of calls that had to make state first
        self._eager_calls: Counter[str] = Counter()
        self._attribute = self._name()  # what it is called in a class
        self._hits_before = self._misses = 0
        self._warned = False

    # ---- calls ----

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        latest = self.latest
        try:
            result = latest.run(args, kwargs)
            if result is not MISS:
                latest.calls += 1
                return result
            return self._search(args, kwargs)
        except RunEagerly as refusal:
            refused = refusal
        return self._eagerly(refused, args, kwargs)

    def _eagerly(self, refused: RunEagerly, args: Any, kwargs: Any) -> Any:
        self._eager_calls[str(refused)] += 1
        self.latest = NONE
        result = self.__wrapped__(*args, **kwargs)
        if refused.__cause__ is not None:
            raise TraceError(
                f"{self._name()} raises {refused.__cause__!r} when it is traced, but not eagerly",
                fix="ask for no numbers of tensors inside, or do without sl.compile",
            ) from refused.__cause__
        return result

    def _search(self, args: Any, kwargs: Any) -> Any:
        """Run another version than the latest, which is made if there is none that fits."""
        if tracing():
            return self.__wrapped__(*args, **kwargs)
        with MAKING:  # so that nobody traces, who takes tensors apart for a time
            version, result = self._fitting(args, kwargs)
        self.latest = version
        version.calls += 1
        return result

    def _fitting(self, args: Any, kwargs: Any) -> tuple[Version, Any]:
        """A version that fits, and what it returned."""
        leaves, shapes = flatten((args, kwargs))
        for leaf in leaves:
            if isinstance(leaf, Value):
                refuse_other_devices(leaf._data)
        key = shapes, context.grad_enabled, dtypes.get_default_dtype()
        for version in self._versions.get(key, ()):
            result = version.run(args, kwargs)
            if result is not MISS:
                return version, result
        version = self._new(key, args, kwargs)
        result = version.run(args, kwargs)
        if result is MISS:
            raise CompileError(
                f"{version.name}: the call changes what it depends on itself",
                got={"fact": version.plan.changed_fact(args, kwargs)},
                fix="keep what changes from call to call in a tensor, or outside of the function",
            )
        return version, result

    def _new(self, key: Hashable, args: Any, kwargs: Any) -> Version:
        """Trace and compile."""
        previous = self._last() if self._made else None
        arguments = explain.describe(self.__wrapped__, args, kwargs)
        reason = explain.reason(previous, arguments, args, kwargs)
        start = time.perf_counter()
        traced = self._traced(key, args, kwargs)
        seconds = time.perf_counter() - start
        version = Version(self.__wrapped__, traced, args, kwargs, arguments, reason, seconds)
        self._versions.setdefault(key, []).insert(0, version)
        self._made.append(version)
        self._warn(reason)
        return version

    def _traced(self, key: Hashable, args: Any, kwargs: Any) -> Traced:
        """Trace.

        Raises:
            RunEagerly: if the call makes state that only later calls find, or raises.
        """
        try:
            with nobody_running():
                traced = trace_call(self.__wrapped__, args, kwargs, key in self._unsettled)
        except OnlyEagerly as shared:
            raise RunEagerly(str(shared)) from None
        except NotYet as made:
            self._unsettled.add(key)
            raise RunEagerly(f"it makes state that later calls use: {made}") from None
        except TraceError:
            raise
        except Exception as error:  # the function's own: eager code changes state before it
            raise RunEagerly(f"it raises {type(error).__name__}") from error
        self._unsettled.discard(key)
        return traced

    def _warn(self, reason: Reason) -> None:
        """Warn, once, if version after version is made and none is used again."""
        hits = sum(version.calls - 1 for version in self._made[:-1])
        self._misses = self._misses + 1 if hits == self._hits_before else 1
        self._hits_before = hits
        if self._misses > explain.MISSES_IN_A_ROW and not self._warned:
            self._warned = True
            warnings.warn(
                f"{self._name()} was traced and compiled {self._misses} times in a row: "
                f"{reason.words}. To make it fast, {explain.ADVICE[reason.kind]}. "
                "step.explain() shows all versions",
                explain.RetraceWarning,
                stacklevel=6,
            )

    # ---- what is known of it ----

    def _name(self) -> str:
        return getattr(self.__wrapped__, "__name__", type(self.__wrapped__).__name__)

    def explain(self) -> explain.Explanation:
        """Tell which versions there are and why each was made."""
        return explain.Explanation(self._name(), tuple(self._made), dict(self._eager_calls))

    def graph(self) -> Graph:
        """The graph of the version that was used last."""
        return self._last().traced.graph

    def c_source(self) -> str:
        """The C of the version that was used last."""
        return self._last().source.text

    def _last(self) -> Version:
        if not self._made:
            raise CompileError(
                f"{self._name()} was not compiled yet",
                fix="call it once: shapes and dtypes of its arguments decide what is compiled",
            )
        return self._made[-1] if self.latest is NONE else self.latest

    def __repr__(self) -> str:
        return f"<compiled {self.__wrapped__!r}>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked for by copy, pickle and the like
            raise AttributeError(name)
        return getattr(self.__wrapped__, name)

    # ---- loops ----

    def loop(self, loader: Iterable[Any]) -> Any:
        """Make one call for each batch of a loader, and return all results in one.

        The same as `sl.stack([step(*batch) for batch in loader])`, but most of the steps run
        without any Python between them. Batches that are tuples or lists give the arguments, others
        are the only argument. Learning rates and other numbers of the program are read every so
        often; batches are taken from the loader ahead of their steps.

        Args:
            loader: a DataLoader, or any other iterable of batches.

        Returns:
            What the calls returned, stacked along a new first dimension: for a step that returns
            its loss, a tensor of losses.

        Raises:
            DataError: if there is no batch.
            ShapeError: if results of different shapes are returned.
        """
        return loop(self, loader)

    # ---- as a method, as a copy, in a pickle ----

    def __set_name__(self, owner: type, name: str) -> None:
        self._attribute = name

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """Give an instance a compiled method of its own, which it keeps."""
        if instance is None or not isinstance(self.__wrapped__, types.FunctionType):
            return self
        if tracing():
            return types.MethodType(self.__wrapped__, instance)
        if not hasattr(instance, "__dict__"):
            raise CompileError(
                f"{self._attribute}: a {type(instance).__name__} cannot keep a compiled method",
                expected="an instance with a __dict__", fix='add "__dict__" to __slots__',
            )  # fmt: skip
        method = Compiled(types.MethodType(self.__wrapped__, instance))
        vars(instance)[self._attribute] = method
        return method

    def __copy__(self) -> Compiled:
        return Compiled(self.__wrapped__)

    def __deepcopy__(self, memo: dict[int, Any]) -> Compiled:
        return Compiled(copy.deepcopy(self.__wrapped__, memo))

    def __reduce__(self) -> Any:
        found: Any = sys.modules.get(self.__module__)
        for name in getattr(self, "__qualname__", "").split("."):
            found = getattr(found, name, None)
        return self.__qualname__ if found is self else (Compiled, (self.__wrapped__,))
