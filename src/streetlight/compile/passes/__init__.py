"""The passes: each takes a graph and returns a simpler one that computes the same.

What the backend may rely on afterwards:
    - products are `matmul` alone, never `linear`; a matrix on the right has a matrix on the left,
      and transposes of operands are `permute`s;
    - there is no `matrix_transpose`, and no `copy` but of inputs that are results;
    - indices of `slice` and `unslice` have a number or a slice for each dimension, then `...`;
    - constants of one number stand as plain numbers in arithmetic with tensors;
    - nothing is computed twice, and nothing that is not needed, but draws and checks of indices.
"""

from __future__ import annotations

from collections.abc import Callable

from streetlight.compile.passes import broadcast, fold, products, views
from streetlight.compile.passes.common import common
from streetlight.compile.passes.dead import dead
from streetlight.compile.passes.joins import joins
from streetlight.compile.passes.rewrite import Rule, Rules, rewrite
from streetlight.compile.passes.scales import scales
from streetlight.compile.passes.sums import sums
from streetlight.compile.passes.tables import tables
from streetlight.graph.graph import Graph
from streetlight.graph.verify import verify
from streetlight.ops.registry import Op

__all__ = ["simplify"]

Pass = Callable[[Graph], Graph]
ROUNDS = 8  # more were never needed; each round ends with a graph that computes the same


def _united(*tables: Rules) -> Rules:
    found: dict[Op, list[Rule]] = {}
    for rules in tables:
        for op, more in rules.items():
            found.setdefault(op, []).extend(more)
    return found


LOCAL = _united(fold.RULES, views.RULES, broadcast.RULES, products.RULES)


def local(graph: Graph) -> Graph:
    """The passes fold, views, broadcast and products in one walk."""
    return rewrite(graph, LOCAL)


def simplify(graph: Graph) -> Graph:
    """Return a graph that computes the same with less work; it is verified after each pass."""
    graph = dead(graph)
    for _ in range(ROUNDS):
        before = graph
        for one in (local, common, sums, joins, tables, dead):
            graph = checked(one, graph)
        if graph is before:
            break
    for one in (scales, local, common, dead):
        graph = checked(one, graph)
    return graph


def checked(one: Pass, graph: Graph) -> Graph:
    """Run one pass and verify what it gives."""
    result = one(graph)
    if result is not graph:
        verify(result)
    return result
