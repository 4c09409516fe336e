"""Cuts sums over the first and the last dimensions in two, so that loops can take them in.

Input: a simplified graph. Output: the same, where such a sum is one over the last dimensions, then
one over the first. Invariant: floats alone are summed up so; their order was never promised.

Example: a batch norm sums pictures (N, C, H, W) over all but the channels. The first half, one
number for each row of H · W, is found by the loop that makes the pictures; the second half, over
(N, C), costs next to nothing.
"""

from __future__ import annotations

from dataclasses import replace

from streetlight.graph.graph import Graph, Node, Value


def cut_sums(graph: Graph) -> Graph:
    """Return the graph with its sums over both ends cut in two."""
    nodes: list[Node] = []
    taken = {given.value.name for given in graph.inputs} | {n.output.name for n in graph.nodes}
    for node in graph.nodes:
        nodes += _halves(node, taken) if node.op.name == "sum" else [node]
    return replace(graph, nodes=nodes)


def _halves(node: Node, taken: set[str]) -> list[Node]:
    x, keepdim = node.values[0], node.attributes["keepdim"]
    first, last = _ends(x.shape, node.attributes["dims"])
    if not first or not last or x.dtype.kind != "f" or not x.size:
        return [node]
    kept = [1 if d in last else n for d, n in enumerate(x.shape) if keepdim or d not in last]
    name = f"{node.output.name}_rows"
    while name in taken:
        name += "_"
    taken.add(name)
    rows = Value(name, tuple(kept), node.output.dtype)
    return [
        replace(node, attributes={"dims": last, "keepdim": keepdim}, output=rows),
        replace(node, inputs=(rows,), attributes={"dims": first, "keepdim": keepdim}),
    ]


def _ends(shape: tuple[int, ...], dims: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """The dims before and after those that are kept; nothing if some are between these."""
    kept = [d for d, n in enumerate(shape) if d not in dims and n != 1]
    gone = sorted(dims)
    if not kept:
        return (), ()
    first = tuple(d for d in gone if d < kept[0])
    last = tuple(d for d in gone if d > kept[-1])
    large = [any(shape[d] != 1 for d in end) for end in (first, last)]
    return (first, last) if all(large) and len(first) + len(last) == len(gone) else ((), ())
