"""The eager interpreter: carries an operation out at once and records it for the backward walk.

This is the path that every operation takes, so it is kept short.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streetlight import devices
from streetlight.autograd import NEVER, record, tick
from streetlight.ops.registry import Context, Op, context
from streetlight.tensor import Tensor

_new = object.__new__
_ndarray = np.ndarray

# The C library gives idle memory back to the system as soon as it is twice the largest block that
# was ever freed, and each of its pages costs time when it is asked for again, step after step. To
# free a block of nearly 32 MB, the largest that counts, ends that; its pages are never touched.
np.empty(2**25 - 2**16, np.uint8)


def evaluate(op: Op, inputs: tuple[Any, ...], attributes: dict[str, Any]) -> Tensor:
    """Carry out an operation on tensors and Python numbers."""
    arrays = []
    for x in inputs:
        arrays.append(x._data if isinstance(x, Tensor) else x)
    kernel = op.kernel if devices.cupy is None else op.kernel_for(arrays)
    try:
        result = context.run(kernel, *arrays, **attributes)
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        op.refuse(inputs, attributes, error)
    if type(result) is not _ndarray and isinstance(result, np.generic):
        result = np.asarray(result)  # NumPy gives numbers where a 0-d array is meant
    out = _new(Tensor)
    out._data = result
    if op.view:
        _mark_view(out, inputs[0], op, attributes)
    if context.grad_enabled and op.vjp:
        node = record(op, inputs, attributes, result)
        if node is not None:
            out._node, out.requires_grad = node, True
            if op.saves_output:
                node.box = out._changed = out._changed or [0]
    return out


def _mark_view(out: Any, base: Any, op: Op, attributes: dict[str, Any]) -> None:
    """Note that a result shares memory with an input, unless the array library had to copy."""
    owner, data = out._data.base, base._data
    if owner is None or (owner is not data and owner is not data.base):
        return
    if base._changed is None:
        base._changed = [0]
    out._changed = base._changed
    out._base = (base, op, attributes, tick() if context.grad_enabled else NEVER)


Context.interpreter = staticmethod(evaluate)
