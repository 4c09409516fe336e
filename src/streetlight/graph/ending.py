"""The end of a trace: inputs are named for later calls, updates noted, and leaks refused."""

from __future__ import annotations

import gc
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from streetlight import dtypes
from streetlight.errors import TraceError
from streetlight.graph.capture import Captures
from streetlight.graph.graph import Graph, Input, Node, Value
from streetlight.graph.recorder import Recorder
from streetlight.graph.source import shown
from streetlight.graph.symbol import Storage
from streetlight.graph.traced import Guard, OnlyEagerly, Traced
from streetlight.ops.movement import _expand
from streetlight.ops.registry import context
from streetlight.tensor import Tensor

Arrays = dict[int, tuple[Any, str]]
ORDER = ["argument", "parameter", "buffer", "state", "number", "constant"]


def close(
    traced: Traced, recorder: Recorder, captures: Captures, arrays: Arrays, grad_enabled: bool
) -> None:
    """Fill in what later calls need; `arrays` are those of NumPy that the function can reach."""
    _check_leaks(recorder)
    captures.taken = [taken for taken in captures.taken if taken.tensor() is not None]
    storages = list(captures.storages.values())
    for storage in storages:
        captures.settle(storage, arrays)
    for storage in storages:
        _settle_input(traced, recorder, storage)
    _check_overlaps(storages)
    _take_generators(traced, recorder)
    traced.graph.inputs.sort(key=lambda given: ORDER.index(given.kind))
    traced.guards[:0] = list(_general_guards(grad_enabled))
    used = {id(s.origin.array) for s in storages if s.origin.input is not None}
    copied = [found for key, found in arrays.items() if key not in used]
    traced.guards += [
        _array_guard(array, path) for array, path in copied if array.dtype.kind in "iufb"
    ]
    traced.guards += [g for taken in captures.taken for g in _tensor_guards(taken)]


def _settle_input(traced: Traced, recorder: Recorder, storage: Storage) -> None:
    origin = storage.origin
    if origin.input is None and storage.version and origin.kind != "constant":
        recorder.input(storage)  # it was never read, only written
    if origin.input is None:
        return
    if origin.kind == "constant":
        _write_constant(traced, recorder, origin.input, origin.array)
        return
    name = origin.input.value.name
    if origin.leaf is not None:
        traced.arguments[name] = origin.leaf
    else:
        traced.tensors[name] = origin.holder
    if storage.version and storage.value is not origin.input.value:
        given = {one.value for one in traced.graph.inputs}
        new: Value = storage.value  # type: ignore[assignment]
        if origin.kind == "argument":
            origin.input.kind = "state"  # it is changed in place
        traced.graph.updates[origin.input.value] = recorder.distinct(new) if new in given else new


def _write_constant(traced: Traced, recorder: Recorder, given: Input, array: Any) -> None:
    """Put the numbers of a constant into the graph; one number many times is written once."""
    first = array.reshape(-1)[:1]
    if array.ndim and first.size and bool((array == first).all()):
        number = recorder.constant(first[0].item(), array.dtype)
        expanded = Node(_expand, (number,), {"shape": array.shape}, given.value)
        traced.graph.nodes.insert(0, expanded)
        traced.graph.inputs.remove(given)
    else:
        given.data = array.copy()
    given.path = given.value.name


def _check_overlaps(storages: Iterable[Storage]) -> None:
    """Refuse state that lies in the same memory as other state, if any of it is changed."""
    used = [s for s in storages if s.origin.input is not None and s.origin.array.size]
    ranges = sorted(((*byte_bounds(s.origin.array), i) for i, s in enumerate(used)))
    end, last = -1, -1
    for low, high, index in ranges:
        if low < end:
            pair = used[last], used[index]
            written = pair[0].version or pair[1].version
            if written and np.shares_memory(*[s.origin.array for s in pair]):
                names = " and ".join(s.origin.path for s in pair)
                words = f"{names} share memory, and it is changed in place"
                fix = "clone one of them, or change one and compute the other from it"
                raise OnlyEagerly(words) from TraceError(words, fix=fix)
        if high > end:
            end, last = high, index


def _take_generators(traced: Traced, recorder: Recorder) -> None:
    for reference in recorder.generators:
        generator = reference()
        if generator is None:
            raise TraceError(
                "a random generator is made inside of the function",
                fix="make it once outside, and use it inside",
            )
        traced.generators.append(generator)


def _general_guards(grad_enabled: bool) -> Iterable[Guard]:
    mode = "on" if grad_enabled else "off"
    words = f"recording of gradients is {mode}"
    yield Guard(words, f"{{0}}.grad_enabled is {grad_enabled}", (context,))
    default = dtypes.get_default_dtype()
    words = f"the default dtype is {default}"
    yield Guard(words, "{0}() is {1}", (dtypes.get_default_dtype, default))


def _tensor_guards(taken: Any) -> Iterable[Guard]:
    """What must hold for a captured tensor; arguments are in the key of the call."""
    origin, tensor = taken.symbol.storage.origin, taken.tensor()
    if tensor is None or origin.input is None or origin.leaf is not None:
        return
    if not isinstance(origin.holder, Tensor):  # a gradient, which is another tensor each time
        return
    needs = taken.links.get("requires_grad", False)
    code = f"{{0}}.requires_grad is {needs}"
    yield Guard(f"requires_grad of {taken.path} is {needs}", code, (tensor,))
    hooks = tensor._hooks or None
    code = "{0}._hooks == {1}" if hooks else "not {0}._hooks"
    yield Guard(f"{taken.path} has the same hooks", code, (tensor, list(hooks or ())))
    if origin.holder is not tensor:
        words = f"{taken.path} has the memory of {origin.path}"
        yield Guard(words, "{0}._data is {1}._data", (tensor, origin.holder))
        return
    code = "{0}._data.shape == {1} and {0}._data.dtype == {2}"
    words = f"{taken.path} is {origin.dtype} {origin.shape}"
    yield Guard(words, code, (tensor, origin.shape, origin.dtype), of_array=True)


def _array_guard(array: Any, path: str) -> Guard:
    """That a NumPy array, from which a constant may have been made, is the same."""
    return Guard(f"{path} holds the same", "{0}.tobytes() == {1}", (array, array.tobytes()))


def check_guards(guards: Iterable[Guard]) -> None:
    """Refuse a function that changes what it relies on: later calls would not do that again."""
    for guard in guards:
        names = [f"_{index}" for index in range(len(guard.objects))]
        space = dict(zip(names, guard.objects, strict=True))
        try:
            holds = eval(guard.code.format(*names), {}, space)
        except Exception:  # whatever was there is gone
            holds = False
        if not holds:
            raise TraceError(
                f"the function changes what it relies on: {guard.words}, but not afterwards",
                expected="a function that changes nothing but tensors, in place",
                fix="do it outside of the function, or keep it in a tensor: count.add_(1)",
            )


def _check_leaks(recorder: Recorder) -> None:
    """Refuse traced tensors that something still holds: they will never have numbers."""
    alive = [reference() for reference in recorder.alive.values() if reference() is not None]
    if alive:
        alive.clear()
        gc.collect()
        alive = [reference() for reference in recorder.alive.values() if reference() is not None]
    for symbol in alive:
        place = shown(symbol.source)  # type: ignore[union-attr]
        made = f"; it is made at {place}" if place else ""
        raise TraceError(
            f"a tensor of the function is kept after its end{made}",
            got={"tensor": symbol},
            fix="return it, or copy it into a tensor that is there before: kept.copy_(x.detach())",
        )


def check_repeats(first: Graph, second: Graph) -> None:
    """Refuse a function that is another one when it runs again."""
    if len(first.nodes) != len(second.nodes) or len(first.inputs) != len(second.inputs):
        raise _not_the_same(None)
    for node, again in zip(first.nodes, second.nodes, strict=True):
        one, other = _facts(node), _facts(again)
        if one != other and repr(one) != repr(other):  # as text, NaN equals NaN
            raise _not_the_same(node)
    for given, found in zip(first.inputs, second.inputs, strict=True):
        if given.data is not None and given.data.tobytes() != found.data.tobytes():
            raise _not_the_same(next(iter(first.uses().get(given.value, [])), None))


def _not_the_same(node: Node | None) -> TraceError:
    place = shown(None if node is None else node.source)
    return TraceError(
        f"the function does not do the same when it runs twice{f', at {place}' if place else ''}",
        expected="a function of tensors and of fixed values",
        fix="pass what changes (time, random numbers of Python or NumPy) as an argument; "
        "sl.rand and its like draw new numbers at every call",
    )


def _facts(node: Node) -> tuple[Any, ...]:
    operands = [x.name if isinstance(x, Value) else (type(x), x) for x in node.inputs]
    output = node.output
    return node.op.name, operands, node.attributes, output.name, output.shape, output.dtype
