"""Whether an operation fits into the loops of a kernel, and at which level and in which phase.

Input: a loop and a node, with all that the node reads there already. Output: the loop with the node
in it, or the loop as it was.
Invariant: an element is read where it is computed, or in a later phase; a number of the row is read
after the phase that completes it; what comes from outside can be walked by one stride along a row.

Example: into the loop of `x - largest` over rows of ten, `exp` fits at each element, a sum over the
last dimension for each row, and a sum over the first one after all rows.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from streetlight.compile.access import Index, broadcast, index_of, longest_row, whole
from streetlight.compile.kernels import Level, Loop
from streetlight.graph.graph import Node, Value

if TYPE_CHECKING:
    from streetlight.compile.fuse import Fuser

REDUCTIONS = frozenset({"sum", "amax", "amin"})
MOST_NODES = 48  # of a kernel: longer loops run out of registers
SHORTEST_ROW = 8  # a kernel is not cut into rows shorter than this to let an operation join


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
