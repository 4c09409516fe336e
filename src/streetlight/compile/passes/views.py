"""Joins operations that only look at elements in another way.

Input: a graph. Output: the same with one view where there was a chain of them, each written in one
way only: `matrix_transpose` is a `permute`, an index has a slice for each dimension.
Invariant: no operation that computes is added, and none is moved.

Example, for x of shape (4, 6):
    a = slice(x) {index: (slice(1, 4), ...)}
    b = slice(a) {index: (slice(None), 2, ...)}
    c = reshape(b) {shape: (3, 1)}
    d = reshape(c) {shape: (1, 3)}
becomes
    b = slice(x) {index: (slice(1, 4, 1), 2, ...)}
    d = reshape(b) {shape: (1, 3)}
"""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import accumulate

from streetlight.compile.passes.regions import (
    Region,
    composed,
    consecutive,
    counts,
    index_of,
    is_all,
    region,
    union,
)
from streetlight.compile.passes.rewrite import Rewriter, Rules, rewrite
from streetlight.graph.graph import Graph, Node, Value
from streetlight.ops.movement import (
    _cat,
    _expand,
    _permute,
    _reshape,
    _slice,
    _unslice,
    matrix_transpose,
)
from streetlight.ops.registry import Shape


def views(graph: Graph) -> Graph:
    """Join views of views."""
    return rewrite(graph, RULES)


def reshaped(w: Rewriter, x: Value, shape: Shape) -> Value:
    """x in another shape."""
    return x if x.shape == shape else w.make(_reshape, x, shape=shape)


def permuted(w: Rewriter, x: Value, dims: tuple[int, ...]) -> Value:
    """x with its dimensions in another order."""
    return w.make(_permute, x, dims=dims)


def _reshape_of(w: Rewriter, node: Node) -> Value | None:
    x, shape = node.values[0], node.output.shape
    if x.shape == shape:
        return x
    inner = w.maker(x, _reshape, _slice)
    if inner and inner.op is _slice:
        return _dropped(w, inner, shape)
    return reshaped(w, inner.values[0], shape) if inner else None


def _dropped(w: Rewriter, inner: Node, shape: Shape) -> Value | None:
    """A slice of one along a dimension, without that dimension."""
    source = inner.values[0]
    taken = region(inner.attributes["index"], source.shape)
    plain = taken and tuple([span._replace(kept=span.size != 1) for span in taken])
    if not plain or plain == taken or shape != tuple([s.size for s in plain if s.kept]):
        return None
    return w.make(_slice, source, index=index_of(plain))


def _permute_of(w: Rewriter, node: Node) -> Value | None:
    x, dims = node.values[0], node.attributes["dims"]
    moved = [d for d in dims if x.shape[d] != 1]
    if moved == sorted(moved):
        return reshaped(w, x, node.output.shape)
    inner = w.maker(x, _permute, _reshape)
    if inner is None:
        return None
    if inner.op is _reshape:
        return _permute_without_ones(w, node, inner.values[0])
    return permuted(w, inner.values[0], tuple([inner.attributes["dims"][d] for d in dims]))


def _permute_without_ones(w: Rewriter, node: Node, source: Value) -> Value | None:
    """Dimensions of 1 go along: a permute of x with more of them is one of x itself."""
    shape = node.values[0].shape
    own = [d for d, n in enumerate(source.shape) if n != 1]
    if [source.shape[d] for d in own] != [n for n in shape if n != 1] or source.ndim > len(shape):
        return None
    place = {d: own[i] for i, d in enumerate([d for d, n in enumerate(shape) if n != 1])}
    moved = iter([place[d] for d in node.attributes["dims"] if d in place])
    dims = tuple([next(moved) if n != 1 else d for d, n in enumerate(source.shape)])
    return reshaped(w, permuted(w, source, dims), node.output.shape)


def _transpose(w: Rewriter, node: Node) -> Value | None:
    last = node.values[0].ndim - 1
    return permuted(w, node.values[0], (*range(last - 1), last, last - 1))


def _expand_of(w: Rewriter, node: Node) -> Value | None:
    x, shape = node.values[0], node.output.shape
    if x.shape == shape:
        return x
    inner = w.maker(x, _expand, _reshape)
    if inner is None:
        return None
    source = inner.values[0]
    leading_ones = _without_leading_ones(source.shape) == _without_leading_ones(x.shape)
    if inner.op is _reshape and not (leading_ones and source.ndim <= len(shape)):
        return None
    return source if source.shape == shape else w.make(_expand, source, shape=shape)


def _without_leading_ones(shape: Shape) -> Shape:
    ones = next((d for d, n in enumerate(shape) if n != 1), len(shape))
    return shape[ones:]


# ---- slices ----


def _slice_of(w: Rewriter, node: Node) -> Value | None:
    x, index = node.values[0], node.attributes["index"]
    if None in index:
        plain = tuple([part for part in index if part is not None])
        return reshaped(w, w.make(_slice, x, index=plain), node.output.shape)
    taken = region(index, x.shape)
    if taken is None:
        return None
    if is_all(taken, x.shape):
        return reshaped(w, x, node.output.shape)
    inner = w.maker(x, _slice, _cat, _permute, _unslice)
    found = _slice_through(w, inner, taken) if inner else None
    if found is None and index != index_of(taken):
        return w.make(_slice, x, index=index_of(taken))
    return found


def _slice_through(w: Rewriter, inner: Node, taken: Region) -> Value | None:
    """A slice of what a slice, cat, permute or unslice gives, taken of its source."""
    source = inner.values[0]
    if inner.op is _cat:
        return _slice_of_part(w, inner, taken)
    if inner.op is _permute:
        return _slice_before_permute(w, inner, taken)
    if inner.op is _unslice:
        return source if region(inner.attributes["index"], inner.output.shape) == taken else None
    own = region(inner.attributes["index"], source.shape)
    return None if own is None else w.make(_slice, source, index=index_of(composed(own, taken)))


def _slice_of_part(w: Rewriter, cat: Node, taken: Region) -> Value | None:
    dim, sizes = cat.attributes["dim"], cat.attributes["sizes"]
    span, starts = taken[dim], [0, *accumulate(sizes)]
    place = bisect_right(starts, span.start) - 1
    if span.step != 1 or place == len(sizes) or span.stop > starts[place + 1]:
        return None
    own = span._replace(start=span.start - starts[place])
    part = cat.values[place]
    return w.make(_slice, part, index=index_of((*taken[:dim], own, *taken[dim + 1 :])))


def _slice_before_permute(w: Rewriter, permute: Node, taken: Region) -> Value:
    dims, source = permute.attributes["dims"], permute.values[0]
    before = tuple([taken[dims.index(d)] for d in range(len(dims))])
    part = w.make(_slice, source, index=index_of(before))
    left = [d for d in range(len(dims)) if before[d].kept]
    return permuted(w, part, tuple([left.index(d) for d in dims if before[d].kept]))


def _unslice_of(w: Rewriter, node: Node) -> Value | None:
    x, index, shape = node.values[0], node.attributes["index"], node.output.shape
    taken = region(index, shape)
    if taken is None:
        return None
    if is_all(taken, shape):
        return reshaped(w, x, shape)
    inner = w.maker(x, _unslice)
    own = region(inner.attributes["index"], x.shape) if inner else None
    if inner and own:
        index = index_of(composed(taken, own))
        return w.make(_unslice, inner.values[0], shape=shape, index=index)
    if index != index_of(taken):
        return w.make(_unslice, x, shape=shape, index=index_of(taken))
    return None


# ---- cat ----


def _cat_of(w: Rewriter, node: Node) -> Value | None:
    """Parts without elements add nothing; slices that lie side by side are one slice."""
    dim, parts = node.attributes["dim"], node.values
    filled = [part for part in parts if part.size]
    if len(filled) < 2:
        return filled[0] if filled and filled[0].shape == node.output.shape else None
    if len(filled) < len(parts):
        return w.make(_cat, *filled, dim=dim, sizes=tuple([x.shape[dim] for x in filled]))
    return _cat_of_slices(w, node) or _cat_of_reshapes(w, node)


def _cat_of_reshapes(w: Rewriter, node: Node) -> Value | None:
    """Parts in another shape are joined in their own; what is only stacked stays."""
    dim, part = node.attributes["dim"], node.values[0]
    makers = [w.maker(x, _reshape) for x in node.values]
    sources = [maker.values[0] for maker in makers if maker]
    if len(sources) < len(makers) or len({x.shape for x in sources}) > 1:
        return None
    own = sources[0].shape
    before = [math.prod(own[:d]) for d in range(len(own))]
    lead = math.prod(part.shape[:dim])
    if len({x.shape for x in node.values}) > 1 or lead not in before or part.shape[dim] == 1:
        return None
    place = len(before) - 1 - before[::-1].index(lead)
    sizes = (own[place],) * len(sources)
    return reshaped(w, w.make(_cat, *sources, dim=place, sizes=sizes), node.output.shape)


def _cat_of_slices(w: Rewriter, node: Node) -> Value | None:
    found = [_as_slice(w, part) for part in node.values]
    source, first = found[0]
    if source is None or not all(other is source for other, _ in found):
        return None
    along = consecutive([taken for _, taken in found])
    if along is None:
        return None
    before = math.prod(node.values[0].shape[: node.attributes["dim"]])
    joined = union([taken for _, taken in found], along)
    in_order = before == math.prod(counts(first)[:along])
    if not in_order and not (before == 1 and joined[along].size == len(found)):
        return None
    whole = w.make(_slice, source, index=index_of(joined))
    if not in_order:
        rest = [d for d in range(len(joined)) if d != along]
        whole = permuted(w, whole, (along, *rest))
    return reshaped(w, whole, node.output.shape)


def _as_slice(w: Rewriter, part: Value) -> tuple[Value | None, Region]:
    reshape = w.maker(part, _reshape)
    node = w.maker(reshape.values[0] if reshape else part, _slice)
    taken = region(node.attributes["index"], node.values[0].shape) if node else None
    return (node.values[0], taken) if node and taken else (None, ())


RULES: Rules = {
    _reshape: [_reshape_of], _permute: [_permute_of], matrix_transpose: [_transpose],
    _expand: [_expand_of], _slice: [_slice_of], _unslice: [_unslice_of], _cat: [_cat_of],
}  # fmt: skip
