"""Writes the Python function that makes one call of a version.

Input: a trace, its program and its binding, and the arguments of the traced call. Output: Python
text. Invariant: the function returns MISS before anything is changed where the version does not
fit; what it returns shares no memory with the program.

Example: for a step with one parameter and one argument, about this:

    def step(args, kwargs):
        if not (context.interpreter is eager and len(args) == 1 and isinstance(x := args[0], Tensor)
                and (x_array := x._data).shape == (8, 3) ...):
            return MISS
        with lock:
            if weight._data is not arrays[0] and not rebind():
                return MISS
            numbers[0] = sgd_lr['lr']
            status = step(x_array, loss_array := empty((), float32))
            if status is NotImplemented:
                status = carefully(x_array, loss_array)
            weight._changed[0] = tick()
            if status:
                raise failure()
        loss = new(Tensor)
        loss._data = loss_array
        return loss
"""

from __future__ import annotations

import linecache
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from streetlight import eager
from streetlight.autograd import tick
from streetlight.compile import guards
from streetlight.compile.binding import Binding, Captured, Given, RunEagerly
from streetlight.compile.record import end_of_record
from streetlight.compile.build import CSource
from streetlight.compile.program import Argument, Program
from streetlight.errors import CompileError
from streetlight.graph.graph import Node
from streetlight.graph.source import shown
from streetlight.graph.symbol import spent_gradient
from streetlight.graph.traced import SPENT, GradientOf, Leaf, NumberPlace, Output, Traced
from streetlight.graph.tree import rebuild
from streetlight.inplace import stamp
from streetlight.ops.registry import context
from streetlight.random import Generator
from streetlight.tensor import Tensor

MISS = object()
"""What a generated function returns where its version does not fit."""

MESSAGES = {1: "an index is out of range", 2: "an integer is divided by zero"}

Call = Callable[..., Any]
Lines = list[str]

GLOBALS = {
    "MISS": MISS, "Tensor": Tensor, "new": object.__new__, "empty": np.empty,
    "context": context, "eager": eager.evaluate, "tick": tick, "stamp": stamp,
    "spent_gradient": spent_gradient, "end_of_record": end_of_record,
}  # fmt: skip
LOCALS = ("args", "kwargs", "count", "blocks", "before", "status", "array", "copy")


class Caller:
    """Writes and makes the functions of one version.

    Attributes:
        facts: the facts that decide whether the version fits, guards last.
        guards: the guards, as far as they are facts, by their place there.
        names: the objects that the facts are about.
    """

    def __init__(
        self, function: Any, traced: Traced, source: CSource, args: Any, kwargs: Any
    ) -> None:
        inputs = traced.graph.inputs
        constants = {given.value.name: given.data for given in inputs if given.kind == "constant"}
        self.traced, self.source = traced, source
        self.program = program = Program(source, constants)
        self.binding = binding = Binding(traced, program)
        self.title = getattr(function, "__name__", type(function).__name__)
        self.names = guards.Names({
            **GLOBALS, **dict.fromkeys(LOCALS), "lock": threading.Lock(), "memory": binding,
            "arrays": binding.arrays, "bits": binding.bits, "strided": binding.strided,
            "strided_updates": binding.strided_updates, "rebind": binding.rebind,
            "buffers": program.buffers, "numbers": program.numbers, "carefully": binding.carefully,
            "repeat": program.repeat, "failure": self.failure,
        })  # fmt: skip
        self.arguments = guards.Arguments(self.names, function, args, kwargs)
        self.tensors = [self._captured(c) for c in binding.captured]
        self.places, types = self._number_places()
        self.facts = ["context.interpreter is eager", *self.arguments.facts]
        if self._changes_arguments():
            self.facts += self.arguments.distinct()
        kept = [guard for guard in traced.guards if not guard.of_array]  # see Binding.rebind
        self.guards = {len(self.facts) + i: guard for i, guard in enumerate(kept)}
        self.facts += [*[guards.fact(self.names, guard) for guard in kept], *types]
        self.generators = [self.names.bind("generator", g) for g in traced.generators]
        self.outputs = [self.names.fresh(value.name) for value in traced.graph.outputs]
        self.output_arrays = [
            self.names.fresh(f"{value.name}_array") for value in traced.graph.outputs
        ]
        self.draws = [self.names.fresh(node.output.name) for node in self.source.host_draws]
        binding.given = self._given()
        arguments = [given.argument for given in binding.given]
        self.step = self.names.bind("step", program.entry(arguments))

    def _number_places(self) -> tuple[dict[str, str], Lines]:
        """For each number its expression; and facts that these are of the types that they were."""
        places, types = {}, []
        paths = {given.value.name: given.path for given in self.traced.graph.inputs}
        for name, place in self.traced.numbers.items():
            if isinstance(place, NumberPlace):
                places[name] = guards.number_text(self.names, place, paths[name])
                kind = type(place.read())
                types.append(f"type({places[name]}) is {self.names.bind(kind.__name__, kind)}")
            else:
                places[name] = self.arguments.leaves[place]
        return places, types

    def _captured(self, captured: Captured) -> str:
        """The expression that gives a captured tensor."""
        if isinstance(captured.tensor, GradientOf):
            owner = captured.path.removesuffix(".grad")
            return f"{self.names.bind(owner, captured.tensor.tensor)}.grad"
        return self.names.bind(captured.path, captured.tensor)

    def _owner(self, tensor: Any) -> str:
        """The name of a tensor whose gradient or memory is exchanged."""
        if isinstance(tensor, Leaf):
            return self.arguments.leaves[tensor.index]
        return self.names.bind("tensor", tensor)

    def _changed_arguments(self) -> list[str]:
        """The arguments that are changed in place."""
        names = {value.name for value in self.traced.graph.updates}
        return [self.arguments.leaves[i] for n, i in self.traced.arguments.items() if n in names]

    def _changes_arguments(self) -> bool:
        owners = [owner for owner, _ in (*self.traced.gradients, *self.traced.rebound)]
        return bool(self._changed_arguments()) or any(isinstance(one, Leaf) for one in owners)

    # ---- making ----

    def make(self, many: bool = False) -> tuple[Call, str]:
        """Return the function and its text.

        Args:
            many: whether it makes a step for each entry of `blocks`, arrays of arguments, and
                returns results with one entry for each step.
        """
        text = self.text(many)
        file = f"<{self.title}, compiled {id(self)}>"
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        found: dict[str, Any] = {}
        exec(compile(text, file, "exec"), self.names.objects, found)
        return found.popitem()[1], text

    def text(self, many: bool) -> str:
        """The text of the function."""
        inside = [
            *self._bound(), *self._numbers(), *self._made(many), *self._run(many),
            *self._changed(), *self._failed(many),
        ]  # fmt: skip
        name = self.names.fresh(self.title) if not self.title.isidentifier() else self.title
        more = ", count, blocks" if many else ""
        lines = [
            *self._check(),
            *self._blocks(many),
            f"with {self._locks()}:",
            *indented(inside),
            *self._effects(many),
        ]
        lines.append(f"return {self._expression(self.traced.result)}")
        return "\n".join([f"def {name}(args, kwargs{more}):", *indented(lines), ""])

    def _check(self) -> Lines:
        facts = [self.facts[0], *[f"and {fact}" for fact in self.facts[1:]]]
        return [
            "try:",
            *indented(["if not (", *indented(facts), "):", "    return MISS"]),
            "except Exception:  # the program has another structure now",
            "    return MISS",
        ]

    def _blocks(self, many: bool) -> Lines:
        arrays = [array for array in self.arguments.arrays if array is not None]
        return [f"{', '.join(arrays)}, = blocks"] if many and arrays else []

    def _locks(self) -> str:
        """The program's memory is used by one thread at a time, and so is a generator."""
        drawn = sorted(set(self.generators), key=lambda name: id(self.names.objects[name]))
        return ", ".join(["lock", *[f"{name}._bits.lock" for name in drawn]])

    def _bound(self) -> Lines:
        """Captured tensors and generators may have other memory than at the last call."""
        moved = [f"{name}._data is not arrays[{i}]" for i, name in enumerate(self.tensors)]
        lines = either(moved, ["if not rebind():", "    return MISS"])
        seeded = [f"{name}._bits is not bits[{i}]" for i, name in enumerate(self.generators)]
        lines += either(seeded, ["memory.take_generators()"])
        if self.tensors:
            lines += ["for array, copy in strided:", "    copy[...] = array"]
        return lines

    def _given(self) -> list[Given]:
        """The arrays that each call is given: arguments, results, and draws of the host."""
        changed = self._changed_arguments()
        values = {g.value.name: g.value for g in self.traced.graph.inputs}
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

    def _arrays(self) -> list[str]:
        """The names of these arrays."""
        arguments = [str(self.arguments.arrays[leaf]) for leaf in self._argument_places()]
        return [*arguments, *[self.output_arrays[i] for i in self._array_outputs()], *self.draws]

    def _argument_places(self) -> dict[int, int]:
        """For each leaf of the arguments that the program reads, its place in the buffers."""
        inputs = {name: place for place, name in enumerate(self.source.inputs)}
        leaves = self.traced.arguments.items()
        return {leaf: inputs[name] for name, leaf in leaves if name in inputs}

    def _numbers(self) -> Lines:
        return [f"numbers[{i}] = {self.places[n]}" for i, n in enumerate(self.source.numbers)]

    def changed_fact(self, args: Any, kwargs: Any) -> str:
        """The first fact that does not hold for a call, in words."""
        place = guards.failing(self.facts, {**self.names.objects, "args": args, "kwargs": kwargs})
        if place is None:
            return "nothing that is known"
        guard = self.guards.get(place)
        return f"it is no longer so that {guard.words}" if guard else self.facts[place]

    # ---- results ----

    def _array_outputs(self) -> list[int]:
        """The numbers of the graph's outputs that are tensors, in the order of their buffers."""
        return [i for i, value in enumerate(self.traced.graph.outputs) if not value.number]

    def _returned(self, kind: type[Output | Leaf]) -> set[int]:
        """The numbers of the outputs, or of the arguments, that are part of the result."""
        return {leaf.index for leaf in self._leaves() if isinstance(leaf, kind)}

    def _leaves(self) -> list[Any]:
        """What the result holds in its containers."""
        leaves: list[Any] = []
        rebuild(self.traced.result, leaves.append)
        return leaves

    def _made(self, many: bool) -> Lines:
        """New memory for the results, and numbers that are drawn here."""
        stacked = self._returned(Output) if many else set()
        lines = []
        for index, (shape, dtype) in zip(self._array_outputs(), self.source.outputs, strict=True):
            sizes = f"(count, {', '.join(map(str, shape))})" if index in stacked else f"{shape}"
            kind = self.names.bind(dtype.name, dtype)
            lines.append(f"{self.output_arrays[index]} = empty({sizes}, {kind})")
        if self._may_fail() and self.generators:
            lines.append("before = memory.words()")
        for name, node in zip(self.draws, self.source.host_draws, strict=True):
            draw = self.names.bind(f"draw_{node.output.name}", self._draw(node))
            lines.append(f"{name} = {draw}()")
        return lines

    def _draw(self, node: Node) -> Callable[[], Any]:
        generator: Generator = self.traced.generators[node.attributes["generator"]]
        attributes = {**node.attributes, "generator": generator}
        return lambda: np.ascontiguousarray(context.run(node.op.kernel, **attributes))

    def _may_fail(self) -> bool:
        return "sl_fail" in self.source.text

    def _run(self, many: bool) -> Lines:
        arrays = self._arrays()
        if not many:
            call = f"({', '.join(arrays)})"
            if self._changed_arguments():
                return [f"status = carefully{call}"]
            again = ["if status is NotImplemented:", f"    status = carefully{call}"]
            return [f"status = {self.step}{call}", *again]
        places = [given.argument.place for given in self.binding.given]
        lines = [
            f"buffers[{place}] = {name}.ctypes.data"
            for place, name in zip(places, arrays, strict=True)
        ]
        advance = self.names.bind("advance", self.advance())
        return [*lines, f"status = repeat(count, {advance})"]

    def _failed(self, many: bool) -> Lines:
        done = ["done=True"] if many else []
        before = ["before=before"] if self._may_fail() and self.generators else []
        return ["if status:", f"    raise failure({', '.join(done + before)})"]

    def failure(self, done: bool = False, before: Sequence[bytes] = ()) -> Exception:
        """What is to be raised after the program has reported an error.

        Args:
            done: whether it was a loop, in which some steps may have been carried out.
            before: the states of the generators before the call.
        """
        code, node, value, steps = self.program.error
        if self.source.errors_come_first:
            if not (done and steps):
                self.binding.restore(before)
            return RunEagerly("a wrong number, which eager code names", steps if done else 0)
        made = self.source.nodes[node]
        return CompileError(
            f"{self.title}: {MESSAGES[code]} in {made.output.name} = {made.op.name}(...)",
            got={"number": value, **({"at": shown(made.source)} if made.source else {})},
            fix="parameters may have changed already: mend the number, and start again from a copy",
        )

    def may_repeat(self) -> bool:
        """Whether steps can follow each other without Python in between."""
        traced, updates = self.traced, self.traced.graph.updates
        given = [g.value for g in traced.graph.inputs if g.value.name in traced.arguments]
        return not (
            self.source.number_outputs
            or self.source.host_draws
            or traced.rebound
            or self.binding.strided
            or any(value in updates for value in given)
            or None in self.arguments.arrays
        )

    def advance(self) -> list[int]:
        """The bytes that each buffer moves on after a step of many."""
        steps = [0] * len(self.program.buffers)
        returned = [self.output_arrays[index] for index in self._returned(Output)]
        for given, name in zip(self.binding.given, self._arrays(), strict=True):
            if not given.fresh or name in returned:
                steps[given.argument.place] = given.argument.bytes
        return steps

    def _changed(self) -> Lines:
        """Numbers and tensors that the program has changed: put back, and stamped."""
        lines, stamped = self._numbers_back(), self._changed_arguments()
        plain: Lines = []
        for captured, name in zip(self.binding.captured, self.tensors, strict=True):
            if captured.updated:
                known = plain if isinstance(captured.tensor, Tensor) else stamped
                known.append(name)
        if plain or stamped:
            lines += ["for array, copy in strided_updates:", "    array[...] = copy"]
        if plain:
            lines.append("".join(f"{name}._changed[0] = " for name in plain) + "tick()")
        return lines + [f"stamp({name})" for name in stamped]

    def _numbers_back(self) -> Lines:
        lines = []
        for index, name in enumerate(self.source.numbers):
            place = self.traced.numbers[name]
            if name in self.source.updates and isinstance(place, NumberPlace):
                number = f"int(numbers[{index}])" if place.whole else f"numbers[{index}]"
                lines.append(f"{self.places[name]} = {number}")
        outputs = [i for i, value in enumerate(self.traced.graph.outputs) if value.number]
        for place, index in enumerate(outputs, len(self.source.numbers)):
            lines.append(f"{self.outputs[index]} = numbers[{place}]")
        return lines

    def _effects(self, many: bool) -> Lines:
        """Tensors around the results, gradients, and arrays that are exchanged."""
        lines = []
        wraps = [(self.outputs[i], self.output_arrays[i]) for i in self._array_outputs()]
        if many:
            wraps += [self._leaf(index) for index in self._returned(Leaf)]
        for name, array in wraps:
            lines += [f"{name} = new(Tensor)", f"{name}._data = {array}"]
        for output in [leaf for leaf in self._leaves() if isinstance(leaf, Output)]:
            if output.recorded:
                name, array = self.outputs[output.index], self.output_arrays[output.index]
                lines.append(f"{name}.requires_grad = True")
                lines.append(f"{name}._node = end_of_record({', '.join([array, *self._edges()])})")
        for tensor, gradient in self.traced.gradients:
            owner = self._owner(tensor)
            lines.append(f"{owner}.grad = {self._gradient(owner, tensor, gradient)}")
        for tensor, output in self.traced.rebound:
            lines.append(f"{self._owner(tensor)}.data = {self.outputs[output.index]}")
        return lines

    def _edges(self) -> list[str]:
        """The tensors that the walk back would come to."""
        pairs = zip(self.binding.captured, self.tensors, strict=True)
        return self.arguments.with_gradient + [
            name for captured, name in pairs if getattr(captured.tensor, "requires_grad", False)
        ]

    def _leaf(self, index: int) -> tuple[str, Any]:
        return self.arguments.leaves[index], self.arguments.arrays[index]

    def _gradient(self, owner: str, tensor: Any, gradient: Any) -> str:
        if isinstance(gradient, Output):
            return self.outputs[gradient.index]
        if gradient == SPENT and isinstance(tensor, Leaf):
            return f"spent_gradient({owner})"
        if gradient == SPENT:
            return self.names.bind(f"{owner}_spent", spent_gradient(tensor))
        return "None"

    def _expression(self, tree: Any) -> str:
        """The text that builds a result."""
        kind = type(tree)
        if kind is Output:
            return self.outputs[tree.index]
        if kind is Leaf:
            return self.arguments.leaves[tree.index]
        if kind is tuple:
            return f"({''.join(f'{self._expression(part)}, ' for part in tree)})"
        if kind is list:
            return f"[{', '.join(map(self._expression, tree))}]"
        if kind is dict:
            items = [f"{self._key(k)}: {self._expression(v)}" for k, v in tree.items()]
            return f"{{{', '.join(items)}}}"
        if isinstance(tree, tuple):  # a named tuple
            return f"{self.names.bind(kind.__name__, kind)}{self._expression(tuple(tree))}"
        return self._key(tree)

    def _key(self, thing: Any) -> str:
        plain = thing is None or type(thing) in (bool, int, str)
        return repr(thing) if plain else self.names.bind("kept", thing)


def indented(lines: Sequence[str]) -> Lines:
    """The lines four columns further in."""
    return [f"    {line}" for line in lines]


def either(conditions: Sequence[str], body: Lines) -> Lines:
    """An `if` over several conditions, one to a line; nothing where there are none."""
    if not conditions:
        return []
    if len(conditions) == 1:
        return [f"if {conditions[0]}:", *indented(body)]
    lines = [conditions[0], *[f"or {condition}" for condition in conditions[1:]]]
    return ["if (", *indented(lines), "):", *indented(body)]
