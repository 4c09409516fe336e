"""Makes masks of dropout again from the words they were drawn from, instead of keeping them.

Input: a simplified graph, and the draws that C does not make. Output: the graph in which the
backward walk reads a second mask, and for each draw of such a one the draw whose words it shares.
Invariant: no generator is drawn from twice.

Example: `kept = bernoulli(); scaled = kept * 2; out = x * scaled` in the forward walk, and
`g * scaled` in the backward one. The words are as large as `scaled`, and must be in memory anyway.
"""

from __future__ import annotations

from dataclasses import replace

from streetlight.compile.accumulate import scalars_of
from streetlight.graph.graph import Graph, Node, Value
from streetlight.ops.registry import Elementwise

LARGE = 1 << 16  # elements: smaller masks stay in the cache


def masks_again(graph: Graph, others: list[Node]) -> tuple[Graph, dict[Node, Node]]:
    """Return the graph with its second masks, and whose words they are made from.

    Args:
        others: draws that are left alone.
    """
    uses, results, scalars = graph.uses(), set(graph.results()), scalars_of(graph)
    before: dict[Node, list[Node]] = {}
    now: dict[Value, Value] = {}
    again: dict[Node, Node] = {}
    for draw in graph.nodes:
        if draw.op.name != "bernoulli" or draw in others or draw.output.size < LARGE:
            continue
        chain = _scaled(draw, uses, scalars, results)
        mask = chain[-1].output
        late = [node for node in uses.get(mask, ()) if node.gradient_of]
        if mask in results or not late or len(late) == len(uses[mask]):
            continue
        copies = _copies(chain)
        again[copies[0]] = draw
        before.setdefault(late[0], []).extend(copies)
        now[mask] = copies[-1].output
    nodes: list[Node] = []
    for node in graph.nodes:
        nodes += [*before.get(node, []), _reading(node, now) if node.gradient_of else node]
    return replace(graph, nodes=nodes), again


def _reading(node: Node, now: dict[Value, Value]) -> Node:
    """The node, with other values in place of some that it reads."""
    if not any(x in now for x in node.values):
        return node
    inputs = tuple(now.get(x, x) if isinstance(x, Value) else x for x in node.inputs)
    return replace(node, inputs=inputs)


def _scaled(
    draw: Node, uses: dict[Value, list[Node]], scalars: set[Value], results: set[Value]
) -> list[Node]:
    """The draw, and the operations with numbers that its result goes through."""
    chain = [draw]
    while len(readers := uses.get(chain[-1].output, [])) == 1 and chain[-1].output not in results:
        (node,) = readers
        numbers = [x for x in node.values if x is not chain[-1].output]
        same = node.output.shape == draw.output.shape and isinstance(node.op, Elementwise)
        if not same or node.gradient_of or any(x not in scalars for x in numbers):
            break
        chain.append(node)
    return chain


def _copies(chain: list[Node]) -> list[Node]:
    copies: list[Node] = []
    made: dict[Value, Value] = {}
    for node in chain:
        output = replace(node.output, name=f"{node.output.name}_again")
        copies.append(replace(_reading(node, made), output=output))
        made[node.output] = output
    return copies
