"""What a trace gives: the graph, and how its inputs and outputs hang together with the program."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any

from streetlight.autograd import no_grad
from streetlight.graph.graph import Graph
from streetlight.ops.registry import Op
from streetlight.random import Generator
from streetlight.tensor import Tensor


@dataclass(frozen=True)
class NumberPlace:
    """Where a Python number lives: `container[key]`, or `container[key][item]` for a tuple there.

    `whole` says that it is an int, so that an update is written back as one.
    """

    container: MutableMapping[str, Any]
    key: str
    item: int | None = None
    whole: bool = False

    def read(self) -> Any:
        """The number as it is now."""
        found = self.container[self.key]
        return found if self.item is None else found[self.item]

    def write(self, number: float) -> None:
        """Put a new number there."""
        self.container[self.key] = int(number) if self.whole else number


@dataclass(frozen=True)
class GradientOf:
    """Stands in `Traced.tensors` for the gradient that `tensor` has at the time of the call."""

    tensor: Tensor

    @property
    def _data(self) -> Any:
        gradient: Any = self.tensor.grad
        return gradient._data


@dataclass(frozen=True)
class Guard:
    """A fact about the program that was used while tracing, and must hold for the graph to hold.

    Attributes:
        words: the fact as a user reads it: "model.dropout.training is True".
        code: the fact as a Python expression, with {0}, {1} for the objects it is about.
        objects: these objects.
        of_array: whether it is about the array of a captured tensor: then it needs to be looked at
            only when the tensor holds another array than before.
    """

    words: str
    code: str
    objects: tuple[Any, ...]
    of_array: bool = False


@dataclass(frozen=True)
class Output:
    """Stands in a traced result for output number `index` of the graph.

    `recorded` says that eager code could walk back from it to what requires a gradient.
    """

    index: int
    number: bool = False
    recorded: bool = False


@dataclass(frozen=True)
class Leaf:
    """Stands in a traced result for argument leaf number `index`, handed back as it came."""

    index: int


@dataclass(frozen=True)
class View:
    """Stands in a traced result for a tensor that looks at the memory of another.

    Attributes:
        base: Output, Leaf, or a captured tensor.
        steps: view operations with their attributes, one after the other.
    """

    base: Any
    steps: tuple[tuple[Op, dict[str, Any]], ...]

    def of(self, base: Tensor) -> Tensor:
        """The view of what `base` stands for."""
        seen = base.detach()
        with no_grad():
            for op, attributes in self.steps:
                seen = op(seen, **attributes)
        return seen


class NotYet(Exception):  # noqa: N818
    """The function makes state that later calls will find: only those can be traced."""


class OnlyEagerly(NotYet):
    """The call shares memory in a way that a graph cannot say: it can only run eagerly."""


SPENT = "spent"  # a gradient that an optimiser of the same step used up: it is not kept


@dataclass
class Traced:
    """A graph, and everything that is needed to run it in place of the traced function.

    Attributes:
        graph: what was computed.
        arguments: for each input of kind "argument", which leaf of the flattened arguments it is.
        tensors: for each captured input (parameter, buffer, state), the Tensor that holds it; its
            array is read from `_data` at every call, because the user may exchange it. For an
            old gradient that is added to, it is a GradientOf the tensor.
        numbers: for each number, its place; or the argument leaf that gives it.
        generators: the random generators, in the graph's order.
        guards: what must still be so for the graph to hold. (Shapes, dtypes and requires_grad of
            argument leaves are in the arguments' key, see tree.py.)
        result: what the function returned, with Output, Leaf and View in place of traced tensors.
        gradients: what `.grad` of captured leaves is to be afterwards: an Output, None or SPENT;
            a Leaf stands for the tensor of an argument.
        rebound: tensors whose `.data` was exchanged, and the output that they hold afterwards.
    """

    graph: Graph
    arguments: dict[str, int] = field(default_factory=dict)
    tensors: dict[str, Tensor | GradientOf] = field(default_factory=dict)
    numbers: dict[str, NumberPlace | int] = field(default_factory=dict)
    generators: list[Generator] = field(default_factory=list)
    guards: list[Guard] = field(default_factory=list)
    result: Any = None
    gradients: list[tuple[Tensor | Leaf, Output | str | None]] = field(default_factory=list)
    rebound: list[tuple[Tensor | Leaf, Output]] = field(default_factory=list)
