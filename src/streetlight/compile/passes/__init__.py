"""The passes: each takes a graph and returns a simpler one that computes the same.

What the backend may rely on afterwards:
    - products are `matmul` alone, never `linear`; a matrix on the right has a matrix on the left,
      and transposes of operands are `permute`s;
    - there is no `matrix_transpose`, and no `copy` but of inputs that are results;
    - indices of `slice` and `unslice` have a number or a slice for each dimension, then `...`;
    - a product over a single element is a `mul`;
    - constants of one number stand as plain numbers in arithmetic with tensors;
    - nothing is computed twice, and nothing that is not needed, but draws and checks of indices.
"""

from __future__ import annotations

from streetlight.compile.passes import (
    broadcast,
    fold,
    joins,
    products,
    sums,
    tables,
    updates,
    views,
)
from streetlight.compile.passes.dead import dead
from streetlight.compile.passes.rewrite import rewrite, united
from streetlight.graph.graph import Graph
from streetlight.graph.verify import verify

__all__ = ["WALKS", "simplify"]

LOCAL = united(fold.RULES, views.RULES, broadcast.RULES, products.RULES)
OVER_TIME = united(LOCAL, sums.RULES, joins.RULES)
ALL = united(LOCAL, sums.RULES, joins.RULES, tables.RULES)
LAST = united(LOCAL, updates.RULES)
WALKS = (LOCAL, OVER_TIME, ALL, ALL, ALL, LAST)


def simplify(graph: Graph) -> Graph:
    """Return a graph that computes the same with less work; it is verified.

    Each walk applies all its rules to each node, and joins equal nodes. What one makes possible
    the next one finds: sums over time, then products over time, then tables.
    """
    simplified, finished = dead(graph), None
    for rules in WALKS:
        if rules is not finished:
            before = simplified
            simplified = rewrite(before, rules)
            finished = rules if simplified is before else None
            simplified = simplified if finished else dead(simplified)
    verify(simplified)
    return simplified
