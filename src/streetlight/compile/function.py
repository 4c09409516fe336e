"""A C function under construction, whose text can be compared with others whatever its names.

Names are tokens until the end. Two functions whose texts are equal but for the names are one.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from streetlight.compile.c_text import memory_type, register_type
from streetlight.graph.graph import Value

_TOKEN = re.compile("\x01(\\d+)\x02")
_NAMES_OF_C = """
    INFINITY NAN acos acosh asin asinh atan atan2 atanh auto begin break c call candidate
    case cbrt ceil char child compile const context continue copysign cos cosh default do
    double else end enum erf erfc errno exp exp2 expm1 extern fabs fdim float floor fma fmax
    fmin fmod for frexp gamma goto h highest hypot i if ilogb inline int is_heap isfinite
    isnan j0 j1 jn ldexp lgamma llrint llround log log10 log1p log2 logb long lowest lrint
    lround main memcpy memset modf moved nan nearbyint nextafter nexttoward parent part
    place pow r register remquo restrict return rint running scalbln scalbn short signed sin
    sinh sizeof sqrt static status stdin stdout step struct switch tan tanh tgamma trunc
    typedef union unsigned unsorted void volatile while winner y0 y1 yn
"""
_RESERVED = frozenset(_NAMES_OF_C.split())
_RESERVED_KIND = re.compile(r"(i|k|place)\d+|.*_(f32|f64|i64)")  # of loops, and of vector_math.h


def identifier(name: str) -> str:
    """The name as C takes it."""
    text = re.sub(r"\W", "_", name)
    reserved = text in _RESERVED or text.startswith("sl_") or _RESERVED_KIND.fullmatch(text)
    if not text or text[0].isdigit() or reserved:
        text = f"v_{text}"
    return text


@dataclass
class Parameter:
    """What a function is given: memory of a value, a number, or where to put a late result.

    Attributes:
        token: its name.
        type: in C, of the pointer's elements or of the number.
        of: the value whose memory or number it is.
        kind: "memory", "scalar", "result", "node" (the number of a node, for errors), "call" or
            "range" (which rows).
        written: whether the function writes there.
        offset: how many elements from the start of the value's memory.
    """

    token: str
    type: str
    of: Value | None
    kind: str
    written: bool = False
    offset: int = 0

    def declaration(self) -> str:
        """How it stands in the list of parameters."""
        if self.kind == "scalar":
            return f"{self.type} {self.token}"
        if self.kind == "node":
            return f"int64_t {self.token}"
        if self.kind in ("call", "range"):
            return self.type
        const = "" if self.written else "const "
        return f"{const}{self.type} *restrict {self.token}"


@dataclass
class Function:
    """Lines of C with tokens in place of names.

    Attributes:
        lines: the body; braces decide the indent.
        parameters: in order of their first use.
    """

    lines: list[str] = field(default_factory=list)
    parameters: dict[Hashable, Parameter] = field(default_factory=dict)
    _wanted: list[str] = field(default_factory=list)
    _tokens: dict[Hashable, str] = field(default_factory=dict)

    def put(self, line: str) -> None:
        """Add a line."""
        self.lines.append(line)

    def name(self, key: Hashable, wanted: str) -> str:
        """The token that stands for a name; the key says what it names."""
        if key not in self._tokens:
            self._tokens[key] = f"\x01{len(self._wanted)}\x02"
            self._wanted.append(wanted)
        return self._tokens[key]

    def pointer(
        self,
        place: Hashable,
        value: Value,
        written: bool = False,
        wanted: str = "",
        offset: int = 0,
    ) -> str:
        """The parameter that points to an element (the first) of the memory of a value."""
        key = ("place", place, offset)
        if key not in self.parameters:
            token, kind = self.name(key, wanted or value.name), memory_type(value.dtype)
            self.parameters[key] = Parameter(token, kind, value, "memory", offset=offset)
        parameter = self.parameters[key]
        parameter.written |= written
        return parameter.token

    def scalar(self, value: Value) -> str:
        """The parameter that is a plain number."""
        key = ("scalar", value)
        if key not in self.parameters:
            token = self.name(key, value.name)
            self.parameters[key] = Parameter(token, register_type(value.dtype), value, "scalar")
        return self.parameters[key].token

    def result(self, value: Value) -> str:
        """The parameter that points to where a late result goes."""
        key = ("result", value)
        if key not in self.parameters:
            token = self.name(key, value.name)
            kind = memory_type(value.dtype)
            self.parameters[key] = Parameter(token, kind, value, "result", True)
        return self.parameters[key].token

    def node(self) -> str:
        """The parameter that says which node reports an error."""
        if "node" not in self.parameters:
            self.parameters["node"] = Parameter(self.name("node", "node_number"), "", None, "node")
        return self.parameters["node"].token

    def range(self) -> None:
        """Let the function compute a range of rows."""
        self.parameters["range"] = Parameter("", "int64_t begin, int64_t end", None, "range")

    def call(self) -> None:
        """Let the function report errors."""
        self.parameters["call"] = Parameter("", "sl_call *call", None, "call")

    # ---- as text ----

    def inlined(self, arguments: list[str]) -> str:
        """The only line, with arguments in place of parameters."""
        given = {p.token: a for p, a in zip(self.parameters.values(), arguments, strict=True)}
        return _TOKEN.sub(lambda match: given[match[0]], self.lines[0])

    def key(self, *more: Any) -> Hashable:
        """What two functions have in common that can be one."""
        return (*(p.declaration() for p in self.parameters.values()), *self.lines, *more)

    def text(self, head: str, tail: str = "") -> str:
        """The whole function; `head` holds {parameters}."""
        declarations = [p.declaration() for p in self.parameters.values()]
        lines = [head.format(parameters=", ".join(declarations)), *self.lines]
        return self._named("\n".join(indented([*lines, *([tail] if tail else []), "}"])))

    def _named(self, text: str) -> str:
        names: list[str] = []
        for wanted in self._wanted:
            name = base = identifier(wanted)
            count = 1
            while name in names:
                count += 1
                name = f"{base}_{count}"
            names.append(name)
        return _TOKEN.sub(lambda match: names[int(match[1])], text)


def indented(lines: list[str]) -> list[str]:
    """Indent lines by the braces that are open; directives stand with what follows."""
    depth, result = 0, []
    for line in map(str.strip, lines):
        depth -= line.startswith("}")
        result.append("  " * depth + line if line else line)
        depth += line.endswith("{")
    return result
