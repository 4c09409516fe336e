"""Functions that make tensors: from data, from a shape, a range, or random numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from streetlight import devices, dtypes, ops
from streetlight.convert import as_array
from streetlight.errors import ArgumentError, DTypeError, ShapeError
from streetlight.ops.dims import as_shape
from streetlight.ops.random import normal, uniform
from streetlight.ops.registry import context
from streetlight.random import Generator, default_generator
from streetlight.tensor import Tensor

__all__ = [
    "arange", "as_tensor", "bernoulli", "empty", "empty_like", "eye", "from_dlpack",
    "from_numpy", "full", "full_like", "linspace", "multinomial", "ones", "ones_like", "rand",
    "rand_like", "randint", "randn", "randn_like", "randperm", "tensor", "tril", "triu",
    "zeros", "zeros_like",
]  # fmt: skip


def _made(array: Any, device: Any = None, requires_grad: bool = False) -> Tensor:
    result = Tensor.wrap(devices.move(as_array(array), device or "cpu"))
    return result.requires_grad_() if requires_grad else result


def _dtype(dtype: Any) -> Any:
    return dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)


def _shape(name: str, sizes: tuple[Any, ...]) -> tuple[int, ...]:
    shape = as_shape(name, sizes)
    if min(shape, default=0) < 0:
        raise ArgumentError(f"{name}: {shape} is not a shape", expected="sizes of 0 or more")
    return shape


def _number(name: str, value: Any) -> Any:
    """Return a Python number for one given as such, by NumPy or as a tensor."""
    number = value.item() if hasattr(value, "item") else value
    if not isinstance(number, (int, float)):
        raise ArgumentError(f"{name}: {value!r} is not a number")
    return number


def tensor(data: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Make a tensor with memory of its own from numbers, nested lists or an array.

    Raises:
        DTypeError, ShapeError: if the data do not form a block of numbers.

    >>> tensor([[1, 2], [3, 4]]).shape
    (2, 2)
    """
    array = as_array(data)
    target = array.dtype if dtype is None else dtypes.as_dtype(dtype)
    result = Tensor.wrap(context.run(array.astype, target))
    if device is not None:
        result = result.to(device=device)
    return result.requires_grad_() if requires_grad else result


def as_tensor(data: Any, dtype: Any = None) -> Tensor:
    """Return data as a tensor, sharing memory where that is possible."""
    result = data if isinstance(data, Tensor) else Tensor.wrap(as_array(data))
    return result if dtype is None else result.to(dtype=dtype)


def from_numpy(array: Any) -> Tensor:
    """Make a tensor that shares the memory of a NumPy array.

    >>> numbers = np.zeros(2)
    >>> from_numpy(numbers)[0] = 5.0
    >>> numbers
    array([5., 0.])
    """
    if not isinstance(array, np.ndarray):
        raise DTypeError("from_numpy: this is not a NumPy array", got={"array": array},
                         fix="sl.tensor(data)")  # fmt: skip
    if not array.dtype.isnative:
        raise DTypeError("from_numpy: memory of foreign byte order cannot be shared",
                         got={"array": array}, fix="sl.tensor(array)")  # fmt: skip
    return Tensor.wrap(as_array(array))


def from_dlpack(source: Any) -> Tensor:
    """Make a tensor that shares the memory of any array that speaks DLPack, PyTorch's for one.

    Raises:
        DTypeError: if it speaks no DLPack, or holds numbers that tensors cannot.
    """
    try:
        array = np.from_dlpack(source)
    except (AttributeError, TypeError, ValueError, BufferError, RuntimeError) as error:
        raise DTypeError(f"from_dlpack: {error}", got={"source": type(source).__name__},
                         fix="sl.tensor(source)") from error  # fmt: skip
    return Tensor.wrap(as_array(array))


# Wherever `options` are taken, they are `device` and `requires_grad`.


def zeros(*shape: Any, dtype: Any = None, **options: Any) -> Tensor:
    """A tensor of zeros: `zeros(2, 3)` or `zeros((2, 3))`."""
    return _made(np.zeros(_shape("zeros", shape), _dtype(dtype)), **options)


def ones(*shape: Any, dtype: Any = None, **options: Any) -> Tensor:
    """A tensor of ones."""
    return _made(np.ones(_shape("ones", shape), _dtype(dtype)), **options)


def empty(*shape: Any, dtype: Any = None, **options: Any) -> Tensor:
    """A tensor whose numbers are whatever lay in memory."""
    return _made(np.empty(_shape("empty", shape), _dtype(dtype)), **options)


def full(shape: Sequence[int], value: float, dtype: Any = None, **options: Any) -> Tensor:
    """A tensor with one number everywhere; its dtype is the number's."""
    kind = dtypes.of_scalar(value) if dtype is None else dtypes.as_dtype(dtype)
    sizes = _shape("full", (shape,))
    try:
        return _made(context.run(np.full, sizes, value, kind), **options)
    except (ValueError, OverflowError) as error:
        raise DTypeError(f"full: {kind} cannot hold {value!r}") from error


def _like(make: Any, input: Tensor, *value: Any, dtype: Any = None, **options: Any) -> Tensor:
    options = {"dtype": dtype or input.dtype, "device": input.device} | options
    return make(input.shape, *value, **options)


def zeros_like(input: Tensor, **options: Any) -> Tensor:
    """Zeros in the shape, dtype and place of another tensor, where `options` say no other."""
    return _like(zeros, input, **options)


def ones_like(input: Tensor, **options: Any) -> Tensor:
    """Ones in the shape, dtype and place of another tensor."""
    return _like(ones, input, **options)


def full_like(input: Tensor, value: float, **options: Any) -> Tensor:
    """One number in the shape, dtype and place of another tensor."""
    return _like(full, input, value, **options)


def empty_like(input: Tensor, **options: Any) -> Tensor:
    """Any numbers in the shape, dtype and place of another tensor."""
    return _like(empty, input, **options)


def arange(
    start: float, end: float | None = None, step: float = 1, dtype: Any = None, **options: Any
) -> Tensor:
    """Numbers from start (0 if only one is given) up to, not including, end.

    >>> arange(4).tolist()
    [0, 1, 2, 3]
    """
    bounds = (0, start, step) if end is None else (start, end, step)
    first, last, step = (_number("arange", bound) for bound in bounds)
    if step == 0 or (last - first) / step < 0:
        raise ArgumentError(f"arange: from {first} to {last} in steps of {step} never arrives")
    whole = all(isinstance(number, int) for number in (first, last, step))
    kind = (dtypes.int64 if whole else dtypes.get_default_dtype()) if dtype is None else dtype
    return _made(np.arange(first, last, step).astype(dtypes.as_dtype(kind)), **options)


def linspace(start: float, end: float, steps: int, dtype: Any = None, **options: Any) -> Tensor:
    """Evenly spaced numbers from start to end, both included."""
    if steps < 0:
        raise ArgumentError(f"linspace: {steps} steps", expected="0 or more")
    return _made(np.linspace(start, end, steps, dtype=_dtype(dtype)), **options)


def eye(n: int, m: int | None = None, dtype: Any = None, **options: Any) -> Tensor:
    """The identity matrix, n × m."""
    shape = _shape("eye", (n, n if m is None else m))
    return _made(np.eye(*shape, dtype=_dtype(dtype)), **options)


def _places(name: str, input: Tensor) -> Tensor:
    """How far each place of a matrix lies right of the diagonal."""
    if input.ndim < 2:
        raise ShapeError(
            f"{name}: the tensor has {input.ndim} dimensions", expected="a matrix, or several",
            got={"input": input},
        )  # fmt: skip
    rows, columns = np.ogrid[: input.shape[-2], : input.shape[-1]]
    return Tensor(columns - rows).to(input.device)


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of a matrix, zeros elsewhere."""
    return ops.where(_places("tril", input) <= diagonal, input, zeros((), dtype=input.dtype))


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of a matrix, zeros elsewhere."""
    return ops.where(_places("triu", input) >= diagonal, input, zeros((), dtype=input.dtype))


def rand(
    *shape: Any, generator: Generator | None = None, dtype: Any = None, **options: Any
) -> Tensor:
    """Random numbers spread evenly over [0, 1)."""
    source = generator or default_generator
    drawn = uniform(shape=_shape("rand", shape), generator=source, dtype=_dtype(dtype))
    return _made(drawn, **options)


def randn(
    *shape: Any, generator: Generator | None = None, dtype: Any = None, **options: Any
) -> Tensor:
    """Random numbers from the standard normal distribution."""
    source = generator or default_generator
    drawn = normal(shape=_shape("randn", shape), generator=source, dtype=_dtype(dtype))
    return _made(drawn, **options)


def rand_like(input: Tensor, **options: Any) -> Tensor:
    """Even random numbers in the shape, dtype and place of another tensor."""
    return _like(rand, input, **options)


def randn_like(input: Tensor, **options: Any) -> Tensor:
    """Normal random numbers in the shape, dtype and place of another tensor."""
    return _like(randn, input, **options)


def randint(
    low: int, high: int | None = None, size: Sequence[int] = (), *,
    generator: Generator | None = None, dtype: Any = dtypes.int64, **options: Any,
) -> Tensor:  # fmt: skip
    """Random whole numbers from low (0 if only one bound is given) to high - 1.

    >>> randint(0, 10, (2, 3)).shape
    (2, 3)
    """
    if isinstance(high, Sequence):
        low, high, size = 0, low, high
    first, last = (0, low) if high is None else (low, high)
    if last <= first:
        raise ArgumentError(f"randint: there is no whole number from {first} to below {last}")
    source = generator or default_generator
    drawn = source.integers(first, last, _shape("randint", (size,)))
    return _made(drawn.astype(dtypes.as_dtype(dtype)), **options)


def randperm(count: int, *, generator: Generator | None = None) -> Tensor:
    """The numbers 0 to count - 1 in random order."""
    if count < 0:
        raise ArgumentError(f"randperm: {count} numbers", expected="0 or more")
    return Tensor((generator or default_generator).permutation(count))


def bernoulli(input: Tensor, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability given by each element, otherwise 0."""
    low, high = (input.min().item(), input.max().item()) if input.numel() else (0, 1)
    if not 0 <= low <= high <= 1:
        raise ArgumentError(
            f"bernoulli: the probabilities reach from {low} to {high}", expected="0 to 1"
        )
    source = generator or default_generator
    drawn = uniform(shape=input.shape, generator=source, dtype=input.dtype)
    return (drawn < input).to(input.dtype)


def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Draw indices with probabilities in proportion to the elements of each row.

    Source: the Gumbel-max trick with exponential waiting times; Efraimidis and Spirakis, 2006.
    """
    weights = input.detach()
    possible = (weights > 0).sum(-1).min().item()
    if not replacement and num_samples > possible:
        raise ArgumentError(f"multinomial: cannot draw {num_samples} of {possible}",
                            fix="replacement=True")  # fmt: skip
    if possible < 1 or not (weights.isfinite() & (weights >= 0)).all():
        raise ArgumentError("multinomial: these are no weights", got={"input": input},
                            expected="finite, none negative, some positive")  # fmt: skip
    rounds = num_samples if replacement else 1
    source = generator or default_generator
    shape = (*input.shape[:-1], rounds, input.shape[-1])
    waiting = -ops.log(1 - uniform(shape=shape, generator=source, dtype=dtypes.float64))
    weights = weights.unsqueeze(-2)
    arrival = ops.where(weights > 0, waiting / weights, np.inf)  # 0 / 0 would come first
    if replacement:
        return ops.argmin(arrival, -1)
    order = ops.argsort(arrival.squeeze(-2), -1)
    return ops.narrow(order, -1, 0, num_samples)
