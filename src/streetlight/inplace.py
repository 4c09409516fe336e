"""Changes of a tensor in place, recorded so that gradients stay right.

A change gives the tensor a new node. If the tensor is a view, the change is passed on to the
tensor it looks at, and further up, as "the old value with this part replaced".
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from streetlight.autograd import NEVER, record, refresh, tick
from streetlight.convert import as_array
from streetlight.errors import DTypeError, InPlaceError, ShapeError
from streetlight.ops.elementwise import clamp
from streetlight.ops.indexing import _parsed, masked_fill, numbers_first, put
from streetlight.ops.movement import _slice, assign, copy, expand
from streetlight.ops.random import normal, uniform
from streetlight.ops.registry import NO_ATTRIBUTES, Op, Value, context
from streetlight.random import default_generator

if TYPE_CHECKING:
    from streetlight.tensor import Tensor


def _root(tensor: Any) -> Any:
    while tensor._base is not None:
        tensor = tensor._base[0]
    return tensor


def _taken_unrecorded(view: Any) -> bool:
    while view._base is not None:
        if view._base[3] == NEVER:
            return True
        view = view._base[0]
    return False


def _recording(target: Any, inputs: tuple[Any, ...]) -> bool:
    """Whether the change must be recorded; refuses leaves, whose gradient would lose its place."""
    if not context.grad_enabled:
        return False
    for x in (target, *inputs):  # what a view knows of gradients may be out of date
        if isinstance(x, Value) and x._base is not None:
            refresh(x)
    root = _root(target)
    if root.requires_grad and root._node is None:
        raise InPlaceError(
            "a leaf that requires a gradient is changed in place",
            expected="the change inside of no_grad(), or of a tensor computed from the leaf",
            got={"tensor": target},
            fix="with sl.no_grad(): ..., or change x.clone()",
        )
    recording = root.requires_grad or any(getattr(x, "requires_grad", False) for x in inputs)
    if recording and _taken_unrecorded(target):
        raise InPlaceError(
            "a view that was taken under no_grad is changed where gradients are recorded",
            got={"tensor": target},
            fix="take the view and change it both inside of no_grad(), or both outside",
        )
    return recording


def _check_memory(target: Any, recording: bool) -> None:
    """Refuse memory that is read-only or holds several elements in one place.

    A recorded change of a part of such memory would belong to elements outside of the part, too.
    """
    view = target
    while view is not None:
        if _is_expanded(view._data):
            raise InPlaceError(
                "several elements of the tensor lie in one place of memory (it was expanded)",
                got={"tensor": target}, fix="change x.clone()",
            )  # fmt: skip
        view = view._base[0] if recording and view._base is not None else None
    if not target._data.flags.writeable:
        raise InPlaceError(
            "the tensor's memory is read-only", got={"tensor": target}, fix="change x.clone()"
        )


def _is_expanded(data: Any) -> bool:
    sizes = zip(data.shape, data.strides, strict=True)
    return bool(data.size) and any(stride == 0 and size > 1 for size, stride in sizes)


def stamp(target: Any) -> None:
    """Note the time of the change where all who share the memory can see it."""
    if target._changed is None:
        target._changed = [0]
    target._changed[0] = tick()


def _rebase(target: Any, value: Any) -> None:
    """Make `target`, whose memory holds the new numbers already, the result of `value`'s node."""
    if target._base is None:
        old, new = target._node, value._node
        if new is not None and old is not None and old.retained is target:
            old.retained, new.retained = None, target  # retain_grad() is about the tensor
        target._node, target.requires_grad = value._node, value.requires_grad
        return
    base, view, attributes, _ = target._base
    facts = {"view": view, "attributes": attributes}
    before, after = _before(base, assign), Value.wrap(base._data)
    after._node = record(assign, (before, value), facts, base._data)
    after.requires_grad = after._node is not None
    _rebase(base, after)
    refresh(target)


def _fitting(value: Any, dtype: Any) -> Any:
    """Return numbers, lists or arrays as a tensor of that dtype."""
    data = value if type(value) in (int, float) else as_array(value)
    try:
        return Value.wrap(context.run(np.asarray, data, dtype))
    except (ValueError, OverflowError) as error:
        raise DTypeError(
            f"{dtype} cannot hold this value", got={"value": value}, fix="x = x.float() first"
        ) from error


def _write(target: Any, value: Any, recording: bool) -> Any:
    """Copy the numbers of `value` into the tensor's memory and record the change."""
    _check_memory(target, recording)
    if recording:
        if value.shape != target.shape:
            value = expand(value, target.shape)
        if value.dtype != target.dtype:
            value = value.to(target.dtype)
        if value._base is not None:  # perhaps a view of the very memory that will change
            refresh(value)
            value = _before(value, assign)
    if target._base is not None:
        refresh(target)  # before the stamp: what is recorded from here on is the change
    context.store(target, value)
    stamp(target)
    if recording:
        _rebase(target, value)
    return target


def _before(target: Any, op: Op) -> Any:
    """Return the tensor as it is before the change, with its node."""
    data = target._data.copy() if any(op.saves) else target._data
    before = Value.wrap(data)
    before._node, before.requires_grad = target._node, target.requires_grad
    return before


def change(
    op: Op, target: Any, inputs: tuple[Any, ...], attributes: dict[str, Any], alpha: Any = 1
) -> Any:
    """Let `target` become the result of an operation, the second input times `alpha`.

    Raises:
        InPlaceError: for leaves that require a gradient, read-only and expanded memory.
        ShapeError: if the result does not have the target's shape.
        DTypeError: if the target cannot hold the result (fractions in integers).
    """
    recording = context.grad_enabled and _recording(target, inputs)
    at_once = op.has_out and not recording and not context.tracing
    if at_once and _done_at_once(op, target, inputs, alpha):
        return target
    if isinstance(alpha, Value) or alpha != 1:
        inputs = (inputs[0], inputs[1] * alpha)
    if recording:  # what the rules need of the old value must outlive the change
        if target._base is not None:
            refresh(target)
        inputs = tuple([_before(x, op) if x is target else x for x in inputs])
    value = op(*inputs, **attributes)
    if value.shape != target.shape:
        raise ShapeError(
            f"{op.name}_: the result has another shape than the tensor changed in place",
            got={"tensor": target, "result": value},
            fix=f"x = x.{op.name}(...) instead",
        )
    if target.dtype.kind != "f" and value.dtype.kind == "f":
        words = f"{op.name}_: {target.dtype} cannot hold the {value.dtype} result"
        raise DTypeError(words, fix="x = x.float() first")
    return _write(target, value, recording)


def _done_at_once(op: Op, target: Any, inputs: tuple[Any, ...], alpha: Any) -> bool:
    """Let NumPy write the result right into the target's memory, if it takes it as it is."""
    data = target._data
    dtype = data.dtype
    arrays = []
    for x in inputs:
        if isinstance(x, Value):
            x = x._data
            if x.dtype is not dtype:
                return False
        arrays.append(x)
    if 0 in data.strides or isinstance(alpha, Value):
        return False
    try:
        if alpha != 1:
            arrays[1] = context.run(operator.mul, arrays[1], alpha)
        context.run(op.kernel_for(arrays), *arrays, out=data)
    except (ValueError, TypeError, OverflowError):
        return False  # the long way has the words for it
    stamp(target)
    return True


def in_place(op: Op) -> Callable[..., Tensor]:
    """Return the method that replaces a tensor by the result of an operation on it: `x.exp_()`."""

    def method(self: Any, *others: Any) -> Any:
        return change(op, self, (self, *others), NO_ATTRIBUTES)

    method.__name__ = f"{op.name}_"
    method.__doc__ = f"{op.__doc__} In place."
    return method


def in_place_scaled(op: Op) -> Callable[..., Tensor]:
    """Return the method that adds or subtracts `alpha` times another tensor in place."""

    def method(self: Any, other: Any, *, alpha: Any = 1) -> Any:
        return change(op, self, (self, other), NO_ATTRIBUTES, alpha)

    method.__name__ = f"{op.name}_"
    method.__doc__ = f"{op.__doc__} In place, with the other side times `alpha`."
    return method


def copy_(self: Any, source: Any) -> Any:
    """Fill the tensor with the numbers of another, which is broadcast and cast to fit."""
    if not isinstance(source, Value):
        source = _fitting(source, self.dtype)
    recording = _recording(self, (source,))
    if source.shape != self.shape:
        source = expand(source, self.shape)
    if recording and source.requires_grad and self._base is None:
        source = copy(source)  # the source keeps a node, or a gradient, of its own
    return _write(self, source, recording)


def fill_(self: Any, value: float) -> Any:
    """Fill the tensor with one number."""
    return copy_(self, value)


def zero_(self: Any) -> Any:
    """Fill the tensor with zeros."""
    return fill_(self, 0)


def clamp_(self: Any, min: Any = None, max: Any = None) -> Any:
    """Limit the elements to the range from min to max, in place."""
    return copy_(self, clamp(self, min, max))


def masked_fill_(self: Any, mask: Any, value: float) -> Any:
    """Put `value` where the mask is true, in place."""
    return copy_(self, masked_fill(self, mask, value))


def uniform_(self: Any, low: float = 0.0, high: float = 1.0, *, generator: Any = None) -> Any:
    """Fill with random numbers spread evenly from low to high, in place."""
    source = generator or default_generator
    drawn = uniform(shape=self.shape, generator=source, dtype=self.dtype)
    return copy_(self, drawn * (high - low) + low)


def normal_(self: Any, mean: float = 0.0, std: float = 1.0, *, generator: Any = None) -> Any:
    """Fill with normally distributed random numbers, in place."""
    source = generator or default_generator
    drawn = normal(shape=self.shape, generator=source, dtype=self.dtype)
    return copy_(self, drawn * std + mean)


def setitem(target: Any, index: Any, value: Any) -> None:
    """target[index] = value, for numbers, slices, index tensors and masks."""
    plain, tensors = _parsed(index)
    if not isinstance(value, Value):
        value = _fitting(value, target.dtype)
    if value.shape[:1] == (1,):  # sizes of 1 in front are no obstacle
        lead = next((d for d, n in enumerate(value.shape) if n != 1), value.ndim)
        value = value.reshape(value.shape[lead:])
    if not tensors:
        copy_(_slice(target, index=plain), value)
        return
    if value.dtype != target.dtype:
        value = value.to(target.dtype)
    target, plain = numbers_first(target, plain, tensors)
    recording = _recording(target, (value,))
    _write(target, put(target, value, *tensors, index=plain), recording)
