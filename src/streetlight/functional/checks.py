"""What the functions check before they compute, and the words when it does not hold."""

import math
from typing import Any

import numpy as np

from streetlight.errors import ArgumentError, DTypeError, IndexOutOfRangeError, ShapeError
from streetlight.ops.indexing import in_range
from streetlight.ops.registry import Shape, broadcast_shape
from streetlight.tensor import Tensor


def bad_argument(
    name: str, argument: str, value: object, expected: str, problem: str = " makes no sense"
) -> ArgumentError:
    """The error for an argument with a value that it cannot have."""
    return ArgumentError(
        f"{name}: {argument}={value!r}{problem}", expected=expected, fix=f"change {argument}"
    )


def tensors(name: str, input: Any, target: Any) -> None:
    """Refuse lists and NumPy arrays where a prediction and its target belong."""
    if not (isinstance(input, Tensor) and isinstance(target, Tensor)):
        raise DTypeError(
            f"{name}: {type(input).__name__} and {type(target).__name__} are not both tensors",
            expected="tensors",
            fix="sl.tensor(data) makes a tensor of numbers, lists and arrays",
        )


def pair(name: str, input: Tensor, target: Tensor, equal: bool = False) -> None:
    """Refuse (N, 1) against (N,): every prediction would be compared with every target."""
    tensors(name, input, target)
    if input.shape == target.shape:
        return
    if equal or math.prod(broadcast_shape(name, input, target)) != input.numel():
        words = (
            "input is {}, but target is {}" if equal else "input {} and target {} do not pair up"
        )
        raise ShapeError(
            f"{name}: {words.format(input.shape, target.shape)}",
            expected="one target for each prediction",
            fix="target.reshape(input.shape) if both have as many elements",
        )


def shapes(words: str, input: Tensor, shape: Shape, *parameters: Tensor | None) -> None:
    """Refuse parameters of another shape; the words may name {given}, {wanted} and its {size}."""
    for parameter in parameters:
        if parameter is not None and parameter.shape != shape:
            raise ShapeError(
                words.format(given=parameter.shape, wanted=shape, size=shape[0]),
                expected=f"parameters of shape {shape}",
                got={"input": input, "parameter": parameter},
                fix="build the layer with the sizes of its input",
            )


def indices(name: str, what: str, given: Any, size: int) -> Tensor:
    """Return the indices once it is sure that they are integers from 0 to size − 1."""
    if not isinstance(given, Tensor) or given.dtype.kind not in "iu":
        raise DTypeError(
            f"{name}: each {what} is an integer, in a tensor", got={what: given},
            expected="an int64 tensor", fix="input.long(), or sl.tensor(input)",
        )  # fmt: skip
    try:
        return in_range(given, size=size)
    except IndexOutOfRangeError:
        raise wrong_index(f"{name}: {what} {{}} does not exist", given, size) from None


def wrong_index(words: str, given: Tensor, size: int, ignored: int | None = None) -> IndexError:
    """The error that names the first index that is out of range, and where it stands."""
    numbers = given.cpu().numpy()
    place = np.argwhere((numbers != ignored) & ((numbers < 0) | (numbers >= size)))[0].tolist()
    others = "" if ignored is None else f", or {ignored} for one that does not count"
    return IndexOutOfRangeError(
        words.format(numbers[tuple(place)], place, size),
        expected=f"0 to {size - 1}{others}",
        fix="mend the data, or make room for more: give the network more outputs",
    )
