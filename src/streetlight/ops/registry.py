"""What an operation is: one fact sheet, and the one point where every operation is dispatched.

An `Op` says everything about itself: how it computes on arrays, its gradient in Tensor
operations, the shape and dtype it gives, how it reads as algebra and as C, its ONNX name, and
samples of right and wrong inputs. Whoever wants to know something about an operation asks its Op.
"""

from __future__ import annotations

import contextvars
import functools
import inspect
import threading
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import numpy as np

from streetlight import devices, dtypes
from streetlight.devices import Array
from streetlight.errors import ArgumentError, DTypeError, IndexOutOfRangeError, ShapeError

if TYPE_CHECKING:
    from streetlight.tensor import Tensor

Shape = tuple[int, ...]
NO_ATTRIBUTES: dict[str, Any] = {}
_NUMBERS = frozenset({float, int})
_VAR_POSITIONAL = inspect.Parameter.VAR_POSITIONAL


class Value:
    """What operations are applied to; Tensor is its only subclass."""

    _data: Array
    _node: Any  # the recorded operation that made it
    _base: Any  # what a view looks at, and how
    requires_grad: bool
    wrap: ClassVar[Callable[[Array], Any]]  # set by the Tensor module: array -> Tensor


class Context(threading.local):
    """Who carries out operations in this thread, and whether gradients are recorded.

    `run` calls a kernel where NumPy computes infinities and NaN without a warning, as PyTorch
    does. It is a context of its own because `np.errstate` costs more than a small operation.
    A trace puts an `interpreter`, `store` and `entered` of its own in the place of these.
    """

    interpreter: Callable[[Op, tuple[Any, ...], dict[str, Any]], Any]
    grad_enabled: bool = True
    tracing: bool = False

    def __init__(self) -> None:
        quiet = contextvars.copy_context()
        quiet.run(np.seterr, all="ignore")
        self.run = quiet.run

    def store(self, target: Any, value: Any) -> None:
        """Copy the numbers of one tensor into the memory of another."""
        self.run(np.copyto, target._data, value._data, casting="unsafe")

    def entered(self, owner: Any, forgets: bool = False) -> None:
        """Hear that an optimiser will step, or that its or a module's gradients are dropped."""


context = Context()
all_ops: dict[str, Op] = {}


@dataclass(frozen=True)
class Sample:
    """One valid call of an operation: arrays (or numbers) and attributes."""

    inputs: tuple[Any, ...]
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ErrorSample:
    """One wrong call of an operation, with the error and the words it must be answered with."""

    inputs: tuple[Any, ...]
    attributes: dict[str, Any]
    error: type[Exception]
    words: str


class Op:
    """The fact sheet of one primitive operation.

    Args:
        forward: `forward(xp, *arrays, **attributes)`, where `xp` is NumPy or CuPy.
        vjp: for each input, `rule(g, out, *inputs, **attributes)`: the gradient with respect to
            it, in Tensor operations; None where there is none. A gradient that still has the
            broadcast shape is summed to the input's shape by the walk.
        saves: names of the inputs whose values the rules need ("x y"), "out" for the result; with
            a bar between the rules if they differ ("y|x"). Of other inputs a rule sees shape and
            dtype only.
        shape: the output shape from the inputs and attributes, or a ShapeError.
        dtype: "same" as the first tensor, or the name of a dtype.
        view: whether the result shares memory with the first input.
        variadic: whether it takes any number of inputs; then there is one rule for all of them,
            `rule(g, out, place, **attributes)`.
        ufunc: the NumPy function that `forward` calls, if it does nothing else; it is then called
            without the way through Python, and can write into memory that is already there.
        algebra: how it reads, with {0}, {1} for the inputs.
        c: the C expression for one element, for elementwise operations.
        onnx: the name of the ONNX operator.
        samples, error_samples: functions that give valid and wrong calls for the tests.
    """

    def __init__(
        self,
        forward: Callable[..., Array],
        *,
        shape: Callable[..., Shape],
        vjp: Sequence[Callable[..., Any] | None] = (),
        saves: str = "",
        dtype: str = "same",
        view: bool = False,
        variadic: bool = False,
        ufunc: str = "",
        algebra: str = "",
        c: str = "",
        onnx: str = "",
        samples: Callable[[], list[Sample]],
        error_samples: Callable[[], list[ErrorSample]] = list,
    ) -> None:
        self.name = forward.__name__.strip("_")
        self.__doc__ = forward.__doc__
        self.forward, self.vjp, self.shape = forward, tuple(vjp), shape
        self.dtype, self.view = dtype, view
        self.algebra, self.c, self.onnx = algebra, c, onnx
        self.samples, self.error_samples = samples, error_samples
        parameters = list(inspect.signature(forward).parameters.values())[1:]
        self.variadic = variadic
        self.saves_output = "out" in saves.replace("|", " ").split()
        self.saves = [
            [i for i, p in enumerate(parameters) if p.name in part.split()]
            for part in saves.split("|")
        ]
        kinds = [p.kind for p in parameters]
        self._rest = kinds.index(_VAR_POSITIONAL) if _VAR_POSITIONAL in kinds else -1
        self.places: dict[int, tuple[int, ...]] = {}
        self.has_out = bool(ufunc)
        self.kernel = getattr(np, ufunc) if ufunc else functools.partial(forward, np)
        all_ops[self.name] = self

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    def places_for(self, pattern: int) -> tuple[int, ...]:
        """Return which inputs must be saved, and remember it in `places`.

        Args:
            pattern: a bit for each input, 1 if it requires a gradient, behind a leading 1.
        """
        asked = [bit == "1" for bit in f"{pattern:b}"[1:]]
        rules = self.saves if len(self.saves) > 1 else self.saves * len(asked)
        needed = {i for rule, wanted in zip(rules, asked, strict=False) if wanted for i in rule}
        if self._rest in needed:
            needed |= set(range(self._rest, len(asked)))
        self.places[pattern] = tuple(sorted(needed))
        return self.places[pattern]

    def __call__(self, *inputs: Any, **attributes: Any) -> Tensor:
        """Apply the operation to tensors that already have fitting dtypes."""
        result: Tensor = context.interpreter(self, inputs, attributes)
        return result

    def kernel_for(self, arrays: Sequence[Array]) -> Callable[..., Array]:
        """Return the forward function bound to the array library of `arrays`."""
        xp = devices.module_of(*arrays)
        return self.kernel if xp is np else functools.partial(self.forward, xp)

    def infer(self, *inputs: Any, **attributes: Any) -> tuple[Shape, dtypes.DType]:
        """Return shape and dtype of the result without computing it."""
        if self.dtype == "same":
            dtype = next(i.dtype for i in inputs if hasattr(i, "dtype"))
        elif self.dtype == "attribute":
            dtype = attributes["dtype"]
        else:
            dtype = np.dtype(self.dtype)
        return self.shape(*inputs, **attributes), dtype

    def refuse(
        self, inputs: tuple[Any, ...], attributes: dict[str, Any], error: Exception
    ) -> NoReturn:
        """Say in our own words why the array library refused this call."""
        devices.module_of(*(i._data for i in inputs if isinstance(i, Value)))
        self.shape(*inputs, **attributes)
        if isinstance(error, IndexError):
            raise IndexOutOfRangeError(f"{self.name}: {error}") from error
        got = {f"input {i}": value for i, value in enumerate(inputs)} | attributes
        kinds = " and ".join(str(i._data.dtype) for i in inputs if isinstance(i, Value))
        if isinstance(error, TypeError):
            words = f"{self.name}: cannot compute with {kinds}"
            raise DTypeError(words, got=got, fix="x.float() or x.long()") from error
        if isinstance(error, OverflowError):  # PyTorch goes round in arithmetic: 255 + 2 is 1
            words = f"{self.name}: {kinds} cannot hold one of the numbers"
            raise DTypeError(words, got=got, fix="x.long() or x.float()") from error
        words = f"{self.name}: these inputs cannot be used: {error}"
        raise ArgumentError(words, got=got) from error


def primitive(**facts: Any) -> Callable[[Callable[..., Array]], Op]:
    """Make the Op whose forward function is decorated; `facts` are the arguments of Op."""
    return lambda forward: Op(forward, **facts)


def shape_of(value: Any) -> Shape:
    """Return the shape of a tensor, or () for a Python number."""
    return tuple(value.shape) if hasattr(value, "shape") else ()


def broadcast_shape(name: str, *inputs: Any) -> Shape:
    """Return the shape that the inputs are broadcast to.

    Raises:
        ShapeError: if two sizes differ and neither is 1; it names the dimension.
    """
    shapes = [shape_of(value) for value in inputs]
    result: list[int] = []
    for place in range(1, max(len(shape) for shape in shapes) + 1):
        sizes = {shape[-place] for shape in shapes if len(shape) >= place} - {1}
        if len(sizes) > 1:
            first, second = sorted(sizes)[:2]
            raise ShapeError(
                f"{name}: sizes {first} and {second} do not fit in dimension -{place}",
                expected="equal sizes, or 1 in one of them, counted from the last dimension",
                got={f"input {i}": value for i, value in enumerate(inputs)},
                fix="make the shapes agree with reshape, unsqueeze or .T",
            )
        result.insert(0, sizes.pop() if sizes else 1)
    return tuple(result)


class Elementwise(Op):
    """An operation on each element by itself, with broadcasting and dtype promotion.

    Args:
        floats: whether integer inputs become floating-point first.
        facts: the other arguments of Op.
    """

    def __init__(
        self, forward: Callable[..., Array], *, floats: bool = False, **facts: Any
    ) -> None:
        name = forward.__name__.strip("_")
        super().__init__(forward, shape=functools.partial(broadcast_shape, name), **facts)
        self.floats = floats

    def promote(self, *operands: Any) -> tuple[Any, ...]:
        """Bring the operands to the one dtype that PyTorch's rules give them."""
        values = [self._value(operand) for operand in operands]
        kinds = [
            (v._data.dtype, v._data.ndim) if isinstance(v, Value) else (dtypes.of_scalar(v), -1)
            for v in values
        ]
        target = dtypes.result_type(*kinds)
        if self.floats and target.kind != "f":
            target = dtypes.get_default_dtype()
        return tuple(
            cast(v, dtype=target) if isinstance(v, Value) and v._data.dtype != target else v
            for v in values
        )

    def _value(self, operand: Any) -> Any:
        if isinstance(operand, np.generic):
            operand = operand.item()  # counts as a Python number, as in PyTorch
        if isinstance(operand, (Value, bool, int, float)):
            return operand
        if isinstance(operand, np.ndarray):
            return Value.wrap(operand.astype(dtypes.as_dtype(operand.dtype), copy=False))
        raise DTypeError(
            f"{self.name}: cannot compute with a {type(operand).__name__}",
            got={"operand": operand}, expected="tensors, NumPy arrays or numbers",
            fix="turn it into a tensor with sl.tensor(...)",
        )  # fmt: skip


class UnaryOp(Elementwise):
    """An elementwise operation of one input, callable as function and as Tensor method."""

    def __call__(self, input: Any) -> Tensor:
        """Apply the operation to each element of `input`."""
        if not isinstance(input, Value) or (self.floats and input._data.dtype.kind != "f"):
            (input,) = self.promote(input)
            input = input if isinstance(input, Value) else Value.wrap(np.asarray(input))
        result: Tensor = context.interpreter(self, (input,), NO_ATTRIBUTES)
        return result

    def __get__(self, instance: Any, owner: Any = None) -> Callable[[], Tensor]:
        return self if instance is None else types.MethodType(self, instance)  # type: ignore[return-value]


class BinaryOp(Elementwise):
    """An elementwise operation of two inputs, either of which may be a Python number."""

    def __call__(self, input: Any, other: Any) -> Tensor:
        """Apply the operation to each pair of elements of `input` and `other`."""
        if type(other) in _NUMBERS:
            fits = isinstance(input, Value) and input._data.dtype.kind == "f"
        elif type(input) in _NUMBERS:
            fits = isinstance(other, Value) and other._data.dtype.kind == "f"
        else:
            fits = (
                isinstance(input, Value)
                and isinstance(other, Value)
                and (dtype := input._data.dtype) is other._data.dtype
                and not (self.floats and dtype.kind != "f")
            )
        if not fits:
            input, other = self.promote(input, other)
        result: Tensor = context.interpreter(self, (input, other), NO_ATTRIBUTES)
        return result

    def __get__(self, instance: Any, owner: Any = None) -> Callable[[Any], Tensor]:
        return self if instance is None else types.MethodType(self, instance)  # type: ignore[return-value]


def unary(**facts: Any) -> Callable[[Callable[..., Array]], UnaryOp]:
    """Make the UnaryOp whose forward function is decorated."""
    return lambda forward: UnaryOp(forward, **facts)


def binary(**facts: Any) -> Callable[[Callable[..., Array]], BinaryOp]:
    """Make the BinaryOp whose forward function is decorated."""
    return lambda forward: BinaryOp(forward, **facts)


@primitive(
    shape=lambda x, dtype: shape_of(x),
    dtype="attribute",
    vjp=[lambda g, out, x, dtype: cast(g, dtype=x.dtype)],
    algebra="{0}",
    onnx="Cast",
    samples=lambda: [
        Sample((np.array([[1.5, -2.5], [0.0, 3.0]]),), {"dtype": dtypes.float64}),
        Sample((np.array(1.25),), {"dtype": dtypes.float64}),
    ],
)
def cast(xp: Any, x: Array, dtype: dtypes.DType) -> Array:
    """The same numbers in another dtype; floats are cut off towards zero for integers."""
    return x.astype(dtype)
