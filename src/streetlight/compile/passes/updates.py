"""Prepares updates: scales rows before they are added to a table, and unfolds outer products.

Input: a graph. Output: the same with factors and minus signs inside of `unpick`, so that only
touched rows cost, and products over a single element as elementwise products, which can be
computed where they are read. Invariant: the same rows are added at the same places.

Example, for a table of 74,000 rows and 130 indices i,
    a = unpick(g, i) {shape: (74000, 100)}
    b = mul(a, lr)
    c = sub(table, b)
becomes
    a = mul(g, lr)
    b = unpick(a, i) {shape: (74000, 100)}
    c = sub(table, b)
"""

from __future__ import annotations

from streetlight.compile.passes.rewrite import Rewriter, Rules, rewrite, scalar
from streetlight.graph.graph import Graph, Node, Value
from streetlight.ops.elementwise import mul, neg
from streetlight.ops.indexing import _unpick
from streetlight.ops.linalg import _matmul


def updates(graph: Graph) -> Graph:
    """Scale rows before they are added to a table, and unfold outer products."""
    return rewrite(graph, RULES)


def _product(w: Rewriter, node: Node) -> Value | None:
    for x, factor in (node.inputs, node.inputs[::-1]):
        unpick = w.maker(x, _unpick)
        if unpick and scalar(factor) and _pays(w, unpick):
            rows = w.make(mul, unpick.values[0], factor)
            return w.make(_unpick, rows, *unpick.values[1:], **unpick.attributes)
    return None


def _negative(w: Rewriter, node: Node) -> Value | None:
    unpick = w.maker(node.inputs[0], _unpick)
    if unpick is None or not _pays(w, unpick):
        return None
    rows = w.make(neg, unpick.values[0])
    return w.make(_unpick, rows, *unpick.values[1:], **unpick.attributes)


def _pays(w: Rewriter, unpick: Node) -> bool:
    table = unpick.output
    return w.single(table) and table.ndim > 0 and unpick.values[0].size <= table.size


def _outer(w: Rewriter, node: Node) -> Value | None:
    """A column times a row is an elementwise product."""
    a, b = node.values
    return w.make(mul, a, b) if a.shape[-1] == 1 else None


RULES: Rules = {mul: [_product], neg: [_negative], _matmul: [_outer]}
