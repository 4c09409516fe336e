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
from streetlight.compile.passes.rewrite import Rules, rewrite, united
from streetlight.graph.graph import Graph
from streetlight.graph.verify import verify

__all__ = ["WALKS", "simplify"]

LOCAL = united(fold.RULES, views.RULES, broadcast.RULES, products.RULES)
OVER_TIME = united(LOCAL, sums.RULES, joins.RULES)
ALL = united(LOCAL, sums.RULES, joins.RULES, tables.RULES)
WALKS = (LOCAL, OVER_TIME, ALL, ALL, ALL, updates.RULES, LOCAL)


def simplify(graph: Graph) -> Graph:
    """Return a graph that computes the same with less work; it is verified.

    Each walk applies all its rules to each node, and joins equal nodes. What one makes possible
    the next one finds: sums over time, then products over time, then tables.
    """
    simplified, settled = dead(graph), list[Rules]()
    for rules in WALKS:
        if rules in settled:
            continue
        made = rewrite(simplified, rules)
        if made is simplified:
            settled += [rules, LOCAL]
        else:
            simplified, settled = dead(made), []
    verify(simplified)
    return simplified
