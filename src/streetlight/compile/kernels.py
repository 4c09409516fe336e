"""The kinds of kernel that a graph is cut into: what one C function does in one go."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from streetlight.compile.access import View
from streetlight.graph.graph import Node, Operand, Value

Level = Literal["element", "row", "after"]


@dataclass(eq=False)
class Kernel:
    """A step of a program: reads some roots, writes others.

    Attributes:
        reads: the values whose memory it reads.
        writes: the values that it stores, each a root of its own.
    """

    reads: set[Value] = field(default_factory=set)
    writes: list[Value] = field(default_factory=list)


@dataclass(eq=False)
class Loop(Kernel):
    """Elementwise operations and reductions in one nest of loops over rows and columns.

    Attributes:
        size: how many elements the loops visit: rows · columns.
        columns: length of a row, once a reduction has fixed it; 0 while any will do.
        longest: a row may not be longer than this and must divide it; 0 for no limit.
        nodes: the operations, in order.
        level: for each value made here, whether it is one number per element, one per row, or
            known only after the loops.
        phase: a row's columns are visited once per phase. An element is computed in its phase; a
            number of the row is ready before the loop of its phase.
        row_memory: elements that a later phase reads, kept for the length of a row.
        parts: into how many parts the threads may split the rows; 0 for no threads.
        partials: for results that are known after the loops, the memory for those of the parts.
    """

    size: int = 0
    columns: int = 0
    longest: int = 0
    nodes: list[Node] = field(default_factory=list)
    level: dict[Value, Level] = field(default_factory=dict)
    phase: dict[Value, int] = field(default_factory=dict)
    row_memory: list[Value] = field(default_factory=list)
    parts: int = 0
    partials: dict[Value, Value] = field(default_factory=dict)

    @property
    def is_flat(self) -> bool:
        """Whether there is one row and nothing but elements: any stretch can be computed alone."""
        return self.columns == self.size and set(self.level.values()) <= {"element"}

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.size // self.columns if self.columns else 1


@dataclass(eq=False)
class Product(Kernel):
    """A matrix product, times a scale, added to what the target holds if it accumulates.

    Attributes:
        node: the `matmul` or `linear`.
        scale: operands whose product scales it: plain numbers and scalars of the program.
        negative: whether it is subtracted.
        onto: the value that the product is added to, in place; None if it is stored.
    """

    node: Node | None = None
    scale: tuple[Operand, ...] = ()
    negative: bool = False
    onto: Value | None = None


@dataclass(eq=False)
class Special(Kernel):
    """One operation with loops of its own, such as gather or argsort."""

    node: Node | None = None


@dataclass(eq=False)
class Convolution(Kernel):
    """A convolution or an adjoint of one; the second value that it writes is scratch memory."""

    node: Node | None = None


@dataclass(eq=False)
class Planes(Kernel):
    """What is done in each channel of each picture by itself: pooling, unfold and fold.

    Attributes:
        node: the operation.
        inputs: its operands, or g and x for the gradient of max pooling.
    """

    node: Node | None = None
    inputs: tuple[Operand, ...] = ()


@dataclass(eq=False)
class AddRows(Kernel):
    """The rows of `unpick` added to, or taken from, what is there already: nothing else costs."""

    node: Node | None = None
    negative: bool = False
    onto: Value | None = None


@dataclass(eq=False)
class Draw(Kernel):
    """Random 32-bit words for a node that draws: the node itself then computes with them."""

    node: Node | None = None


@dataclass(eq=False)
class Check(Kernel):
    """Refuses an index that is not within 0 to size - 1."""

    node: Node | None = None
    index: View | None = None
    size: int = 0


@dataclass(eq=False)
class Store(Kernel):
    """Copies an updated value into the memory of its input, at the very end."""

    source: Value | None = None
    target: Value | None = None
