"""The eager interpreter: carries an operation out at once and records it for the backward walk.

This is the path that every operation takes, so it is kept short.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streetlight import device
from streetlight.autograd import record, refresh, tick
from streetlight.ops.registry import Context, Op, context
from streetlight.tensor import Tensor

_new = object.__new__
_ndarray = np.ndarray


def evaluate(op: Op, inputs: tuple[Any, ...], attributes: dict[str, Any]) -> Tensor:
    """Carry out an operation on tensors and Python numbers."""
    arrays = []
    recording = False
    for x in inputs:
        if isinstance(x, Tensor):
            if x._base is not None:
                refresh(x)
            if x.requires_grad:
                recording = True
            arrays.append(x._data)
        else:
            arrays.append(x)
    kernel = op.kernel if device.cupy is None else op.kernel_for(arrays)
    try:
        result = context.run(kernel, *arrays, **attributes)
    except (ValueError, TypeError, IndexError) as error:
        op.refuse(inputs, attributes, error)
    if type(result) is not _ndarray:
        result = kernel.args[0].asarray(result)  # NumPy gives numbers for 0-d arrays
    out = _new(Tensor)
    out._data = result
    if op.view:
        _mark_view(out, inputs[0], op, attributes)
    if recording and context.grad_enabled and op.vjp:
        node = record(op, inputs, attributes, result)
        if op.saves_output:
            node.box = out._changed = [0]
        out._node = node
        out.requires_grad = True
    return out


def _mark_view(out: Any, base: Any, op: Op, attributes: dict[str, Any]) -> None:
    """Note that a result shares memory with an input, unless the array library had to copy."""
    owner, data = out._data.base, base._data
    if owner is None or (owner is not data and owner is not data.base):
        return
    if base._changed is None:
        base._changed = [0]
    out._changed = base._changed
    out._base = (base, op, attributes, tick())


Context.interpreter = staticmethod(evaluate)
