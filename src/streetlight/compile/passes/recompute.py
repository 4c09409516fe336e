"""Computes cheap values of the forward walk again in the backward walk instead of keeping them.

Input: a graph. Output: the same in which backward nodes read fewer values of the forward walk.
Invariant: what is computed again is elementwise and cheap, and all it needs is kept anyway, or
takes the place of more than itself.

Example: backward nodes of GELU read x · 0.5, x · 0.7071 and their products. They keep x alone:
    half = mul(x, 0.5)                  half = mul(x, 0.5)
    y = mul(half, e)                    y = mul(half, e)
    ...                          →      ...
    d = mul(g, half)                    half_again = mul(x, 0.5)
                                        d = mul(g, half_again)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from streetlight.compile.access import VIEWS
from streetlight.graph.graph import Graph, Node, Operand, Value

CHEAP = frozenset({"abs", "add", "cast", "div", "eq", "ge", "gt", "le", "logical_and",
                   "logical_not", "logical_or", "lt", "maximum", "minimum", "mul", "ne", "neg",
                   "sub", "where"})  # fmt: skip
SMALLEST = 1 << 16  # bytes; smaller values are kept


def recompute(graph: Graph) -> Graph:
    """Let backward nodes compute again what is cheaper to compute than to keep."""
    again = Choice(graph).again()
    return Copier(graph, again).run() if again else graph


def is_backward(node: Node) -> bool:
    """Whether a node belongs to the backward walk."""
    return node.gradient_of != ""


class Choice:
    """Chooses the values that are computed again.

    Attributes:
        kept: values in memory that were computed in the forward walk and that backward nodes read.
    """

    def __init__(self, graph: Graph) -> None:
        self.makers = {n.output: n for n in graph.nodes if not is_backward(n)}
        read = [x for n in graph.nodes if is_backward(n) for x in n.values if x in self.makers]
        self.kept = dict.fromkeys(root for x in read if (root := self.root(x)) in self.makers)
        self.results = {self.root(value) for value in graph.results()}
        self.kept |= dict.fromkeys(value for value in self.results if value in self.makers)

    def root(self, value: Value) -> Value:
        """What a view looks at."""
        node = self.makers.get(value)
        return self.root(node.values[0]) if node and node.op.name in VIEWS else value

    def again(self) -> set[Value]:
        """Return the values to compute again; none of them is a result."""
        found: set[Value] = set()
        for value in [*self.kept][::-1]:
            if self._may_go(value) and not self._missing(value):
                self._drop([value], found)
        by_source: dict[Value, list[Value]] = {}
        for value in self.kept:
            missing = self._missing(value) if self._may_go(value) else ()
            if len(missing) == 1:
                by_source.setdefault(missing.pop(), []).append(value)
        for source, values in by_source.items():
            if size(source) < sum(map(size, values)):
                self.kept[source] = None
                self._drop(values, found)
        return found | {step for value in found for step in self._steps(value)}

    def _drop(self, values: Iterable[Value], found: set[Value]) -> None:
        for value in values:
            del self.kept[value]
            found.add(value)

    def _may_go(self, value: Value) -> bool:
        large = size(value) >= SMALLEST and value not in self.results
        return large and self.makers[value].op.name in CHEAP

    def _missing(self, value: Value) -> set[Value]:
        """What a value is computed from, by cheap operations, that would not be there."""
        found: set[Value] = set()
        for root in {self.root(x) for x in self.makers[value].values}:
            if root in self.makers and root not in self.kept:
                cheap = self.makers[root].op.name in CHEAP
                found |= self._missing(root) if cheap else {root}
        return found

    def _steps(self, value: Value) -> Iterator[Value]:
        """What is computed on the way from kept values to this one."""
        for root in map(self.root, self.makers[value].values):
            if root in self.makers and root not in self.kept:
                yield root
                yield from self._steps(root)


def size(value: Value) -> int:
    """Bytes that a value takes."""
    return value.size * value.dtype.itemsize


class Copier:
    """Writes the graph anew, with copies of what is computed again before its first reader."""

    def __init__(self, graph: Graph, again: set[Value]) -> None:
        self.graph, self.again = graph, again
        self.makers = graph.makers()
        self.nodes: list[Node] = []
        self.copies: dict[Value, Value] = {}
        self.names = {value.name for value in self.makers}
        self.names |= {given.value.name for given in graph.inputs}

    def run(self) -> Graph:
        """Return the new graph."""
        for node in self.graph.nodes:
            made = self._reading(node, node.output, node) if is_backward(node) else node
            self.nodes.append(made)
        g = self.graph
        return Graph(g.name, g.inputs, self.nodes, g.outputs, g.updates, g.generators)

    def _reading(self, node: Node, output: Value, reader: Node) -> Node:
        """The node with copies in the place of what is computed again."""
        inputs = tuple([self._copied(x, reader) for x in node.inputs])
        if inputs == node.inputs and output is node.output:
            return node
        rest = node.source, node.module, reader.gradient_of
        return Node(node.op, inputs, node.attributes, output, *rest)

    def _copied(self, x: Operand, reader: Node) -> Operand:
        if not isinstance(x, Value) or not self._is_copied(x):
            return x
        if x not in self.copies:
            copy = Value(self._fresh(x.name), x.shape, x.dtype, x.device, x.number)
            self.nodes.append(self._reading(self.makers[x], copy, reader))
            self.copies[x] = copy
        return self.copies[x]

    def _is_copied(self, x: Value) -> bool:
        """Whether a value is computed again, or a view of one that is."""
        node = self.makers.get(x)
        if x in self.again or node is None or is_backward(node):
            return x in self.again
        return node.op.name in VIEWS and self._is_copied(node.values[0])

    def _fresh(self, name: str) -> str:
        name = f"{name}_again"
        while name in self.names:
            name += "_"
        self.names.add(name)
        return name
