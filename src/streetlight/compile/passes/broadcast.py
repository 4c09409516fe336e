"""Computes with what is repeated before it is repeated.

Input: a graph. Output: the same with operations on the sources of `expand` and `reshape` where
that is less work. Invariant: sums may be rounded in another order; no operation gets larger.

Example, for g of shape (), x of shape (100, 10):
    a = expand(g) {shape: (100, 10)}
    b = mul(a, 0.5)
    c = mul(b, x)
    d = sum(b) {dims: (0,), keepdim: False}
becomes
    b = mul(g, 0.5)
    c = mul(b, x)
    e = mul(b, 100.0)
    d = expand(e) {shape: (10,)}
"""

from __future__ import annotations

import math

import numpy as np

from streetlight.compile.passes.rewrite import Rewriter, Rule, Rules, rewrite, with_inputs
from streetlight.compile.passes.views import reshaped
from streetlight.graph.graph import Graph, Node, Operand, Value
from streetlight.ops.dims import reduced_shape
from streetlight.ops.elementwise import mul
from streetlight.ops.linalg import _matmul
from streetlight.ops.movement import _expand, _reshape
from streetlight.ops.reduce import _amax, _amin, _sum
from streetlight.ops.registry import Elementwise, Op, Shape, all_ops, cast


def broadcast(graph: Graph) -> Graph:
    """Compute with what is repeated before it is repeated."""
    return rewrite(graph, RULES)


def _elementwise(w: Rewriter, node: Node) -> Value | None:
    shape = node.output.shape
    for x in node.inputs:
        maker = w.maker(x, _expand, _reshape)
        if maker and maker.op is _expand:
            return _of_expands(w, node) if node.output.size else None
        if maker and maker.output.shape == shape and maker.values[0].ndim < len(shape):
            return _of_reshapes(w, node, maker.values[0].shape)
    return None


def _of_expands(w: Rewriter, node: Node) -> Value:
    """f(expand(x), y) is f(x, y), repeated where y is small too."""
    repeated = [w.maker(x, _expand) for x in node.inputs]
    sources = tuple([r.inputs[0] if r else x for r, x in zip(repeated, node.inputs, strict=True)])
    shape = np.broadcast_shapes(*[x.shape for x in sources if isinstance(x, Value)])
    if shape == node.output.shape:
        return w.emit(with_inputs(node, sources))
    small = w.make(node.op, *sources, **node.attributes)
    return w.make(_expand, small, shape=node.output.shape)


def _of_reshapes(w: Rewriter, node: Node, source: Shape) -> Value | None:
    """f(reshape(x), y) is reshape(f(x, y)), if y fits x as it is, or before its reshape."""
    shape = node.output.shape
    same = _common_end(source, shape)
    operands: list[Operand] = []
    for x in node.inputs:
        inner = w.maker(x, _reshape)
        if inner and inner.values[0].shape == source and inner.output.shape == shape:
            operands.append(inner.values[0])
        elif not isinstance(x, Value) or x.ndim <= same:
            operands.append(x)
        else:
            return None
    return w.make(_reshape, w.make(node.op, *operands, **node.attributes), shape=shape)


def _product(w: Rewriter, node: Node) -> Value | None:
    """A row that is repeated is multiplied once."""
    a, b = node.values
    inner = w.maker(a, _expand)
    if inner is None or a.ndim != 2 or b.ndim != 2 or not node.output.size:
        return None
    source = inner.values[0]
    if source.shape[:-1] not in ((), (1,)) or a.shape[0] == 1:
        return None
    row = w.make(_expand, source, shape=(1, a.shape[1]))
    return w.make(_expand, w.make(_matmul, row, b), shape=node.output.shape)


def _reduction(w: Rewriter, node: Node) -> Value | None:
    x, dims = node.values[0], node.attributes["dims"]
    if not x.size:
        return None
    if all(x.shape[d] == 1 for d in dims):
        return reshaped(w, x, node.output.shape)
    inner = w.maker(x, _expand, _reshape, _sum)
    if inner is None:
        return None
    if inner.op is _sum:
        return _sum_of_sum(w, node, inner)
    through = _of_expand if inner.op is _expand else _of_reshape
    return through(w, node, inner.values[0], x.shape)


def _of_expand(w: Rewriter, node: Node, source: Value, shape: Shape) -> Value | None:
    """The sum of n equal numbers is n times the number; their largest is the number."""
    dims = node.attributes["dims"]
    aligned = (1,) * (len(shape) - source.ndim) + source.shape
    times = math.prod([shape[d] for d in dims if aligned[d] == 1])
    if node.op is _sum and times > _largest_factor(source):
        return None
    result = w.make(node.op, reshaped(w, source, aligned), dims=dims, keepdim=True)
    if node.op is _sum and times != 1:
        result = w.make(mul, result, float(times) if result.dtype.kind == "f" else times)
    kept = w.make(_expand, result, shape=reduced_shape(shape, dims, True))
    return reshaped(w, kept, node.output.shape)


def _largest_factor(x: Value) -> float:
    """A whole number that the dtype still holds exactly."""
    return 2.0 ** {2: 11, 4: 24, 8: 53}[x.dtype.itemsize] if x.dtype.kind == "f" else 127


def _of_reshape(w: Rewriter, node: Node, source: Value, shape: Shape) -> Value | None:
    """Reduce the source, if the reshape leaves the last dimensions as they are.

    Of the dimensions before these, all or none must be reduced.
    """
    same = _common_end(source.shape, shape)
    lead, own = len(shape) - same, source.ndim - same
    dims = node.attributes["dims"]
    reduced = [d for d in range(lead) if d in dims]
    if reduced and len(reduced) < lead:
        return None
    front = tuple(range(own)) if reduced else ()
    back = tuple([d - lead + own for d in dims if d >= lead])
    result = w.make(node.op, source, dims=front + back, keepdim=False)
    return reshaped(w, result, node.output.shape)


def _common_end(a: Shape, b: Shape) -> int:
    pairs = zip(reversed(a), reversed(b), strict=False)
    return next((i for i, (m, n) in enumerate(pairs) if m != n), min(len(a), len(b)))


def _sum_of_sum(w: Rewriter, node: Node, inner: Node) -> Value | None:
    if node.op is not _sum or not w.single(inner.output):
        return None
    source, first = inner.values[0], inner.attributes["dims"]
    left = [d for d in range(source.ndim) if inner.attributes["keepdim"] or d not in first]
    dims = {*first, *[left[d] for d in node.attributes["dims"]]}
    result = w.make(_sum, source, dims=tuple(sorted(dims)), keepdim=False)
    return reshaped(w, result, node.output.shape)


def _rules_of(op: Op) -> list[Rule]:
    if op is _matmul:
        return [_product]
    if op in (_sum, _amax, _amin):
        return [_reduction]
    plain = isinstance(op, Elementwise) or op is cast
    return [_elementwise] if plain else []


RULES: Rules = {op: _rules_of(op) for op in all_ops.values()}
