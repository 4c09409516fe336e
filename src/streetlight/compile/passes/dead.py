"""Leaves out what no result needs.

Input: a graph. Output: the same without operations and constants that no output or update needs.
Invariant: random draws stay, because they move the state of a generator on, and so do checks of
indices, because they may raise.

Example: if only a * b is returned,
    s = add(a, b)
    p = mul(a, b)
becomes `p = mul(a, b)`.
"""

from __future__ import annotations

from dataclasses import replace

from streetlight.graph.graph import Graph, Node, draws
from streetlight.ops.indexing import in_range


def dead(graph: Graph) -> Graph:
    """Leave out what no result needs."""
    needed = set(graph.results())
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if node.output in needed or node.op is in_range or draws(node):
            needed.update(node.values)
            kept.append(node)
    inputs = [g for g in graph.inputs if g.kind != "constant" or g.value in needed]
    if len(kept) == len(graph.nodes) and len(inputs) == len(graph.inputs):
        return graph
    return replace(graph, inputs=inputs, nodes=kept[::-1])
