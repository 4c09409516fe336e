"""Finds sums that a matrix product or a scatter of rows can add to memory that is there already.

Input: a graph. Output: for the node at the end of such a sum, what is to be done in its place, and
the nodes that this makes superfluous. Invariant: what is left out has no other reader.

Example: `new_weight = sub(weight, mul(matmul(g, x), lr))` is one product with scale -lr, added to
the weight where it lies; no gradient is ever stored.
"""

from __future__ import annotations

from dataclasses import dataclass

from streetlight.graph.graph import Graph, Node, Operand, Value
from streetlight.ops.registry import Elementwise

BASES = frozenset({"matmul", "linear", "unpick"})


@dataclass(frozen=True)
class Accumulation:
    """onto ± scale · base."""

    base: Node
    onto: Value
    scale: tuple[Operand, ...]
    negative: bool


def scalars_of(graph: Graph) -> set[Value]:
    """The values that are computed from numbers alone, without reading memory."""
    found = {given.value for given in graph.inputs if given.value.number}
    for node in graph.nodes:
        plain = isinstance(node.op, Elementwise) or node.op.name == "cast"
        known = all(not isinstance(x, Value) or x in found for x in node.inputs)
        if plain and known and node.output.shape == ():
            found.add(node.output)
    return found


class Finder:
    """Looks for accumulations in one graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.makers = graph.makers()
        self.scalars = scalars_of(graph)
        self.readers: dict[Value, int] = {}
        for node in graph.nodes:
            for value in node.values:
                self.readers[value] = self.readers.get(value, 0) + 1
        for value in graph.results():
            self.readers[value] = self.readers.get(value, 0) + 1
        self.updated = {new: old for old, new in graph.updates.items()}

    def find(self) -> tuple[dict[Node, Accumulation], set[Node]]:
        """Return what to do at which node, and the nodes that need nothing any more."""
        found: dict[Node, Accumulation] = {}
        absorbed: set[Node] = set()
        for node in self.graph.nodes:
            if node.op.name not in ("add", "sub"):
                continue
            for onto, term in self._orders(node):
                chain = self._chain(term)
                if chain and self._may_hold(node, onto, chain[-1]):
                    found[node] = self._accumulation(node, onto, chain)
                    absorbed.update(chain)
                    break
        return found, absorbed

    def _orders(self, node: Node) -> list[tuple[Value, Value]]:
        first, second = node.inputs
        if not isinstance(first, Value) or not isinstance(second, Value):
            return []
        if first.shape != node.output.shape or second.shape != node.output.shape:
            return []
        pairs = [(first, second)]
        return pairs if node.op.name == "sub" else [*pairs, (second, first)]

    def _chain(self, value: Value) -> list[Node]:
        """The nodes from a scaled product back to the product; empty if it is none."""
        chain: list[Node] = []
        while self.readers.get(value) == 1:
            node = self.makers.get(value)
            if node is None:
                return []
            chain.append(node)
            if node.op.name in BASES:
                return chain if self._fits(chain) else []
            inner = self._scaled(node)
            if inner is None or inner.shape != value.shape:
                return []
            value = inner
        return []

    def _fits(self, chain: list[Node]) -> bool:
        base = chain[-1]
        if base.op.name == "unpick":  # its scale is inside already
            rows = [x for x in base.values[1:] if x.dtype.kind in "iu"]
            return len(chain) == 1 and len(rows) == len(base.values) - 1
        return base.output.dtype.kind == "f" and base.output.dtype.itemsize > 2

    def _scaled(self, node: Node) -> Value | None:
        """The value that a node scales by a number, if that is what it does."""
        if node.op.name == "neg":
            return node.values[0]
        if node.op.name != "mul":
            return None
        first, second = node.inputs
        if isinstance(first, Value) and self._is_scalar(second):
            return first
        if isinstance(second, Value) and self._is_scalar(first):
            return second
        return None

    def _is_scalar(self, operand: Operand) -> bool:
        return not isinstance(operand, Value) or operand in self.scalars

    def _may_hold(self, node: Node, onto: Value, base: Node) -> bool:
        """Whether the sum can be built up in the memory of `onto`."""
        if self.updated.get(node.output) is onto:
            return True
        maker = self.makers.get(onto)
        in_memory = maker is not None and maker.op.name in BASES
        return in_memory and self.readers.get(onto) == 1 and base is not maker

    def _accumulation(self, node: Node, onto: Value, chain: list[Node]) -> Accumulation:
        scale: list[Operand] = []
        negative = node.op.name == "sub"
        for link in chain[:-1]:
            if link.op.name == "neg":
                negative = not negative
            else:
                inner = self._scaled(link)
                scale += [x for x in link.inputs if x is not inner][:1]
        return Accumulation(chain[-1], onto, tuple(scale), negative)
