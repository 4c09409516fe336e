"""Makes one large matrix product out of many small ones that share their right operand.

Input: a graph. Output: the same, where the products of slices of a tensor are slices of its
product, and layers that are joined by `cat` are the layer of what is joined.
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

from collections import Counter
from typing import NamedTuple

from streetlight.compile.passes.products import rows_of
from streetlight.compile.passes.regions import Region, Span, index_of, is_whole, region
from streetlight.compile.passes.rewrite import Rewriter, Rules, rewrite
from streetlight.compile.passes.views import permuted, reshaped
from streetlight.graph.graph import Graph, Node, Operand, Value
from streetlight.ops.linalg import _matmul
from streetlight.ops.movement import _cat, _reshape, _slice
from streetlight.ops.registry import Elementwise

LONGEST = 8  # operations between a product and a cat that are looked through
WORTH_A_COPY = 16  # columns of a product that make up for copying its left operand


Pair = tuple[Value, Value]


def joins(graph: Graph) -> Graph:
    """Join products that share their right operand."""
    return rewrite(graph, RULES)


def rows_sliced(graph: Graph) -> Counter[Pair]:
    """For a tensor and a right operand, the rows of all products with slices of the tensor."""
    makers, found = graph.makers(), Counter[Pair]()
    for node in graph.nodes:
        source, _ = _sliced(node, makers) if node.op is _matmul else (None, ())
        if source is not None:
            found[source, node.values[1]] += node.output.shape[0]
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
    rows = w.about(rows_sliced)[w.origin(source), w.origin(right)]
    if rows == node.output.shape[0] or rows < source.size // source.shape[-1]:
        return None
    product = w.make(_matmul, rows_of(w, source), right)  # the same one for each of the slices
    whole = reshaped(w, product, (*source.shape[:-1], right.shape[1]))
    places = index_of((*taken[:-1], Span(0, 1, right.shape[1])))
    return reshaped(w, w.make(_slice, whole, index=places), node.output.shape)


class _Layer(NamedTuple):
    """A product, and the arithmetic with vectors and numbers that was done to it.

    Attributes:
        product: of two matrices.
        links: from the last operation to the first, each with the place of what it is done to.
    """

    product: Node
    links: tuple[tuple[Node, int], ...]

    def does(self) -> tuple[object, ...]:
        """What two layers that differ in nothing but their input have in common."""
        others = [(node.op, place, _others(node, place)) for node, place in self.links]
        return self.product.values[1], *others


def _others(node: Node, place: int) -> tuple[Operand, ...]:
    return (*node.inputs[:place], *node.inputs[place + 1 :])


def _layer(w: Rewriter, part: Value) -> _Layer | None:
    """The layer that a part is the result of, as it is or in another shape."""
    reshape = w.maker(part, _reshape)
    x = reshape.values[0] if reshape and w.single(part) else part
    links: list[tuple[Node, int]] = []
    while w.single(x) and x.ndim == 2 and x.shape[-1] == part.shape[-1] and len(links) < LONGEST:
        node = w.makers.get(x)
        if node is None or node.op is _matmul:
            return _Layer(node, tuple(links)) if node else None
        place = _only_matrix(node) if isinstance(node.op, Elementwise) else None
        if place is None:
            return None
        links.append((node, place))
        x = node.values[0] if place == 0 else node.values[-1]
    return None


def _only_matrix(node: Node) -> int | None:
    """The place of the only operand that is no vector or number, and has the result's shape."""
    places = [i for i, x in enumerate(node.inputs) if isinstance(x, Value) and x.ndim > 1]
    if len(places) != 1 or len(node.inputs) > 2:
        return None
    x = node.inputs[places[0]]
    return places[0] if isinstance(x, Value) and x.shape == node.output.shape else None


def _cat_of_products(w: Rewriter, node: Node) -> Value | None:
    """Layers that lie side by side are one layer of what lies below each other."""
    dim, parts, shape = node.attributes["dim"], node.values, node.output.shape
    if len(parts) < 2 or (dim and len({x.shape for x in parts}) > 1):
        return None
    layers = [layer for layer in [_layer(w, part) for part in parts] if layer]
    if len(layers) < len(parts) or any(x.does() != layers[0].does() for x in layers):
        return None
    right, lefts = layers[0].product.values[1], [layer.product.values[0] for layer in layers]
    if right.shape[1] < WORTH_A_COPY and not all(x in w.makers for x in lefts):
        return None
    rows = w.make(_cat, *lefts, dim=0, sizes=tuple([x.shape[0] for x in lefts]))
    joint = w.make(_matmul, rows, right)
    for link, place in reversed(layers[0].links):
        others = _others(link, place)
        joint = w.make(link.op, *others[:place], joint, *others[place:], **link.attributes)
    if dim:
        joint = reshaped(w, joint, (len(parts), *parts[0].shape))
        joint = permuted(w, joint, (*range(1, dim + 1), 0, *range(dim + 1, joint.ndim)))
    return reshaped(w, joint, shape)


RULES: Rules = {_matmul: [_product_of_slice], _cat: [_cat_of_products]}
