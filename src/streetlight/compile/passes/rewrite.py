"""What all passes are made of: a graph is written anew, node by node, while rules replace nodes.

A rule looks at one node, whose inputs are simplified already, and returns the value to use instead
of the node's, or None. It makes the operations that it needs with `Rewriter.make`, and they go
through the rules too. So one walk from front to back simplifies chains of any length.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from streetlight.compile.passes.common import key, key_of_constant
from streetlight.dtypes import DType
from streetlight.graph.graph import Graph, Input, Node, Operand, Value
from streetlight.ops.indexing import _pick
from streetlight.ops.movement import copy
from streetlight.ops.registry import Op, Shape

Rule = Callable[["Rewriter", Node], Value | None]
Rules = Mapping[Op, Sequence[Rule]]
T = TypeVar("T")
UNIFORM = 1 << 20  # elements of the largest constant that is searched for a single number


class Rewriter:
    """Writes a graph anew.

    Attributes:
        graph: as it was.
        nodes: written so far.
        makers: for each value of the new graph, the node that makes it.
        constants: the numbers of the inputs that never change.
    """

    def __init__(self, graph: Graph, rules: Rules) -> None:
        self.graph, self.rules = graph, rules
        self.inputs = list(graph.inputs)
        self.nodes: list[Node] = []
        self.makers: dict[Value, Node] = {}
        self.constants: dict[Value, Any] = {}
        self.changed = False
        self._now: dict[Value, Value] = {}  # old value: what stands for it
        self._origin: dict[Value, Value] = {}  # new value: the old one that it stands for
        self._reads: dict[Value, int] = {}  # made by a rule: how many nodes of rules read it
        self._found: dict[Hashable, Value] = {}  # what nodes do: the value of the first that does
        self._surveys: dict[Any, Any] = {}
        self._uniform: dict[Value, bool | int | float | None] = {}
        self._counts: dict[str, int] = {}  # operation: the last number in a name
        self._like: Node  # the node that is being replaced

    # ---- reading ----

    def maker(self, operand: Operand, *ops: Op) -> Node | None:
        """The node that makes a value, if it is one of these operations."""
        node = self.makers.get(operand)  # type: ignore[arg-type]
        return node if node is not None and node.op in ops else None

    def origin(self, value: Value) -> Value:
        """The value of the old graph that a value stands for; itself if there is none."""
        return self._origin.get(value, value)

    def now(self, value: Value) -> Value:
        """What stands for a value of the old graph in the new one."""
        return self._now.get(value, value)

    def readers(self, value: Value) -> Sequence[Node]:
        """The nodes of the old graph that read a value; empty for what a rule has just made."""
        return self._readers.get(self._origin.get(value, value), ())

    def single(self, value: Value) -> bool:
        """Whether at most one node reads a value, so that it may vanish into it."""
        between = 0 if value in self._origin else self._reads.get(value, 0)
        return len(self.readers(value)) + between <= 1 and not self.is_result(value)

    def is_result(self, value: Value) -> bool:
        """Whether a value is an output or an update."""
        return self._origin.get(value, value) in self._results

    def made_here(self, node: Node) -> bool:
        """Whether a rule made the node while another one is being replaced."""
        return node.output is not self._like.output

    def about(self, survey: Callable[[Graph], T]) -> T:
        """What a survey of the old graph found; it is made once for all rules."""
        if survey not in self._surveys:
            self._surveys[survey] = survey(self.graph)
        found: T = self._surveys[survey]
        return found

    def uniform(self, operand: Operand) -> bool | int | float | None:
        """The number that all elements of a constant are, if it is one."""
        if not isinstance(operand, Value) or operand not in self.constants:
            return None
        if operand not in self._uniform:
            self._uniform[operand] = _the_number(self.constants[operand])
        return self._uniform[operand]

    @cached_property
    def _readers(self) -> dict[Value, list[Node]]:
        found: dict[Value, list[Node]] = {}
        for node in self.graph.nodes:
            for x in node.inputs:
                if type(x) is Value:
                    nodes = found.setdefault(x, [])
                    if not nodes or nodes[-1] is not node:
                        nodes.append(node)
        return found

    @cached_property
    def _results(self) -> dict[Value, None]:
        return dict.fromkeys(self.graph.results())

    @cached_property
    def _names(self) -> set[str]:
        given = {given.value.name for given in self.graph.inputs}
        return given | {node.output.name for node in self.graph.nodes}

    # ---- writing ----

    def make(self, op: Op, *inputs: Operand, **attributes: Any) -> Value:
        """Write an operation, in the name of the node that is being replaced."""
        shape, dtype = infer(op, inputs, attributes)
        like = self._like
        output = Value(self._fresh(op.name), shape, dtype, like.output.device)
        self._reads[output] = 0
        node = Node(op, inputs, attributes, output, like.source, like.module, like.gradient_of)
        return self.emit(node)

    def constant(self, data: Any) -> Value:
        """Add numbers that never change."""
        value = Value(self._fresh("constant"), data.shape, data.dtype, self._like.output.device)
        self.inputs.append(Input(value, "constant", value.name, data))
        self.constants[value] = data
        return value

    def emit(self, node: Node) -> Value:
        """Write a node, or what a rule puts in its place; return the value that it makes."""
        for rule in self.rules.get(node.op, ()):
            value = rule(self, node)
            if value is not None:
                self.changed = True
                return value
        does = key(node)
        if does is not None:
            first = self._found.setdefault(does, node.output)
            if first is not node.output:
                self.changed = True
                return first
        self.nodes.append(node)
        self.makers[node.output] = node
        if node.output in self._reads:
            for x in node.inputs:
                if x in self._reads:
                    self._reads[x] += 1
        return node.output

    def run(self) -> Graph:
        """Walk through the graph; return the new one, or the old one if nothing was replaced."""
        for given in self.graph.inputs:
            if given.kind == "constant" and given.data is not None:
                self._join_constant(given)
        for node in self.graph.nodes:
            self._like = node
            count = len(self.nodes)
            value = self.emit(self._renewed(node) if self._now else node)
            if value is not node.output:
                self._replace(node.output, value, new=len(self.nodes) > count)
        return self._finished() if self.changed else self.graph

    def _join_constant(self, given: Input) -> None:
        self.constants[given.value] = np.asarray(given.data)
        first = self._found.setdefault(key_of_constant(given), given.value)
        if first is not given.value:
            self.changed = True
            self._replace(given.value, first, new=False)

    def _renewed(self, node: Node) -> Node:
        now = self._now
        for x in node.inputs:
            if x in now:
                inputs = [now.get(x, x) if type(x) is Value else x for x in node.inputs]
                return with_inputs(node, tuple(inputs))
        return node

    def _replace(self, old: Value, value: Value, new: bool) -> None:
        self._now[old] = value
        if new and self.nodes[-1].output is value:
            value.name = old.name  # a new value, which takes the place of the old one
            self._origin[value] = old
            return
        heir = self._origin.get(value, value)
        self._readers.setdefault(heir, []).extend(self._readers.get(old, ()))
        if old in self._results:
            self._results[heir] = None

    def _fresh(self, base: str) -> str:
        number = self._counts.get(base, -1) + 1
        while f"{base}_{number}" in self._names:
            number += 1
        self._counts[base] = number
        self._names.add(f"{base}_{number}")
        return f"{base}_{number}"

    def _finished(self) -> Graph:
        given = {given.value for given in self.inputs}
        results = {value: self._result(value, given) for value in self._results}
        return Graph(
            self.graph.name,
            self.inputs,
            self.nodes,
            [results[value] for value in self.graph.outputs],
            {old: results[value] for old, value in self.graph.updates.items()},
            self.graph.generators,
        )

    def _result(self, value: Value, given: set[Value]) -> Value:
        """What stands for a result; one that turned out to be an input stays a copy of it."""
        now = self._now.get(value, value)
        if now not in given or value in given:
            return now
        self.nodes.append(Node(copy, (now,), {}, value))
        return value


def rewrite(graph: Graph, rules: Rules) -> Graph:
    """Apply rules in one walk from front to back, and join nodes that do the same."""
    return Rewriter(graph, rules).run()


def united(*tables: Rules) -> Rules:
    """The rules of several tables; those for one operation in the order of the tables."""
    found: dict[Op, list[Rule]] = {}
    for rules in tables:
        for op, more in rules.items():
            found.setdefault(op, []).extend(more)
    return found


def with_inputs(node: Node, inputs: tuple[Operand, ...]) -> Node:
    """The same node with other inputs."""
    rest = node.output, node.source, node.module, node.gradient_of
    return Node(node.op, inputs, node.attributes, *rest)


def infer(op: Op, inputs: Sequence[Operand], attributes: dict[str, Any]) -> tuple[Shape, DType]:
    """Shape and dtype of a result; a `pick` here is always one of rows."""
    if op is _pick:
        table, rows = inputs
        if isinstance(table, Value) and isinstance(rows, Value):
            return (*rows.shape, *table.shape[1:]), table.dtype
    return op.infer(*inputs, **attributes)


def scalar(operand: Operand) -> bool:
    """Whether an operand is a single number: written in the program, or a value without shape."""
    return not isinstance(operand, Value) or operand.shape == ()


def _the_number(data: Any) -> bool | int | float | None:
    if not 0 < data.size <= UNIFORM:
        return None
    first = data.reshape(-1)[0]
    if not (data == first).all():
        return None
    negative_zero = first == 0 and data.dtype.kind == "f" and np.signbit(data).any()
    return None if negative_zero else first.item()
