"""A line of text that is read from left to right: words, numbers, options in Python's notation."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from streetlight.errors import GraphError
from streetlight.graph.text import BARE, DTYPES
from streetlight.nn.members import near_match
from streetlight.ops.indexing import HERE
from streetlight.ops.registry import all_ops

NAME = re.compile(r"[^\W\d]\w*")
_SPACES = re.compile(r"\s*")
_WHOLE = re.compile(r"-?\d+(?![.\w])")
_FRACTION = re.compile(r"-?(?:inf|nan|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)(?!\w)")
_STRING = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
_WORDS: dict[str, Any] = {"None": None, "True": True, "False": False, "HERE": HERE, **DTYPES}


class Cursor:
    """One line, and how far it has been read.

    >>> line = Cursor("dims=(0, 1:)", 1)
    >>> line.need(NAME, "a name"), line.need("=", "="), line.literal(), line.left()
    ('dims', '=', (0, slice(1, None, None)), '')
    """

    def __init__(self, text: str, number: int) -> None:
        self.text = text.strip()
        self.row = number
        self.at = 0
        self._indent = len(text) - len(text.lstrip())

    def refuse(self, expected: str, problem: str = "", at: int | None = None) -> NoReturn:
        """Raise a GraphError about the place that was reached, or another one."""
        at = self.at if at is None else at
        rest = self.text[at:]
        problem = problem or (f"found {rest[:20]!r}" if rest else "the line ends too early")
        raise GraphError(
            f"graph text, line {self.row}, column {self._indent + at + 1}: {problem}",
            expected=expected, got={"line": self.text},
        )  # fmt: skip

    def left(self) -> str:
        """Skip spaces, and return what has not been read yet."""
        self.at = _SPACES.match(self.text, self.at).end()  # type: ignore[union-attr]
        return self.text[self.at :]

    def take(self, pattern: re.Pattern[str] | str) -> str:
        """Read what fits the pattern and return it; "" if it does not fit."""
        self.left()
        if isinstance(pattern, str):
            found = pattern if self.text.startswith(pattern, self.at) else ""
        else:
            match = pattern.match(self.text, self.at)
            found = match.group() if match else ""
        self.at += len(found)
        return found

    def need(self, pattern: re.Pattern[str] | str, expected: str) -> str:
        """Read what fits the pattern, and refuse the line if it does not fit."""
        return self.take(pattern) or self.refuse(expected)

    def word(self, known: Iterable[str], expected: str) -> str:
        """Read a word, which must be one of those known."""
        word = self.need(NAME, expected)
        if word not in known:
            problem = f"{word!r} is not {expected}"
            self.refuse(near_match(word, known), problem, self.at - len(word))
        return word

    def several(self, closing: str, one: Callable[[], Any]) -> list[Any]:
        """Read what stands between commas, up to the closing bracket."""
        found = []
        while not self.take(closing):
            found.append(one())
            if not self.take(","):
                self.need(closing, f"',' or '{closing}'")
                break
        return found

    def end(self) -> None:
        """Refuse whatever is left, but for a comment."""
        if self.left() and not self.left().startswith("#"):
            self.refuse("the end of the line")

    def whole(self, expected: str) -> int:
        """Read a whole number."""
        return int(self.need(_WHOLE, expected))

    def path(self) -> str:
        """Read a name or path, with or without quotation marks."""
        quoted = self.take(_STRING)
        return ast.literal_eval(quoted) if quoted else self.need(BARE, "a name or a path")

    def number(self) -> bool | int | float | None:
        """Read a plain number; None if there is none."""
        for pattern, kind in ((_WHOLE, int), (_FRACTION, float)):
            if found := self.take(pattern):
                return kind(found)
        found = self.take(re.compile(r"(True|False)\b"))
        return found == "True" if found else None

    def literal(self) -> Any:
        """Read an option in Python's notation, as `text.literal` writes it."""
        if self.take("("):
            return tuple(self.several(")", self.literal))
        if self.take("["):
            return self.several("]", self.literal)
        if self.take("{"):
            return dict(self.several("}", self._entry))
        if self.take("..."):
            return ...
        if self.take("@"):
            return self.whole("the number of a generator")
        if quoted := self.take(_STRING):
            return ast.literal_eval(quoted)
        return self._number_or_slice()

    def _entry(self) -> tuple[str, Any]:
        key = self.need(NAME, "the name of an option")
        self.need(":", "':'")
        return key, self.literal()

    def _number_or_slice(self) -> Any:
        bounds = [self.number()]
        while len(bounds) < 3 and self.take(":"):
            bounds.append(self.number())
        if len(bounds) > 1:
            return slice(*bounds)
        return self._constant() if bounds[0] is None else bounds[0]

    def _constant(self) -> Any:
        """Read a word that stands for a constant, a dtype or an operation."""
        found = self.word((*_WORDS, *all_ops), "a value for an option")
        return _WORDS[found] if found in _WORDS else all_ops[found]
