"""Computes what is known already, and leaves out arithmetic that changes nothing.

Input: a graph. Output: the same without operations on constants and without those that give back
their input. Invariant: only identities that hold for every float, NaN, infinity and -0.0 included
(x + 0 is not one: it turns -0.0 into 0.0); factors may be multiplied in another order.

Example, with a constant `one` and a literal 1.0,
    a = mul(one, 0.5)
    b = mul(x, 1.0)
    c = mul(b, a)
becomes `c = mul(x, 0.5)`.
"""

from __future__ import annotations

import math

import numpy as np

from streetlight.compile.passes.rewrite import Rewriter, Rule, Rules, rewrite, with_inputs
from streetlight.graph.graph import Graph, Node, Operand, Value
from streetlight.ops.elementwise import div, mul, neg, pow, sub, where
from streetlight.ops.movement import _expand, copy
from streetlight.ops.registry import BinaryOp, Op, all_ops, cast, context

LARGEST = 4096  # elements of a result that is computed here though its inputs are smaller


def fold(graph: Graph) -> Graph:
    """Compute what is known already."""
    return rewrite(graph, RULES)


def _constant(w: Rewriter, node: Node) -> Value | None:
    """An operation on constants is a constant; an expanded one would only be larger."""
    constants = w.constants
    for x in node.inputs:
        if type(x) is Value and x not in constants:
            return None
    if not node.inputs or node.op is _expand:
        return None
    largest = max([LARGEST, *(value.size for value in node.values)])
    if node.output.size > largest or node.output.number or node.output.device != "cpu":
        return None
    arrays = [constants[x] if isinstance(x, Value) else x for x in node.inputs]
    try:
        data = context.run(node.op.kernel, *arrays, **node.attributes)
    except (ValueError, TypeError, IndexError):
        return None  # it will raise when it runs
    return w.constant(np.asarray(data, node.output.dtype))


def _literal(w: Rewriter, node: Node) -> Value | None:
    """A constant that is the same number everywhere is written as that number."""
    if w.constants.keys().isdisjoint(node.inputs):
        return None
    first = 1 if node.op is where else 0  # the condition is no number
    numbers = [None] * first + [_plain(w, x) for x in node.inputs[first:]]
    inputs = tuple([x if n is None else n for x, n in zip(node.inputs, numbers, strict=True)])
    rest = [x for x in inputs if isinstance(x, Value)]
    if inputs == node.inputs or not any(isinstance(x, Value) for x in inputs[first:]):
        return None
    if np.broadcast_shapes(*[x.shape for x in rest]) != node.output.shape:
        return None
    return w.emit(with_inputs(node, inputs))


def _plain(w: Rewriter, x: Operand) -> bool | int | float | None:
    if not isinstance(x, Value) or x.dtype.kind == "b":
        return None
    return w.uniform(x)


def _same(node: Node, x: Operand) -> Value | None:
    """x, if it has shape and dtype of the result."""
    if not isinstance(x, Value) or x.shape != node.output.shape or x.dtype != node.output.dtype:
        return None
    return x


def _is(x: Operand, number: int) -> bool:
    return (type(x) is float or type(x) is int) and x == number


def _ordered(node: Node) -> tuple[Operand, Operand]:
    """The operands of a commutative operation, a plain number last."""
    x, y = node.inputs
    return (x, y) if isinstance(x, Value) else (y, x)


def _product(w: Rewriter, node: Node) -> Value | None:
    """x · 1 is x, x · −1 is −x, and (x · a) · b is x · ab."""
    x, number = _ordered(node)
    if isinstance(number, Value) or not isinstance(x, Value):
        return None
    if _is(number, 1):
        return _same(node, x)
    if _is(number, -1) and not x.number:
        return w.make(neg, x) if _same(node, x) else None
    inner = w.maker(x, mul)
    if inner is None or x.number or x.dtype.kind != "f":
        return None
    source, first = _ordered(inner)
    if isinstance(first, Value) or not _well_scaled(first * number, x):
        return None
    return w.make(mul, source, first * number)


def _well_scaled(factor: float, x: Value) -> bool:
    """Whether a product of factors is far from overflow, and from vanishing."""
    return math.isfinite(factor) and 2.0**-100 < abs(factor) < 2.0**100 and x.dtype.itemsize > 2


def _quotient(w: Rewriter, node: Node) -> Value | None:
    """x / 1 is x."""
    return _same(node, node.inputs[0]) if _is(node.inputs[1], 1) else None


def _difference(w: Rewriter, node: Node) -> Value | None:
    """x − 0 is x."""
    return _same(node, node.inputs[0]) if _is(node.inputs[1], 0) else None


def _power(w: Rewriter, node: Node) -> Value | None:
    """x¹ is x, and x² is x · x."""
    x, exponent = node.inputs
    if _is(exponent, 1):
        return _same(node, x)
    if _is(exponent, 2) and isinstance(x, Value) and not x.number and x.dtype.kind == "f":
        return w.make(mul, x, x)
    return None


def _negative(w: Rewriter, node: Node) -> Value | None:
    """−(−x) is x."""
    inner = w.maker(node.inputs[0], neg)
    return _same(node, inner.inputs[0]) if inner else None


def _choice(w: Rewriter, node: Node) -> Value | None:
    """A choice between x and x, or by a known condition, is none."""
    condition, x, y = node.inputs
    known = w.uniform(condition)
    if known is not None:
        return _same(node, x if known else y)
    return _same(node, x) if x is y else None


def _itself(w: Rewriter, node: Node) -> Value | None:
    """A copy, or a cast to the dtype that is there already, gives the same numbers."""
    x = node.inputs[0]
    return None if isinstance(x, Value) and x.number else _same(node, x)


IDENTITIES: Rules = {
    mul: [_product], div: [_quotient], sub: [_difference], pow: [_power], neg: [_negative],
    where: [_choice], cast: [_itself], copy: [_itself],
}  # fmt: skip


def _rules_of(op: Op) -> list[Rule]:
    written: list[Rule] = [_literal] if isinstance(op, BinaryOp) or op is where else []
    return [_constant, *written, *IDENTITIES.get(op, ())]


RULES: Rules = {op: _rules_of(op) for op in all_ops.values()}
