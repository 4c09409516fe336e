"""Cuts a graph into kernels, and puts operations together that can share their loops.

Input: a simplified graph. Output: kernels in an order in which each finds what it reads.
Invariant: an operation joins a kernel only if all it needs from outside of the kernel was made by
earlier kernels, and what it needs from inside is there at the same element, or for the row.

Example: `softmax` of (100, 10) is five operations and one kernel with three phases,
    largest = max over the row  |  power = exp(x - largest); total += power  |  power / total
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from streetlight.compile import convolution, pooling
from streetlight.compile.access import VIEWS, View, reshaped, viewed, whole
from streetlight.compile.accumulate import Accumulation, Finder
from streetlight.compile.joining import REDUCTIONS, Joining
from streetlight.compile.kernels import (
    AddRows,
    Check,
    Convolution,
    Draw,
    Kernel,
    Loop,
    Planes,
    Product,
    Special,
)
from streetlight.compile.masks import masks_again
from streetlight.graph.graph import RANDOM, Graph, Node, Operand, Value
from streetlight.ops.indexing import HERE
from streetlight.ops.registry import Elementwise, cast

MAY_FAIL = frozenset({"gather", "scatter_add", "pick", "put", "floor_divide", "remainder", "pow"})
PRODUCTS = frozenset({"matmul", "linear"})
LOOK_BACK = 4  # how many of the latest kernels an operation may join without reading from them
NEAR = 3  # how far back the kernel may lie that makes what an operation reads


def is_elementwise(node: Node) -> bool:
    """Whether the operation computes each element by itself, by an expression in C."""
    name = node.op.name
    if name in ("floor_divide", "remainder", "pow") and node.output.dtype.kind != "f":
        return False  # it must check for zeros, or for negative powers
    return isinstance(node.op, Elementwise) or name == "cast" or name in RANDOM


class Fuser:
    """Walks through the nodes of a graph and gives each a kernel.

    Attributes:
        kernels: the kernels so far.
        views: how each value is read.
        place: for each root, the number of the kernel that makes it; inputs have none.
        scalars: nodes of numbers, which the step computes between the kernels.
        words: for each random node, the value that holds its random words.
        copies: the memory of plain numbers that have some.
        again: random nodes that share the words of others.
        host_draws: random nodes whose numbers the program is given.
        checks: of indices that the program is given: they come before all kernels.
    """

    def __init__(self, graph: Graph, again: dict[Node, Node]) -> None:
        self.graph, self.again = graph, again
        self.kernels: list[Kernel] = []
        self.checks: list[Check] = []
        self.checked: dict[int, list[View]] = {}
        self.views = {given.value: whole(given.value) for given in graph.inputs}
        self.place: dict[Value, int] = {}
        self.scalars: dict[Value, Node] = {}
        self.words: dict[Node, Value] = {}
        self.host_draws = host_draws(graph)
        self.accumulations, self.absorbed = Finder(graph).find()
        self.pooled = pooling.gradients(graph)
        self.absorbed |= {link for _, chain in self.pooled.values() for link in chain}
        self.copies: dict[Value, Value] = {}
        self.new_parameters = {
            new
            for given in graph.inputs
            if given.kind == "parameter" and (new := graph.updates.get(given.value))
        }
        self.number_inputs = {g.value for g in graph.inputs if g.value.number}
        self.literals = {
            given.value: given.data.item()
            for given in graph.inputs
            if given.kind == "constant" and given.data is not None and np.size(given.data) == 1
        }

    # ---- what a node reads ----

    def is_scalar(self, operand: Operand) -> bool:
        """Whether the step knows the operand as a plain number: no memory is read for it."""
        if not isinstance(operand, Value):
            return True
        root = self.views[operand].root if operand in self.views else operand
        return root in self.scalars or root in self.number_inputs or root in self.literals

    def view(self, value: Value) -> View:
        """How the value is read."""
        return self.views[value]

    def roots(self, node: Node) -> set[Value]:
        """The memory that a node reads."""
        return {self.views[v].root for v in node.values if not self.is_scalar(v)}

    def after(self, roots: set[Value]) -> int:
        """The number of the first kernel by which all of these roots are there."""
        return max((self.place.get(root, -1) for root in roots), default=-1) + 1

    # ---- one node ----

    def add(self, node: Node) -> None:
        """Give the node a kernel, or none if it needs no code."""
        if node in self.accumulations:
            self._accumulate(node, self.accumulations[node])
            return
        if node in self.pooled:
            self._planes(node)
            return
        if node in self.absorbed:
            return
        if node in self.host_draws:
            self.views[node.output] = whole(node.output)
            return
        if self._is_view(node) or self._is_checked(node) or self._is_number(node):
            return
        if node.output.size == 0:  # there is nothing to compute, but perhaps something to check
            checks = node.op.name in MAY_FAIL and not is_elementwise(node)
            self._own_memory(node, Special(node=node) if checks else Kernel())
            return
        if node.op.name in RANDOM:
            self._draw(node)
        if is_elementwise(node):
            self.place_in_loop(node, node.output.size)
        elif node.op.name in REDUCTIONS and self._reduces_ends(node):
            self.place_in_loop(node, node.values[0].size)
        elif node.op.name in ("gather", "scatter_add") and self._picks_from_row(node):
            wide = node.values[0] if node.op.name == "gather" else node.output
            self._check(node, node.values[1], wide.shape[-1])
            self.place_in_loop(node, wide.size)
        elif node.op.name == "pick" and self._picks_rows(node):
            self.place_in_loop(node, node.output.size)
        elif node.op.name in PRODUCTS:
            self._own_memory(node, Product(node=node))
        elif node.op.name in convolution.NAMES:
            self._convolution(node)
        elif node.op.name in pooling.NAMES:
            self._planes(node)
        else:
            self._own_memory(node, Special(node=node))

    def _is_view(self, node: Node) -> bool:
        if node.op.name in REDUCTIONS and node.values[0].size == node.output.size:
            view = reshaped(self.views[node.values[0]], node.output.shape)
        elif node.op.name in VIEWS:
            view = viewed(node, self.views[node.values[0]])
        else:
            return False
        if view is None:
            return False
        self.views[node.output] = view
        return True

    def _accumulate(self, node: Node, found: Accumulation) -> None:
        kernel: Product | AddRows
        onto = self.views[found.onto].root
        if found.base.op.name == "unpick":
            kernel = AddRows(node=found.base, negative=found.negative, onto=onto)
        else:
            kernel = Product(node=found.base, scale=found.scale, negative=found.negative, onto=onto)
        self._own_memory(node, kernel, self.read_by(found.base) | {onto})

    def _is_checked(self, node: Node) -> bool:
        if node.op.name != "in_range":
            return False
        self._check(node, node.values[0], node.attributes["size"])
        self.views[node.output] = self.views[node.values[0]]
        return True

    def _is_number(self, node: Node) -> bool:
        shaped = node.output.shape != () or not is_elementwise(node)
        if shaped or node.op.name in RANDOM or not all(map(self.is_scalar, node.inputs)):
            return False
        self.views[node.output] = whole(node.output)
        self.scalars[node.output] = node
        return True

    def read_by(self, node: Node) -> set[Value]:
        """The memory that a kernel of its own reads for the node: plain numbers get some."""
        return {self.in_memory(value).root for value in node.values}

    def in_memory(self, value: Value) -> View:
        """How the value is read by a kernel that takes no plain numbers."""
        view = self.views[value]
        if not self.is_scalar(value):
            return view
        root = view.root
        if root not in self.copies:
            copy = Value(f"{root.name}_stored", root.shape, root.dtype)
            self.copies[root] = copy
            self.place_in_loop(Node(cast, (root,), {"dtype": root.dtype}, copy), 1)
        return View(self.copies[root], view.offset, view.shape, view.strides)

    def _own_memory(self, node: Node, kernel: Kernel, reads: set[Value] | None = None) -> None:
        kernel.reads = self.read_by(node) if reads is None else reads
        kernel.writes = [node.output]
        self.views[node.output] = whole(node.output)
        self.place[node.output] = len(self.kernels)
        self.kernels.append(kernel)

    def _convolution(self, node: Node) -> None:
        kernel, size = Convolution(node=node), convolution.scratch_size(node)
        scratch = Value(f"{node.output.name}_scratch", (size,), np.dtype("uint8"))
        self._own_memory(node, kernel)
        kernel.writes.append(scratch)

    def _planes(self, node: Node) -> None:
        if node not in self.pooled:
            self._own_memory(node, Planes(node=node, inputs=node.inputs))
            return
        places, _ = self.pooled[node]
        inputs = (node.values[0], places.values[0])
        reads = {self.in_memory(value).root for value in inputs}
        self._own_memory(node, Planes(node=places, inputs=inputs), reads)

    def _draw(self, node: Node) -> None:
        """Draw the words that the node needs, before the latest loop: the node may join that."""
        if node in self.again:
            self.words[node] = self.words[self.again[node]]
            return
        words = Value(f"{node.output.name}_words", (node.output.size,), np.dtype("uint32"))
        self.views[words] = View(words, 0, node.output.shape, whole(node.output).strides)
        self.words[node], draw = words, Draw(writes=[words], node=node)
        latest = self.kernels.pop() if self.kernels and isinstance(self.kernels[-1], Loop) else None
        self.place[words] = len(self.kernels)
        self.kernels.append(draw)
        if isinstance(latest, Loop):
            self.place |= {link.output: len(self.kernels) for link in latest.nodes}
            self.kernels.append(latest)

    def _check(self, node: Node, index: Value, size: int) -> None:
        view = self.views[index]
        if view in self.checked.setdefault(size, []):
            return
        self.checked[size].append(view)
        check = Check(reads={view.root}, node=node, index=view, size=size)
        if view.root in self.place:
            self.kernels.append(check)
        else:
            self.checks.append(check)

    # ---- loops ----

    def _reduces_ends(self, node: Node) -> bool:
        """Whether a reduction is over the first or over the last dimensions."""
        x, dims = node.values[0], sorted(node.attributes["dims"])
        kept = [d for d in range(len(x.shape)) if d not in dims and x.shape[d] != 1]
        gone = [d for d in dims if x.shape[d] != 1]
        if x.size == 0 or not gone:
            return False
        if not kept or kept[-1] < gone[0]:
            return True
        return gone[-1] < kept[0] and node.op.name == "sum"

    def _picks_from_row(self, node: Node) -> bool:
        """Whether a gather takes one element of each row, or a scatter puts one there."""
        index = node.values[1]
        shape = node.values[0].shape if node.op.name == "gather" else node.output.shape
        dim = node.attributes["dim"]
        made_here = self.views[index].root in self.place
        return (
            dim == len(shape) - 1
            and index.shape == (*shape[:-1], 1)
            and shape[-1] > 1
            and not made_here
        )

    def _candidates(self, roots: set[Value]) -> Iterator[int]:
        """Kernels to join, the best first: the one that makes what is read, then the latest.

        A kernel far back is left alone: the result would wait in memory until it is read. One
        that has updated a parameter is joined only by those who read the same, so that the updates
        of several parameters stay kernels of their own, equal ones.
        """
        earliest, latest = self.after(roots), len(self.kernels) - 1
        if earliest and earliest - 1 >= latest - NEAR:
            yield earliest - 1
        for number in range(latest, max(earliest - 1, latest - LOOK_BACK), -1):
            kernel = self.kernels[number]
            if isinstance(kernel, Loop) and (kernel.reads & roots or not self._is_update(kernel)):
                yield number

    def _is_update(self, loop: Loop) -> bool:
        return any(node.output in self.new_parameters for node in loop.nodes)

    def _picks_rows(self, node: Node) -> bool:
        """Whether whole rows of a table are read, by an index that was checked at the start."""
        table, *indices = (self.views[value] for value in node.values)
        if node.attributes["index"] != (HERE,) or len(table.shape) < 2 or not table.is_identity:
            return False
        root, checked = indices[0].root, self.checked.get(table.shape[0], [])
        whole_root = any(view.root is root and view.is_identity for view in checked)
        is_input = root not in self.place and not self.is_scalar(node.values[1])
        return is_input and (whole_root or indices[0] in checked) and node.output.size > 0

    def place_in_loop(self, node: Node, size: int) -> None:
        """Let the node join a loop, or begin one."""
        roots = self.roots(node) | ({self.words[node]} if node in self.words else set())
        for number in self._candidates(roots):
            loop = self.kernels[number]
            if isinstance(loop, Loop) and Joining(self, loop, node).join():
                self.place[node.output] = number
                return
        loop = Loop(size=size)
        self.kernels.append(loop)
        if Joining(self, loop, node).join():
            self.place[node.output] = len(self.kernels) - 1
            return
        self.kernels.pop()
        self._own_memory(node, Special(node=node))


def host_draws(graph: Graph) -> list[Node]:
    """Normal draws, and all others of the same generators, which must keep their order."""
    drawing = [node for node in graph.nodes if node.op.name in RANDOM]
    normal = {n.attributes["generator"] for n in drawing if n.op.name == "normal"}
    return [node for node in drawing if node.attributes["generator"] in normal]


def fuse(graph: Graph) -> Fuser:
    """Give every node of the graph a kernel."""
    graph, again = masks_again(graph, host_draws(graph))
    fuser = Fuser(graph, again)
    for node in graph.nodes:
        fuser.add(node)
    return fuser
