"""Writes the Python functions that call a version: one for a step, one for many in a row.

Input: a plan. Output: Python text. Invariant: the function returns MISS before anything is changed
where the version does not fit; what it returns shares no memory with the program.

Example: for a step with one parameter and one argument, about this:

    def step(args, kwargs):
        with lock:
            if not (context.interpreter is eager and isinstance(x := args[0], Tensor)
                    and (x_array := x._data).shape == (8, 3) ...):
                return MISS
            if weight._data is not arrays[0] and not rebind():
                return MISS
            numbers[0] = opt_numbers['lr']
            loss_array = empty((), float32)
            status = step_(x_array, loss_array)
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

import itertools
import linecache
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from streetlight.compile.binding import RunEagerly
from streetlight.compile.plan import Plan
from streetlight.errors import CompileError
from streetlight.graph.source import shown
from streetlight.graph.symbol import spent_gradient
from streetlight.graph.traced import SPENT, Leaf, NumberPlace, Output, View
from streetlight.tensor import Tensor

MESSAGES = {1: "an index is out of range", 2: "an integer is divided by zero"}

NESTED = 10  # so many blocks, at least, does Python let stand inside each other

Lines = list[str]
_numbers = itertools.count(1)


class Caller:
    """Writes and makes one function.

    Args:
        many: whether it makes a step for each entry of `blocks`, which are arrays of arguments
            one after the other, and returns results with an entry for each step.
    """

    def __init__(self, title: str, plan: Plan, many: bool = False) -> None:
        self.title, self.plan, self.many = title, plan, many
        self.names, self.source, self.traced = plan.names, plan.source, plan.traced
        self.may_fail = "sl_fail" in plan.source.text

    def make(self) -> tuple[Callable[..., Any], str]:
        """Return the function and its text."""
        text = self.text()
        file = f"<{self.title}, compiled {next(_numbers)}>"
        found: dict[str, Any] = {}
        exec(compile(text, file, "exec"), self.names.objects, found)
        function = found.popitem()[1]
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        weakref.finalize(function, linecache.cache.pop, file, None)
        return function, text

    def text(self) -> str:
        """The text of the function."""
        inside = [
            *self._check(), *self._blocks(), *self._bound(), *self._numbers(), *self._made(),
            *self._guarded_run(), *self._failed(), *self._wrapped(), *self._gradients(),
            f"return {self._expression(self.traced.result)}",
        ]  # fmt: skip
        name = self.title if self.title.isidentifier() else "call"
        more = ", count, blocks" if self.many else ""
        lines = ["with lock:", *indented(inside)]
        return "\n".join([f"def {name}(args, kwargs{more}):", *indented(lines), ""])

    # ---- before the program runs ----

    def _check(self) -> Lines:
        first, *rest = self.plan.facts
        facts = [first, *[f"and {fact}" for fact in rest]]
        return [
            "try:",
            *indented(["if not (", *indented(facts), "):", "    return MISS"]),
            "except Exception:  # the program has another structure now",
            "    return MISS",
        ]

    def _blocks(self) -> Lines:
        """The arrays of many arguments take the place of those of the first."""
        arrays = [array for array in self.plan.arguments.arrays if array is not None]
        return [f"{', '.join(arrays)}, = blocks"] if self.many and arrays else []

    def _bound(self) -> Lines:
        """Captured tensors and generators may have other memory than at the last call."""
        tensors, generators = self.plan.tensors, self.plan.generators
        moved = [f"{name}._data is not arrays[{i}]" for i, name in enumerate(tensors)]
        lines = either(moved, ["if not rebind():", "    return MISS"])
        seeded = [f"{name}._bits is not bits[{i}]" for i, name in enumerate(generators)]
        lines += either(seeded, ["take_generators()"])
        if tensors:
            lines += ["for array, copy in strided:", "    copy[...] = array"]
        return lines

    def _numbers(self) -> Lines:
        expressions = [self.plan.numbers[name] for name in self.source.numbers]
        return [f"numbers[{place}] = {text}" for place, text in enumerate(expressions)]

    def _made(self) -> Lines:
        """New memory for the results."""
        stacked = {output.index for output in self.plan.returned(Output)} if self.many else set()
        lines, indices = [], self.plan.array_outputs()
        for index, (shape, dtype) in zip(indices, self.source.outputs, strict=True):
            sizes = f"(count, {', '.join(map(str, shape))})" if index in stacked else f"{shape}"
            kind = self.names.bind(dtype.name, dtype)
            lines.append(f"{self.plan.output_arrays[index]} = empty({sizes}, {kind})")
        return lines

    # ---- the run, and what it has changed ----

    def _guarded_run(self) -> Lines:
        """The run; a generator, too, is used by one thread at a time."""
        lines, back = self._run(), self._back()
        if self.many and back:  # it may be interrupted between two steps
            lines[-1:] = ["try:", f"    {lines[-1]}", "finally:", *indented(back)]
        else:
            lines += back
        objects = self.names.objects
        used = sorted(set(self.plan.generators), key=lambda name: id(objects[name]))
        if not used:
            return lines
        locks = ", ".join(f"{name}._bits.lock" for name in used)
        held = locks if len(used) < NESTED else f"{self.names.bind('all_of', all_of)}({locks})"
        return [f"with {held}:", *indented(lines)]

    def _run(self) -> Lines:
        lines = ["before = words()"] if self.may_fail and self.plan.generators else []
        for name, node in zip(self.plan.draws, self.source.host_draws, strict=True):
            lines.append(f"{name} = {self.plan.draw(node)}()")
        return lines + (self._many_steps() if self.many else self._one_step())

    def _one_step(self) -> Lines:
        arrays = f"({', '.join(self.plan.arrays())})"
        if self.plan.changed_arguments():
            return [f"status = carefully{arrays}"]
        return [
            f"status = {self.plan.entry()}{arrays}",
            "if status is NotImplemented:",
            f"    status = carefully{arrays}",
        ]

    def _many_steps(self) -> Lines:
        pairs = zip(self.plan.binding.given, self.plan.arrays(), strict=True)
        lines = [f"buffers[{given.argument.place}] = {x}.ctypes.data" for given, x in pairs]
        advance = self.names.bind("advance", self.plan.advance())
        return [*lines, f"status = repeat(count, {advance})"]

    def _back(self) -> Lines:
        """Put back numbers and copies that the program has changed, and stamp tensors."""
        lines, stamped = self._numbers_back(), self.plan.changed_arguments()
        plain: Lines = []
        for captured, name in zip(self.plan.binding.captured, self.plan.tensors, strict=True):
            if captured.updated:
                (plain if isinstance(captured.tensor, Tensor) else stamped).append(name)
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
                lines.append(f"{self.plan.numbers[name]} = {number}")
        return lines

    # ---- errors ----

    def _failed(self) -> Lines:
        failure = self.names.bind("failure", self.failure)
        before = "before" if self.may_fail and self.plan.generators else ""
        return ["if status:", f"    raise {failure}({before})"]

    def failure(self, before: Sequence[bytes] = ()) -> Exception:
        """What is to be raised after the program has reported an error.

        Args:
            before: the states of the generators before the call.
        """
        code, node, value, steps = self.plan.program.error
        done = steps if self.many else 0
        if self.source.errors_come_first:
            if not done:
                self.plan.binding.restore(before)
            return RunEagerly("a wrong number, which eager code names", done)
        made = self.source.nodes[node]
        where = {"at": shown(made.source)} if made.source else {}
        return CompileError(
            f"{self.title}: {MESSAGES[code]} in {made.output.name} = {made.op.name}(...)",
            got={"number": value, **where},
            fix="some parameters have changed already: mend it, and go on from a saved state",
        )

    # ---- results ----

    def _wrapped(self) -> Lines:
        """Tensors around the results."""
        plan = self.plan
        lines = []
        outputs = [i for i, value in enumerate(self.traced.graph.outputs) if value.number]
        for place, index in enumerate(outputs, len(self.source.numbers)):
            lines.append(f"{plan.outputs[index]} = numbers[{place}]")
        pairs = [(plan.outputs[i], plan.output_arrays[i]) for i in plan.array_outputs()]
        if self.many:
            leaves = [leaf.index for leaf in plan.returned(Leaf)]
            pairs += [(plan.arguments.leaves[i], str(plan.arguments.arrays[i])) for i in leaves]
        for name, array in pairs:
            lines += [f"{name} = new(Tensor)", f"{name}._data = {array}"]
        for output in plan.returned(Output):
            if output.recorded:
                name, array = plan.outputs[output.index], plan.output_arrays[output.index]
                record = f"end_of_record({', '.join([array, *plan.edges()])})"
                lines += [f"{name}.requires_grad = True", f"{name}._node = {record}"]
        return lines

    def _gradients(self) -> Lines:
        """The gradients that are left, and arrays that are exchanged."""
        lines = []
        for tensor, gradient in self.traced.gradients:
            owner = self.plan.owner(tensor)
            lines.append(f"{owner}.grad = {self._gradient(owner, tensor, gradient)}")
        for tensor, output in self.traced.rebound:
            lines.append(f"{self.plan.owner(tensor)}.data = {self.plan.outputs[output.index]}")
        return lines

    def _gradient(self, owner: str, tensor: Any, gradient: Any) -> str:
        if isinstance(gradient, Output):
            return self.plan.outputs[gradient.index]
        if gradient != SPENT:
            return "None"
        if isinstance(tensor, Leaf):
            return f"spent_gradient({owner})"
        return self.names.bind(f"{owner}_spent", spent_gradient(tensor))

    def _expression(self, tree: Any) -> str:
        """The text that builds a result."""
        kind = type(tree)
        if kind is Output:
            return self.plan.outputs[tree.index]
        if kind is Leaf:
            return self.plan.arguments.leaves[tree.index]
        if kind is View:
            return f"{self._object(tree)}.of({self._expression(tree.base)})"
        if kind is tuple:
            return f"({''.join(f'{self._expression(part)}, ' for part in tree)})"
        if kind is list:
            return f"[{', '.join(map(self._expression, tree))}]"
        if kind is dict:
            items = [f"{self._object(key)}: {self._expression(x)}" for key, x in tree.items()]
            return f"{{{', '.join(items)}}}"
        if isinstance(tree, tuple):  # a named tuple
            parts = ", ".join(map(self._expression, tree))
            return f"{self.names.bind(kind.__name__, kind)}({parts})"
        return self._object(tree)

    def _object(self, thing: Any) -> str:
        plain = thing is None or type(thing) in (bool, int, str)
        return repr(thing) if plain else self.names.bind("kept", thing)


@contextmanager
def all_of(*locks: Any) -> Iterator[None]:
    """Hold several locks."""
    with ExitStack() as stack:
        for lock in locks:
            stack.enter_context(lock)
        yield


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
