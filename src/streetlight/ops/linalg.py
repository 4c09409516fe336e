"""Matrix products, and everything that is one: dot, outer, einsum."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from streetlight import dtypes
from streetlight.devices import Array
from streetlight.errors import ArgumentError, DTypeError, ShapeError
from streetlight.ops.movement import (
    _reshape,
    matrix_transpose,
    permute,
    reshape,
    squeeze,
    unsqueeze,
)
from streetlight.ops.registry import ErrorSample, Shape, Value, broadcast_shape, cast, primitive
from streetlight.ops.samples import calls, numbers

if TYPE_CHECKING:
    from streetlight.tensor import Tensor

__all__ = [
    "dot", "einsum", "matmul", "outer",
]  # fmt: skip


def _product_shape(x: Any, y: Any) -> Shape:
    if x.ndim < 2 or y.ndim < 2 or x.shape[-1] != y.shape[-2]:
        raise ShapeError(
            f"matmul: {tuple(x.shape)} @ {tuple(y.shape)} does not fit",
            expected="(n, k) @ (k, m) gives (n, m); the two inner sizes must be equal",
            got={"input": x, "other": y},
            fix="transpose one of them with .T, or mend the size where it was made",
        )
    batch = () if x.ndim == y.ndim == 2 else _batch_shape(x, y)
    return (*batch, x.shape[-2], y.shape[-1])


def _batch_shape(x: Any, y: Any) -> Shape:
    class Batch:
        def __init__(self, of: Any) -> None:
            self.shape, self.dtype = tuple(of.shape[:-2]), of.dtype

    return broadcast_shape("matmul", Batch(x), Batch(y))


@primitive(
    shape=_product_shape, saves="y|x",
    vjp=[lambda g, out, x, y: _matmul(g, matrix_transpose(y)),
         lambda g, out, x, y: _matmul(matrix_transpose(x), g)],
    algebra="{0} {1}", onnx="MatMul",
    samples=calls(((numbers(2, 3), numbers(3, 4, seed=1)), {}),
                  ((numbers(2, 1, 2, 3), numbers(4, 3, 1, seed=1)), {}),
                  ((numbers(0, 3), numbers(3, 2)), {}), ((numbers(2, 0), numbers(0, 2)), {})),
    error_samples=lambda: [ErrorSample((numbers(2, 3), numbers(4, 5)), {}, ShapeError,
                                       "matmul: (2, 3) @ (4, 5) does not fit")],
)  # fmt: skip
def _matmul(xp: Any, x: Array, y: Array) -> Array:
    # dot does the same for matrices with half the overhead
    return xp.dot(x, y) if x.ndim == 2 and y.ndim == 2 else xp.matmul(x, y)


def _linear_shape(x: Any, weight: Any) -> Shape:
    if weight.ndim != 2 or x.ndim < 1 or x.shape[-1] != weight.shape[1]:
        size = x.shape[-1] if x.ndim else "missing"
        wanted = weight.shape[1] if weight.ndim == 2 else "a matrix"
        raise ShapeError(
            f"linear: last size of input is {size}, but weight expects {wanted}",
            got={"input": x, "weight": weight},
            expected="input (..., in_features) and weight (out_features, in_features)",
            fix=f"build the layer with in_features={size}, or change the input",
        )
    return (*x.shape[:-1], weight.shape[0])


def _weight_gradient(g: Any, out: Any, x: Any, weight: Any) -> Tensor:
    if g.ndim != 2:
        g = _reshape(g, shape=(math.prod(g.shape[:-1]), g.shape[-1]))
        x = _reshape(x, shape=(math.prod(x.shape[:-1]), x.shape[-1]))
    return _matmul(matrix_transpose(g), x)


@primitive(
    shape=_linear_shape, saves="weight|x",
    vjp=[lambda g, out, x, weight: matmul(g, weight), _weight_gradient],
    algebra="{0} {1}ᵀ", onnx="Gemm",
    samples=calls(((numbers(2, 3), numbers(4, 3, seed=1)), {}),
                  ((numbers(2, 5, 3), numbers(1, 3, seed=1)), {}),
                  ((numbers(3), numbers(2, 3, seed=1)), {}), ((numbers(0, 3), numbers(2, 3)), {})),
    error_samples=lambda: [ErrorSample((numbers(7, 5), numbers(4, 6)), {}, ShapeError,
                                       "linear: last size of input is 5, but weight expects 6")],
)  # fmt: skip
def linear(xp: Any, x: Array, weight: Array) -> Array:
    """x Wᵀ, the product with a weight that is stored as (out_features, in_features)."""
    if x.dtype != weight.dtype:
        raise TypeError("mixed dtypes")  # float64 would spread to all that follows
    if x.ndim <= 2:
        return xp.dot(x, weight.T)
    rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
    return xp.dot(rows, weight.T).reshape(*x.shape[:-1], weight.shape[0])


# ---- the public functions ----


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """Matrix product; leading dimensions are broadcast, vectors are rows on the left and columns
    on the right.

    Mixed dtypes are promoted (PyTorch refuses them).

    Raises:
        ShapeError: if the inner sizes differ, or an input has no dimensions.
        DTypeError: if an input is not a tensor or an array.
    """
    if not (isinstance(input, Value) and isinstance(other, Value)):
        input, other = _operand(input), _operand(other)
    if input._data.dtype is not other._data.dtype:
        target = dtypes.promote_types(input.dtype, other.dtype)
        input, other = (t if t.dtype == target else cast(t, dtype=target) for t in (input, other))
    left, right = input.ndim == 1, other.ndim == 1
    if not left and not right:
        return _matmul(input, other)
    if input.shape[-1:] != other.shape[-1 if right else -2 :][:1]:
        _product_shape(input, other)
    product = _matmul(
        unsqueeze(input, 0) if left else input, unsqueeze(other, 1) if right else other
    )
    return squeeze(product, [d for d, gone in ((-2, left), (-1, right)) if gone])


def _operand(value: Any) -> Any:
    """Return a NumPy array as a tensor; refuse what is neither."""
    if isinstance(value, Value):
        return value
    if not isinstance(value, np.ndarray):
        raise DTypeError(
            f"matmul: cannot compute with a {type(value).__name__}", got={"operand": value},
            expected="tensors or NumPy arrays", fix="* multiplies by a number",
        )  # fmt: skip
    return Value.wrap(value.astype(dtypes.as_dtype(value.dtype), copy=False))


def dot(input: Tensor, other: Tensor) -> Tensor:
    """Dot product of two vectors, Σ xᵢ yᵢ.

    Raises:
        ShapeError: if they are not vectors of one length.
    """
    if input.ndim != 1 or other.ndim != 1 or input.shape != other.shape:
        words = f"dot: {tuple(input.shape)} and {tuple(other.shape)} are not vectors of one length"
        raise ShapeError(words, fix="use matmul (@) for matrices")
    return matmul(input, other)


def outer(input: Tensor, other: Tensor) -> Tensor:
    """Outer product of two vectors: every element of one times every element of the other.

    Raises:
        ShapeError: if they are not vectors.
    """
    if input.ndim != 1 or other.ndim != 1:
        words = f"outer: {tuple(input.shape)} and {tuple(other.shape)} are not two vectors"
        raise ShapeError(words, fix="x.unsqueeze(-1) * y for blocks of vectors")
    return unsqueeze(input, -1) * unsqueeze(other, 0)


def einsum(equation: str, *operands: Tensor) -> Tensor:
    """Sum of products over named dimensions, for instance "bij,bjk->bik".

    Two operands at a time become one matrix product. There is no "..." here.

    Raises:
        ArgumentError: if the equation cannot be read or does not suit the operands.
    """
    inputs, output = _read_equation(equation.replace(" ", ""), operands)
    names, result = inputs[0], _diagonals(inputs[0], operands[0])
    names = "".join(dict.fromkeys(names))
    for i, other in enumerate(operands[1:], start=1):
        kept = set(output).union(*inputs[i + 1 :])
        other = _diagonals(inputs[i], other)
        names, result = _contract(names, result, "".join(dict.fromkeys(inputs[i])), other, kept)
    gone = [d for d, name in enumerate(names) if name not in output]
    result = result.sum(gone) if gone else result
    names = "".join(name for name in names if name in output)
    return permute(result, [names.index(name) for name in output]) if output else result


def _read_equation(equation: str, operands: tuple[Any, ...]) -> tuple[list[str], str]:
    """Split "ij,jk->ik" into ["ij", "jk"] and "ik", with every size checked."""
    left, arrow, output = equation.partition("->")
    inputs = left.split(",")
    sizes: dict[str, int] = {}
    fits = len(inputs) == len(operands) and left.replace(",", "").isalpha()
    for names, operand in zip(inputs, operands, strict=False):
        fits = fits and len(names) == operand.ndim
        for name, size in zip(names, operand.shape, strict=False):
            fits = fits and sizes.setdefault(name, size) == size
    if not arrow:  # by convention: the names that occur once, in alphabetical order
        output = "".join(sorted(n for n in sizes if left.count(n) == 1))
    if not fits or not set(output) <= set(sizes) or len(set(output)) < len(output):
        raise ArgumentError(
            f"einsum: {equation!r} does not suit the operands",
            expected="one letter for each dimension, equal sizes for equal letters",
            got={f"operand {i}": operand for i, operand in enumerate(operands)},
        )
    return inputs, output


def _diagonals(names: str, tensor: Tensor) -> Tensor:
    """Take the diagonal of dimensions with the same name: "ii" becomes "i"."""
    for place, name in enumerate(names):
        first = names.index(name)
        if first != place:
            size = tensor.shape[first]
            eye = Value.wrap(np.eye(size, dtype=tensor.dtype))
            shape = [size if d in (first, place) else 1 for d in range(tensor.ndim)]
            diagonal = (tensor * reshape(eye, shape)).sum(place)
            return _diagonals(names[:place] + names[place + 1 :], diagonal)
    return tensor


def _contract(a: str, x: Tensor, b: str, y: Tensor, kept: set[str]) -> tuple[str, Tensor]:
    """Multiply two named tensors as a batch of matrices: (batch, left, inner) @ (inner, right)."""
    batch = [n for n in a if n in b and n in kept]
    inner = [n for n in a if n in b and n not in kept]
    left = [n for n in a if n not in b]
    right = [n for n in b if n not in a]
    size = dict(zip(a, x.shape, strict=True)) | dict(zip(b, y.shape, strict=True))

    def grouped(names: str, tensor: Tensor, *groups: list[str]) -> Tensor:
        ordered = permute(tensor, [names.index(n) for group in groups for n in group])
        return reshape(ordered, [math.prod(size[n] for n in group) for group in groups])

    product = matmul(grouped(a, x, batch, left, inner), grouped(b, y, batch, inner, right))
    names = batch + left + right
    return "".join(names), reshape(product, [size[n] for n in names])
