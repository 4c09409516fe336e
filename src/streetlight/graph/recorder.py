"""The Recorder carries out operations on symbols: each becomes a node of the graph.

It takes the place of the eager interpreter in its thread. What eager code does to memory (views,
changes in place) it does to storages, so that the graph stays pure.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from streetlight import dtypes
from streetlight.autograd import NEVER, record, tick
from streetlight.errors import TraceError
from streetlight.graph.graph import RANDOM, Graph, Input, Node, Value
from streetlight.graph.infer import contiguous_result, is_mask, layout_of_view, result_type
from streetlight.graph.names import Names
from streetlight.graph.source import Here
from streetlight.graph.symbol import Storage, Symbol, here
from streetlight.ops.elementwise import add, where
from streetlight.ops.movement import _expand, _reshape, assign, copy
from streetlight.ops.registry import Elementwise, Op, Shape, cast, context
from streetlight.ops.registry import Value as TensorLike
from streetlight.random import Generator
from streetlight.tensor import Tensor

Attributes = dict[str, Any]
LITERALS = (bool, int, float)


class Recorder:
    """Builds a graph out of the operations of one run of a function.

    Args:
        name: the function's.
        adopt: gives the symbol of a tensor that holds an array, see capture.py.
        path_of: the path of a module.
    """

    def __init__(
        self, name: str, adopt: Callable[[Any], Symbol], path_of: Callable[[Any], str]
    ) -> None:
        self.graph = Graph(name)
        self.adopt, self.path_of = adopt, path_of
        self.names = Names()
        self.open = True
        self.refused: Exception | None = None  # the first refusal, which the function may catch
        self.outermost: Any = None  # the frame that calls the traced function
        self.generators: list[weakref.ref[Generator]] = []
        self.alive: dict[int, weakref.ref[Symbol]] = {}
        self.answers: list[Storage] = []  # numbers whose truth was asked for
        self._made: dict[int, Node] = {}  # by the time of the recording for the backward walk
        self._constants: dict[tuple[Any, str], Value] = {}

    def noted(self, error: Exception) -> Exception:
        """The error, remembered if it is the first: the function cannot go on after it."""
        self.refused = self.refused or error
        return error

    # ---- values and nodes ----

    def symbol(self, tensor: Any) -> Symbol:
        """The symbol of a tensor, which is captured if it holds an array."""
        data = tensor._data
        if type(data) is not Symbol:
            return self.adopt(tensor)
        self.check_open(data)
        return data

    def check_open(self, symbol: Symbol) -> None:
        """Refuse symbols of a trace that is over, or that runs in another thread."""
        if symbol.storage.recorder is not self or not self.open or not context.tracing:
            raise TraceError(
                f"a tensor of a traced function is used outside of it{here()}",
                got={"tensor": symbol},
                fix="return it from the function",
            )

    def read(self, symbol: Symbol) -> Value:
        """The value that a symbol has now."""
        storage = symbol.storage
        if symbol.value is not None and symbol.version == storage.version:
            return symbol.value
        if symbol.base is not None and symbol.view is not None:
            op, attributes = symbol.view
            value = self.node(op, (self.read(symbol.base),), attributes, symbol.shape, symbol.dtype)
        else:
            value = self.whole(storage)
        symbol.value, symbol.version = value, storage.version
        return value

    def whole(self, storage: Storage) -> Value:
        """The value of all of a storage; a captured one becomes an input when it is first read."""
        if storage.value is None:
            self.input(storage)
        return storage.value  # type: ignore[return-value]

    def input(self, storage: Storage) -> Input:
        """The input that a captured storage came from."""
        origin = storage.origin
        if origin.input is None:
            number = origin.kind == "number" or origin.number
            dtype = dtypes.float64 if number else origin.dtype
            name = self.names.take(origin.name)
            value = Value(name, origin.shape, dtype, number=number)
            origin.input = Input(value, origin.kind, origin.path)
            self.graph.inputs.append(origin.input)
            if storage.value is None:
                storage.value = value
        return origin.input

    def constant(self, number: float, dtype: Any) -> Value:
        """A 0-d value that is written into the program."""
        key = dtype, repr(number)
        if key not in self._constants:
            name = "zero" if number == 0 else "one" if number == 1 else "constant"
            value = Value(self.names.take(name), (), dtype)
            data = context.run(np.asarray, number, dtype)
            self.graph.inputs.append(Input(value, "constant", value.name, data))
            self._constants[key] = value
        return self._constants[key]

    def node(
        self, op: Op, inputs: tuple[Any, ...], attributes: Attributes, shape: Shape, dtype: Any,
        number: bool = False,
    ) -> Value:  # fmt: skip
        """Add an operation and return its value."""
        here = Here(self.outermost)
        value = Value(self.names.take(op.name), shape, dtype, number=number)
        node = Node(op, inputs, attributes, value, here.source)
        if here.module is not None:
            node.module = self.path_of(here.module)
        if here.visited is not None:
            self._explain_gradient(node, here.visited)
        self.graph.nodes.append(node)
        return value

    def _explain_gradient(self, node: Node, visited: Any) -> None:
        forward = self._made.get(visited.time)
        if forward is not None:
            node.gradient_of = forward.gradient_of or forward.output.name
            node.source, node.module = forward.source or node.source, forward.module

    def made(self, value: Value, *, certain: bool = True, dtype: Any = None) -> Symbol:
        """A symbol for a computed value, in memory of its own."""
        symbol = Symbol(Storage(self, value), value.shape, dtype or value.dtype, certain=certain)
        if value.number:
            symbol.ndim = -1
        symbol.value, symbol.version = value, 0
        return self.watched(symbol)

    def watched(self, symbol: Symbol) -> Symbol:
        """Note a symbol, so that it is missed if something keeps it when the trace is over."""
        self.alive[id(symbol)] = weakref.ref(symbol)
        symbol.source = self.graph.nodes[-1].source if self.graph.nodes else None
        return symbol

    # ---- the interpreter ----

    def interpret(self, op: Op, inputs: tuple[Any, ...], attributes: Attributes) -> Tensor:
        """Record an operation; the tracing twin of `eager.evaluate`."""
        if op.view:
            return self._look(op, inputs, attributes)
        symbols = [self.symbol(x) if isinstance(x, TensorLike) else None for x in inputs]
        values = [
            self.read(symbol) if symbol is not None else _literal(x)
            for symbol, x in zip(symbols, inputs, strict=True)
        ]
        if op.name in RANDOM:
            attributes = self._drawing(attributes)
        numbers = [isinstance(value, Value) and value.number for value in values]
        if any(numbers):
            if _only_numbers(op, values):
                return self._calculated(op, values, attributes)
            values = self._as_tensors(op, values)
        if is_mask(op, values, attributes):
            value = self._masked(values)
        else:
            shape, dtype = result_type(op, inputs, values, attributes)
            value = self.node(op, tuple(values), attributes, shape, dtype)
        out = Tensor.wrap(self.made(value, certain=contiguous_result(op, symbols)))
        self._record(op, inputs, attributes, out)
        return out

    def _masked(self, values: list[Any]) -> Value:
        """One number put where a mask is true: a choice for each element."""
        target, number, mask = values
        if mask.ndim < target.ndim:
            shape = mask.shape + (1,) * (target.ndim - mask.ndim)
            mask = self.node(_reshape, (mask,), {"shape": shape}, shape, mask.dtype)
        if isinstance(number, Value) and number.ndim:
            number = self.node(_reshape, (number,), {"shape": ()}, (), number.dtype)
        return self.node(where, (mask, number, target), {}, target.shape, target.dtype)

    def _record(self, op: Op, inputs: Any, attributes: Attributes, out: Any) -> None:
        if context.grad_enabled and op.vjp:
            node = record(op, inputs, attributes, out._data)
            if node is not None:
                out._node, out.requires_grad = node, True
                self._made[node.time] = self.graph.nodes[-1]
                if op.saves_output:
                    node.box = out._changed = out._changed or [0]

    def _look(self, op: Op, inputs: tuple[Any, ...], attributes: Attributes) -> Tensor:
        """Record a view operation: the result shares the storage where NumPy shares memory."""
        tensor = inputs[0]
        symbol = self.symbol(tensor)
        if symbol.ndim == -1:
            symbol = self.made(self._tensor_of(self.read(symbol), dtypes.float64))
        layout = layout_of_view(op, symbol, inputs, attributes)
        if layout is None:
            value = self.node(
                op, (self.read(symbol),), attributes, attributes["shape"], symbol.dtype
            )
            out = Tensor.wrap(self.made(value))
        else:
            view = Symbol(
                symbol.storage, layout.shape, symbol.dtype, base=symbol, view=(op, attributes),
                layout=None if layout.flags.c_contiguous else layout, certain=symbol.certain,
            )  # fmt: skip
            self.read(view)
            out = Tensor.wrap(self.watched(view))
            self._mark_view(out, tensor, op, attributes)
        self._record(op, inputs, attributes, out)
        return out

    def _mark_view(self, out: Any, base: Any, op: Op, attributes: Attributes) -> None:
        if base._changed is None:
            base._changed = [0]
        out._changed = base._changed
        out._base = (base, op, attributes, tick() if context.grad_enabled else NEVER)

    def _drawing(self, attributes: Attributes) -> Attributes:
        """Replace the generator by its number in the graph."""
        generator = attributes["generator"]
        known = [reference() for reference in self.generators]
        if not any(generator is one for one in known):
            self.generators.append(weakref.ref(generator))
            known.append(generator)
        place = next(i for i, one in enumerate(known) if one is generator)
        self.graph.generators = len(self.generators)
        rest = {name: value for name, value in attributes.items() if name != "on"}
        return {**rest, "generator": place}

    # ---- numbers ----

    def _calculated(self, op: Op, values: list[Any], attributes: Attributes) -> Tensor:
        value = self.node(op, tuple(values), attributes, (), dtypes.float64, number=True)
        return Tensor.wrap(self.made(value, dtype=dtypes.get_default_dtype()))

    def _as_tensors(self, op: Op, values: list[Any]) -> list[Any]:
        """Cast numbers to the dtype of the tensors that they meet."""
        if op is cast:
            return values
        operands = values[1:] if op is where else values
        met = [v.dtype for v in operands if isinstance(v, Value) and not v.number]
        target = met[0] if met else dtypes.get_default_dtype()
        return [
            self._tensor_of(v, target) if isinstance(v, Value) and v.number else v for v in values
        ]

    def _tensor_of(self, number: Value, dtype: Any) -> Value:
        return self.node(cast, (number,), {"dtype": dtype}, (), dtype)

    def truth(self, symbol: Symbol) -> bool | None:
        """Whether a number is not 0, if that is known: of an input that was not computed with."""
        self.check_open(symbol)
        storage = symbol.storage
        if symbol.ndim != -1 or storage.origin is None or storage.version:
            return None
        known: bool | None = storage.origin.truth()
        if known is not None:
            self.answers.append(storage)
        return known

    # ---- memory ----

    def snapshot(self, symbol: Symbol) -> Symbol:
        """Copy a symbol into memory of its own."""
        self.check_open(symbol)
        return self.made(self.node(copy, (self.read(symbol),), {}, symbol.shape, symbol.dtype))

    def converted(self, symbol: Symbol, dtype: Any) -> Symbol:
        """A symbol in another dtype, in memory of its own."""
        self.check_open(symbol)
        if dtype == symbol.dtype:
            return self.snapshot(symbol)
        value = self.node(cast, (self.read(symbol),), {"dtype": dtype}, symbol.shape, dtype)
        return self.made(value, certain=symbol.certain and symbol.contiguous)

    def filled(self, number: float, shape: Shape, dtype: Any) -> Value:
        """A value of one number everywhere."""
        value = self.constant(number, dtype)
        return self.node(_expand, (value,), {"shape": shape}, shape, dtype) if shape else value

    def fill(self, symbol: Symbol, number: float) -> None:
        """Let a symbol hold one number everywhere."""
        self.check_open(symbol)
        self.write(symbol, self.filled(number, symbol.shape, symbol.dtype))

    def store(self, target: Any, value: Any) -> None:
        """Let a tensor hold the numbers of another; the tracing twin of `Context.store`."""
        symbol, given = self.symbol(target), self.symbol(value)
        new = self.read(given)
        if new.dtype != symbol.dtype or new.number:
            new = self.node(cast, (new,), {"dtype": symbol.dtype}, new.shape, symbol.dtype)
        if new.shape != symbol.shape:
            facts = {"shape": symbol.shape}
            new = self.node(_expand, (new,), facts, symbol.shape, symbol.dtype)
        self.write(symbol, new)

    def write(self, symbol: Symbol, value: Value) -> None:
        """Put a value into memory: from a view upwards into all that share it."""
        storage = symbol.storage
        if storage.uncertain:
            words = f"this memory may be shared, or may be a copy: it cannot be changed{here()}"
            fix = "x.clone() before the change, or before the reshape"
            raise self.noted(TraceError(words, got={"tensor": symbol}, fix=fix))
        part, new = symbol, value
        while part.base is not None and part.view is not None:
            new = self._with_part(part, new)
            part = part.base
        storage.value = new
        storage.version += 1
        symbol.value, symbol.version = value, storage.version

    def _with_part(self, part: Symbol, new: Value) -> Value:
        """The value of the memory that a view looks at, after the view got a new value."""
        base: Any = part.base
        op, attributes = part.view  # type: ignore[misc]
        if op is _reshape:
            return self.node(op, (new,), {"shape": base.shape}, base.shape, base.dtype)
        facts = {"view": op, "attributes": attributes}
        return self.node(assign, (self.read(base), new), facts, base.shape, base.dtype)

    def distinct(self, value: Value) -> Value:
        """A copy of a value, for a result that must not be an input or another result."""
        if value.number:
            return self.node(add, (value, 0.0), {}, (), value.dtype, number=True)
        return self.node(copy, (value,), {}, value.shape, value.dtype)


def _literal(x: Any) -> Any:
    """Plain Python numbers, as the graph has them."""
    return x if type(x) in LITERALS else x.item() if isinstance(x, np.generic) else x


def _only_numbers(op: Op, values: list[Any]) -> bool:
    return (
        isinstance(op, Elementwise)
        and op.dtype == "same"
        and op is not where
        and all(value.number for value in values if isinstance(value, Value))
    )
