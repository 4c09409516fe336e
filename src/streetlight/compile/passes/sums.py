"""Turns a sum of many small results, such as the gradient of a weight over time, into one result.

Input: a graph. Output: the same, where additions of several terms of one kind are replaced:
    a b + c b                        becomes (a + c) b
    aᵀ b + cᵀ d                      becomes [a; c]ᵀ [b; d], one product that is as tall as time
    a b + c d                        becomes [a c] [b; d], for narrow a and c on the way back
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
from streetlight.compile.passes.rewrite import Rewriter, Rules, rewrite
from streetlight.compile.passes.views import reshaped
from streetlight.graph.graph import Graph, Node, Value
from streetlight.ops.elementwise import add
from streetlight.ops.indexing import HERE, _unpick
from streetlight.ops.linalg import _matmul
from streetlight.ops.movement import _cat, _expand, _permute, _reshape, _slice, _unslice
from streetlight.ops.reduce import _sum
from streetlight.ops.registry import Op, Shape

NARROW = 64  # columns up to which operands of a sum of products are joined
WIDE = 16  # rows of the result that make up for copying the operands
KINDS = (_matmul, _sum, _unslice, _unpick)
VIEWS = (_reshape, _permute, _slice, _expand)


def sums(graph: Graph) -> Graph:
    """Turn sums of terms of one kind into one result each."""
    return rewrite(graph, RULES)


def is_addition(node: Node) -> bool:
    """Whether a node adds two different tensors of one shape."""
    if node.op is not add or node.output.dtype.kind != "f":
        return False
    first, second = node.inputs
    if not isinstance(first, Value) or not isinstance(second, Value) or first.number:
        return False
    return first is not second and first.shape == second.shape == node.output.shape


def _in_a_tree(w: Rewriter, value: Value) -> bool:
    """Whether all that is done with a value is to add it to another of its shape."""
    readers = w.readers(value)
    return len(readers) == 1 and is_addition(readers[0]) and not w.is_result(value)


def _tree(w: Rewriter, node: Node) -> Value | None:
    """Join what can be joined among the terms of a sum, once they are all known."""
    if w.made_here(node) or not is_addition(node) or _in_a_tree(w, node.output):
        return None
    terms = _terms(w, node)
    if len([x for x in terms if w.maker(x, *KINDS)]) < 2:
        return None
    count = len(terms)
    for join in (_by_right, _by_left, _tall_products, _wide_products, _row_sums, _pieces, _rows):
        terms = join(w, terms)
    return _total(w, terms) if len(terms) < count else None


def _terms(w: Rewriter, node: Node) -> list[Value]:
    """The terms of a tree of additions, from left to right."""
    found, stack = [], list(reversed(node.values))
    while stack:
        x = stack.pop()
        maker = w.maker(x, add)
        if maker and is_addition(maker) and w.single(x):
            stack.extend(reversed(maker.values))
        else:
            found.append(x)
    return found


def _total(w: Rewriter, terms: Iterable[Value]) -> Value:
    """The sum of values."""
    first, *rest = terms
    for term in rest:
        first = w.make(add, first, term)
    return first


# ---- parts below each other ----


class Wholes:
    """For each part that was joined to others by rows, the whole and the part's number in it."""

    def __init__(self, graph: Graph) -> None:
        self.of: dict[Value, tuple[Value, int]] = {}


def places(graph: Graph) -> dict[Value, int]:
    """For each computed value, where in the graph it is made."""
    return {node.output: place for place, node in enumerate(graph.nodes)}


def parts_of_wholes(graph: Graph) -> set[Value]:
    """Values whose rows are joined, or will be for a tall product."""
    makers = graph.makers()
    products = [node for node in graph.nodes if node.op is _matmul]
    turned = [makers.get(node.values[0]) for node in products]
    joined = [node for node in graph.nodes if node.op is _cat and node.attributes["dim"] == 0]
    found = {part for node in joined for part in node.values}
    return found | {node.values[0] for node in turned if node and node.op is _permute}


def _as_time_runs(w: Rewriter, x: Value) -> int:
    """A key to sort by: the walk was backward, so what was made last comes first."""
    return -w.about(places).get(w.origin(x), -1)


def _joined(w: Rewriter, parts: list[Value]) -> Value:
    """Parts below each other; those that are part of a whole already are not copied again."""
    units: list[Value] = []
    place = 0
    while place < len(parts):
        whole, number = w.about(Wholes).of.get(parts[place], (None, 0))
        members = w.makers[whole].values if whole else ()
        run = members[number : number + len(parts) - place]
        if whole and len(run) > 1 and list(run) == parts[place : place + len(run)]:
            units.append(_rows_of_whole(w, whole, number, len(run)))
        else:
            run = (parts[place],)
            units.extend(run)
        place += len(run)
    return _below_each_other(w, units)


def _rows_of_whole(w: Rewriter, whole: Value, number: int, count: int) -> Value:
    sizes = w.makers[whole].attributes["sizes"]
    start = sum(sizes[:number])
    taken = slice(start, start + sum(sizes[number : number + count]), 1)
    return whole if count == len(sizes) else w.make(_slice, whole, index=(taken, ...))


def _below_each_other(w: Rewriter, parts: list[Value]) -> Value:
    if len(parts) == 1:
        return parts[0]
    whole = w.make(_cat, *parts, dim=0, sizes=tuple([x.shape[0] for x in parts]))
    if w.maker(whole, _cat):
        for number, part in enumerate(parts):
            w.about(Wholes).of.setdefault(part, (whole, number))
    return whole


def _cost(w: Rewriter, parts: Iterable[Value]) -> int:
    """How many elements must be copied to join parts: those that are not made to measure."""
    wholes = w.about(Wholes).of
    copied = [x for x in parts if x not in wholes and (x not in w.makers or w.maker(x, *VIEWS))]
    return sum([x.size for x in copied])


# ---- ways to join terms: each returns the terms that are left ----


def _split(w: Rewriter, terms: list[Value], *ops: Op) -> tuple[list[Node], list[Value]]:
    """The nodes of terms that are made by an operation and read by nobody else, and the rest."""
    nodes = {x: w.maker(x, *ops) for x in terms if w.single(x)}
    found = [node for node in nodes.values() if node]
    return found, [x for x in terms if not nodes.get(x)]


def _grouped(nodes: list[Node], key: Callable[[Node], Hashable]) -> list[list[Node]]:
    groups: dict[Hashable, list[Node]] = {}
    for node in nodes:
        groups.setdefault(key(node), []).append(node)
    return list(groups.values())


def _by_right(w: Rewriter, terms: list[Value]) -> list[Value]:
    """a b + c b = (a + c) b."""
    return _by_operand(w, terms, 1)


def _by_left(w: Rewriter, terms: list[Value]) -> list[Value]:
    """a b + a c = a (b + c)."""
    return _by_operand(w, terms, 0)


def _by_operand(w: Rewriter, terms: list[Value], place: int) -> list[Value]:
    products, rest = _split(w, terms, _matmul)
    for group in _grouped(products, lambda node: node.values[place]):
        same = len({node.values[1 - place].shape for node in group}) == 1
        joined = same and len(group) > 1
        rest += [_shared(w, group, place)] if joined else [node.output for node in group]
    return rest


def _shared(w: Rewriter, group: list[Node], place: int) -> Value:
    others = [node.values[1 - place] for node in group]
    turned = [untransposed(w, x) for x in others]
    bare = [x for x in turned if x is not None]
    total = transposed(w, _total(w, bare)) if len(bare) == len(others) else _total(w, others)
    shared = group[0].values[place]
    return w.make(_matmul, *((shared, total) if place == 0 else (total, shared)))


def _tall_products(w: Rewriter, terms: list[Value]) -> list[Value]:
    """aᵀ b + cᵀ d = [a; c]ᵀ [b; d]."""
    products, rest = _split(w, terms, _matmul)
    pairs = [(untransposed(w, node.values[0]), node.values[1]) for node in products]
    tall = [(left, right) for left, right in pairs if left is not None]
    saved = (len(tall) - 1) * terms[0].size
    if len(tall) < 2 or _cost(w, [x for pair in tall for x in pair]) > saved:
        return terms
    rest += [node.output for node in products if untransposed(w, node.values[0]) is None]
    tall.sort(key=lambda pair: _as_time_runs(w, pair[0]))
    lefts, rights = ([pair[side] for pair in tall] for side in (0, 1))
    return [*rest, w.make(_matmul, transposed(w, _joined(w, lefts)), _joined(w, rights))]


def _wide_products(w: Rewriter, terms: list[Value]) -> list[Value]:
    """a b + c d = [a c] [b; d], if a and c are narrow: the gradients of heads, say.

    In a forward pass the products may have better company: those of other steps in time.
    """
    products, rest = _split(w, terms, _matmul)
    narrow = [node for node in products if _is_narrow(node)]
    if len(narrow) < 2 or terms[0].ndim != 2 or terms[0].shape[0] < WIDE:
        return terms
    rest += [node.output for node in products if not _is_narrow(node)]
    narrow.sort(key=lambda node: _as_time_runs(w, node.values[0]))
    lefts, rights = ([node.values[side] for node in narrow] for side in (0, 1))
    left = w.make(_cat, *lefts, dim=1, sizes=tuple([x.shape[1] for x in lefts]))
    return [*rest, w.make(_matmul, left, _joined(w, rights))]


def _is_narrow(node: Node) -> bool:
    return node.values[0].shape[-1] <= NARROW and node.gradient_of != ""


def _row_sums(w: Rewriter, terms: list[Value]) -> list[Value]:
    """Σ a + Σ b = Σ [a; b] over the rows, if a product needs [a; b] too."""
    nodes, rest = _split(w, terms, _sum)
    for group in _grouped(nodes, lambda node: (node.values[0].shape[1:], node.attributes["dims"])):
        parts = [node.values[0] for node in group]
        joined = all(w.origin(x) in w.about(parts_of_wholes) for x in parts)
        if len(group) < 2 or not joined or 0 not in group[0].attributes["dims"]:
            rest += [node.output for node in group]
            continue
        parts.sort(key=lambda x: _as_time_runs(w, x))
        rest.append(w.make(_sum, _joined(w, parts), **group[0].attributes))
    return rest


def _pieces(w: Rewriter, terms: list[Value]) -> list[Value]:
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
    w: Rewriter, run: list[Region], placed: dict[Region, list[Value]], shape: Shape
) -> Value:
    parts = [reshaped(w, _total(w, placed[taken]), counts(taken)) for taken in run]
    along = consecutive(run)
    whole, taken = parts[0], union(run, along or 0)
    if along is not None:
        sizes = tuple([part.shape[along] for part in parts])
        whole = w.make(_cat, *parts, dim=along, sizes=sizes)
    if is_all(taken, shape):
        return whole
    return w.make(_unslice, whole, shape=shape, index=index_of(taken))


def _rows(w: Rewriter, terms: list[Value]) -> list[Value]:
    """Rows that are added to a table of zeros at several times are added at one time."""
    nodes, rest = _split(w, terms, _unpick)
    for group in _grouped(nodes, lambda node: _by_rows(node) and node.values[1].dtype):
        if len(group) < 2 or not _by_rows(group[0]):
            rest += [node.output for node in group]
            continue
        group.sort(key=lambda node: _as_time_runs(w, node.values[0]))
        shape = group[0].output.shape
        gradients = [reshaped(w, x, (i.size, *shape[1:])) for x, i in _values(group)]
        places = [reshaped(w, i, (i.size,)) for _, i in _values(group)]
        pair = _joined(w, gradients), _joined(w, places)
        rest.append(w.make(_unpick, *pair, index=(HERE,), shape=shape))
    return rest


def _by_rows(node: Node) -> bool:
    return node.attributes["index"] == (HERE,) and node.values[1].dtype.kind in "iu"


def _values(group: list[Node]) -> list[tuple[Value, Value]]:
    return [(node.values[0], node.values[1]) for node in group]


RULES: Rules = {add: [_tree]}
