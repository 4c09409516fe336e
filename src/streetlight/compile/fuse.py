"""Cuts a graph into kernels, and puts operations together that can share their loops.

Input: a simplified graph. Output: kernels in an order in which each finds what it reads.
Invariant: an operation joins a kernel only if all it needs from outside of the kernel was made by
earlier kernels, and what it needs from inside is there at the same element, or for the row.

Example: `softmax` of (100, 10) is five operations and one kernel with three phases,
    largest = max over the row  |  power = exp(x - largest); total += power  |  power / total
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from streetlight.compile.access import (
    VIEWS,
    Index,
    View,
    broadcast,
    index_of,
    longest_row,
    reshaped,
    viewed,
    whole,
)
from streetlight.compile.accumulate import Accumulation, Finder
from streetlight.compile.kernels import (
    AddRows,
    Check,
    Draw,
    Kernel,
    Level,
    Loop,
    Product,
    Special,
)
from streetlight.graph.graph import RANDOM, Graph, Node, Operand, Value
from streetlight.ops.indexing import HERE
from streetlight.ops.registry import Elementwise, cast

MAY_FAIL = frozenset({"gather", "scatter_add", "pick", "put", "floor_divide", "remainder", "pow"})
REDUCTIONS = frozenset({"sum", "amax", "amin"})
PRODUCTS = frozenset({"matmul", "linear"})
LOOK_BACK = 4  # how many of the latest kernels an operation may join without reading from them
NEAR = 3  # how far back the kernel may lie that makes what an operation reads
MOST_NODES = 48  # of a kernel: longer loops run out of registers
SHORTEST_ROW = 8  # a kernel is not cut into rows shorter than this to let an operation join


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
        host_draws: random nodes whose numbers the program is given.
        checks: of indices that the program is given: they come before all kernels.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.kernels: list[Kernel] = []
        self.checks: list[Check] = []
        self.checked: dict[int, list[View]] = {}
        self.views = {given.value: whole(given.value) for given in graph.inputs}
        self.place: dict[Value, int] = {}
        self.scalars: dict[Value, Node] = {}
        self.words: dict[Node, Value] = {}
        self.host_draws = host_draws(graph)
        self.accumulations, self.absorbed = Finder(graph).find()
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

    def _draw(self, node: Node) -> None:
        words = Value(f"{node.output.name}_words", (node.output.size,), np.dtype("uint32"))
        self.views[words] = View(words, 0, node.output.shape, whole(node.output).strides)
        self.words[node], self.place[words] = words, len(self.kernels)
        self.kernels.append(Draw(writes=[words], node=node))

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


class Joining:
    """One attempt to let a node join a loop."""

    def __init__(self, fuser: Fuser, loop: Loop, node: Node) -> None:
        self.fuser, self.loop, self.node = fuser, loop, node
        self.columns, self.longest = loop.columns, loop.longest
        self.phase = 0

    def join(self) -> bool:
        """Add the node to the loop if it fits; nothing is changed if it does not."""
        if len(self.loop.nodes) >= MOST_NODES:
            return False
        name = self.node.op.name
        if name in REDUCTIONS:
            level = self._reduction()
        elif name == "gather":
            level = self._gather()
        elif name == "scatter_add":
            level = self._scatter()
        elif name == "pick":
            level = self._pick_rows()
        else:
            level = self._elementwise()
        if level is None or not self._rows_fit():
            return False
        self._enter(level)
        return True

    def _enter(self, level: Level) -> None:
        loop, node, fuser = self.loop, self.node, self.fuser
        loop.columns, loop.longest = self.columns, self.longest
        loop.nodes.append(node)
        loop.level[node.output], loop.phase[node.output] = level, self.phase
        made_here = loop.level.keys()
        loop.reads |= {root for root in fuser.roots(node) if root not in made_here}
        if node in fuser.words:
            loop.reads.add(fuser.words[node])
        fuser.views[node.output] = whole(node.output)

    def _fix_columns(self, columns: int) -> bool:
        """Make rows of that length; false if the loop has other ones already."""
        if self.columns not in (0, columns) or self.loop.size % columns:
            return False
        self.columns = columns
        return True

    def _rows_fit(self) -> bool:
        """Whether what is read from outside can still be walked by one stride along a row."""
        if self.columns:
            return not self.longest or self.longest % self.columns == 0
        if not self.loop.nodes or self.longest == self.loop.longest:
            return True
        return self.longest >= min(SHORTEST_ROW, self.loop.size)

    def _element_operand(self, value: Value, shape: tuple[int, ...]) -> bool:
        """Whether an operand can be read at each element of a loop over `shape`."""
        if self.fuser.is_scalar(value):
            return True
        view = self.fuser.view(value)
        strides = broadcast(view, shape)
        level = self.loop.level.get(view.root)
        if level is None:
            self.longest = math.gcd(self.longest, longest_row(shape, strides))
            return True
        if level == "element":
            self.phase = max(self.phase, self.loop.phase[view.root])
            return view.is_identity and view.size == self.loop.size
        if level == "row" and self.columns:
            self.phase = max(self.phase, self.loop.phase[view.root])
            return index_of(shape, strides, view.offset, self.columns) == self._row_index()
        return False

    def _row_index(self) -> Index:
        rows = self.loop.size // self.columns
        return Index(((1, 1, 0),) if rows > 1 else (), 0, 0)

    def _row_operand(self, value: Value) -> bool:
        """Whether an operand can be read once for each row."""
        if self.fuser.is_scalar(value):
            return True
        view = self.fuser.view(value)
        level = self.loop.level.get(view.root)
        if level is None:
            return True
        self.phase = max(self.phase, self.loop.phase[view.root])
        rows = self.loop.size // self.columns
        return level == "row" and (view.is_identity or (view.size == 1 and rows == 1))

    def _elementwise(self) -> Level | None:
        shape, size = self.node.output.shape, self.node.output.size
        values = self.node.values
        if size == self.loop.size:
            return "element" if all(self._element_operand(v, shape) for v in values) else None
        if self.columns and size * self.columns == self.loop.size:
            own = [v for v in values if self.fuser.is_scalar(v) or self._same_rows(v, shape)]
            return "row" if len(own) == len(values) else None
        return None

    def _same_rows(self, value: Value, shape: tuple[int, ...]) -> bool:
        view = self.fuser.view(value)
        made_here = view.root in self.loop.level
        return self._row_operand(value) and (not made_here or view.size == math.prod(shape))

    def _reduction(self) -> Level | None:
        x, node = self.node.values[0], self.node
        if x.size != self.loop.size or not self._element_operand(x, x.shape):
            return None
        kept = [d for d in range(len(x.shape)) if d not in node.attributes["dims"]]
        kept = [d for d in kept if x.shape[d] != 1]
        gone = [d for d in node.attributes["dims"] if x.shape[d] != 1]
        if kept and min(gone) < kept[0]:  # the sum of each column
            return "after" if self._fix_columns(math.prod(x.shape[d] for d in kept)) else None
        if not kept and self.columns not in (0, x.size):
            return "after" if node.op.name == "sum" else None
        if not self._fix_columns(math.prod(x.shape[d] for d in gone)):
            return None
        self.phase += 1
        return "row"

    def _gather(self) -> Level | None:
        x, index = self.node.values
        if x.size != self.loop.size or not self._fix_columns(x.shape[-1]):
            return None
        view = self.fuser.view(x)
        inside = view.root in self.loop.level
        if not self._element_operand(x, x.shape) or not self._row_operand(index):
            return None
        self.phase += inside  # its row is complete only after its loop
        return "row"

    def _scatter(self) -> Level | None:
        source, index = self.node.values
        shape = self.node.output.shape
        if self.node.output.size != self.loop.size or not self._fix_columns(shape[-1]):
            return None
        if not self._row_operand(index):
            return None
        return "element" if self._element_operand(source, shape) else None

    def _pick_rows(self) -> Level | None:
        table, index = self.node.values
        fits = self.node.output.size == self.loop.size and not self.fuser.is_scalar(table)
        outside = self.fuser.view(table).root not in self.loop.level
        fits = fits and outside and self._fix_columns(table.size // table.shape[0])
        return "element" if fits and self._row_operand(index) else None


def fuse(graph: Graph) -> Fuser:
    """Give every node of the graph a kernel."""
    fuser = Fuser(graph)
    for node in graph.nodes:
        fuser.add(node)
    return fuser
