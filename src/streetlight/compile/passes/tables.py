"""The algebra of tables: what is the same for equal rows is computed once for each row.

Input: a graph. Output: the same, where
    product of the picked rows          becomes the picked rows of the product,
    arithmetic on picked rows           becomes the picked rows of arithmetic on the table,
    product, added to rows of a table   becomes the product of what is added to rows,
    gᵀ times picked rows                becomes (g added to rows)ᵀ times the table
if the table has fewer rows than are picked from it. Views of picked rows become views of the
indices; rows picked in order are a slice. Invariant: indices stay as they are, checked or not.

Example, for a table of (62, 512) and 512 indices i,
    x = pick(table, i)
    y = matmul(x, w)
becomes
    p = matmul(table, w)
    y = pick(p, i)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

import numpy as np

from streetlight.compile.passes.products import transposed, untransposed
from streetlight.compile.passes.regions import index_of, is_whole, region
from streetlight.compile.passes.rewrite import Rewriter, Rules, rewrite
from streetlight.compile.passes.views import permuted, reshaped
from streetlight.graph.graph import Graph, Node, Value
from streetlight.ops.indexing import HERE, _pick, _unpick
from streetlight.ops.linalg import _matmul
from streetlight.ops.movement import _cat, _permute, _reshape, _slice, _unslice
from streetlight.ops.registry import Elementwise, Shape, all_ops

ROWS = (HERE,)


def tables(graph: Graph) -> Graph:
    """Compute once for each row of a table what is the same for equal rows."""
    return rewrite(graph, RULES)


def rows_picked(graph: Graph) -> dict[tuple[Value, Value], int]:
    """For a table and a right operand, how many picked rows it multiplies in all."""
    makers, found = graph.makers(), dict[tuple[Value, Value], int]()
    for node in graph.nodes:
        maker = makers.get(node.values[0]) if node.op is _matmul else None
        if maker and maker.op is _pick:
            pair = maker.values[0], node.values[1]
            found[pair] = found.get(pair, 0) + node.output.shape[0]
    return found


def read_as_they_are(graph: Graph) -> set[Value]:
    """Values that are read by something else than a view."""
    read = {x for node in graph.nodes if node.op not in VIEWS for x in node.values}
    return read.union(graph.results())


def _rows(w: Rewriter, x: Value) -> tuple[Value, Value] | None:
    """The table and the indices, if a value is rows picked from a table."""
    node = w.maker(x, _pick)
    return (node.values[0], node.values[1]) if node and by_rows(node) else None


def _viewed_rows(w: Rewriter, x: Value) -> tuple[Value, Value] | None:
    """The same, if nothing but views read the rows."""
    found = _rows(w, x)
    return None if w.origin(x) in w.about(read_as_they_are) else found


def _pick_rows(w: Rewriter, table: Value, rows: Value) -> Value:
    return w.make(_pick, table, rows, index=ROWS)


def _unpick_rows(w: Rewriter, x: Value, rows: Value, shape: Shape) -> Value:
    return w.make(_unpick, x, rows, index=ROWS, shape=shape)


VIEWS = (_slice, _reshape, _permute)


def by_rows(node: Node) -> bool:
    """Whether a pick or unpick is about rows, chosen by numbers."""
    return node.attributes["index"] == ROWS and node.values[1].dtype.kind in "iu"


# ---- views of rows are views of indices ----


def _slice_of_rows(w: Rewriter, node: Node) -> Value | None:
    found = _viewed_rows(w, node.values[0])
    taken = region(node.attributes["index"], node.values[0].shape)
    if found is None or taken is None:
        return None
    table, rows = found
    own, rest = taken[: rows.ndim], taken[rows.ndim :]
    if not all(s.kept and is_whole(s, n) for s, n in zip(rest, table.shape[1:], strict=True)):
        return None
    return _pick_rows(w, table, w.make(_slice, rows, index=index_of(own)))


def _reshape_of_rows(w: Rewriter, node: Node) -> Value | None:
    found, shape = _viewed_rows(w, node.values[0]), node.output.shape
    if found is None:
        return None
    table, rows = found
    lead = len(shape) - table.ndim + 1
    if lead < 0 or shape[lead:] != table.shape[1:]:
        return None
    return _pick_rows(w, table, w.make(_reshape, rows, shape=shape[:lead]))


def _permute_of_rows(w: Rewriter, node: Node) -> Value | None:
    found, dims = _viewed_rows(w, node.values[0]), node.attributes["dims"]
    if found is None or dims[found[1].ndim :] != tuple(range(found[1].ndim, len(dims))):
        return None
    table, rows = found
    return _pick_rows(w, table, permuted(w, rows, dims[: rows.ndim]))


def _cat_of_rows(w: Rewriter, node: Node) -> Value | None:
    found, dim = [_rows(w, part) for part in node.values], node.attributes["dim"]
    parts = [pair for pair in found if pair]
    table = parts[0][0] if parts else None
    if table is None or len(parts) < len(found) or any(t is not table for t, _ in parts):
        return None
    if len({i.dtype for _, i in parts}) > 1 or dim >= parts[0][1].ndim:
        return None
    joined = w.make(_cat, *[i for _, i in parts], **node.attributes)
    return _pick_rows(w, table, joined)


def _from_view(w: Rewriter, node: Node) -> Value | None:
    """What is added to rows, seen in another way, is added with the indices seen that way."""
    inner = w.maker(node.values[0], _reshape, _permute, _unslice) if by_rows(node) else None
    if inner is None:
        return None
    source, rows = inner.values[0], node.values[1]
    places = _places_before(w, inner, rows, node.output.shape[1:])
    return None if places is None else _unpick_rows(w, source, places, node.output.shape)


def _places_before(w: Rewriter, inner: Node, rows: Value, row: Shape) -> Value | None:
    if inner.op is _reshape:
        source = inner.values[0]
        lead = source.ndim - len(row)
        fits = lead >= 0 and source.shape[lead:] == row
        return reshaped(w, rows, source.shape[:lead]) if fits else None
    if inner.op is _permute:
        dims = inner.attributes["dims"]
        order = tuple([dims.index(d) for d in range(rows.ndim)]) if rows.ndim else ()
        fits = dims[rows.ndim :] == tuple(range(rows.ndim, len(dims)))
        return permuted(w, rows, order) if fits else None
    taken = region(inner.attributes["index"], inner.output.shape)
    rest = zip(taken[rows.ndim :], row, strict=True) if taken else ()
    fits = taken is not None and all(s.kept and is_whole(s, n) for s, n in rest)
    return w.make(_slice, rows, index=index_of(taken[: rows.ndim])) if taken and fits else None


# ---- rows in order ----


def _span(w: Rewriter, rows: Value, size: int) -> slice | None:
    data = w.constants.get(rows)
    if data is None or data.ndim != 1 or not data.size or data.dtype.kind not in "iu":
        return None
    first, last = int(data[0]), int(data[-1])
    in_order = last - first == data.size - 1 and bool((np.diff(data) == 1).all())
    return slice(first, last + 1, 1) if in_order and first >= 0 and last < size else None


def _rows_in_order(w: Rewriter, node: Node) -> Value | None:
    """Rows picked in order are a slice."""
    table, rows = node.values[:2]
    span = _span(w, rows, table.shape[0]) if by_rows(node) else None
    return w.make(_slice, table, index=(span, ...)) if span else None


def _in_order(w: Rewriter, node: Node) -> Value | None:
    """What is added to rows in order is laid there."""
    x, rows = node.values[:2]
    shape = node.output.shape
    span = _span(w, rows, shape[0]) if by_rows(node) else None
    return w.make(_unslice, x, shape=shape, index=(span, ...)) if span else None


# ---- products ----


def _product_of_rows(w: Rewriter, node: Node) -> Value | None:
    found, right = _rows(w, node.values[0]), node.values[1]
    if found is None or found[1].ndim != 1 or right.ndim != 2:
        return None
    table, rows = found
    if table.shape[0] >= w.about(rows_picked).get((w.origin(table), w.origin(right)), 0):
        return None
    return _pick_rows(w, w.make(_matmul, table, right), rows)


def _product_with_rows(w: Rewriter, node: Node) -> Value | None:
    """gᵀ · picked rows, or picked rowsᵀ · g."""
    left, right = node.values
    bare = untransposed(w, left)
    if bare is None or right.ndim != 2:
        return None
    for rows, g in ((_rows(w, right), bare), (_rows(w, bare), right)):
        if rows and rows[0].shape[0] < g.shape[0] and rows[1].ndim == 1:
            table, places = rows
            added = _unpick_rows(w, g, places, (table.shape[0], g.shape[1]))
            pair = (added, table) if g is bare else (table, added)
            return w.make(_matmul, transposed(w, pair[0]), pair[1])
    return None


def _product_to_rows(w: Rewriter, node: Node) -> Value | None:
    x, places = node.values[:2]
    product, shape = w.maker(x, _matmul), node.output.shape
    if product is None or not by_rows(node) or x.ndim != 2 or not w.single(x):
        return None
    left, right = product.values
    if shape[0] >= x.shape[0]:
        return None
    added = _unpick_rows(w, left, places, (shape[0], left.shape[1]))
    return w.make(_matmul, added, right)


# ---- arithmetic ----


def _row_by_row(node: Node, makers: dict[Value, Node]) -> tuple[Node, tuple[Hashable, ...]] | None:
    """The pick that arithmetic is done to, and what is done to its table.

    All other operands must be the same for each row.
    """
    picks = [makers.get(x) for x in node.inputs if isinstance(x, Value) and x.ndim > 1]
    pick = picks[0] if len(picks) == 1 else None
    if pick is None or pick.op is not _pick or not by_rows(pick):
        return None
    table, x = pick.values[0], pick.output
    others = [y for y in node.inputs if isinstance(y, Value) and y is not x]
    if x.shape != node.output.shape or any(y.ndim >= table.ndim for y in others):
        return None
    return pick, (node.op, *[table if y is x else y for y in node.inputs], str(node.attributes))


def rows_computed(graph: Graph) -> Counter[Hashable]:
    """For arithmetic on a table, on how many rows picked from it it is done in all."""
    makers, found = graph.makers(), Counter[Hashable]()
    for node in graph.nodes:
        row_by_row = _row_by_row(node, makers) if isinstance(node.op, Elementwise) else None
        if row_by_row:
            found[row_by_row[1]] += row_by_row[0].values[1].size
    return found


def _arithmetic_on_rows(w: Rewriter, node: Node) -> Value | None:
    """f(picked rows) are rows picked from f(table)."""
    found = _row_by_row(node, w.makers)
    if found is None or not w.single(found[0].output):
        return None
    pick, done = found
    table, rows = pick.values
    old = tuple([w.origin(x) if isinstance(x, Value) else x for x in done])
    if table.shape[0] >= w.about(rows_computed)[old]:
        return None
    operands = [table if x is pick.output else x for x in node.inputs]
    return _pick_rows(w, w.make(node.op, *operands, **node.attributes), rows)


ARITHMETIC: Rules = {
    op: [_arithmetic_on_rows] for op in all_ops.values() if isinstance(op, Elementwise)
}
RULES: Rules = {
    **ARITHMETIC,
    _slice: [_slice_of_rows],
    _reshape: [_reshape_of_rows],
    _permute: [_permute_of_rows],
    _cat: [_cat_of_rows],
    _pick: [_rows_in_order],
    _unpick: [_in_order, _from_view, _product_to_rows],
    _matmul: [_product_of_rows, _product_with_rows],
}
