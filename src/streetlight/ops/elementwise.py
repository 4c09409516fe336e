"""Operations on each element by itself: arithmetic, exponentials, comparisons, choice.

To add one, write one block: a forward function on arrays and its facts. `g` is the gradient that
arrives from above, `out` the result of the forward pass.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from streetlight.devices import Array
from streetlight.errors import ArgumentError
from streetlight.ops.erf import error_function
from streetlight.ops.registry import (
    NO_ATTRIBUTES,
    Elementwise,
    Sample,
    Value,
    binary,
    broadcast_shape,
    context,
    unary,
)
from streetlight.ops.samples import BINARY_SHAPES, misfits, numbers, pairs, within

if TYPE_CHECKING:
    from streetlight.tensor import Tensor

__all__ = [
    "abs", "add", "clamp", "cos", "div", "eq", "erf", "exp", "expm1", "floor", "floor_divide",
    "ge", "gt", "isfinite", "isnan", "le", "log", "log1p", "logical_and", "logical_not",
    "logical_or", "lt", "maximum", "minimum", "mul", "ne", "neg", "pow", "relu", "remainder",
    "round", "rsqrt", "sigmoid", "sign", "sin", "sqrt", "sub", "tanh", "where",
]  # fmt: skip

XP = Any  # the array module: numpy or cupy


def _refuse_bools(*operands: Any) -> None:
    """Raise where NumPy would count with true and false as with 1 and 0, in another dtype."""
    for operand in operands:
        if getattr(operand, "dtype", None) == np.bool_:
            raise TypeError("bool")


def _refuse_zeros(xp: XP, x: Array, y: Array) -> None:
    """Raise if integers are divided by zero: they have no infinity to answer with."""
    _refuse_bools(x, y)
    whole = (x if hasattr(x, "dtype") else y).dtype.kind != "f"
    if whole and not xp.all(y):
        raise ValueError("an integer is divided by zero")


# ---- arithmetic ----


@binary(ufunc="add",
    vjp=[lambda g, out, x, y: g, lambda g, out, x, y: g],
    algebra="{0} + {1}", c="{0} + {1}", onnx="Add", samples=pairs(), error_samples=misfits("add"),
)  # fmt: skip
def add(xp: XP, x: Array, y: Array) -> Array:
    """Sum, x + y."""
    return xp.add(x, y)


@binary(ufunc="subtract",
    vjp=[lambda g, out, x, y: g, lambda g, out, x, y: -g],
    algebra="{0} − {1}", c="{0} - {1}", onnx="Sub", samples=pairs(), error_samples=misfits("sub"),
)  # fmt: skip
def sub(xp: XP, x: Array, y: Array) -> Array:
    """Difference, x − y."""
    return xp.subtract(x, y)


@binary(ufunc="multiply",
    vjp=[lambda g, out, x, y: g * y, lambda g, out, x, y: g * x], saves="y|x",
    algebra="{0} · {1}", c="{0} * {1}", onnx="Mul", samples=pairs(), error_samples=misfits("mul"),
)  # fmt: skip
def mul(xp: XP, x: Array, y: Array) -> Array:
    """Product, x · y."""
    return xp.multiply(x, y)


@binary(ufunc="true_divide",
    vjp=[lambda g, out, x, y: g / y, lambda g, out, x, y: -g * (x / y) / y], saves="y|x y",
    floats=True, algebra="{0} / {1}", c="{0} / {1}", onnx="Div", samples=pairs(0.5, 3.0),
    error_samples=misfits("div"),
)  # fmt: skip
def div(xp: XP, x: Array, y: Array) -> Array:
    """Quotient, x / y; integers become floating-point first."""
    return xp.true_divide(x, y)


@binary(
    vjp=[
        lambda g, out, x, y: g * where(eq(y, 0), 0.0, y * x ** (y - 1)),
        lambda g, out, x, y: g * where(eq(x, 0), 0.0, x**y * log(where(eq(x, 0), 1.0, x))),
    ],
    saves="x y", algebra="{0}^{1}", c="pow({0}, {1})", onnx="Pow",
    samples=lambda: [
        *(Sample((numbers(*a, low=0.5, high=3), numbers(*b, seed=1))) for a, b in BINARY_SHAPES),
        *(Sample((numbers(2, 3), power)) for power in (2, 3, 1.0, 0)),
    ],
    error_samples=misfits("pow"),
)  # fmt: skip
def pow(xp: XP, x: Array, y: Array) -> Array:
    """Power, x^y."""
    if type(y) in (int, float) and y == 2:
        return xp.multiply(x, x)  # by far the most frequent power
    _refuse_bools(x)
    return xp.power(x, y)


# In C: whether the remainder that fmod gives, which has the sign of x, must move to that of y.
_OTHER_SIGN = "(fmod({0}, {1}) != 0 && (fmod({0}, {1}) < 0) != ({1} < 0))"


@binary(
    algebra="⌊{0} / {1}⌋", samples=pairs(0.5, 3.0), error_samples=misfits("floor_divide"),
    c="copysign({1} == 0 ? {0} / {1} : rint(({0} - fmod({0}, {1})) / {1}) - " + _OTHER_SIGN
    + ", {0} / {1})",
)  # fmt: skip
def floor_divide(xp: XP, x: Array, y: Array) -> Array:
    """Quotient rounded down; it has no gradient. Integers cannot be divided by zero."""
    _refuse_zeros(xp, x, y)
    return xp.floor_divide(x, y)


@binary(
    vjp=[lambda g, out, x, y: g, lambda g, out, x, y: -g * floor_divide(x, y)], saves="|x y",
    algebra="{0} mod {1}", onnx="Mod",
    c="copysign(fmod({0}, {1}) + (" + _OTHER_SIGN + " ? {1} : 0), {1})",
    samples=pairs(0.7, 3.1), error_samples=misfits("remainder"),
)  # fmt: skip
def remainder(xp: XP, x: Array, y: Array) -> Array:
    """Remainder of the division rounded down; it has the sign of y.

    Integers cannot be divided by zero.
    """
    _refuse_zeros(xp, x, y)
    return xp.remainder(x, y)


@unary(ufunc="negative", vjp=[lambda g, out, x: -g], algebra="−{0}", c="-{0}", onnx="Neg",
       samples=within(-2, 2))  # fmt: skip
def neg(xp: XP, x: Array) -> Array:
    """Negative, −x."""
    return xp.negative(x)


@unary(ufunc="abs", vjp=[lambda g, out, x: g * sign(x)], saves="x", algebra="|{0}|", c="fabs({0})",
       onnx="Abs", samples=within(-2, 3))  # fmt: skip
def abs(xp: XP, x: Array) -> Array:
    """Absolute value, |x|; its slope at 0 is taken as 0."""
    return xp.abs(x)


@unary(ufunc="sign", vjp=[lambda g, out, x: g * 0], algebra="sign({0})", onnx="Sign",
       c="({0} != {0} ? {0} : ({0} > 0) - ({0} < 0))", samples=within(-2, 3))  # fmt: skip
def sign(xp: XP, x: Array) -> Array:
    """Sign: −1, 0 or 1; its slope is 0. NaN stays NaN (PyTorch says 0)."""
    return xp.sign(x)


@unary(vjp=[lambda g, out, x: g * 0], algebra="⌊{0}⌋", c="floor({0})", onnx="Floor",
       samples=within(-2.3, 3.4))  # fmt: skip
def floor(xp: XP, x: Array) -> Array:
    """The greatest whole number not above x; its slope is 0."""
    return xp.floor(x) if x.dtype.kind == "f" else x.copy()


@unary(vjp=[lambda g, out, x: g * 0], algebra="round({0})", c="rint({0})", onnx="Round",
       samples=within(-2.3, 3.4))  # fmt: skip
def round(xp: XP, x: Array) -> Array:
    """The nearest whole number, halves to the even one; its slope is 0."""
    return xp.rint(x) if x.dtype.kind == "f" else x.copy()


# ---- exponentials, logarithms, roots ----


@unary(ufunc="exp", vjp=[lambda g, out, x: g * out], saves="out", floats=True, algebra="exp({0})",
       c="exp({0})", onnx="Exp", samples=within(-2, 2))  # fmt: skip
def exp(xp: XP, x: Array) -> Array:
    """Exponential, eˣ."""
    return xp.exp(x)


@unary(ufunc="expm1", vjp=[lambda g, out, x: g * (out + 1)], saves="out", floats=True,
       algebra="exp({0}) − 1", c="expm1({0})", samples=within(-2, 2))  # fmt: skip
def expm1(xp: XP, x: Array) -> Array:
    """eˣ − 1, exact for small x."""
    return xp.expm1(x)


@unary(ufunc="log", vjp=[lambda g, out, x: g / x], saves="x", floats=True, algebra="ln({0})",
       c="log({0})", onnx="Log", samples=within(0.3, 4))  # fmt: skip
def log(xp: XP, x: Array) -> Array:
    """Natural logarithm, ln x."""
    return xp.log(x)


@unary(ufunc="log1p", vjp=[lambda g, out, x: g / (x + 1)], saves="x", floats=True,
       algebra="ln(1 + {0})", c="log1p({0})", samples=within(-0.6, 3))  # fmt: skip
def log1p(xp: XP, x: Array) -> Array:
    """ln(1 + x), exact for small x."""
    return xp.log1p(x)


@unary(ufunc="sqrt", vjp=[lambda g, out, x: g / (out * 2)], saves="out", floats=True,
       algebra="√{0}", c="sqrt({0})", onnx="Sqrt", samples=within(0.3, 4))  # fmt: skip
def sqrt(xp: XP, x: Array) -> Array:
    """Square root, √x."""
    return xp.sqrt(x)


@unary(vjp=[lambda g, out, x: g * out * out * out * -0.5], saves="out", floats=True,
       algebra="1/√{0}", c="1 / sqrt({0})", samples=within(0.3, 4))  # fmt: skip
def rsqrt(xp: XP, x: Array) -> Array:
    """Reciprocal of the square root, 1/√x."""
    return xp.reciprocal(xp.sqrt(x))


# ---- curves ----


@unary(ufunc="sin", vjp=[lambda g, out, x: g * cos(x)], saves="x", floats=True, algebra="sin({0})",
       c="sin({0})", onnx="Sin", samples=within(-4, 4))  # fmt: skip
def sin(xp: XP, x: Array) -> Array:
    """Sine of an angle in radians."""
    return xp.sin(x)


@unary(ufunc="cos", vjp=[lambda g, out, x: -g * sin(x)], saves="x", floats=True, algebra="cos({0})",
       c="cos({0})", onnx="Cos", samples=within(-4, 4))  # fmt: skip
def cos(xp: XP, x: Array) -> Array:
    """Cosine of an angle in radians."""
    return xp.cos(x)


@unary(ufunc="tanh", vjp=[lambda g, out, x: g * (1 - out * out)], saves="out", floats=True,
       algebra="tanh({0})", c="tanh({0})", onnx="Tanh", samples=within(-3, 3))  # fmt: skip
def tanh(xp: XP, x: Array) -> Array:
    """Hyperbolic tangent, (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ), between −1 and 1."""
    return xp.tanh(x)


@unary(vjp=[lambda g, out, x: g * (out * (1 - out))], saves="out", floats=True, algebra="σ({0})",
       c="1 / (1 + exp(-{0}))", onnx="Sigmoid", samples=within(-4, 4))  # fmt: skip
def sigmoid(xp: XP, x: Array) -> Array:
    """Logistic function, 1 / (1 + e⁻ˣ), between 0 and 1."""
    return xp.reciprocal(xp.exp(xp.negative(x)) + 1)


# NumPy takes twice as long to compare with the Python number 0 as with an array of its own.
_ZEROS = {np.dtype(kind): np.zeros((), kind) for kind in ("float16", "float32", "float64")}


@unary(vjp=[lambda g, out, x: where(out <= 0, 0.0, g)], saves="out", algebra="relu({0})",
       c="({0} <= 0 ? 0 : {0})", onnx="Relu", samples=within(-2, 3))  # fmt: skip
def relu(xp: XP, x: Array) -> Array:
    """Rectifier, max(x, 0); its slope at 0 is taken as 0."""
    zero = _ZEROS.get(x.dtype) if xp is np else None
    if zero is not None:
        return np.maximum(x, zero)
    _refuse_bools(x)
    return xp.maximum(x, 0)


@unary(vjp=[lambda g, out, x: g * exp(-(x * x)) * 1.1283791670955126], saves="x", floats=True,
       algebra="erf({0})", c="erf({0})", onnx="Erf", samples=within(-3, 3))  # fmt: skip
def erf(xp: XP, x: Array) -> Array:
    """Error function, 2/√π · ∫₀ˣ exp(−t²) dt, between −1 and 1."""
    return error_function(xp, x)


# ---- the larger and the smaller ----


@binary(ufunc="maximum",
    vjp=[
        lambda g, out, x, y: where(gt(x, y), g, where(eq(x, y), g * 0.5, 0.0)),
        lambda g, out, x, y: where(gt(y, x), g, where(eq(x, y), g * 0.5, 0.0)),
    ],
    saves="x y", algebra="max({0}, {1})", c="({0} > {1} || {0} != {0} ? {0} : {1})", onnx="Max",
    samples=pairs(-1.7, 2.2), error_samples=misfits("maximum"),
)  # fmt: skip
def maximum(xp: XP, x: Array, y: Array) -> Array:
    """The larger of x and y; where they are equal the gradient is shared."""
    return xp.maximum(x, y)


@binary(ufunc="minimum",
    vjp=[
        lambda g, out, x, y: where(lt(x, y), g, where(eq(x, y), g * 0.5, 0.0)),
        lambda g, out, x, y: where(lt(y, x), g, where(eq(x, y), g * 0.5, 0.0)),
    ],
    saves="x y", algebra="min({0}, {1})", c="({0} < {1} || {0} != {0} ? {0} : {1})", onnx="Min",
    samples=pairs(-1.7, 2.2), error_samples=misfits("minimum"),
)  # fmt: skip
def minimum(xp: XP, x: Array, y: Array) -> Array:
    """The smaller of x and y; where they are equal the gradient is shared."""
    return xp.minimum(x, y)


# ---- comparisons (no gradient) ----


@binary(ufunc="equal", dtype="bool", algebra="{0} = {1}", c="{0} == {1}", onnx="Equal",
        samples=pairs())  # fmt: skip
def eq(xp: XP, x: Array, y: Array) -> Array:
    """Whether x = y."""
    return xp.equal(x, y)


@binary(ufunc="not_equal", dtype="bool", algebra="{0} ≠ {1}", c="{0} != {1}", samples=pairs())
def ne(xp: XP, x: Array, y: Array) -> Array:
    """Whether x ≠ y."""
    return xp.not_equal(x, y)


@binary(ufunc="greater", dtype="bool", algebra="{0} > {1}", c="{0} > {1}", onnx="Greater",
        samples=pairs())  # fmt: skip
def gt(xp: XP, x: Array, y: Array) -> Array:
    """Whether x > y."""
    return xp.greater(x, y)


@binary(ufunc="greater_equal", dtype="bool", algebra="{0} ≥ {1}", c="{0} >= {1}",
        onnx="GreaterOrEqual", samples=pairs())  # fmt: skip
def ge(xp: XP, x: Array, y: Array) -> Array:
    """Whether x ≥ y."""
    return xp.greater_equal(x, y)


@binary(ufunc="less", dtype="bool", algebra="{0} < {1}", c="{0} < {1}", onnx="Less",
        samples=pairs())  # fmt: skip
def lt(xp: XP, x: Array, y: Array) -> Array:
    """Whether x < y."""
    return xp.less(x, y)


@binary(ufunc="less_equal", dtype="bool", algebra="{0} ≤ {1}", c="{0} <= {1}", onnx="LessOrEqual",
        samples=pairs())  # fmt: skip
def le(xp: XP, x: Array, y: Array) -> Array:
    """Whether x ≤ y."""
    return xp.less_equal(x, y)


@binary(ufunc="logical_and", dtype="bool", algebra="{0} ∧ {1}", c="{0} && {1}", onnx="And",
        samples=pairs())  # fmt: skip
def logical_and(xp: XP, x: Array, y: Array) -> Array:
    """Whether x and y are both true (not zero)."""
    return xp.logical_and(x, y)


@binary(ufunc="logical_or", dtype="bool", algebra="{0} ∨ {1}", c="{0} || {1}", onnx="Or",
        samples=pairs())  # fmt: skip
def logical_or(xp: XP, x: Array, y: Array) -> Array:
    """Whether x or y is true (not zero)."""
    return xp.logical_or(x, y)


@unary(ufunc="logical_not", dtype="bool", algebra="¬{0}", c="!{0}", onnx="Not",
       samples=within(-1, 1))  # fmt: skip
def logical_not(xp: XP, x: Array) -> Array:
    """Whether x is false (zero)."""
    return xp.logical_not(x)


@unary(ufunc="isfinite", dtype="bool", algebra="finite({0})", c="isfinite({0})",
       samples=within(-1, 1))  # fmt: skip
def isfinite(xp: XP, x: Array) -> Array:
    """Whether x is neither infinite nor NaN."""
    return xp.isfinite(x)


@unary(ufunc="isnan", dtype="bool", algebra="nan({0})", c="isnan({0})", onnx="IsNaN",
       samples=within(-1, 1))  # fmt: skip
def isnan(xp: XP, x: Array) -> Array:
    """Whether x is not a number."""
    return xp.isnan(x)


# ---- choice ----


class _Where(Elementwise):
    """`where` alone has a condition in front of the operands that are promoted."""

    def __call__(self, condition: Any, input: Any, other: Any) -> Tensor:
        """Take from `input` where the condition holds and from `other` elsewhere."""
        if not isinstance(condition, Value) or condition._data.dtype.kind != "b":
            condition = ne(condition, 0)
        if not (
            isinstance(input, Value) and input._data.dtype.kind == "f" and type(other) is float
        ):
            input, other = self.promote(input, other)
        if not isinstance(input, Value) and not isinstance(other, Value):
            input = Value.wrap(np.asarray(input, dtype=self.result_dtype(input, other)))
        result: Tensor = context.interpreter(self, (condition, input, other), NO_ATTRIBUTES)
        return result

    def result_dtype(self, *operands: Any) -> Any:
        """Return the dtype that two Python numbers have together."""
        from streetlight import dtypes

        return dtypes.result_type(*((dtypes.of_scalar(o), -1) for o in operands))

    def infer(self, *inputs: Any, **attributes: Any) -> Any:
        """Return the broadcast shape, and the dtype of the operands, not of the condition."""
        return broadcast_shape("where", *inputs), super().infer(*inputs[1:])[1]


@functools.partial(
    _Where,
    vjp=[None, lambda g, out, c, x, y: where(c, g, 0.0), lambda g, out, c, x, y: where(c, 0.0, g)],
    saves="c", algebra="{0} ? {1} : {2}", c="{0} ? {1} : {2}", onnx="Where",
    samples=lambda: [
        Sample((numbers(2, 3) > 0, numbers(2, 3), numbers(2, 3, seed=1))),
        Sample((numbers(3) > 0, numbers(2, 1), numbers())),
        Sample((numbers(2, 3) > 0, numbers(0, 2, 1), 0.0)),
    ],
)  # fmt: skip
def where(xp: XP, c: Array, x: Array, y: Array) -> Array:
    """x where the condition c holds, y elsewhere."""
    if type(x) is float and x == 0.0 and y.dtype.kind == "f" and c.shape == y.shape:
        whole = f"i{y.itemsize}"  # chance cannot be foreseen by branches: clear bits instead
        return (y.view(whole) & xp.subtract(c, 1, dtype=whole)).view(y.dtype)
    return xp.where(c, x, y)


def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Limit the elements to the range from min to max; either may be left out.

    Outside of the range the gradient is 0, at its ends 1, as in PyTorch.

    Raises:
        ArgumentError: if neither bound is given.
    """
    if min is None and max is None:
        raise ArgumentError("clamp: neither min nor max is given", fix="x.clamp(min=0)")
    if min is not None:
        input = where(lt(input, min), min, input)
    return input if max is None else where(gt(input, max), max, input)
