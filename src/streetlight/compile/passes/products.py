"""Writes every matrix product in one way.

Input: a graph. Output: the same with `matmul` alone; a matrix on the right is met by a matrix on
the left, and factors stand behind the product. Transposes stay views of the operands, which the
backend reads with other strides. Invariant: as many products as before, of the same sizes.

Example, for x of shape (12, 64, 128) and w of shape (10, 128),
    y = linear(x, w)
becomes
    a = reshape(x) {shape: (768, 128)}
    b = permute(w) {dims: (1, 0)}
    c = matmul(a, b)
    y = reshape(c) {shape: (12, 64, 10)}
and `permute(matmul(a, b))` becomes `matmul(permute(b), permute(a))`, and
`matmul(mul(a, 0.5), b)` becomes `mul(matmul(a, b), 0.5)`.
"""

from __future__ import annotations

import math

from streetlight.compile.passes.rewrite import Rewriter, Rules, rewrite, scalar
from streetlight.compile.passes.views import permuted, reshaped
from streetlight.graph.graph import Graph, Node, Operand, Value
from streetlight.ops.elementwise import mul
from streetlight.ops.linalg import _matmul, linear
from streetlight.ops.movement import _permute, matrix_transpose

SWAPPED = (1, 0)
PRODUCTS = (_matmul, linear)
TRANSPOSES = (_permute, matrix_transpose)
FEW = 4  # readers of a scaled operand that are looked at


def products(graph: Graph) -> Graph:
    """Write every matrix product in one way."""
    return rewrite(graph, RULES)


def transposed(w: Rewriter, x: Value) -> Value:
    """The transpose of a matrix, or of each matrix of a batch."""
    last = x.ndim - 1
    return permuted(w, x, (*range(last - 1), last, last - 1))


def untransposed(w: Rewriter, x: Value) -> Value | None:
    """What a value is the transpose of, if it is a transposed matrix."""
    node = w.maker(x, _permute)
    return node.values[0] if node and node.attributes["dims"] == SWAPPED else None


def rows_of(w: Rewriter, x: Value) -> Value:
    """x as a matrix, with its last dimension as columns."""
    return reshaped(w, x, (math.prod(x.shape[:-1]), x.shape[-1]))


def _linear(w: Rewriter, node: Node) -> Value | None:
    x, weight = node.values
    product = w.make(_matmul, rows_of(w, x), transposed(w, weight))
    return reshaped(w, product, node.output.shape)


def _flat(w: Rewriter, node: Node) -> Value | None:
    """A batch of matrices times one matrix is one product of all their rows."""
    x, y = node.values
    if x.ndim == 2 or y.ndim != 2:
        return None
    return reshaped(w, w.make(_matmul, rows_of(w, x), y), node.output.shape)


def _swapped(w: Rewriter, node: Node) -> Value | None:
    """The transpose of a product is the product of the transposes, in the other order."""
    x, dims = node.values[0], node.attributes["dims"]
    last = len(dims) - 1
    if dims != (*range(last - 1), last, last - 1) or not w.single(x):
        return None
    scaled = w.maker(x, mul)
    inner, factor = _bare(scaled) if scaled else (x, None)
    product = w.maker(inner, _matmul) if inner is not None and w.single(inner) else None
    if product is None:
        return None
    a, b = product.values
    result = w.make(_matmul, transposed(w, b), transposed(w, a))
    return result if factor is None else w.make(mul, result, factor)


# ---- factors ----


def _scaled(w: Rewriter, node: Node) -> Value | None:
    """A factor of an operand is a factor of the product, where it costs nothing."""
    if node.output.dtype.kind != "f" or node.output.dtype.itemsize < 4:
        return None  # in float16 the product might overflow
    for place, x in enumerate(node.values):
        bare, factor = _without_factor(w, x)
        if bare is not None and factor is not None:
            operands = (bare, node.inputs[1]) if place == 0 else (node.inputs[0], bare)
            return w.make(mul, w.make(_matmul, *operands), factor)
    return None


def _without_factor(w: Rewriter, x: Value) -> tuple[Value | None, Operand | None]:
    """x as a value and a factor, if only products read x; (None, None) if it has no factor."""
    permute = w.maker(x, _permute)
    if permute:
        inner, factor = _without_factor(w, permute.values[0])
        turned = None if inner is None else permuted(w, inner, permute.attributes["dims"])
        return turned, factor
    node = w.maker(x, mul)
    if node is None or not _only_in_products(w, x):
        return None, None
    return _bare(node)


def _bare(product: Node) -> tuple[Value | None, Operand | None]:
    """The operands of a product by a number, the number last; (None, None) for other products."""
    for x, factor in (product.inputs, product.inputs[::-1]):
        if isinstance(x, Value) and scalar(factor) and x.shape == product.output.shape != ():
            return x, factor
    return None, None


def _only_in_products(w: Rewriter, x: Value) -> bool:
    readers = w.readers(x)
    if w.is_result(x) or len(readers) > FEW:
        return False
    return all(
        node.op in PRODUCTS or (node.op in TRANSPOSES and _only_in_products(w, node.output))
        for node in readers
    )


RULES: Rules = {linear: [_linear], _matmul: [_flat, _scaled], _permute: [_swapped]}
