"""Plan: which expression of Python stands for what in a call of a version.

Input: a trace and its C, and the arguments of the traced call. Output: names for arguments,
captured tensors, numbers, results; and the facts under which they mean what they meant then.

Example: for `def step(x): ...` with a parameter and a learning rate, `x` and `x_array` for the
argument, `weight` for the parameter, `opt_numbers['lr']` for the number.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from streetlight import eager
from streetlight.autograd import tick
from streetlight.compile import guards
from streetlight.compile.binding import Binding, Captured, Given
from streetlight.compile.build import CSource
from streetlight.compile.program import Argument, Program
from streetlight.compile.record import end_of_record
from streetlight.graph.graph import Node
from streetlight.graph.symbol import spent_gradient
from streetlight.graph.traced import GradientOf, Leaf, NumberPlace, Output, Traced, View
from streetlight.graph.tree import rebuild
from streetlight.inplace import stamp
from streetlight.ops.registry import context
from streetlight.tensor import Tensor

MISS = object()
"""What a generated function returns where its version does not fit."""

GLOBALS = {
    "MISS": MISS, "Tensor": Tensor, "new": object.__new__, "empty": np.empty,
    "context": context, "eager": eager.evaluate, "tick": tick, "stamp": stamp,
    "spent_gradient": spent_gradient, "end_of_record": end_of_record,
}  # fmt: skip
LOCALS = ("args", "kwargs", "count", "blocks", "before", "status", "array", "copy")


class Plan:
    """What a call of one version consists of.

    Attributes:
        lock: held by the thread that makes a call.
        names: the identifiers, and the objects that some of them stand for.
        facts: the facts that decide whether the version fits.
        words: the last of them in words; the others are about the arguments.
        arguments: the arguments, taken apart.
        tensors: for each captured tensor of the binding, its expression.
        numbers: for each number of the graph, its expression.
        generators: the names of the random generators.
        outputs, output_arrays: for each output of the graph, its name, and that of its array.
        draws: the names of what is drawn by the host.
    """

    def __init__(
        self, function: Any, traced: Traced, source: CSource, args: Any, kwargs: Any
    ) -> None:
        given = traced.graph.inputs
        self.traced, self.source = traced, source
        self._paths = {one.value.name: one.path for one in given}
        self.program = Program(source, source.constants)
        self.binding = Binding(traced, self.program)
        self.lock = threading.RLock()  # a trace holds it, and may come to a call
        self.names = guards.Names({**GLOBALS, **dict.fromkeys(LOCALS), **self._tools()})
        self.arguments = guards.Arguments(self.names, function, args, kwargs)
        self.tensors = [self._captured(captured) for captured in self.binding.captured]
        self.numbers = {name: self._number(name) for name in traced.numbers}
        self.generators = [self.names.bind("generator", g) for g in traced.generators]
        self._collect_facts()
        values = traced.graph.outputs
        self.outputs = [self.names.fresh(value.name) for value in values]
        self.output_arrays = [self.names.fresh(f"{value.name}_array") for value in values]
        self.draws = [self.names.fresh(node.output.name) for node in source.host_draws]
        self.binding.given = self._given()

    def _tools(self) -> dict[str, Any]:
        """What the generated functions use besides the objects of the user."""
        program, binding = self.program, self.binding
        return {
            "lock": self.lock, "buffers": program.buffers, "numbers": program.numbers,
            "repeat": program.repeat, "arrays": binding.arrays, "bits": binding.bits,
            "strided": binding.strided, "strided_updates": binding.strided_updates,
            "rebind": binding.rebind, "carefully": binding.carefully,
            "take_generators": binding.take_generators, "words": binding.words,
        }  # fmt: skip

    # ---- names ----

    def _captured(self, captured: Captured) -> str:
        if isinstance(captured.tensor, GradientOf):
            owner = captured.path.removesuffix(".grad")
            return f"{self.names.bind(owner, captured.tensor.tensor)}.grad"
        return self.names.bind(captured.path, captured.tensor)

    def _number(self, name: str) -> str:
        place = self.traced.numbers[name]
        if not isinstance(place, NumberPlace):
            return self.arguments.leaves[place]
        owner = self._paths[name].rpartition(f".{place.key}")[0]
        container = self.names.bind(f"{owner}_numbers", place.container)
        item = "" if place.item is None else f"[{place.item}]"
        return f"{container}[{place.key!r}]{item}"

    def owner(self, tensor: Any) -> str:
        """The name of a tensor, or of the argument that a Leaf stands for."""
        if isinstance(tensor, Leaf):
            return self.arguments.leaves[tensor.index]
        return self.names.bind("tensor", tensor)

    # ---- facts ----

    def _collect_facts(self) -> None:
        self.facts = ["context.interpreter is eager", *self.arguments.facts]
        owners = [owner for owner, _ in (*self.traced.gradients, *self.traced.rebound)]
        if self.changed_arguments() or any(isinstance(owner, Leaf) for owner in owners):
            self.facts += self.arguments.distinct()
        self.words: list[str] = []
        for guard in self.traced.guards:
            if not guard.of_array:  # see Binding.rebind
                self._add_fact(guards.fact(self.names, guard), guard.words)
        for name, place in self.traced.numbers.items():
            if isinstance(place, NumberPlace):
                kind = type(place.read())
                kind_name = self.names.bind(kind.__name__, kind)
                fact = f"type({self.numbers[name]}) is {kind_name}"
                self._add_fact(fact, f"{self._paths[name]} is of type {kind.__name__}")

    def _add_fact(self, fact: str, words: str) -> None:
        self.facts.append(fact)
        self.words.append(words)

    def changed_fact(self, args: Any, kwargs: Mapping[str, Any]) -> str:
        """The first fact that does not hold for a call, in words."""
        objects = {**self.names.objects, "args": args, "kwargs": kwargs}
        place = guards.failing(self.facts, objects)
        if place is None:
            return "a tensor has another shape or dtype"
        place -= len(self.facts) - len(self.words)
        if place < 0:
            return "the arguments are passed in another way"
        return f"it is no longer so that {self.words[place]}"

    # ---- arrays ----

    def _argument_places(self) -> dict[int, int]:
        """For each leaf of the arguments that the program reads, its place in the buffers."""
        inputs = {name: place for place, name in enumerate(self.source.inputs)}
        leaves = self.traced.arguments.items()
        return {leaf: inputs[name] for name, leaf in leaves if name in inputs}

    def changed_arguments(self) -> list[str]:
        """The arguments that are changed in place."""
        names = {value.name for value in self.traced.graph.updates}
        return [self.arguments.leaves[i] for n, i in self.traced.arguments.items() if n in names]

    def _given(self) -> list[Given]:
        """The arrays that each call is given: arguments, results, and draws of the host."""
        changed = self.changed_arguments()
        values = {one.value.name: one.value for one in self.traced.graph.inputs}
        given = []
        for leaf, place in self._argument_places().items():
            name, value = self.arguments.leaves[leaf], values[self.source.inputs[place]]
            argument = Argument(place, value.shape, value.dtype)
            given.append(Given(name, argument, changed=name in changed))
        drawn = [(node.output.shape, node.output.dtype) for node in self.source.host_draws]
        made = [*self.source.outputs, *drawn]
        for place, (shape, dtype) in enumerate(made, len(self.source.inputs)):
            given.append(Given("", Argument(place, shape, dtype), fresh=True))
        return given

    def arrays(self) -> list[str]:
        """The names of these arrays."""
        arguments = [str(self.arguments.arrays[leaf]) for leaf in self._argument_places()]
        return [*arguments, *[self.output_arrays[i] for i in self.array_outputs()], *self.draws]

    def entry(self) -> str:
        """The name of the program's entry, which takes these arrays."""
        arguments = [given.argument for given in self.binding.given]
        return self.names.bind("step", self.program.entry(arguments))

    def draw(self, node: Node) -> str:
        """The name of a function that draws the numbers of a node."""
        attributes = dict(node.attributes)
        attributes["generator"] = self.traced.generators[attributes["generator"]]

        def drawn() -> Any:
            return np.ascontiguousarray(context.run(node.op.kernel, **attributes))

        return self.names.bind(f"draw_{node.output.name}", drawn)

    # ---- results ----

    def array_outputs(self) -> list[int]:
        """The numbers of the graph's outputs that are tensors, in the order of their buffers."""
        return [i for i, value in enumerate(self.traced.graph.outputs) if not value.number]

    def result_leaves(self) -> list[Any]:
        """What the result holds in its containers."""
        leaves: list[Any] = []
        rebuild(self.traced.result, leaves.append)
        return leaves

    def returned(self, kind: type[Output | Leaf]) -> list[Any]:
        """The outputs, or the arguments, that are part of the result, each once."""
        return list(dict.fromkeys(leaf for leaf in self.result_leaves() if isinstance(leaf, kind)))

    def edges(self) -> list[str]:
        """The tensors that a walk back from the result would come to."""
        pairs = zip(self.binding.captured, self.tensors, strict=True)
        return self.arguments.with_gradient + [
            name for captured, name in pairs if getattr(captured.tensor, "requires_grad", False)
        ]

    # ---- loops ----

    def may_repeat(self) -> bool:
        """Whether steps can follow each other without Python in between."""
        return not (
            self.source.number_outputs
            or self.source.host_draws
            or self.traced.rebound
            or self.binding.strided
            or self.changed_arguments()
            or None in self.arguments.arrays
            or any(isinstance(leaf, Tensor | View) for leaf in self.result_leaves())
        )

    def advance(self) -> list[int]:
        """The bytes that each buffer moves on after a step of many."""
        steps = [0] * len(self.program.buffers)
        returned = [self.output_arrays[output.index] for output in self.returned(Output)]
        for given, name in zip(self.binding.given, self.arrays(), strict=True):
            if not given.fresh or name in returned:
                steps[given.argument.place] = given.argument.bytes
        return steps
