"""The Graph: what a function computes, as typed values and the operations between them.

A graph is pure: every value is made once and never changes. What a function changes in place
(parameters, optimiser state, buffers) enters as an input and leaves as an update, which says what
the input holds afterwards. The order of the nodes is the order in which the program ran.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from streetlight.dtypes import DType
from streetlight.ops.registry import Op, Shape

Kind = Literal["argument", "parameter", "buffer", "state", "number", "constant"]


@dataclass(frozen=True)
class Source:
    """Where in the user's code something was computed: lines from 1, columns from 0.

    `text` is the expression itself, where the file may be out of reach.
    """

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    function: str
    text: str = ""


@dataclass(eq=False)
class Value:
    """One typed value of a graph.

    Attributes:
        name: unique in its graph, such as `weight` or `matmul_3`.
        shape, dtype, device: what a tensor of that value has.
        number: whether it is a Python number (a learning rate, a step count): it has the shape ()
            and float64 precision, and does not decide the dtype of what is computed with it.
    """

    name: str
    shape: Shape
    dtype: DType
    device: str = "cpu"
    number: bool = False

    @property
    def ndim(self) -> int:
        """The number of dimensions; -1 for Python numbers, as the promotion rules have it."""
        return -1 if self.number else len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        count = 1
        for n in self.shape:
            count *= n
        return count

    def __repr__(self) -> str:
        return f"<value {self.name}: {self.dtype} {self.shape}>"


@dataclass(eq=False)
class Input:
    """A value that a graph is given.

    Attributes:
        value: the value.
        kind: what it is to the user.
        path: its name in the user's program: a module path for parameters and buffers
            (`encoder.layers.0.weight`), the argument's name, or the optimiser's option.
        data: the array of a constant; of all others the numbers are not known.
    """

    value: Value
    kind: Kind
    path: str
    data: Any = None


Operand = Value | bool | int | float


@dataclass(eq=False)
class Node:
    """One operation of a graph.

    Attributes:
        op: its fact sheet.
        inputs: values, and plain numbers that are written into the program.
        attributes: the options of the operation; a random one has `generator`, a number that
            counts the generators of the graph.
        output: the value that it makes.
        source: the user's expression that led here, if it is known.
        module: path of the module that it ran in; "" outside of all modules.
        gradient_of: for a node of the backward walk, name of the value whose operation it
            differentiates; "" elsewhere.
    """

    op: Op
    inputs: tuple[Operand, ...]
    attributes: dict[str, Any]
    output: Value
    source: Source | None = None
    module: str = ""
    gradient_of: str = ""

    @property
    def values(self) -> tuple[Value, ...]:
        """The inputs that are values, not plain numbers."""
        return tuple([x for x in self.inputs if isinstance(x, Value)])

    def __repr__(self) -> str:
        return f"<{self.output.name} = {self.op.name}>"


@dataclass(eq=False)
class Graph:
    """Values and operations from inputs to outputs and updates.

    Attributes:
        name: the traced function's.
        inputs: what it is given.
        nodes: the operations, each after those it needs.
        outputs: what it returns.
        updates: for inputs that are changed in place, the value that they hold afterwards.
        generators: how many random generators it draws from. Draws of one generator happen in the
            order of the nodes, and all of them happen, whether they are used or not.
    """

    name: str
    inputs: list[Input] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    outputs: list[Value] = field(default_factory=list)
    updates: dict[Value, Value] = field(default_factory=dict)
    generators: int = 0

    def results(self) -> Iterator[Value]:
        """The values that must be computed: outputs and updates."""
        yield from self.outputs
        yield from self.updates.values()

    def makers(self) -> dict[Value, Node]:
        """For each computed value, the node that makes it."""
        return {node.output: node for node in self.nodes}

    def uses(self) -> dict[Value, list[Node]]:
        """For each value, the nodes that read it, in order."""
        found: dict[Value, list[Node]] = {}
        for node in self.nodes:
            for value in dict.fromkeys(node.values):
                found.setdefault(value, []).append(node)
        return found

    def __str__(self) -> str:
        from streetlight.graph.text import to_text

        return to_text(self)


RANDOM = frozenset({"uniform", "normal", "bernoulli"})


def draws(node: Node) -> bool:
    """Whether the node draws random numbers, which must happen whether they are used or not."""
    return node.op.name in RANDOM
