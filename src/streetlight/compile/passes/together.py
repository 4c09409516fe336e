"""Multiplies at one time what shares an operand and does not depend on each other.

Input: a graph whose products are `matmul`. Output: the same with one product where there were
several narrow ones, and slices of it; nodes that read the first of them come after the last.
Invariant: draws stay in their order; nothing is multiplied that was not multiplied before.

Example, for heads of attention with weights v, w of shape (32, 128) each,
    a = matmul(x, permute(v))
    b = matmul(x, permute(w))
becomes
    c = cat(v, w) {dim: 0}
    d = matmul(x, permute(c))
    a = slice(d) {index: (0:768, 0:32, ...)}
    b = slice(d) {index: (0:768, 32:64, ...)}

A matrix product of few rows or columns wastes most of the machine: 16 products of (32, 512) with
one (512, 512) take three times as long as one product of (512, 512).
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from streetlight.compile.passes.products import transposed, untransposed
from streetlight.compile.passes.rewrite import Rewriter
from streetlight.graph.graph import Graph, Node, Value
from streetlight.ops.linalg import _matmul
from streetlight.ops.movement import _cat, _slice

NARROW = 64  # rows or columns up to which a product gains from company
WIDE = 16  # columns or rows of the shared operand that make up for copying the others
Key = tuple[Value, int]  # a shared operand, and its place


def together(graph: Graph) -> Graph:
    """Join independent products that share an operand."""
    keys = shared_operands(graph)
    groups = ready_together(graph, keys) if keys else []
    if not groups:
        return graph
    forward = [group if not group[0].gradient_of else group[::-1] for group in groups]
    return _Joiner(in_order(graph, groups), forward).run()


def shared_operands(graph: Graph) -> dict[Node, Key]:
    """For each narrow product, an operand that it shares with others."""
    narrow = [node for node in graph.nodes if node.op is _matmul and node.output.ndim == 2]
    options: dict[Node, list[Key]] = {}
    for node in narrow:
        rows, columns = node.output.shape
        left, right = node.values
        fits = [((right, 1), rows, columns), ((left, 0), columns, rows)]
        options[node] = [key for key, own, other in fits if own <= NARROW and other >= WIDE]
    found = Counter(key for keys in options.values() for key in keys)
    chosen = {node: [key for key in keys if found[key] > 1] for node, keys in options.items()}
    return {node: keys[0] for node, keys in chosen.items() if keys}


class _Schedule:
    """Which nodes can be carried out, as others have been."""

    def __init__(self, graph: Graph) -> None:
        makers = graph.makers()
        self.readers: dict[Node, list[Node]] = {node: [] for node in graph.nodes}
        self.missing: dict[Node, int] = {}
        for node in graph.nodes:
            needed = {makers[x] for x in node.values if x in makers}
            self.missing[node] = len(needed)
            for other in needed:
                self.readers[other].append(node)

    def first(self) -> list[Node]:
        """The nodes that wait for nothing."""
        return [node for node, count in self.missing.items() if not count]

    def after(self, done: Node) -> Iterator[Node]:
        """The nodes that were waiting for this one alone."""
        for node in self.readers[done]:
            self.missing[node] -= 1
            if not self.missing[node]:
                yield node


def ready_together(graph: Graph, keys: dict[Node, Key]) -> list[list[Node]]:
    """Groups of products that can be carried out at one time, in an order that works for all.

    Products are held back until nothing else can be done. Then those of one operand go: rather
    one that all are there for, or that only few wait for, as in a chain of steps in time.
    """
    schedule, left = _Schedule(graph), Counter(keys.values())
    waiting: dict[Key, list[Node]] = {}
    ready, groups = schedule.first(), list[list[Node]]()
    while ready or waiting:
        if not ready:
            key = min(waiting, key=lambda key: (len(waiting[key]) < left[key], len(waiting[key])))
            group = waiting.pop(key)
            left[key] -= len(group)
            groups.append(group)
            ready = [node for done in group for node in schedule.after(done)]
        while ready:
            node = ready.pop()
            if node in keys:
                waiting.setdefault(keys[node], []).append(node)
            else:
                ready.extend(schedule.after(node))
    place = {node: number for number, node in enumerate(graph.nodes)}
    return [sorted(group, key=place.__getitem__) for group in groups if len(group) > 1]


def in_order(graph: Graph, groups: list[list[Node]]) -> Graph:
    """The same graph with the nodes of each group side by side, all others as early as before."""
    place = {node: number for number, node in enumerate(graph.nodes)}
    members = {place[group[-1]]: group for group in groups}
    unit = place | {node: number for number, group in members.items() for node in group}
    makers = graph.makers()
    readers: dict[int, list[int]] = {}
    missing: dict[int, set[int]] = {number: set() for number in unit.values()}
    for node in graph.nodes:
        for other in [unit[makers[x]] for x in node.values if x in makers]:
            if other not in missing[unit[node]]:
                missing[unit[node]].add(other)
                readers.setdefault(other, []).append(unit[node])
    ready = [number for number, others in missing.items() if not others]
    heapq.heapify(ready)
    nodes: list[Node] = []
    while ready:
        done = heapq.heappop(ready)
        nodes += members.get(done, [graph.nodes[done]])
        for number in readers.get(done, ()):
            missing[number].discard(done)
            if not missing[number]:
                heapq.heappush(ready, number)
    return replace(graph, nodes=nodes)


def _side(group: list[Node]) -> int:
    """The place of the operand in which the products of a group differ."""
    return 0 if group[0].values[1] is group[1].values[1] else 1


class _Joiner(Rewriter):
    """Writes one product for each group, and slices of it in place of its members."""

    def __init__(self, graph: Graph, groups: list[list[Node]]) -> None:
        super().__init__(graph, {_matmul: [_Joiner.slice_of]})  # type: ignore[list-item]
        self.group = {node.output: group for group in groups for node in group}
        self.start: dict[Value, int] = {}
        for group in groups:
            start = 0
            for node in group:
                self.start[node.output] = start
                start += node.output.shape[_side(group)]
        self.joint: dict[Value, Value] = {}  # by the output of a group's first node

    def slice_of(self, node: Node) -> Value | None:
        """The part of the group's product that a member is."""
        group = self.group.get(node.output)
        if group is None:
            return None
        first, side = group[0].output, _side(group)
        if first not in self.joint:
            self.joint[first] = self.product(group, side)
        start = self.start[node.output]
        own = slice(start, start + node.output.shape[side], 1)
        whole = slice(0, node.output.shape[1 - side], 1)
        index = (own, whole, ...) if side == 0 else (whole, own, ...)
        return self.make(_slice, self.joint[first], index=index)

    def product(self, group: list[Node], side: int) -> Value:
        """The product of a group whose left (side 0) or right operands are different."""
        parts = [self.now(node.values[side]) for node in group]
        turned = [x for x in [untransposed(self, part) for part in parts] if x is not None]
        if len(turned) == len(parts):
            joined = transposed(self, self.joined(turned, 1 - side))
        else:
            joined = self.joined(parts, side)
        shared = self.now(group[0].values[1 - side])
        return self.make(_matmul, *((joined, shared) if side == 0 else (shared, joined)))

    def joined(self, parts: list[Value], dim: int) -> Value:
        """Matrices side by side, or below each other."""
        return self.make(_cat, *parts, dim=dim, sizes=tuple([x.shape[dim] for x in parts]))
