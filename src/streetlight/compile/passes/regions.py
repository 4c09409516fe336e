"""Basic indices (whole numbers and slices) read as regions, which can be composed and compared."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from streetlight.ops.registry import Shape

Index = tuple[Any, ...]


class Span(NamedTuple):
    """What an index takes of one dimension; `kept` is False if the dimension is gone then."""

    start: int
    step: int
    size: int
    kept: bool = True

    def __repr__(self) -> str:
        step = f":{self.step}" if self.step != 1 else ""
        end = self.start + self.step * self.size
        return f"{self.start}:{end}{step}{'' if self.kept else ' gone'}"

    @property
    def stop(self) -> int:
        """The place behind the last one, for a step of 1."""
        return self.start + self.size


Region = tuple[Span, ...]


def region(index: Index, shape: Shape) -> Region | None:
    """Read an index, one span for each dimension; None if it adds dimensions.

    >>> region((0, ..., slice(1, 3)), (2, 5, 4))
    (0:1 gone, 0:5, 1:3)
    """
    if None in index:
        return None
    if ... in index:
        place = index.index(...)
        whole = (slice(None),) * (len(shape) - len(index) + 1)
        index = index[:place] + whole + index[place + 1 :]
    index += (slice(None),) * (len(shape) - len(index))
    return tuple([_span(part, n) for part, n in zip(index, shape, strict=True)])


def _span(part: Any, size: int) -> Span:
    if not isinstance(part, slice):
        return Span(part % size, 1, 1, False)
    places = range(size)[part]
    return Span(places.start, places.step, len(places)) if len(places) else Span(0, 1, 0)


def index_of(taken: Region) -> Index:
    """The index of a region, always written in the same way.

    >>> index_of((Span(0, 1, 1, False), Span(1, 1, 2)))
    (0, slice(1, 3, 1), Ellipsis)
    """
    parts = [_part(span) if span.kept else span.start for span in taken]
    return (*parts, ...)


def _part(span: Span) -> slice:
    end = span.start + span.step * span.size
    return slice(span.start, end if end >= 0 else None, span.step)


def is_whole(span: Span, n: int) -> bool:
    """Whether a span is all of its dimension, in order."""
    return span.start == 0 and span.step == 1 and span.size == n


def composed(inner: Region, outer: Region) -> Region:
    """The region that is left when `outer` is taken of what `inner` took.

    >>> composed((Span(2, 1, 6), Span(3, 1, 1, False)), (Span(1, 2, 2),))
    (3:7:2, 3:4 gone)
    """
    rest = iter(outer)
    return tuple([_within(span, next(rest)) if span.kept else span for span in inner])


def _within(inner: Span, outer: Span) -> Span:
    step = inner.step * outer.step if outer.kept else 1
    return Span(inner.start + inner.step * outer.start, step, outer.size, outer.kept)


def counts(taken: Region) -> Shape:
    """The shape of a region if no dimension were dropped."""
    return tuple([span.size for span in taken])


def consecutive(regions: Sequence[Region]) -> int | None:
    """The dimension along which regions follow each other while all others are the same.

    >>> consecutive([(Span(0, 1, 4), Span(0, 1, 2)), (Span(0, 1, 4), Span(2, 1, 1))])
    1
    """
    dims = {_follows(a, b) for a, b in pairwise(regions)}
    return dims.pop() if len(dims) == 1 else None


def _follows(a: Region, b: Region) -> int | None:
    along = [d for d, (m, n) in enumerate(zip(a, b, strict=True)) if m[:3] != n[:3]]
    if len(along) != 1:
        return None
    first, second = a[along[0]], b[along[0]]
    side_by_side = first.step == second.step == 1 and first.stop == second.start
    return along[0] if side_by_side else None


def union(regions: Sequence[Region], along: int) -> Region:
    """All that consecutive regions take together, with every dimension kept."""
    spans = [Span(*span[:3]) for span in regions[0]]
    total = sum([taken[along].size for taken in regions])
    spans[along] = Span(spans[along].start, 1, total)
    return tuple(spans)


def is_all(taken: Region, shape: Shape) -> bool:
    """Whether a region is the whole of a tensor; dimensions of size 1 may be dropped."""
    return all(is_whole(span, n) for span, n in zip(taken, shape, strict=True))
