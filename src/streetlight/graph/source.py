"""Where in the user's code, and in which module, an operation is being computed."""

from __future__ import annotations

import linecache
import sys
from itertools import islice
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np

from streetlight import autograd
from streetlight.graph.graph import Source
from streetlight.nn.module import Module

PACKAGE = str(Path(__file__).parent.parent)
NUMPY = str(Path(np.__file__).parent)
PROGRAMS = ("cli", "lessons", "practice", "projects", "testing", "train")  # users themselves
USER, INSIDE, MODULE_CALL, VISIT = range(4)

_kinds: dict[CodeType, int] = {
    Module.__call__.__code__: MODULE_CALL,
    autograd._visit.__code__: VISIT,
}
_sources: dict[tuple[CodeType, int], Source] = {}


def is_inside(file: str) -> bool:
    """Whether a file belongs to the framework or NumPy, and not to a program that uses them."""
    if file.startswith(NUMPY):
        return True
    if not file.startswith(PACKAGE):
        return False
    return not file[len(PACKAGE) + 1 :].replace("\\", "/").startswith(PROGRAMS)


def _kind(code: CodeType) -> int:
    found = _kinds.get(code)
    if found is None:
        found = _kinds[code] = INSIDE if is_inside(code.co_filename) else USER
    return found


def source_of(frame: FrameType) -> Source:
    """The expression that a frame is computing."""
    key = frame.f_code, frame.f_lasti
    found = _sources.get(key)
    if found is None:
        found = _sources[key] = _positioned(frame)
    return found


def _positioned(frame: FrameType) -> Source:
    code = frame.f_code
    places = next(islice(code.co_positions(), frame.f_lasti // 2, None), (None,) * 4)
    line, end_line, column, end_column = places
    first = line or frame.f_lineno
    return Source(
        code.co_filename, first, _characters(code, first, column), end_line or first,
        _characters(code, end_line or first, end_column), code.co_qualname,
    )  # fmt: skip


def _characters(code: CodeType, line: int, column: int | None) -> int:
    """Python counts columns in bytes of UTF-8."""
    text = linecache.getline(code.co_filename, line).encode()
    return len(text[: column or 0].decode(errors="ignore")) if text else column or 0


class Here:
    """What the frames from here up to the traced function tell.

    Attributes:
        source: the innermost expression outside of the framework.
        module: the innermost module that is being called, if any.
        visited: the recorded operation whose gradient is being computed, if any.
    """

    __slots__ = ("module", "source", "visited")

    def __init__(self, outermost: FrameType | None) -> None:
        self.source: Source | None = None
        self.module: Any = None
        self.visited: Any = None
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame is not outermost:
            kind = _kind(frame.f_code)
            if kind == USER and self.source is None:
                self.source = source_of(frame)
            elif kind == MODULE_CALL and self.module is None:
                self.module = frame.f_locals["self"]
            elif kind == VISIT and self.visited is None:
                self.visited = frame.f_locals["node"]
            if self.source is not None and self.module is not None:
                return
            frame = frame.f_back


def shown(source: Source | None) -> str:
    """A place in the user's code with its text: 'file.py:3: loss = model(x)'."""
    if source is None:
        return ""
    text = linecache.getline(source.file, source.line).strip()
    return f"{Path(source.file).name}:{source.line}: {text}"
