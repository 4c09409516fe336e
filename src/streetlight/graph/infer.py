"""What the result of an operation is, found out without its numbers: shape, dtype and layout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from streetlight.errors import TraceError
from streetlight.graph.graph import Value
from streetlight.graph.symbol import Symbol, here
from streetlight.ops.dims import one_dim
from streetlight.ops.indexing import HERE
from streetlight.ops.registry import Elementwise, Op, Shape, all_ops, context

# Operations whose results lie row by row, whatever the layout of their inputs.
ROW_BY_ROW = {
    "copy", "flip", "matmul", "linear", "cat", "pad", "gather", "scatter_add", "pick", "unpick",
    "put", "assign", "unslice", "in_range", "uniform", "normal", "bernoulli",
}  # fmt: skip
INDEXED = {"pick": 1, "put": 2, "unpick": 1}  # where the index tensors begin
REDUCTION = {"dims", "dim", "keepdim", "descending"}  # what an operation over dimensions takes
_dtypes: dict[Any, Any] = {}


def result_type(
    op: Op, inputs: tuple[Any, ...], values: Sequence[Any], attributes: dict[str, Any]
) -> tuple[Shape, Any]:
    """Shape and dtype of the result, or the error that eager code raises."""
    if isinstance(op, Elementwise):
        return op.shape(*values, **attributes), _elementwise(op, inputs, values, attributes)
    if "dim" in attributes:
        one_dim(op.name, attributes["dim"], values[0].ndim)
    if op.name in INDEXED:
        return _indexed(op, values, attributes), values[0].dtype
    floats = {v.dtype for v in values if isinstance(v, Value) and v.dtype.kind == "f"}
    if len(floats) > 1 and op.name in ("linear", "matmul"):
        op.refuse(inputs, attributes, TypeError("mixed dtypes"))
    shape, dtype = op.infer(*values, **attributes)
    if len(values) == 1 and attributes.keys() <= REDUCTION:
        dtype = _of_ones(op, inputs, values, attributes)
    return tuple(shape), dtype


def _elementwise(op: Op, inputs: tuple[Any, ...], values: Any, attributes: dict[str, Any]) -> Any:
    """The dtype that NumPy gives; numbers of Python decide it by their kind alone."""
    kinds = [
        v.dtype if isinstance(v, Value) else (type(v), v if type(v) is int else 0) for v in values
    ]
    key = (op, *kinds)
    found = _dtypes.get(key)
    if found is None:
        found = _dtypes[key] = _of_ones(op, inputs, values, attributes)
    return found


def _of_ones(op: Op, inputs: tuple[Any, ...], values: Any, attributes: dict[str, Any]) -> Any:
    """The dtype of the result, by computing it for ones."""
    ones = [np.ones((1,) * v.ndim, v.dtype) if isinstance(v, Value) else v for v in values]
    try:
        return context.run(op.kernel, *ones, **attributes).dtype
    except (ValueError, TypeError, OverflowError) as error:
        op.refuse(inputs, attributes, error)


def _indexed(op: Op, values: Sequence[Any], attributes: dict[str, Any]) -> Shape:
    """The shape of an indexed part; the numbers of the index are checked when it is known."""
    first = INDEXED[op.name]
    for index in values[first:]:
        if index.dtype.kind == "b":
            raise TraceError(
                f"a bool mask chooses: how many elements there are depends on numbers{here()}",
                got={"mask": index},
                fix="sl.where(mask, x, 0.0), x.masked_fill(mask, 0.0), or sums of x * mask",
            )
    stands = [np.zeros(index.shape, index.dtype) for index in values[first:]]
    shape = op.shape(*values[:first], *stands, **attributes)
    return tuple(shape)


def contiguous_result(op: Op, symbols: Sequence[Symbol | None]) -> bool:
    """Whether it is sure that the result lies row by row."""
    if op.name in ROW_BY_ROW:
        return True
    return all(s is None or (s.certain and s.contiguous) for s in symbols)


def layout_of_view(
    op: Op, symbol: Symbol, inputs: tuple[Any, ...], attributes: dict[str, Any]
) -> Any:
    """The layout of a view, or None where the elements must be copied."""
    if op is all_ops["reshape"]:
        return _reshaped(op, symbol, inputs, attributes)
    try:
        return op.kernel(symbol.layout, **attributes)
    except (ValueError, TypeError, IndexError) as error:
        op.refuse(inputs, attributes, error)


def _reshaped(op: Op, symbol: Symbol, inputs: tuple[Any, ...], attributes: dict[str, Any]) -> Any:
    op.shape(*inputs, **attributes)
    if not symbol.certain:
        symbol.storage.uncertain = True
    try:
        return symbol.layout.reshape(attributes["shape"], copy=False)
    except ValueError:
        return None


def is_mask(op: Op, values: Sequence[Any], attributes: dict[str, Any]) -> bool:
    """Whether one number is put where a bool mask, and nothing else, chooses."""
    if op.name != "put" or attributes["index"] != (HERE,) or values[2].dtype.kind != "b":
        return False
    mask, value = values[2], values[1]
    fits = mask.shape == values[0].shape[: mask.ndim]
    return fits and (not isinstance(value, Value) or value.size == 1)
