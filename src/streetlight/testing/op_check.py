"""Everything that must hold for an operation, checked from its fact sheet."""

from __future__ import annotations

from typing import Any

import numpy as np

from streetlight.errors import NumericalError, StreetlightError
from streetlight.ops.registry import Op, Sample
from streetlight.tensor import Tensor
from streetlight.testing.gradcheck import gradcheck, gradgradcheck


def check_op(op: Op) -> int:
    """Check an operation of your own on all of its samples and return how many there were.

    Checked are: shape and dtype rule against the result, inputs left untouched, strided inputs,
    float32, gradient and second gradient, and the words of the errors for wrong inputs.

    Raises:
        NumericalError: naming the check that failed and the sample.

    >>> from streetlight.ops import tanh
    >>> check_op(tanh)
    5
    """
    samples = op.samples()
    _require(op, bool(samples), "has samples", None)
    for sample in samples:
        check_forward(op, sample)
        check_gradients(op, sample)
    for wrong in op.error_samples():
        try:
            op(*as_tensors(wrong.inputs), **wrong.attributes)
        except wrong.error as error:
            said = str(error)
        except StreetlightError as error:
            said = repr(error)
        else:
            said = "no error"
        _require(op, wrong.words in said, f"says {wrong.words!r}, not {said!r},", wrong)
    return len(samples)


def as_tensors(inputs: tuple[Any, ...], grad: bool = False, strided: bool = False) -> list[Any]:
    """Turn the arrays of a sample into tensors, with gaps in memory between elements if asked."""
    return [_as_tensor(x, grad, strided) if isinstance(x, np.ndarray) else x for x in inputs]


def _as_tensor(array: Any, grad: bool, strided: bool) -> Tensor:
    if strided and array.ndim:
        wide = np.zeros(tuple(2 * n for n in array.shape[::-1]), array.dtype).T
        wide[tuple(slice(None, None, 2) for _ in array.shape)] = array
        array = wide[tuple(slice(None, None, 2) for _ in array.shape)]
    else:
        array = array.copy()
    return Tensor(array, requires_grad=grad and array.dtype.kind == "f")


def _restart(sample: Sample) -> dict[str, Any]:
    """The attributes, with a generator put back to its start."""
    if "generator" in sample.attributes:
        sample.attributes["generator"].manual_seed(0)
    return sample.attributes


def check_forward(op: Op, sample: Sample) -> None:
    """Check shape, dtype, untouched inputs, strides and float32 for one sample."""
    plain = as_tensors(sample.inputs)
    result = op(*plain, **_restart(sample))
    shape, dtype = op.infer(*plain, **sample.attributes)
    _require(op, result.shape == shape, f"has the shape {shape} of its rule", sample)
    _require(op, result.dtype == dtype, f"has the dtype {dtype} of its rule", sample)
    for tensor, array in zip(plain, sample.inputs, strict=True):
        same = not isinstance(tensor, Tensor) or np.array_equal(tensor.numpy(), array)
        _require(op, same, "leaves its inputs as they are", sample)
    strided = op(*as_tensors(sample.inputs, strided=True), **_restart(sample))
    _require(op, _close(strided, result, 1e-12), "takes strided inputs", sample)
    narrow = [
        x.astype(np.float32) if isinstance(x, np.ndarray) and x.dtype == np.float64 else x
        for x in sample.inputs
    ]
    if op.dtype == "same" and any(getattr(x, "dtype", None) == np.float32 for x in narrow):
        single = op(*as_tensors(tuple(narrow)), **_restart(sample))
        _require(op, single.dtype == np.float32, "keeps float32", sample)
        _require(op, _close(single, result, 1e-4), "computes in float32", sample)


def check_gradients(op: Op, sample: Sample) -> None:
    """Check gradient and second gradient for one sample, on plain and strided memory."""
    if not any(op.vjp):
        return
    for strided in (False, True):
        inputs = as_tensors(sample.inputs, grad=True, strided=strided)
        if not any(isinstance(x, Tensor) and x.requires_grad for x in inputs):
            return

        def function(*values: Any) -> Tensor:
            # through a view: a rule sees the value of an input only if it is named in `saves`
            linked = [v[...] if isinstance(v, Tensor) and v.requires_grad else v for v in values]
            return op(*linked, **sample.attributes)

        try:
            gradcheck(function, inputs)
            gradgradcheck(function, inputs)
        except NumericalError as error:
            error.add_note(f"in: {op.name} on {sample}")
            raise


def _close(a: Tensor, b: Tensor, tolerance: float) -> bool:
    x, y = (t.detach().numpy().astype(np.float64) for t in (a, b))
    return bool(np.allclose(x, y, rtol=tolerance, atol=tolerance, equal_nan=True))


def _require(op: Op, holds: bool, claim: str, sample: Any) -> None:
    if not holds:
        raise NumericalError(f"{op.name}: not true that it {claim}", got={"sample": sample})
