"""The passes: each takes a graph and returns a simpler one that computes the same.

    dead, common, fold    leave out what nobody needs, is there twice, or is known already
    assigns, views        see through tensors that are filled, and through views of views
    broadcast, products   repeat as late as possible; write every product in one way
    sums, joins           one sum, one product, where there was one for each step in time
    together              one product for several that share an operand
    tables                what is the same for equal rows is computed once
    updates               rows are scaled before they are added to a table
    recompute             what is cheap is computed again in the backward walk, not kept

Most are tables of rules. One walk over the graph applies several tables at once (see rewrite.py).

What the backend may rely on afterwards:
    - products are `matmul` alone, never `linear`; a matrix on the right has a matrix on the left,
      and transposes of operands are `permute`s;
    - there is no `matrix_transpose`, and no `copy` but of inputs that are results;
    - indices of `slice` and `unslice` have a number or a slice for each dimension, then `...`;
    - a product over a single element is a `mul`;
    - constants of one number stand as plain numbers in arithmetic with tensors;
    - nothing is computed twice, but by recompute, and nothing that is not needed, but draws and
      checks of indices.
A result may be a view, or be there twice. A zero may have another sign than in eager code.
"""

from __future__ import annotations

from streetlight.compile.passes import (
    assigns,
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
from streetlight.compile.passes.recompute import recompute
from streetlight.compile.passes.rewrite import rewrite, united
from streetlight.compile.passes.together import together
from streetlight.graph.graph import Graph
from streetlight.graph.verify import verify

__all__ = ["PASSES", "simplify"]

LOCAL = united(fold.RULES, assigns.RULES, views.RULES, broadcast.RULES, products.RULES)
OVER_TIME = united(LOCAL, sums.RULES, joins.RULES)
ALL = united(OVER_TIME, tables.RULES)


def local(graph: Graph) -> Graph:
    """The passes common, fold, assigns, views, broadcast and products in one walk."""
    return rewrite(graph, LOCAL)


def over_time(graph: Graph) -> Graph:
    """The same and sums and joins in one walk."""
    return rewrite(graph, OVER_TIME)


def everything(graph: Graph) -> Graph:
    """The same and tables in one walk: what one finds makes others possible."""
    return rewrite(graph, ALL)


PASSES = (local, over_time, together, everything, everything, everything, updates.updates, local)


def simplify(graph: Graph) -> Graph:
    """Return a graph that computes the same with less work; it is verified."""
    simplified, settled = dead(graph), set[object]()
    for one in PASSES:
        made = simplified if one in settled else one(simplified)
        settled = settled | {one, local} if made is simplified else set()
        simplified = simplified if made is simplified else dead(made)
    simplified = recompute(simplified)  # the last: what is equal would be joined again
    verify(simplified)
    return simplified
