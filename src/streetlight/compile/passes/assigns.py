"""Sees through tensors that are filled piece by piece, in a loop over time for instance.

Input: a graph. Output: the same, where a slice of what was assigned to is the assigned value or a
slice of what was there before, and a tensor that is assigned to piece by piece is a `cat`.
Invariant: nothing is copied more often than before; without this each step would copy it all.

Example, for x of shape (2, 3) and a, b of shape (3,),
    c = assign(x, a, view=slice, attributes={index: (0, ...)})
    d = assign(c, b, view=slice, attributes={index: (1, ...)})
    e = slice(d) {index: (0, ...)}
becomes
    r, s = reshape(a) {shape: (1, 3)}, reshape(b) {shape: (1, 3)}
    d = cat(r, s) {dim: 0}
    e = a
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

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
from streetlight.graph.graph import Graph, Node, Operand, Value
from streetlight.ops.movement import _cat, _expand, _slice, assign
from streetlight.ops.registry import Shape


def assigns(graph: Graph) -> Graph:
    """See through tensors that are filled piece by piece."""
    return rewrite(graph, RULES)


@dataclass
class Filling:
    """A tensor and what was assigned to pieces of it, one after the other.

    All pieces have one size, and lie where a multiple of it begins: none overlaps another.

    Attributes:
        base: the tensor before.
        along: the dimension in which the pieces follow each other.
        first: the first piece.
        values: by the start of a piece, what was assigned, and at which turns.
        turns: how many assignments there were.
    """

    base: Value
    along: int
    first: Region
    values: dict[int, list[tuple[int, Operand]]] = field(default_factory=dict)
    turns: int = 0

    def fits(self, taken: Region) -> bool:
        """Whether a region is the place of a piece."""
        own, other = self.first[self.along], taken[self.along]
        aligned = (other.start - own.start) % max(own.size, 1) == 0
        moved = (*taken[: self.along], other._replace(start=own.start), *taken[self.along + 1 :])
        return aligned and moved == self.first

    def add(self, taken: Region, value: Operand) -> None:
        """Note one more assignment."""
        self.values.setdefault(taken[self.along].start, []).append((self.turns, value))
        self.turns += 1

    def at(self, taken: Region, turn: int) -> Operand | None:
        """What lies at a place after so many turns; None for what lay there before."""
        written = self.values.get(taken[self.along].start, [])
        return next((value for when, value in reversed(written) if when < turn), None)

    def pieces(self) -> list[tuple[Region, Operand]]:
        """All pieces in their order in space, each with what lies there in the end."""
        before, own = self.first[: self.along], self.first[self.along]
        after = self.first[self.along + 1 :]
        return [
            ((*before, own._replace(start=start), *after), written[-1][1])
            for start, written in sorted(self.values.items())
        ]


class Fillings:
    """For each result of an assignment, the filling that it belongs to, and after which turn."""

    def __init__(self, graph: Graph) -> None:
        self.of: dict[Value, tuple[Filling, int]] = {}


def _place(node: Node) -> Region | None:
    """The piece that is assigned to, if it is one with whole sides but for one dimension."""
    if node.attributes["view"] is not _slice:
        return None
    taken = region(node.attributes["attributes"]["index"], node.output.shape)
    steps = taken is None or any(span.step != 1 or not span.size for span in taken)
    return None if steps else taken


def _filling(w: Rewriter, node: Node) -> Value | None:
    """Note an assignment; at the last one of a row put all pieces together."""
    taken, x, made = _place(node), node.values[0], w.about(Fillings).of
    if taken is None:
        return None
    if is_all(taken, node.output.shape):
        return reshaped(w, _seen(w, node.inputs[1], taken, node), node.output.shape)
    filling, turns = made.get(x, (None, 0))
    if filling is None or turns != filling.turns or not filling.fits(taken):
        filling = Filling(x, _along(taken, x.shape), taken)
    filling.add(taken, node.inputs[1])
    made[node.output] = filling, filling.turns
    whole = None if _goes_on(w, node) else _put_together(w, node, filling)
    if whole is not None and w.maker(whole, assign):
        made[whole] = filling, filling.turns  # slices look through it as before
    return whole


def _along(taken: Region, shape: Shape) -> int:
    """The dimension that a piece takes the smallest share of."""
    shares = [span.size / n for span, n in zip(taken, shape, strict=True)]
    return shares.index(min(shares, default=0)) if shares else 0


def _goes_on(w: Rewriter, node: Node) -> bool:
    readers = w.readers(node.output)
    only = readers[0] if len(readers) == 1 and not w.is_result(node.output) else None
    return only is not None and only.op is assign and only.inputs[1] is not node.output


def _put_together(w: Rewriter, node: Node, filling: Filling) -> Value | None:
    """One `cat` of the pieces; where they leave something out, one assignment of it."""
    pieces, along, shape = filling.pieces(), filling.along, node.output.shape
    places = [taken for taken, _ in pieces]
    if filling.turns < 2 or (len(places) > 1 and consecutive(places) is None):
        return None
    seen = [_seen(w, value, taken, node) for taken, value in pieces]
    parts = [reshaped(w, value, counts(taken)) for value, taken in zip(seen, places, strict=True)]
    taken = union(places, along)
    whole = parts[0]
    if len(parts) > 1:
        whole = w.make(_cat, *parts, dim=along, sizes=tuple([x.shape[along] for x in parts]))
    if is_all(taken, shape):
        return reshaped(w, whole, shape)
    facts = {"view": _slice, "attributes": {"index": index_of(taken)}}
    return w.make(assign, filling.base, whole, **facts)


def _seen(w: Rewriter, value: Operand, taken: Region, node: Node) -> Value:
    """An assigned value in the shape that a slice of its place has."""
    if not isinstance(value, Value):
        value = w.constant(np.asarray(value, node.output.dtype))
    shape = tuple([span.size for span in taken if span.kept])
    return value if value.shape == shape else w.make(_expand, value, shape=shape)


def _slice_of_assigned(w: Rewriter, node: Node) -> Value | None:
    x = node.values[0]
    filling, turns = w.about(Fillings).of.get(x, (None, 0))
    taken = region(node.attributes["index"], x.shape) if filling else None
    if filling is None or taken is None or not filling.fits(taken):
        return None
    value = filling.at(taken, turns)
    if value is None:
        return w.make(_slice, filling.base, index=index_of(taken))
    return _seen(w, value, taken, node)


RULES: Rules = {assign: [_filling], _slice: [_slice_of_assigned]}
