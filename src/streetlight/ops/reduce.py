"""Operations that gather many elements into one: sums, extremes, products, running sums."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from streetlight import dtypes
from streetlight.devices import Array
from streetlight.errors import ArgumentError, DTypeError, IndexOutOfRangeError
from streetlight.ops.dims import Dim, many_dims, one_dim, reduced_shape
from streetlight.ops.elementwise import eq, exp, maximum, minimum, mul, where
from streetlight.ops.movement import _pad, copy, expand, flip, narrow, reshape
from streetlight.ops.registry import ErrorSample, Sample, Value, cast, primitive
from streetlight.ops.samples import numbers

if TYPE_CHECKING:
    from streetlight.tensor import Tensor

__all__ = [
    "all", "allclose", "amax", "amin", "any", "argmax", "argmin", "cumsum", "equal",
    "log_softmax", "logsumexp", "max", "mean", "min", "norm", "prod", "softmax", "std", "sum",
    "var",
]  # fmt: skip

Dims = tuple[int, ...]


class ValuesAndIndices(NamedTuple):
    """What `max`, `min`, `sort` and `topk` along a dimension return."""

    values: Any
    indices: Any


def _shape(x: Any, dims: Dims, keepdim: bool) -> tuple[int, ...]:
    return reduced_shape(x.shape, dims, keepdim)


def _restore(g: Any, x: Any, dims: Dims, keepdim: bool) -> Tensor:
    """Bring a reduced tensor back to the shape of x, by repeating it along `dims`."""
    if not keepdim and len(dims) < len(x.shape):
        g = reshape(g, reduced_shape(x.shape, dims, True))
    return expand(g, x.shape)


def _samples(low: float = -2.0, high: float = 2.0) -> Any:
    cases = [((2, 3), (0, 1)), ((2, 3), (1,)), ((2, 3, 4), (0, 2)), ((3,), (0,)), ((), ())]
    return lambda: [
        Sample((numbers(*shape, low=low, high=high),), {"dims": dims, "keepdim": keep})
        for shape, dims in cases
        for keep in (False, True)
    ]


@primitive(
    shape=_shape, vjp=[lambda g, out, x, dims, keepdim: _restore(g, x, dims, keepdim)],
    algebra="Σ {0}", onnx="ReduceSum", samples=_samples(),
)  # fmt: skip
def _sum(xp: Any, x: Array, dims: Dims, keepdim: bool) -> Array:
    if x.dtype.char == "e":  # float16 alone would stop growing at 2048 ones
        return x.sum(axis=dims, keepdims=keepdim, dtype=xp.float32).astype(x.dtype)
    return x.sum(axis=dims, keepdims=keepdim)


def _extreme_gradient(g: Any, out: Any, x: Any, dims: Dims, keepdim: bool) -> Tensor:
    """Share the gradient among the elements that equal the extreme."""
    mask = cast(eq(x, _restore(out, x, dims, keepdim)), dtype=x.dtype)
    return mask / _sum(mask, dims=dims, keepdim=True) * _restore(g, x, dims, keepdim)


@primitive(shape=_shape, vjp=[_extreme_gradient], saves="x out", algebra="max {0}",
           onnx="ReduceMax", samples=_samples())  # fmt: skip
def _amax(xp: Any, x: Array, dims: Dims, keepdim: bool) -> Array:
    return x.max(axis=dims, keepdims=keepdim)


@primitive(shape=_shape, vjp=[_extreme_gradient], saves="x out", algebra="min {0}",
           onnx="ReduceMin", samples=_samples())  # fmt: skip
def _amin(xp: Any, x: Array, dims: Dims, keepdim: bool) -> Array:
    return x.min(axis=dims, keepdims=keepdim)


@primitive(
    shape=lambda x, dim, keepdim: reduced_shape(x.shape, (dim,), keepdim), dtype="int64",
    algebra="argmax {0}", onnx="ArgMax",
    samples=lambda: [Sample((numbers(2, 3),), {"dim": 1, "keepdim": True}),
                     Sample((numbers(4),), {"dim": 0, "keepdim": False})],
)  # fmt: skip
def _argmax(xp: Any, x: Array, dim: int, keepdim: bool) -> Array:
    return x.argmax(axis=dim, keepdims=keepdim)


@primitive(
    shape=lambda x, dim, keepdim: reduced_shape(x.shape, (dim,), keepdim), dtype="int64",
    algebra="argmin {0}", onnx="ArgMin",
    samples=lambda: [Sample((numbers(2, 3),), {"dim": 0, "keepdim": False}),
                     Sample((numbers(4),), {"dim": 0, "keepdim": True})],
)  # fmt: skip
def _argmin(xp: Any, x: Array, dim: int, keepdim: bool) -> Array:
    return x.argmin(axis=dim, keepdims=keepdim)


def _products_before(x: Any, dim: int) -> Tensor:
    """For each element, the product of those before it, by doubling steps."""
    size, dims = x.shape[dim], range(x.ndim)

    def shifted(t: Any, step: int) -> Tensor:
        widths = tuple((step if d == dim else 0, 0) for d in dims)
        return _pad(narrow(t, dim, 0, size - step), widths=widths, value=1.0)

    result, step = shifted(x, 1), 1
    while step < size:
        result = result * shifted(result, step)
        step *= 2
    return result


def _product_gradient(g: Any, out: Any, x: Any, dim: int, keepdim: bool) -> Tensor:
    """The product of all others is right where out / x is not: at zeros."""
    if x.shape[dim] == 0:
        return x * 0
    before = _products_before(x, dim)
    after = flip(_products_before(flip(x, dim), dim), dim)
    return before * after * _restore(g, x, (dim,), keepdim)


@primitive(
    shape=lambda x, dim, keepdim: reduced_shape(x.shape, (dim,), keepdim),
    vjp=[_product_gradient], saves="x", algebra="Π {0}", onnx="ReduceProd",
    samples=lambda: [Sample((numbers(2, 3),), {"dim": 1, "keepdim": True}),
                     Sample((numbers(5),), {"dim": 0, "keepdim": False}),
                     Sample((numbers(3, 2) * (numbers(3, 2) > -1),), {"dim": 0, "keepdim": False})],
)  # fmt: skip
def _prod(xp: Any, x: Array, dim: int, keepdim: bool) -> Array:
    return x.prod(axis=dim, keepdims=keepdim)


def _logsumexp_gradient(g: Any, out: Any, x: Any, dims: Dims, keepdim: bool) -> Tensor:
    finite = where(eq(out, -math.inf), 0.0, out)
    return exp(x - _restore(finite, x, dims, keepdim)) * _restore(g, x, dims, keepdim)


@primitive(shape=_shape, vjp=[_logsumexp_gradient], saves="x out", algebra="ln Σ exp {0}",
           onnx="ReduceLogSumExp", samples=_samples(-3, 3))  # fmt: skip
def _logsumexp(xp: Any, x: Array, dims: Dims, keepdim: bool) -> Array:
    top = x.max(axis=dims, keepdims=True)
    top = xp.where(xp.isfinite(top), top, xp.zeros_like(top))
    total = xp.log(xp.exp(x - top).sum(axis=dims, keepdims=True)) + top
    return total if keepdim else total.reshape(reduced_shape(x.shape, dims, False))


@primitive(
    shape=lambda x, dim: x.shape,
    vjp=[lambda g, out, x, dim: flip(_cumsum(flip(g, dim), dim=dim), dim)],
    algebra="cumsum {0}", onnx="CumSum",
    samples=lambda: [Sample((numbers(2, 3),), {"dim": d}) for d in (0, 1)],
    error_samples=lambda: [ErrorSample((numbers(2, 3),), {"dim": 2}, IndexOutOfRangeError,
                                       "cumsum: there is no dimension 2")],
)  # fmt: skip
def _cumsum(xp: Any, x: Array, dim: int) -> Array:
    wide = xp.float32 if x.dtype.char == "e" else x.dtype
    sums = xp.cumsum(x, axis=one_dim("cumsum", dim, x.ndim), dtype=wide)
    return sums.reshape(x.shape).astype(x.dtype, copy=False)


# ---- the public functions ----


def _not_empty(name: str, input: Tensor, dims: Sequence[int]) -> None:
    if input.ndim and 0 in [input.shape[d] for d in dims]:
        raise IndexOutOfRangeError(
            f"{name}: there is no {name} of nothing", got={"input": input},
            fix="leave out the empty batch, or reduce another dimension",
        )  # fmt: skip


def _widened(input: Tensor, dtype: Any) -> Tensor:
    """Integers and bools are summed up in int64, as in PyTorch."""
    if dtype is not None:
        return input.to(dtype)
    return input if input.dtype.kind == "f" else input.to(dtypes.int64)


def _floating(name: str, input: Tensor) -> None:
    if input.dtype.kind != "f":
        raise DTypeError(
            f"{name}: {input.dtype} has no fractions", expected="a floating-point tensor",
            got={"input": input}, fix=f"x.float().{name}()",
        )  # fmt: skip


def sum(input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Sum over the given dimensions, or over all."""
    dims = many_dims("sum", dim, input.ndim)
    return _sum(_widened(input, dtype), dims=dims, keepdim=keepdim)


def mean(input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Mean over the given dimensions, Σx / n.

    Raises:
        DTypeError: for integers, whose mean is not an integer.
    """
    input = input if dtype is None else input.to(dtype)
    _floating("mean", input)
    dims = many_dims("mean", dim, input.ndim)
    count = math.prod(input.shape[d] for d in dims)
    total = _sum(input, dims=dims, keepdim=keepdim)
    return mul(total, 1.0 / count) if count else total / 0.0


def var(
    input: Tensor, dim: Dim = None, correction: int = 1, keepdim: bool = False,
    *, unbiased: bool | None = None,
) -> Tensor:  # fmt: skip
    """Variance, Σ(x − mean)² / (n − correction); a correction of 1 makes it unbiased.

    `unbiased` is the older way to say a correction of 1 or 0, as is a bool: `x.var(False)`.
    """
    return _var("var", input, dim, correction, keepdim, unbiased)


def _var(
    name: str, input: Tensor, dim: Dim, correction: int, keepdim: bool, unbiased: bool | None
) -> Tensor:
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    correction = correction if unbiased is None else int(unbiased)
    _floating(name, input)
    dims = many_dims(name, dim, input.ndim)
    count = math.prod(input.shape[d] for d in dims)
    centred = input - mean(input, dims or None, True)
    total = _sum(centred * centred, dims=dims, keepdim=keepdim)
    return total / float(count - correction if count > correction else 0)


def std(
    input: Tensor, dim: Dim = None, correction: int = 1, keepdim: bool = False,
    *, unbiased: bool | None = None,
) -> Tensor:  # fmt: skip
    """Standard deviation, the square root of `var`; where it is 0, so is its gradient."""
    return _root(_var("std", input, dim, correction, keepdim, unbiased), 0.5)


def _root(x: Tensor, exponent: float) -> Tensor:
    """x to the power of the exponent, with a gradient of 0 at 0, as in PyTorch."""
    zero = eq(x, 0)
    return where(zero, 0.0, where(zero, 1.0, x) ** exponent)


def norm(input: Tensor, p: Any = 2.0, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Vector norm (Σ|x|ᵖ)^(1/p); for p = ∞ the largest |x|, for −∞ the smallest, for 0 how many
    are not 0. Where the norm is 0, so is its gradient.

    Raises:
        ArgumentError: if p is not a number; "fro" stands for 2.
    """
    _floating("norm", input)
    dims = many_dims("norm", dim, input.ndim)
    p = 2.0 if p == "fro" else p
    if not isinstance(p, (int, float)):
        raise ArgumentError(f"norm: p is {p!r}", expected='a number, or "fro"')
    if math.isinf(p):
        _not_empty("norm", input, dims)
        return (_amax if p > 0 else _amin)(input.abs(), dims=dims, keepdim=keepdim)
    if p == 0:
        return _sum(cast(input != 0, dtype=input.dtype), dims=dims, keepdim=keepdim)
    if p == 1:
        return _sum(input.abs(), dims=dims, keepdim=keepdim)
    power = input * input if p == 2 else input.abs() ** p
    return _root(_sum(power, dims=dims, keepdim=keepdim), 1.0 / p)


def amax(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Largest element over the given dimensions; equal ones share the gradient."""
    return _extreme("amax", _amax, input, dim, keepdim)


def amin(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Smallest element over the given dimensions; equal ones share the gradient."""
    return _extreme("amin", _amin, input, dim, keepdim)


def _extreme(name: str, op: Any, input: Tensor, dim: Dim, keepdim: bool) -> Tensor:
    dims = many_dims(name, dim, input.ndim)
    _not_empty(name, input, dims)
    result: Tensor = op(input, dims=dims, keepdim=keepdim)
    return result


def max(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """Largest element; with `dim`, values and indices; with a tensor, the elementwise maximum."""
    if dim is None:
        return _extreme("max", _amax, input, None, False)
    if isinstance(dim, Value):
        return maximum(input, dim)
    return _picked(input, _index_of("max", _argmax, input, dim, True), dim, keepdim)


def min(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """Smallest element; with `dim`, values and indices; with a tensor, the elementwise minimum."""
    if dim is None:
        return _extreme("min", _amin, input, None, False)
    if isinstance(dim, Value):
        return minimum(input, dim)
    return _picked(input, _index_of("min", _argmin, input, dim, True), dim, keepdim)


def _picked(input: Tensor, indices: Tensor, dim: int, keepdim: bool) -> ValuesAndIndices:
    values = input.gather(dim, indices) if input.ndim else copy(input)
    if keepdim or not input.ndim:
        return ValuesAndIndices(values, indices)
    return ValuesAndIndices(values.squeeze(dim), indices.squeeze(dim))


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the (first) largest element along a dimension, or of all elements laid in a row."""
    return _index_of("argmax", _argmax, input, dim, keepdim)


def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the (first) smallest element along a dimension, or of all laid in a row."""
    return _index_of("argmin", _argmin, input, dim, keepdim)


def _index_of(name: str, op: Any, input: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    place = 0 if dim is None else one_dim(name, dim, input.ndim)
    if dim is None or input.ndim == 0:
        input, keepdim = reshape(input, -1), False
    _not_empty(name, input, (place,))
    result: Tensor = op(input, dim=place, keepdim=keepdim)
    return result


def prod(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Product along a dimension or of all elements; its gradient is right at zeros too."""
    input = _widened(input, None)
    place = 0 if dim is None else one_dim("prod", dim, input.ndim)
    if dim is None or input.ndim == 0:
        input, keepdim = reshape(input, -1), False
    return _prod(input, dim=place, keepdim=keepdim)


def logsumexp(input: Tensor, dim: Dim, keepdim: bool = False) -> Tensor:
    """ln Σ eˣ over the given dimensions, without overflow.

    Where all elements are −∞ its gradient is 0 (PyTorch: NaN); nothing at all is refused.
    """
    _floating("logsumexp", input)
    dims = many_dims("logsumexp", dim, input.ndim)
    _not_empty("logsumexp", input, dims)
    return _logsumexp(input, dims=dims, keepdim=keepdim)


def cumsum(input: Tensor, dim: int) -> Tensor:
    """Running sum along a dimension."""
    return _cumsum(_widened(input, None), dim=one_dim("cumsum", dim, input.ndim))


def all(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Whether all elements are true (not zero)."""
    dims = many_dims("all", dim, input.ndim)
    return eq(sum(eq(input, 0), dims or None, keepdim), 0)


def any(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Whether any element is true (not zero)."""
    dims = many_dims("any", dim, input.ndim)
    return sum(input != 0, dims or None, keepdim) > 0


def softmax(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Turn scores into probabilities: eˣ / Σ eˣ, the sum along `dim`.

    Args:
        input: any shape; scores, also called logits.
        dim: the dimension along which the result adds up to 1.
        dtype: what to turn the input into first.

    >>> import streetlight as sl
    >>> softmax(sl.tensor([1e4, 1e4]), dim=0).tolist()
    [0.5, 0.5]
    """
    powers = below_the_largest("softmax", input, dim, dtype).exp()
    return powers / sum(powers, dim, True)


def log_softmax(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Logarithms of the softmax, safe where log(softmax(x)) is not: x − log Σ eˣ.

    Args:
        input: any shape; scores, also called logits.
        dim: the dimension along which the probabilities add up to 1.
        dtype: what to turn the input into first.

    >>> import streetlight as sl
    >>> log_softmax(sl.tensor([0.0, -1e4]), dim=0).tolist()
    [0.0, -10000.0]
    """
    shifted = below_the_largest("log_softmax", input, dim, dtype)
    return shifted - sum(exp(shifted), dim, True).log()


def below_the_largest(name: str, input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """Scores minus the largest along `dim`: no softmax changes, and no digit of 1e4 is lost."""
    scores = input if dtype is None else input.to(dtype)
    _floating(name, scores)
    place = (one_dim(name, dim, input.ndim),)[: input.ndim]
    _not_empty(name, scores, place)
    return scores - _amax(scores.detach(), dims=place, keepdim=True)


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and the same elements."""
    return input.shape == other.shape and bool(all(eq(input, other)))


def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether all elements are nearly equal: |a − b| ≤ atol + rtol · |b|."""
    gap = (input - other).abs()
    near = gap.isfinite() & (gap <= other.abs() * rtol + atol) | eq(input, other)
    if equal_nan:
        near = near | (input.isnan() & other.isnan())
    return bool(all(near))
