"""Gives every stored value a place in memory: an input's, an output's, or one in the workspace.

Input: kernels in order, and the roots of the results. Output: a Place for each root.
Invariant: while a value may still be read, nobody else writes to its place; an update takes the
place of its input only if all who read the old numbers come earlier.

Example: in `h = x @ w; a = tanh(h); return a.sum()`, h and a live at different times than the
gradient buffers of a later layer, and share their memory with them.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from streetlight.compile.fuse import Fuser
from streetlight.compile.kernels import AddRows, Loop, Product, Special, Store
from streetlight.graph.graph import Value

ALIGNMENT = 64
LONGEST_ROW_ON_STACK = 2048


@dataclass(frozen=True)
class Place:
    """Where a value lies: from byte `offset` of buffer number `number`, or of the workspace."""

    kind: Literal["buffer", "workspace"]
    number: int = 0
    offset: int = 0


def size_in_bytes(value: Value) -> int:
    """The memory that a value takes, rounded up to whole cache lines."""
    return -(-value.size * value.dtype.itemsize // ALIGNMENT) * ALIGNMENT


class Memory:
    """The plan of a program's memory.

    Attributes:
        places: for each root that lies in memory, where.
        in_place: inputs whose update is written right over them.
        in_cat: parts (of which `cat`, and the how manieth) that are written into their places.
        size: bytes of workspace.
    """

    def __init__(self, fuser: Fuser, outputs: list[Value], updates: dict[Value, Value]) -> None:
        self.fuser, self.kernels = fuser, fuser.kernels
        self.outputs, self.updates = outputs, updates
        self.places: dict[Value, Place] = {}
        self.size = 0
        self.last_read = self._last_reads()
        self.inputs = [g.value for g in fuser.graph.inputs if self._lies_in_memory(g.value)]
        drawn = [node.output for node in fuser.host_draws]
        for number, value in enumerate([*self.inputs, *outputs, *drawn]):
            self.places[value] = Place("buffer", number)
        self.in_place = {old for old, new in updates.items() if self._may_replace(old, new)}
        for old in self.in_place:
            self.places[updates[old]] = self.places[old]
        self._note_stores()
        self.in_cat: set[tuple[Value, int]] = set()
        self.hosts = self._hosts()
        self._allocate()

    def _lies_in_memory(self, value: Value) -> bool:
        return not value.number and value not in self.fuser.literals

    def _last_reads(self) -> dict[Value, int]:
        last: dict[Value, int] = {}
        for number, kernel in enumerate(self.kernels):
            for root in kernel.reads:
                last[root] = number
        return last

    def _may_replace(self, old: Value, new: Value) -> bool:
        """Whether nobody reads the old numbers once the new ones are written."""
        maker = self.fuser.place[new]
        last = self.last_read.get(old, -1)
        if last != maker:
            return last < maker
        kernel = self.kernels[maker]
        if isinstance(kernel, Product | AddRows):
            return kernel.onto is old and (
                kernel.node is None or old not in self.fuser.read_by(kernel.node)
            )
        return isinstance(kernel, Loop) and self._reads_elementwise(kernel, old, new)

    def _reads_elementwise(self, loop: Loop, old: Value, new: Value) -> bool:
        """Whether the loop reads each old element only before it writes the new one there."""
        if loop.level[new] != "element":
            return False
        for node in loop.nodes:
            for value in node.values:
                view = self.fuser.views[value]
                if view.root is not old:
                    continue
                if node.op.name == "pick":
                    return False  # it reads any row
                too_late = loop.phase[node.output] > loop.phase[new]
                if too_late or not view.is_identity or view.size != loop.size:
                    return False
        return True

    def _note_stores(self) -> None:
        """Copy the other updates into their inputs when all is done."""
        for old, new in self.updates.items():
            if old not in self.in_place:
                self.last_read[new] = len(self.kernels)
                self.kernels.append(Store(reads={new}, source=new, target=old))

    # ---- values that lie inside of others, or take over their memory ----

    def _hosts(self) -> dict[Value, tuple[Value, int]]:
        """Parts that can be written straight into the value that joins them, and where."""
        hosts: dict[Value, tuple[Value, int]] = {}
        for number, kernel in enumerate(self.kernels):
            if isinstance(kernel, Special) and kernel.node is not None:
                if kernel.node.op.name == "cat":
                    self._host_parts(kernel, number, hosts)
            elif isinstance(kernel, Product | AddRows) and kernel.onto is not None:
                new, old = kernel.writes[0], kernel.onto
                if self._dies_at(old, number) and new not in self.places:
                    hosts[new] = (old, 0)
        return hosts

    def _dies_at(self, value: Value, number: int) -> bool:
        kernel = self.kernels[number]
        node = getattr(kernel, "node", None)
        return (
            value in self.fuser.place
            and value not in self.places
            and self.last_read.get(value) == number
            and (node is None or value not in self.fuser.read_by(node))
        )

    def _host_parts(
        self, kernel: Special, number: int, hosts: dict[Value, tuple[Value, int]]
    ) -> None:
        node, whole = kernel.node, kernel.writes[0]
        if node is None:
            return
        dim = node.attributes["dim"]
        if any(n != 1 for n in whole.shape[:dim]) or whole in hosts:
            return
        offset = 0
        for position, part in enumerate(node.values):
            view = self.fuser.views[part]
            root = view.root
            usable = view.is_identity and root in self.fuser.place and root not in hosts
            if usable and root not in self.places:
                hosts[root] = (whole, offset * whole.dtype.itemsize)
                self.in_cat.add((whole, position))
            offset += part.size

    # ---- the workspace ----

    def add(self, value: Value) -> None:
        """Give a value memory of its own for the whole step."""
        self.places[value] = Place("workspace", offset=self.size)
        self.size += size_in_bytes(value)

    def stored(self) -> Iterable[Value]:
        """The roots that kernels write to memory, in order."""
        for kernel in self.kernels:
            yield from kernel.writes

    def _lives(self) -> dict[Value, list[int]]:
        """For each value with memory of its own in the workspace, its first and last kernel."""
        lives: dict[Value, list[int]] = {}
        for number, kernel in enumerate(self.kernels):
            for value in kernel.writes:
                if value in self.places:
                    continue
                owner = self.owner(value)[0]
                if owner in self.places:
                    continue
                life = lives.setdefault(owner, [number, number])
                life[0] = min(life[0], number)
                life[1] = max(life[1], number, self.last_read.get(value, number))
        return lives

    def owner(self, value: Value) -> tuple[Value, int]:
        """The value in whose memory this one lies (perhaps itself), and at which byte."""
        offset = 0
        while value in self.hosts:
            value, further = self.hosts[value]
            offset += further
        return value, offset

    def _allocate(self) -> None:
        lives = self._lives()
        ends: dict[int, list[Value]] = {}
        starts: dict[int, list[Value]] = {}
        for value, (first, last) in lives.items():
            starts.setdefault(first, []).append(value)
            ends.setdefault(last, []).append(value)
        free = FreeList()
        for number in range(len(self.kernels)):
            for value in starts.get(number, ()):
                self.places[value] = Place("workspace", offset=free.take(size_in_bytes(value)))
            for value in ends.get(number, ()):
                free.give(self.places[value].offset, size_in_bytes(value))
        self.size = free.size
        for value in self.stored():
            if value not in self.places:
                owner, offset = self.owner(value)
                place = self.places[owner]
                self.places[value] = replace(place, offset=place.offset + offset)


class FreeList:
    """Free stretches of the workspace, as sorted (start, size)."""

    def __init__(self) -> None:
        self.size = 0
        self.holes: list[tuple[int, int]] = []

    def take(self, size: int) -> int:
        """Return the start of the smallest hole that is large enough, or grow."""
        fitting = [hole for hole in self.holes if hole[1] >= size]
        if not fitting:
            return self._grow(size)
        start, room = min(fitting, key=lambda hole: hole[1])
        self.holes.remove((start, room))
        if room > size:
            bisect.insort(self.holes, (start + size, room - size))
        return start

    def _grow(self, size: int) -> int:
        start = self.size
        if self.holes and sum(self.holes[-1]) == self.size:
            start = self.holes.pop()[0]
        self.size = start + size
        return start

    def give(self, start: int, size: int) -> None:
        """Take a stretch back and join it with its neighbours."""
        place = bisect.bisect(self.holes, (start, 0))
        if place < len(self.holes) and self.holes[place][0] == start + size:
            size += self.holes.pop(place)[1]
        if place and sum(self.holes[place - 1]) == start:
            before = self.holes.pop(place - 1)
            start, size, place = before[0], size + before[1], place - 1
        self.holes.insert(place, (start, size))
