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
from streetlight.compile.passes.rewrite import Rewriter
from streetlight.compile.passes.views import permuted, reshaped
from streetlight.graph.graph import Graph, Node, Value
from streetlight.ops.linalg import _matmul
from streetlight.ops.movement import _cat, _reshape, _slice

WORTH_A_COPY = 16  # columns of a product that make up for copying its left operand


def joins(graph: Graph) -> Graph:
    """Join products that share their right operand."""
    return _Joiner(graph).run()


class _Joiner(Rewriter):
    """Joins products.

    Attributes:
        rows: for a tensor and a right operand, the rows of the products with slices of the tensor.
        whole: for the same pair, the product with the tensor.
    """

    def __init__(self, graph: Graph) -> None:
        rules = {_matmul: [_Joiner.of_slice], _cat: [_Joiner.of_products]}
        super().__init__(graph, rules)  # type: ignore[arg-type]
        self.rows: dict[tuple[Value, Value], list[int]] = {}
        self.whole: dict[tuple[Value, Value], Value] = {}
        makers = graph.makers()
        for node in graph.nodes:
            source, _ = sliced(node, makers) if node.op is _matmul else (None, ())
            if source is not None:
                self.rows.setdefault((source, node.values[1]), []).append(node.output.shape[0])

    def of_slice(self, node: Node) -> Value | None:
        """The product of a slice is a slice of the product."""
        source, taken = sliced(node, self.makers)
        if source is None:
            return None
        right = node.values[1]
        rows = self.rows.get((source, right), [])
        if len(rows) < 2 or sum(rows) < source.size // source.shape[-1]:
            return None
        if (source, right) not in self.whole:
            product = self.make(_matmul, rows_of(self, source), right)
            shape = (*source.shape[:-1], right.shape[1])
            self.whole[source, right] = reshaped(self, product, shape)
        places = index_of((*taken[:-1], Span(0, 1, right.shape[1])))
        part = self.make(_slice, self.whole[source, right], index=places)
        return reshaped(self, part, node.output.shape)

    def of_products(self, node: Node) -> Value | None:
        """Products that lie side by side are the product of what lies below each other."""
        dim, parts, shape = node.attributes["dim"], node.values, node.output.shape
        products = [self.product(part) for part in parts]
        if dim == len(shape) - 1 or len(parts) < 2:
            return None
        lefts = [product.values[0] for product in products if product]
        right = products[0].values[1] if products[0] else None
        shared = all(product and product.values[1] is right for product in products)
        if right is None or not shared or (dim and len({part.shape for part in parts}) > 1):
            return None
        if right.shape[1] < WORTH_A_COPY and not all(x in self.makers for x in lefts):
            return None
        rows = self.make(_cat, *lefts, dim=0, sizes=tuple([x.shape[0] for x in lefts]))
        joint = self.make(_matmul, rows, right)
        if dim:
            joint = reshaped(self, joint, (len(parts), *parts[0].shape))
            joint = permuted(self, joint, (*range(1, dim + 1), 0, *range(dim + 1, joint.ndim)))
        return reshaped(self, joint, shape)

    def product(self, part: Value) -> Node | None:
        """The product of two matrices that a part is, as it is or in another shape."""
        reshape = self.maker(part, _reshape)
        inner = reshape.values[0] if reshape else part
        node = self.maker(inner, _matmul)
        if node is None or not self.single(part) or not self.single(inner):
            return None
        return node if inner.ndim == 2 and inner.shape[-1] == part.shape[-1] else None


def sliced(node: Node, makers: dict[Value, Node]) -> tuple[Value | None, Region]:
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
