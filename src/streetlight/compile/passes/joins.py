"""Makes one large matrix product out of many small ones that share their right operand.

Input: a graph. Output: the same, where the products of slices of a tensor are slices of its
product, and products that are joined by `cat` are the product of what is joined.
Invariant: not more is multiplied than before.

Example, for x of shape (32, 16, 512),
    a = slice(x) {index: (slice(None), 0, ...)}
    b = matmul(a, w)
    ...                                           (and so on to 15)
becomes
    c = matmul(reshape(x) {shape: (512, 512)}, w)
    d = reshape(c) {shape: (32, 16, 512)}
    b = slice(d) {index: (slice(None), 0, ...)}
    ...
"""

from __future__ import annotations

from streetlight.compile.passes.products import rows_of
from streetlight.compile.passes.regions import Region, Span, index_of, is_whole, region
from streetlight.compile.passes.rewrite import Rewriter, Rules, rewrite
from streetlight.compile.passes.views import permuted, reshaped
from streetlight.graph.graph import Graph, Node, Value
from streetlight.ops.linalg import _matmul
from streetlight.ops.movement import _cat, _reshape, _slice

WORTH_A_COPY = 16  # columns of a product that make up for copying its left operand


Pair = tuple[Value, Value]


def joins(graph: Graph) -> Graph:
    """Join products that share their right operand."""
    return rewrite(graph, RULES)


def rows_sliced(graph: Graph) -> dict[Pair, list[int]]:
    """For a tensor and a right operand, the rows of the products with slices of the tensor."""
    makers, found = graph.makers(), dict[Pair, list[int]]()
    for node in graph.nodes:
        source, _ = _sliced(node, makers) if node.op is _matmul else (None, ())
        if source is not None:
            found.setdefault((source, node.values[1]), []).append(node.output.shape[0])
    return found


def _sliced(node: Node, makers: dict[Value, Node]) -> tuple[Value | None, Region]:
    """The tensor that a product's left operand is a slice of, if its last dimension is whole."""
    maker = makers.get(node.values[0])
    if maker and maker.op is _reshape:
        maker = makers.get(maker.values[0])
    if maker is None or maker.op is not _slice or node.output.ndim != 2:
        return None, ()
    source = maker.values[0]
    taken = region(maker.attributes["index"], source.shape)
    whole = taken and taken[-1].kept and is_whole(taken[-1], source.shape[-1])
    same_rows = node.values[0].shape[-1] == source.shape[-1]
    return (source, taken) if taken and whole and same_rows else (None, ())


def _product_of_slice(w: Rewriter, node: Node) -> Value | None:
    """The product of a slice is a slice of the product."""
    source, taken = _sliced(node, w.makers)
    if source is None:
        return None
    right = node.values[1]
    rows = w.about(rows_sliced).get((w.origin(source), w.origin(right)), [])
    if len(rows) < 2 or sum(rows) < source.size // source.shape[-1]:
        return None
    product = w.make(_matmul, rows_of(w, source), right)  # the same one for each of the slices
    whole = reshaped(w, product, (*source.shape[:-1], right.shape[1]))
    places = index_of((*taken[:-1], Span(0, 1, right.shape[1])))
    return reshaped(w, w.make(_slice, whole, index=places), node.output.shape)


def _cat_of_products(w: Rewriter, node: Node) -> Value | None:
    """Products that lie side by side are the product of what lies below each other."""
    dim, parts, shape = node.attributes["dim"], node.values, node.output.shape
    if len(parts) < 2 or (dim and len({x.shape for x in parts}) > 1):
        return None
    found = [_product(w, part) for part in parts]
    products = [product for product in found if product]
    right = products[0].values[1] if products else None
    if (
        right is None
        or len(products) < len(parts)
        or any(p.values[1] is not right for p in products)
    ):
        return None
    lefts = [product.values[0] for product in products]
    if right.shape[1] < WORTH_A_COPY and not all(x in w.makers for x in lefts):
        return None
    rows = w.make(_cat, *lefts, dim=0, sizes=tuple([x.shape[0] for x in lefts]))
    joint = w.make(_matmul, rows, right)
    if dim:
        joint = reshaped(w, joint, (len(parts), *parts[0].shape))
        joint = permuted(w, joint, (*range(1, dim + 1), 0, *range(dim + 1, joint.ndim)))
    return reshaped(w, joint, shape)


def _product(w: Rewriter, part: Value) -> Node | None:
    """The product of two matrices that a part is, as it is or in another shape."""
    reshape = w.maker(part, _reshape)
    inner = reshape.values[0] if reshape else part
    node = w.maker(inner, _matmul)
    if node is None or not w.single(part) or not w.single(inner):
        return None
    return node if inner.ndim == 2 and inner.shape[-1] == part.shape[-1] else None


RULES: Rules = {_matmul: [_product_of_slice], _cat: [_cat_of_products]}
