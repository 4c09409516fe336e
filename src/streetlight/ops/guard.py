"""A guard for functions that people call with lists and arrays where tensors are meant.

Methods and the framework itself call the functions beneath: the guard would cost time."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any, NoReturn

from streetlight.errors import DTypeError, StreetlightError
from streetlight.ops.registry import Value


def guard(names: dict[str, Any], module: str) -> None:
    """Replace the operations in a namespace that are plain functions by guarded ones."""
    for name, value in list(names.items()):
        if isinstance(value, FunctionType) and value.__module__.startswith("streetlight.ops."):
            names[name] = _guarded(value, module)


def _guarded(function: FunctionType, module: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except (AttributeError, TypeError, ValueError) as error:
            _explain(function, error, args, kwargs)

    call.__module__ = module  # where pickle finds it
    return call


def _explain(
    function: FunctionType, error: Exception, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> NoReturn:
    """Name the argument that is no tensor, if that is the matter."""
    parameters = inspect.signature(function).parameters
    given = dict(zip(parameters, args, strict=False)) | kwargs
    for name, value in given.items():
        wanted = name in parameters and parameters[name].annotation == "Tensor"
        if wanted and not isinstance(value, Value) and not isinstance(error, StreetlightError):
            raise DTypeError(
                f"{function.__name__}: cannot compute with a {type(value).__name__}",
                expected=f"a tensor as {name}", got={name: value}, fix="sl.tensor(...)",
            ) from error  # fmt: skip
    raise error
