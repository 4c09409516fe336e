"""Turns a sum of many small results, such as the gradient of a weight over time, into one result.

Input: a graph. Output: the same, where additions of several terms of one kind are replaced:
    a b + c b                        becomes (a + c) b
    aᵀ b + cᵀ d                      becomes [a; c]ᵀ [b; d], one product that is as tall as time
    sum of a + sum of c              becomes the sum of [a; c], where that is there already
    unslice a + unslice b            becomes [a; b], if the places lie side by side
    unpick a at i + unpick b at j    becomes unpick [a; b] at [i; j]
Invariant: a term that is read elsewhere too stays; sums may be rounded in another order.

Example, for matrices g, h of 32 rows,
    a = matmul(permute(g_0), h_0)
    b = matmul(permute(g_1), h_1)
    c = add(a, b)
becomes
    g = cat(g_0, g_1) {dim: 0}
    h = cat(h_0, h_1) {dim: 0}
    c = matmul(permute(g), h)
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable

from streetlight.compile.passes.products import transposed, untransposed
from streetlight.compile.passes.regions import (
    Region,
    consecutive,
    counts,
    index_of,
    is_all,
    region,
    union,
)
from streetlight.compile.passes.rewrite import Rewriter
from streetlight.compile.passes.views import reshaped
from streetlight.graph.graph import Graph, Node, Value
from streetlight.ops.elementwise import add
from streetlight.ops.indexing import HERE, _unpick
from streetlight.ops.linalg import _matmul
from streetlight.ops.movement import _cat, _expand, _permute, _reshape, _slice, _unslice
from streetlight.ops.reduce import _sum
from streetlight.ops.registry import Op, Shape

VIEWS = (_reshape, _permute, _slice, _expand)


def sums(graph: Graph) -> Graph:
    """Turn sums of terms of one kind into one result each."""
    return _Summer(graph).run()


class _Summer(Rewriter):
    """Rewrites trees of additions.

    Attributes:
        place: for each value, how many nodes were written before the one that makes it.
        cats: for each part that was joined to others by rows, the whole and its number in it.
        tall: values whose rows will be joined for a product.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph, {add: [_Summer.tree]})  # type: ignore[list-item]
        self.place: dict[Value, int] = {}
        self.cats: dict[Value, tuple[Value, int]] = {}
        makers = graph.makers()
        products = [node for node in graph.nodes if node.op is _matmul]
        lefts = [makers.get(node.values[0]) for node in products if self.in_a_tree(node.output)]
        self.tall = {node.values[0] for node in lefts if node and node.op is _permute}

    def emit(self, node: Node) -> Value:
        """Write a node, and remember where."""
        value = super().emit(node)
        self.place.setdefault(value, len(self.nodes))
        return value

    def in_a_tree(self, value: Value) -> bool:
        """Whether all that is done with a value is to add it to another of its shape."""
        readers = self.readers(value)
        return len(readers) == 1 and not self.is_result(value) and is_addition(readers[0])

    def tree(self, node: Node) -> Value | None:
        """Join what can be joined among the terms of a sum, once they are all known."""
        if self.made_here(node) or not is_addition(node) or self.in_a_tree(node.output):
            return None
        terms = self.terms(node)
        count = len(terms)
        for join in (by_operand(1), by_operand(0), tall_products, row_sums, pieces, rows):
            terms = join(self, terms)
        return self.total(terms) if len(terms) < count else None

    def terms(self, node: Node) -> list[Value]:
        """The terms of a tree of additions, from left to right."""
        found, stack = [], list(reversed(node.values))
        while stack:
            x = stack.pop()
            maker = self.maker(x, add)
            if maker and is_addition(maker) and self.single(x):
                stack.extend(reversed(maker.values))
            else:
                found.append(x)
        return found

    def total(self, terms: Iterable[Value]) -> Value:
        """The sum of values."""
        first, *rest = terms
        for term in rest:
            first = self.make(add, first, term)
        return first

    def joined(self, parts: list[Value]) -> Value:
        """Parts below each other; one that is part of a whole already is not copied again."""
        units: list[Value] = []
        place = 0
        while place < len(parts):
            whole, number = self.cats.get(parts[place], (None, 0))
            members = self.makers[whole].values if whole else ()
            run = members[number : number + len(parts) - place]
            if whole and list(run) == parts[place : place + len(run)] and len(run) > 1:
                units.append(self.rows_of(whole, number, len(run)))
                place += len(run)
            else:
                units.append(parts[place])
                place += 1
        return self.cat(units)

    def rows_of(self, whole: Value, number: int, count: int) -> Value:
        """The part of a whole that some of its members make up."""
        sizes = self.makers[whole].attributes["sizes"]
        start = sum(sizes[:number])
        taken = slice(start, start + sum(sizes[number : number + count]), 1)
        return whole if count == len(sizes) else self.make(_slice, whole, index=(taken, ...))

    def cat(self, parts: list[Value]) -> Value:
        """Parts below each other."""
        if len(parts) == 1:
            return parts[0]
        whole = self.make(_cat, *parts, dim=0, sizes=tuple([x.shape[0] for x in parts]))
        for number, part in enumerate(parts):
            self.cats.setdefault(part, (whole, number))
        return whole

    def cost(self, parts: Iterable[Value]) -> int:
        """How many elements must be copied to join parts: those that are not made to measure."""
        return sum(
            x.size
            for x in parts
            if x not in self.cats and (x not in self.makers or self.maker(x, *VIEWS))
        )


def is_addition(node: Node) -> bool:
    """Whether a node adds two different tensors of one shape."""
    if node.op is not add or len(node.values) < 2 or node.output.dtype.kind != "f":
        return False
    first, second = node.values
    shape = node.output.shape
    return first is not second and not first.number and first.shape == second.shape == shape


# ---- ways to join terms: each returns the terms that are left ----

Join = Callable[[_Summer, list[Value]], list[Value]]


def _split(w: _Summer, terms: list[Value], *ops: Op) -> tuple[list[Node], list[Value]]:
    """The nodes of terms that are made by an operation and read by nobody else, and the rest."""
    nodes = {x: w.maker(x, *ops) for x in terms if w.single(x)}
    found = [node for node in nodes.values() if node]
    return found, [x for x in terms if not nodes.get(x)]


def _grouped(nodes: list[Node], key: Callable[[Node], Hashable]) -> list[list[Node]]:
    groups: dict[Hashable, list[Node]] = {}
    for node in nodes:
        groups.setdefault(key(node), []).append(node)
    return list(groups.values())


def by_operand(place: int) -> Join:
    """a b + c b = (a + c) b, for the operand at that place."""

    def join(w: _Summer, terms: list[Value]) -> list[Value]:
        products, rest = _split(w, terms, _matmul)
        for group in _grouped(products, lambda node: (node.values[place], node.values[0].ndim)):
            others = [node.values[1 - place] for node in group]
            same = len(group) > 1 and len({x.shape for x in others}) == 1
            rest += [_shared(w, group, place)] if same else [node.output for node in group]
        return rest

    return join


def _shared(w: _Summer, group: list[Node], place: int) -> Value:
    others = [node.values[1 - place] for node in group]
    turned = [untransposed(w, x) for x in others]
    bare = [x for x in turned if x is not None]
    total = transposed(w, w.total(bare)) if len(bare) == len(others) else w.total(others)
    shared = group[0].values[place]
    return w.make(_matmul, *((shared, total) if place == 0 else (total, shared)))


def tall_products(w: _Summer, terms: list[Value]) -> list[Value]:
    """aᵀ b + cᵀ d = [a; c]ᵀ [b; d]."""
    products, rest = _split(w, terms, _matmul)
    pairs = [(untransposed(w, node.values[0]), node.values[1]) for node in products]
    tall = [(left, right) for left, right in pairs if left is not None]
    saved = (len(tall) - 1) * terms[0].size
    if len(tall) < 2 or w.cost([x for pair in tall for x in pair]) > saved:
        return terms
    rest += [node.output for node in products if untransposed(w, node.values[0]) is None]
    tall.sort(key=lambda pair: -w.place.get(pair[0], 0))  # as time runs: the walk was backward
    lefts, rights = ([pair[side] for pair in tall] for side in (0, 1))
    return [*rest, w.make(_matmul, transposed(w, w.joined(lefts)), w.joined(rights))]


def row_sums(w: _Summer, terms: list[Value]) -> list[Value]:
    """Σ a + Σ b = Σ [a; b] over the rows, if a product needs [a; b] too."""
    nodes, rest = _split(w, terms, _sum)
    for group in _grouped(nodes, lambda node: (node.values[0].shape[1:], node.attributes["dims"])):
        parts = [node.values[0] for node in group]
        tall = all(x in w.tall or x in w.cats for x in parts)
        if len(group) < 2 or not tall or 0 not in group[0].attributes["dims"]:
            rest += [node.output for node in group]
            continue
        parts.sort(key=lambda x: -w.place.get(x, 0))
        rest.append(w.make(_sum, w.joined(parts), **group[0].attributes))
    return rest


def pieces(w: _Summer, terms: list[Value]) -> list[Value]:
    """Pieces that lie side by side in a larger tensor of zeros are one piece."""
    nodes, rest = _split(w, terms, _unslice)
    placed: dict[Region, list[Value]] = {}
    for node in nodes:
        taken = region(node.attributes["index"], node.output.shape)
        if taken is None:
            return terms
        placed.setdefault(taken, []).append(node.values[0])
    runs: list[list[Region]] = []
    for taken in sorted(placed):
        if runs and consecutive([*runs[-1][-2:], taken]) is not None:
            runs[-1].append(taken)
        else:
            runs.append([taken])
    if len(runs) == len(nodes):
        return terms
    shape = terms[0].shape
    return rest + [_side_by_side(w, run, placed, shape) for run in runs]


def _side_by_side(
    w: _Summer, run: list[Region], placed: dict[Region, list[Value]], shape: Shape
) -> Value:
    parts = [reshaped(w, w.total(placed[taken]), counts(taken)) for taken in run]
    along = consecutive(run)
    whole, taken = parts[0], union(run, along or 0)
    if along is not None:
        sizes = tuple([part.shape[along] for part in parts])
        whole = w.make(_cat, *parts, dim=along, sizes=sizes)
    if is_all(taken, shape):
        return whole
    return w.make(_unslice, whole, shape=shape, index=index_of(taken))


def rows(w: _Summer, terms: list[Value]) -> list[Value]:
    """Rows that are added to a table of zeros at several times are added at one time."""
    nodes, rest = _split(w, terms, _unpick)
    for group in _grouped(nodes, lambda node: _by_rows(node) and node.values[1].dtype):
        if len(group) < 2 or not _by_rows(group[0]):
            rest += [node.output for node in group]
            continue
        group.sort(key=lambda node: -w.place.get(node.values[0], 0))
        shape = group[0].output.shape
        gradients = [reshaped(w, x, (i.size, *shape[1:])) for x, i in _values(group)]
        places = [reshaped(w, i, (i.size,)) for _, i in _values(group)]
        pair = w.joined(gradients), w.joined(places)
        rest.append(w.make(_unpick, *pair, index=(HERE,), shape=shape))
    return rest


def _by_rows(node: Node) -> bool:
    return node.attributes["index"] == (HERE,) and node.values[1].dtype.kind in "iu"


def _values(group: list[Node]) -> list[tuple[Value, Value]]:
    return [(node.values[0], node.values[1]) for node in group]
