"""The rules that every graph keeps, checked after the trace and after every pass.

Input: a graph. Output: nothing, or a GraphError that shows the line at fault.
Invariant: the graph is not changed, and no array is computed.

For example `c = add(a, b) : f32[3]` with a, b: f32[4] is refused: add makes f32[4] of its inputs.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, NoReturn, get_args

import numpy as np

from streetlight import dtypes
from streetlight.errors import GraphError
from streetlight.graph.graph import Graph, Input, Kind, Node, Value, draws
from streetlight.graph.text import DTYPES, RESERVED, input_line, line_of, literal, type_of
from streetlight.ops.indexing import HERE
from streetlight.ops.registry import Elementwise, Op, all_ops

UPDATED = frozenset({"parameter", "buffer", "state", "number"})
_KINDS = frozenset(get_args(Kind))
_DTYPES = frozenset(DTYPES.values())
_PLAIN = frozenset({bool, int, float})
_RANK = {"b": 0, "u": 1, "i": 1, "f": 2}
_RANK_OF_PLAIN = {bool: 0, int: 1, float: 2}


def verify(graph: Graph) -> None:
    """Raise if a graph breaks a rule.

    The rules: every value has a name of its own, one maker and one type; makers come before uses;
    operations are known, with the options and the number of inputs that they take; shapes, dtypes
    and devices are what the operations make of their inputs; numbers meet tensors only through
    `cast`; draws name a generator of the graph; updates belong to parameters, buffers, state and
    numbers, and keep their types; what is returned exists.

    Raises:
        GraphError: for the first rule that is broken; it shows the line.
    """
    _Check(graph).run()


class _Broken(Exception):  # noqa: N818 (it never leaves this file)
    """A rule is broken: the problem in words, and what the rule expects."""


class _Check:
    """The walk over a graph, with the values that were met so far."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.names: set[str] = set()
        self.values: dict[Value, Any] = {}  # with the array, if it is a constant
        self.kinds: dict[Value, str] = {given.value: given.kind for given in graph.inputs}

    def run(self) -> None:
        """Check inputs, nodes, updates and outputs, in this order."""
        for given in self.graph.inputs:
            self.guarded(self.input, given, input_line)
        for node in self.graph.nodes:
            self.guarded(self.node, node, line_of)
        for pair in self.graph.updates.items():
            self.guarded(self.update, pair, lambda pair: f"{pair[0].name} <- {pair[1].name}")
        for value in self.graph.outputs:
            self.guarded(self.known, value, lambda value: f"return {value.name}")

    def guarded(self, check: Callable[[Any], None], thing: Any, line: Callable[[Any], str]) -> None:
        """Run a check, and turn what it finds into an error that shows the line."""
        try:
            check(thing)
        except _Broken as found:
            problem, expected = found.args
            raise GraphError(
                f"verify: in the graph {self.graph.name}, {problem}",
                expected=expected, got={"line": line(thing)},
            ) from found.__cause__  # fmt: skip

    # ---- values ----

    def define(self, value: Value, data: Any = None) -> None:
        """Note a new value, whose name and type must be in order."""
        name = value.name
        if value in self.values:
            _break(f"the value {name} is made twice", "one maker for each value")
        if name in self.names:
            _break(f"two values have the name {name}", "a name of its own for each value")
        if not name.isidentifier() or name in RESERVED:
            _break(f"{name!r} cannot be the name of a value", "letters, digits and underscores")
        _check_type(value)
        self.names.add(name)
        self.values[value] = data

    def known(self, value: Value) -> None:
        """Check that a value was made before."""
        if value not in self.values:
            problem = f"{value.name} is used before it is made"
            if value.name in self.names:
                problem = f"a value {value.name} is used that is not the one of this graph"
            _break(problem, "inputs, and results of the lines above")

    # ---- inputs and results ----

    def input(self, given: Input) -> None:
        """Check kind and data of an input."""
        value, data, constant = given.value, given.data, given.kind == "constant"
        if given.kind not in _KINDS:
            _break(f"{given.kind!r} is not a kind of input", ", ".join(sorted(_KINDS)))
        if given.kind == "number" and not value.number:
            _break(f"{value.name} is called a number, but is {type_of(value)}", "the type number")
        if constant == (data is None):
            wrong = "has no numbers" if constant else "has numbers already"
            _break(
                f"the {given.kind} {value.name} {wrong}", "numbers for constants, and only there"
            )
        if constant and not _fits(value, data):
            _break(f"the numbers of {value.name} are not {type_of(value)}", "numbers of its type")
        self.define(value, data)

    def update(self, pair: tuple[Value, Value]) -> None:
        """Check that an input may be updated, and with a value of its own type."""
        target, new = pair
        kinds = {given.value: given.kind for given in self.graph.inputs}
        if kinds.get(target) not in UPDATED:
            kind = kinds.get(target, "the result of an operation")
            _break(
                f"{target.name} is updated, but is {kind}", f"one of {', '.join(sorted(UPDATED))}"
            )
        self.known(new)
        if type_of(target) != type_of(new):
            problem = f"{target.name} is updated with a value of type {type_of(new)}"
            _break(problem, f"{type_of(target)}, as before")

    # ---- operations ----

    def node(self, node: Node) -> None:
        """Check one operation: what it takes, and what it makes."""
        op, inputs, output = node.op, node.inputs, node.output
        if all_ops.get(op.name) is not op:
            _break(f"there is no operation {op.name}", "an operation of the registry")
        for x in inputs:
            if isinstance(x, Value):
                self.known(x)
            elif type(x) not in _PLAIN:
                _break(f"{op.name} is given a {type(x).__name__}", "values and plain numbers")
        if problem := _misuse(op, len(inputs), tuple(node.attributes)):
            _break(f"{op.name} {problem}", f"as in {_example(op)}")
        self.random(node)
        numbers = [x.number for x in node.values]
        if True in numbers:
            _check_numbers(node, all(numbers))
        elif output.number:
            _break(f"{op.name} makes a number of tensors", "a tensor, or numbers as inputs")
        else:
            _check_dtypes(node)
        self.type(node)
        self.define(output)

    def random(self, node: Node) -> None:
        """Check that a draw, and nothing else, names a generator of the graph."""
        generator, count = node.attributes.get("generator"), self.graph.generators
        if draws(node) and not (type(generator) is int and 0 <= generator < count):
            _break(
                f"{node.op.name} draws from generator {generator}, of {count}",
                f"0 to {count - 1}" if count else "a graph that says how many generators it has",
            )

    def type(self, node: Node) -> None:
        """Compare the type of the result with what the operation makes of its inputs."""
        output, inputs = node.output, node.inputs
        if "index" in node.attributes:
            inputs = tuple([self.stand_in(node, x) for x in inputs])
        try:
            shape, dtype = node.op.infer(*inputs, **node.attributes)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            said = getattr(error, "what", str(error))
            problem = f"{node.op.name} refuses its inputs: {said}"
            raise _Broken(problem, f"inputs that fit, as in {_example(node.op)}") from error
        if tuple(shape) != output.shape or dtype != output.dtype:
            made = type_of(Value("", tuple(shape), dtype))
            _break(f"{node.op.name} does not make {type_of(output)} of its inputs", made)
        for x in node.values:
            if x.device != output.device and not x.number:
                problem = f"{x.name} lies on {x.device}, but {output.name} on {output.device}"
                _break(problem, "one device for all tensors of an operation")

    def stand_in(self, node: Node, x: Any) -> Any:
        """Return an array in place of an index, because its dtype and numbers decide the shape."""
        if not isinstance(x, Value) or x.dtype.kind == "f" or HERE not in node.attributes["index"]:
            return x
        if (data := self.values[x]) is not None:
            return data
        if x.dtype.kind == "b" and node.op.name == "pick":
            _break(f"the mask {x.name} decides the shape of {node.output.name}", "a constant mask")
        return np.broadcast_to(np.zeros((), x.dtype), x.shape)


def _break(problem: str, expected: str) -> NoReturn:
    raise _Broken(problem, expected)


def _check_type(value: Value) -> None:
    """Check that a type is one that tensors, or numbers, can have."""
    sizes = value.shape
    if not isinstance(sizes, tuple) or not all(type(n) is int and n >= 0 for n in sizes):
        _break(f"{value.name} has the shape {sizes}", "whole numbers >= 0")
    if value.dtype not in _DTYPES:
        _break(f"{value.name} has the dtype {value.dtype}", ", ".join(DTYPES))
    if value.number and (sizes or value.dtype != dtypes.float64):
        _break(f"the number {value.name} is {value.dtype} {sizes}", "float64 and no dimensions")


def _fits(value: Value, data: Any) -> bool:
    if value.number:
        return type(data) in _PLAIN
    return getattr(data, "dtype", None) == value.dtype and data.shape == value.shape


def _check_numbers(node: Node, alone: bool) -> None:
    """Check an operation with a number among its inputs: all are numbers, or it is a cast."""
    op, output = node.op, node.output
    if op.name == "cast":
        if output.number:
            _break(f"cast makes the number {output.name} of a number", "a tensor")
    elif not alone:
        wanted = "cast(number, dtype=...) first, which makes a tensor of it"
        _break(f"{op.name} takes a number and a tensor together", wanted)
    elif not output.number or not isinstance(op, Elementwise) or op.dtype != "same":
        _break(f"{op.name} makes {type_of(output)} of numbers", "arithmetic that makes a number")


def _check_dtypes(node: Node) -> None:
    """Check that tensors have one dtype where they are computed with, and that literals fit it."""
    op, values = node.op, node.values
    if isinstance(op, Elementwise):
        if op.name == "where":
            condition = node.inputs[0]
            if not isinstance(condition, Value) or condition.dtype != dtypes.bool:
                _break("the condition of where is not bool", "a tensor of bools")
            values = values[1:]
    else:
        values = tuple([x for x in values if x.dtype.kind == "f"])
    kinds = {x.dtype for x in values}
    if len(kinds) > 1:
        names = " and ".join(f"{x.name}: {type_of(x)}" for x in values)
        _break(f"{op.name} takes several dtypes, {names}", "one dtype; cast the others first")
    if not kinds or not isinstance(op, Elementwise):
        return
    rank = _RANK[kinds.pop().kind]
    if any(_RANK_OF_PLAIN.get(type(x), 0) > rank for x in node.inputs):
        _break(f"{op.name} takes a number that {values[0].dtype} does not hold", "a cast before it")


@functools.cache
def _misuse(op: Op, count: int, options: tuple[str, ...]) -> str:
    """Say what is wrong with the number of inputs, or the names of the options, if anything."""
    signature = inspect.signature(op.forward)
    parameters = list(signature.parameters.values())[1:]
    known = {name for sample in op.samples() for name in sample.attributes}
    if wrong := [name for name in options if name not in signature.parameters]:
        return f"knows no option {wrong[0]}"
    positional = [p for p in parameters if p.name not in known and p.default is p.empty]
    try:
        signature.bind(None, *[None] * count, **dict.fromkeys(options))
    except TypeError as error:
        return f"cannot be called so: {error}"
    several = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    return "" if several or count == len(positional) else f"does not take {count} inputs"


def _example(op: Op) -> str:
    """Show how an operation is written."""
    sample = op.samples()[0]
    names = list(inspect.signature(op.forward).parameters)[1:]
    inputs = names[: len(sample.inputs)]
    options = [
        f"{n}={'@0' if n == 'generator' else literal(x)}" for n, x in sample.attributes.items()
    ]
    return f"{op.name}({', '.join(inputs + options)})"
