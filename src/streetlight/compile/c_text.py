"""C for single numbers: the type of each dtype, literals, and the expression of an operation."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from streetlight.dtypes import DType
from streetlight.errors import CompileError
from streetlight.graph.graph import Node

TYPES = {
    "float16": "_Float16",
    "float32": "float",
    "float64": "double",
    "int8": "int8_t",
    "int16": "int16_t",
    "int32": "int32_t",
    "int64": "int64_t",
    "uint8": "uint8_t",
    "uint32": "uint32_t",
    "bool": "uint8_t",
}
_LIMITS = {"int64": "INT64", "int32": "INT32", "int16": "INT16", "int8": "INT8"}
_FUNCTIONS = re.compile(
    r"\b(exp|expm1|log|log1p|sqrt|sin|cos|tanh|erf|pow|fmod|fabs|floor|rint|isfinite|isnan)\("
)


def memory_type(dtype: DType) -> str:
    """The C type of an element in memory."""
    return TYPES[dtype.name]


def register_type(dtype: DType) -> str:
    """The C type that an element is computed in: half floats and truth values are widened."""
    return {"float16": "float", "bool": "int"}.get(dtype.name, TYPES[dtype.name])


def literal(value: Any, dtype: DType) -> str:
    """A number as C source, for any dtype, infinities and NaN included.

    >>> literal(0.1, np.dtype("float32")), literal(-math.inf, np.dtype("float64"))
    ('0.1f', '-INFINITY')
    """
    if dtype.kind != "f":
        number = int(value)
        if number == -(2**63):
            return "INT64_MIN"
        return f"{number}LL" if abs(number) > 2**31 - 1 else str(number)
    with np.errstate(over="ignore"):
        rounded = float(np.dtype(dtype).type(value))
    if math.isnan(rounded):
        return "NAN"
    if math.isinf(rounded):
        return "INFINITY" if rounded > 0 else "-INFINITY"
    if dtype.name == "float64":
        return repr(rounded)
    return (
        np.format_float_scientific(np.float32(rounded), trim="0", exp_digits=1) + "f"
        if (rounded and not 1e-4 < abs(rounded) < 1e7)
        else np.format_float_positional(np.float32(rounded), trim="0") + "f"
    )


def _suffix(dtype: DType) -> str:
    if dtype.name == "float64":
        return "f64"
    return "f32" if dtype.kind == "f" else "i64"


def rounded(expression: str, dtype: DType) -> str:
    """The expression with the value that its dtype can hold."""
    return f"(float)(_Float16)({expression})" if dtype.name == "float16" else expression


def converted(text: str, source: DType, target: DType) -> str:
    """C that turns an element of one dtype into another."""
    if source == target:
        return text
    if target.name == "bool":
        return f"({text} != 0)"
    if target.name == "float16":
        return f"(float)(_Float16){text}"
    return f"({TYPES[target.name]}){text}"


def no_c(node: Node) -> CompileError:
    """The error for an operation that nobody has written in C."""
    return CompileError(
        f"the operation {node.op.name} cannot be compiled: it does not say how it is written in C",
        expected='c="..." on its fact sheet, for an elementwise operation',
        fix="see docs/adding-an-op.md, or leave it outside of the compiled function",
    )


def _power(node: Node, texts: list[str]) -> str | None:
    exponent = node.inputs[1]
    if type(exponent) in (int, float) and exponent in (1, 2, 3):
        return " * ".join([texts[0]] * int(exponent))
    return None


def expression(node: Node, texts: list[str], dtype: DType) -> str:
    """C for one element of an elementwise operation.

    Args:
        texts: C of the operands' elements, each a name, a literal or in brackets.
        dtype: the dtype that the operands are computed in.
    """
    name = node.op.name
    if name == "pow" and (text := _power(node, texts)):
        return rounded(text, node.output.dtype)
    if name in ("floor", "round") and dtype.kind != "f":
        return texts[0]
    if name in ("isfinite", "isnan") and dtype.kind != "f":
        return "1" if name == "isfinite" else "0"
    if not node.op.c:
        raise no_c(node)
    template = node.op.c.format(*texts)
    text = _FUNCTIONS.sub(lambda match: f"{match[1]}_{_suffix(dtype)}(", template)
    return rounded(text, node.output.dtype)
