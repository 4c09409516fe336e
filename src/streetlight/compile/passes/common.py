"""Computes what is written twice only once.

Input: a graph. Output: the same, with one node for all that do the same to the same inputs.
Invariant: draws are never joined: each gives other numbers.

Example: the learning rate is cast for each parameter,
    r = cast(lr) {dtype: float32}
    s = cast(lr) {dtype: float32}
becomes one `r`, which all read.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from streetlight.compile.passes.rewrite import Rewriter
from streetlight.graph.graph import Graph, Node, Value, draws
from streetlight.ops.elementwise import add, mul

SMALL = 1024  # bytes up to which constants are compared


class _Joiner(Rewriter):
    """Remembers every node that was written."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph, {})
        self.found: dict[Hashable, Value] = {}
        for given in graph.inputs:
            if given.value in self.constants:
                self._join_constant(given.value)

    def _join_constant(self, value: Value) -> None:
        data = self.constants[value]
        content = data.tobytes() if data.nbytes <= SMALL else id(data)
        first = self.found.setdefault((value.dtype.str, value.shape, content), value)
        if first is not value:
            self.changed = True
            self._replace(value, first, new=False)

    def emit(self, node: Node) -> Value:
        """Write a node, unless one like it is there."""
        if not draws(node):
            first = self.found.setdefault(_key(node), node.output)
            if first is not node.output:
                self.changed = True
                return first
        return super().emit(node)


def common(graph: Graph) -> Graph:
    """Join nodes that do the same to the same inputs."""
    return _Joiner(graph).run()


def _key(node: Node) -> Hashable:
    # numbers by their digits: 1, 1.0 and True are equal, and so are 0.0 and -0.0
    inputs = [id(x) if type(x) is Value else repr(x) for x in node.inputs]
    if node.op is add or node.op is mul:
        inputs.sort(key=str)
    return node.op, tuple(inputs), _frozen(node.attributes) if node.attributes else ()


def _frozen(attribute: Any) -> Hashable:
    kind = type(attribute)
    if kind is tuple:
        return tuple([_frozen(part) for part in attribute])
    if kind is slice:
        return slice, attribute.start, attribute.stop, attribute.step
    if kind is dict:
        return tuple([(name, _frozen(part)) for name, part in attribute.items()])
    if kind is float or kind is bool:
        return repr(attribute)
    return attribute
