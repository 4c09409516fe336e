"""Reading a graph from its text, with errors that name the line and the column."""

from __future__ import annotations

import re
from typing import Any, get_args

import numpy as np

from streetlight import dtypes
from streetlight.graph.cursor import NAME, Cursor
from streetlight.graph.graph import Graph, Input, Kind, Node, Operand, Source, Value
from streetlight.graph.text import DTYPES, GRADIENT, RESERVED, unpacked
from streetlight.ops.registry import all_ops

_KINDS = get_args(Kind)
_ASSIGNED = re.compile(r"\w+\s*(=|<-)")
_OPTION = re.compile(r"[^\W\d]\w*(?=\s*=)")
_GENERATORS = re.compile(r"generators?")
_LINE = re.compile(r":\d+")


def parse(text: str) -> Graph:
    """Return the graph that a text describes, as `print(graph)` writes it.

    Empty lines, lines that are only a comment, and indentation do not matter. Whether shapes and
    dtypes are right is for `verify` to say.

    Raises:
        GraphError: if the text cannot be read; it names the line, the column and what was expected.

    >>> graph = parse('''
    ... graph double
    ... argument x: f32[3]
    ... mul = mul(x, 2.0) : f32[3]
    ... return mul
    ... ''')
    >>> graph.nodes
    [<mul = mul>]
    """
    lines = [Cursor(line, number) for number, line in enumerate(text.splitlines(), start=1)]
    return _Reader([line for line in lines if not line.text.startswith("#")]).graph


class _Reader:
    """Reads line by line, and knows the values that were named so far."""

    def __init__(self, lines: list[Cursor]) -> None:
        self.graph = Graph("")
        self.values: dict[str, Value] = {}
        self.inputs: dict[str, Input] = {}
        self.awaited: dict[str, Cursor] = {}  # constants whose numbers stand further down
        self.returned = False
        self.lines = iter(lines)
        self.read()

    def read(self) -> None:
        """Read all lines."""
        last = next((line for line in self.lines if line.text), Cursor("", 1))
        self.header(last)
        for line in self.lines:
            if line.text:
                self.statement(line)
                last = line
        if not self.returned:
            last.refuse("a line that begins with 'return'", "the text ends here", len(last.text))
        for name, line in self.awaited.items():
            line.refuse(f"the line 'data {name}', and the numbers below it", "they are missing")

    def header(self, line: Cursor) -> None:
        """Read the first line: the graph's name, and how many generators it draws from."""
        line.need("graph ", "a line that begins with 'graph'")
        self.graph.name = line.path()
        if line.take("draws from "):
            self.graph.generators = line.whole("how many generators")
            line.need(_GENERATORS, "'generators'")
        line.end()

    def statement(self, line: Cursor) -> None:
        """Read one line after the first."""
        if _ASSIGNED.match(line.text):
            name = line.need(NAME, "the name of a value")
            if line.take("<-"):
                self.update(line, name)
            else:
                line.need("=", "'='")
                self.node(line, name)
        else:
            known = (*_KINDS, "return", "data")
            word = line.word(known, "the beginning of a line")
            if word in _KINDS:
                self.input(line, word)
            elif word == "data":
                self.data(line)
            else:
                self.result(line)
        line.end()

    # ---- values ----

    def type(self, line: Cursor, name: str) -> Value:
        """Read a type such as `f32[2, 3]`, and return a new value of that type."""
        line.need(":", "':' and a type")
        word = line.word((*DTYPES, "number"), "a type")
        if word == "number":
            value = Value(name, (), dtypes.float64, number=True)
        else:
            line.need("[", "'[' and the sizes")
            shape = tuple(line.several("]", lambda: line.whole("a size")))
            device = line.need(NAME, "a device") if line.take("on ") else "cpu"
            value = Value(name, shape, DTYPES[word], device)
        if name in self.values or name in RESERVED:
            line.refuse("a name of its own for each value", f"{name!r} is taken", 0)
        self.values[name] = value
        return value

    def value(self, line: Cursor) -> Value:
        """Read the name of a value."""
        return self.values[line.word(self.values, "a value of the lines above")]

    # ---- inputs ----

    def input(self, line: Cursor, kind: Any) -> None:
        """Read an input: name, type, path, and numbers if it is a constant."""
        name = line.need(NAME, "the name of a value")
        self.inputs[name] = given = Input(self.type(line, name), kind, name)
        self.graph.inputs.append(given)
        if line.take("from "):
            given.path = line.path()
        if line.take("="):
            if line.take("data"):
                self.awaited[name] = line
            else:
                given.data = self.constant(line, given.value)

    def constant(self, line: Cursor, value: Value) -> Any:
        """Read the numbers of a small constant."""
        line.left()
        start, listed = line.at, line.literal()
        if value.number and isinstance(listed, (int, float)):
            return listed
        try:
            return np.array(listed, value.dtype).reshape(value.shape)
        except (ValueError, TypeError, OverflowError) as error:
            line.refuse(f"numbers that fit {value.dtype} {value.shape}", str(error), start)

    def data(self, line: Cursor) -> None:
        """Read the numbers of a large constant from the lines below, up to an empty one."""
        name = line.word(self.awaited, "a constant whose numbers are missing")
        rows = []
        for row in self.lines:
            if not row.text:
                break
            rows.append(row.text)
        try:
            self.inputs[name].data = unpacked(rows, self.inputs[name].value)
        except ValueError as error:
            line.refuse("below it, lines of base64 as they were printed", str(error))
        del self.awaited[name]

    # ---- operations ----

    def node(self, line: Cursor, name: str) -> None:
        """Read an operation: its inputs and options, the type of its result, and the comment."""
        op = all_ops[line.word(all_ops, "an operation")]
        inputs: list[Operand] = []
        attributes: dict[str, Any] = {}
        line.need("(", "'('")
        line.several(")", lambda: self.argument(line, inputs, attributes))
        node = Node(op, tuple(inputs), attributes, self.type(line, name))
        self.graph.nodes.append(node)
        if line.take("#"):
            _read_comment(line, node)

    def argument(self, line: Cursor, inputs: list[Operand], attributes: dict[str, Any]) -> None:
        """Read an input, or an option with its name."""
        if option := line.take(_OPTION):
            line.take("=")
            if option in attributes:
                line.refuse("each option once", f"{option!r} comes twice")
            attributes[option] = line.literal()
        elif attributes:
            line.refuse("an option with its name, such as dims=(0,)")
        else:
            number = line.number()
            inputs.append(self.value(line) if number is None else number)

    # ---- results ----

    def update(self, line: Cursor, name: str) -> None:
        """Read what an input holds afterwards."""
        if name not in self.inputs or self.inputs[name].value in self.graph.updates:
            line.refuse("an input that has no other update", f"{name!r} is none", 0)
        self.graph.updates[self.inputs[name].value] = self.value(line)

    def result(self, line: Cursor) -> None:
        """Read the names of the outputs."""
        if self.returned:
            line.refuse("only one such line", "'return' comes twice", 0)
        self.returned = True
        while line.left():
            self.graph.outputs.append(self.value(line))
            if not line.take(","):
                break


def _read_comment(line: Cursor, node: Node) -> None:
    """Read what `to_text` says behind a node: gradient, module, place in a file, expression."""
    if line.take(GRADIENT):
        node.gradient_of = line.need(NAME, "the name of a value")
    path = line.path() if line.left() else ""
    place = line.take(_LINE)
    if path and not place:
        node.module = path
        path = line.path() if line.left() else ""
        place = line.take(_LINE) or (line.refuse("':' and the number of a line") if path else "")
    if place:
        number = int(place[1:])
        node.source = Source(path, number, 0, number, 0, "", line.left())
        line.at = len(line.text)
