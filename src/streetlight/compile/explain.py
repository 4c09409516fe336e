"""What `step.explain()` tells: the versions of a compiled function, and why each was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streetlight.compile import guards
from streetlight.compile.version import Reason, Version
from streetlight.ops.registry import Value

MISSES_IN_A_ROW = 8
ADVICE = {
    "tensor": "give inputs of a few shapes: pad them, or drop the last, shorter batch",
    "argument": "pass a number that changes as a float or as a tensor",
    "program": "keep it as it is between the calls, or pass it as an argument",
}


class RetraceWarning(UserWarning):
    """A compiled function is traced and compiled anew at almost every call."""


FIRST = Reason("", "the first call")


def describe(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, str]:
    """What matters of each argument: `{"x": "float32 (8, 3)", "flag": "True"}`."""
    named = dict(zip(guards.named(function, args), args, strict=True)) | dict(kwargs)
    return dict(part for name, value in named.items() for part in _parts(name, value))


def _parts(name: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, list | tuple):
        pairs = [(f"{name}[{place}]", part) for place, part in enumerate(value)]
    elif isinstance(value, dict):
        pairs = [(f"{name}[{key!r}]", part) for key, part in value.items()]
    else:
        return [(name, _one(value))]
    return [part for pair in pairs for part in _parts(*pair)]


def _one(value: Any) -> str:
    if isinstance(value, Value):
        gradient = ", requires_grad" if value.requires_grad else ""
        return f"{value._data.dtype} {value._data.shape}{gradient}"
    if type(value) is float:
        return "a float"
    text = repr(value)
    return text if len(text) <= 40 and " object at 0x" not in text else type(value).__name__


def reason(previous: Version | None, new: Mapping[str, str], args: Any, kwargs: Any) -> Reason:
    """Why the version that ran before does not fit a call, whose arguments `new` describes."""
    if previous is None:
        return FIRST
    old = previous.arguments
    for name in {**old, **new}:
        before, now = old.get(name, "not given"), new.get(name, "not given")
        if before != now:
            kind = "tensor" if "(" in before and "(" in now else "argument"
            return Reason(kind, f"{name} is {now}, it was {before}")
    return Reason("program", previous.plan.changed_fact(args, kwargs))


@dataclass(frozen=True)
class Explanation:
    """The versions of a compiled function, in the order in which they were made.

    Attributes:
        name: the function's.
        versions: the versions.
        eager_calls: how often a call ran without any, for each reason.
    """

    name: str
    versions: Sequence[Version]
    eager_calls: Mapping[str, int]

    def __str__(self) -> str:
        lines = [f"{self.name}: {_count(len(self.versions), 'version')}"]
        for number, version in enumerate(self.versions, 1):
            arguments = ", ".join(f"{name}: {text}" for name, text in version.arguments.items())
            lines += [
                f"{number}. {arguments or 'no arguments'}",
                f"   made because: {version.reason.words}",
                f"   {_count(version.calls, 'call')}, "
                f"{_count(version.source.kernels, 'kernel')}; "
                f"traced in {version.trace_seconds:.3f} s, "
                f"compiled in {version.compile_seconds:.3f} s",
            ]
        for words, calls in self.eager_calls.items():
            lines.append(f"{_count(calls, 'call')} ran eagerly: {words}")
        return "\n".join(lines)

    __repr__ = __str__


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
