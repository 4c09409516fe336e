"""A graph as text that people read and paste into an issue; `parse` makes the same graph of it.

graph step draws from 1 generator

argument x: f32[100, 784]
parameter weight: f32[10, 784] from layer.weight
number lr: number from optimizer.lr
constant scale: f32[2] = [0.5, -inf]

linear = linear(x, weight) : f32[100, 10]         # layer  train.py:12  self.layer(x)
sum = sum(g, dims=(0,), keepdim=False) : f32[10]  # gradient of linear  layer

weight <- sub_3

return loss
"""

from __future__ import annotations

import base64
import linecache
import re
import textwrap
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from streetlight import dtypes
from streetlight.devices import Array
from streetlight.graph.graph import Graph, Input, Node, Source, Value
from streetlight.ops.indexing import HERE
from streetlight.ops.registry import Op

DTYPES: dict[str, dtypes.DType] = {
    "f16": dtypes.float16, "f32": dtypes.float32, "f64": dtypes.float64,
    "i8": dtypes.int8, "i16": dtypes.int16, "i32": dtypes.int32, "i64": dtypes.int64,
    "u8": dtypes.uint8, "bool": dtypes.bool,
}  # fmt: skip
_SHORT = {dtype: short for short, dtype in DTYPES.items()}

RESERVED = frozenset({"nan", "inf", "True", "False"})  # would be read as numbers, not as values
BARE = re.compile(r"""[^\s'"#=:,][^\s#=:,]*""")  # paths that need no quotation marks
GRADIENT = "gradient of "

FEW = 32  # constants of more elements follow at the end, packed
_WIDEST = 60  # comments stand below each other as long as the code before them is not wider
_LONGEST = 60  # the user's expressions are cut there


def to_text(graph: Graph) -> str:
    """Return the graph as text; `print(graph)` shows it.

    Constants of up to 32 elements stand in it as numbers, others packed (zlib, base64) at its end;
    either way every bit of them is there. Of a source it keeps the file's name, the line and the
    expression.
    """
    lines = [line_of(node) for node in graph.nodes]
    column = min(max(map(len, lines), default=0), _WIDEST)
    notes = [_comment(node) for node in graph.nodes]
    blocks = [
        [_header(graph)],
        [input_line(given) for given in graph.inputs],
        [f"{a:<{column}}  # {b}" if b else a for a, b in zip(lines, notes, strict=True)],
        [f"{value.name} <- {new.name}" for value, new in graph.updates.items()],
        ["return " + ", ".join(value.name for value in graph.outputs)],
        *([f"data {given.value.name}", *_packed(given.data)] for given in _large(graph)),
    ]
    return "\n\n".join("\n".join(block).rstrip() for block in blocks if block) + "\n"


def line_of(node: Node) -> str:
    """Return the line of a node, without the comment on where it comes from.

    >>> from streetlight.ops import relu
    >>> x, y = (Value(name, (2, 3), dtypes.float32) for name in "xy")
    >>> line_of(Node(relu, (x,), {}, y))
    'y = relu(x) : f32[2, 3]'
    """
    inputs = [x.name if isinstance(x, Value) else literal(x) for x in node.inputs]
    options = [f"{name}={_attribute(name, x)}" for name, x in node.attributes.items()]
    call = ", ".join(inputs + options)
    return f"{node.output.name} = {node.op.name}({call}) : {type_of(node.output)}"


def type_of(value: Value) -> str:
    """Return the type of a value, such as `f32[2, 3]`, or `number`."""
    if value.number:
        return "number"
    place = "" if value.device == "cpu" else f" on {value.device}"
    sizes = ", ".join(map(str, value.shape))
    return f"{_SHORT.get(value.dtype, value.dtype)}[{sizes}]{place}"


def literal(value: Any) -> str:
    """Return an attribute or a plain number as it is written in Python, or nearly so.

    >>> literal((slice(1, None), ..., dtypes.float32, True, -0.0, {"dims": (0,)}))
    '(1:, ..., f32, True, -0.0, {dims: (0,)})'
    """
    if isinstance(value, tuple):
        inner = ", ".join(map(literal, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {literal(x)}" for key, x in value.items()) + "}"
    return _word(value.item() if isinstance(value, np.generic) else value)


def _word(value: Any) -> str:
    """Return what is written for one thing that is not a container."""
    if isinstance(value, slice):
        start, stop, step = (
            "" if x is None else literal(x) for x in (value.start, value.stop, value.step)
        )
        return f"{start}:{stop}:{step}" if step else f"{start}:{stop}"
    if value is ...:
        return "..."
    if isinstance(value, np.dtype):
        return _SHORT[value]
    if isinstance(value, Op):
        return value.name
    return "HERE" if value == HERE and isinstance(value, str) else repr(value)


def _attribute(name: str, value: Any) -> str:
    return f"@{value}" if name == "generator" else literal(value)


def _quoted(path: str) -> str:
    """Return a path as it is if that can be read back, otherwise with quotation marks."""
    return path if BARE.fullmatch(path) else repr(path)


def _header(graph: Graph) -> str:
    plural = "" if graph.generators == 1 else "s"
    draws = f" draws from {graph.generators} generator{plural}" if graph.generators else ""
    return f"graph {_quoted(graph.name)}{draws}"


def input_line(given: Input) -> str:
    """Return the line of an input."""
    value = given.value
    path = "" if given.path == value.name else f" from {_quoted(given.path)}"
    data = "" if given.data is None else f" = {_numbers(given.data)}"
    return f"{given.kind} {value.name}: {type_of(value)}{path}{data}"


# ---- where a node comes from ----


def _comment(node: Node) -> str:
    """Say what a node is the gradient of, its module, and the user's line and expression."""
    parts = [GRADIENT + node.gradient_of if node.gradient_of else ""]
    parts.append(_quoted(node.module) if node.module else "")
    if node.source is not None:
        parts.append(f"{_quoted(Path(node.source.file).name)}:{node.source.line}")
        parts.append(expression(node.source))
    return "  ".join(part for part in parts if part)


def expression(source: Source) -> str:
    """Return the user's expression on one line, or "" if the file cannot be read any more."""
    text = source.text
    if not text and source.end_column:
        rows = linecache.getlines(source.file)[source.line - 1 : source.end_line]
        if rows:
            rows[-1] = rows[-1][: source.end_column]
            rows[0] = rows[0][source.column :]
        text = "".join(rows)
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1].rstrip() + "…"


# ---- constants ----


def _numbers(data: Any) -> str:
    listed = _listed(data)
    return "data" if listed is None else literal(listed)


def _listed(data: Any) -> Any:
    """Return a constant as nested lists, or None if it is large or they would not be exact."""
    if not isinstance(data, np.ndarray):
        return data
    if data.size > FEW:
        return None
    floats = data.dtype.kind == "f"  # str gives as few digits as the dtype needs
    row = [float(str(x)) if floats else x.item() for x in data.reshape(-1)]
    listed = np.array(row, dtype=object).reshape(data.shape).tolist()
    back = np.array(listed, data.dtype).reshape(data.shape)
    return listed if back.tobytes() == data.tobytes() else None


def _large(graph: Graph) -> Iterator[Input]:
    for given in graph.inputs:
        if given.data is not None and _numbers(given.data) == "data":
            yield given


def _packed(data: Array) -> list[str]:
    """Return the bytes of an array in indented lines; `unpacked` undoes it."""
    packed = base64.b64encode(zlib.compress(data.tobytes(), 9)).decode()
    return textwrap.wrap(packed, 96, initial_indent="  ", subsequent_indent="  ")


def unpacked(lines: list[str], value: Value) -> Array:
    """Return the array of the value's type that was packed into lines.

    Raises:
        ValueError: if these are not such lines, or not enough of them.
    """
    try:
        data = zlib.decompress(base64.b64decode("".join(lines), validate=True))
    except zlib.error as error:
        raise ValueError(str(error)) from error
    return np.frombuffer(data, value.dtype).reshape(value.shape).copy()
