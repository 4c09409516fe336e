"""What the tests of the compiler as a whole share: a program is run eagerly and compiled.

A program is a function of `compile`. It decorates its steps with it, calls them, and returns all
that can be seen from outside: results of every call, parameters, state. It is run once with a
`compile` that does nothing and once with `sl.compile`. Results are looked at when the program has
ended, so that a result that a later call overwrites is noticed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import streetlight as sl
from streetlight.errors import StreetlightError

Program = Callable[[Callable[..., Any]], Any]

# By dtype: relative and absolute tolerance, for sums in another order and other exp and tanh.
ROUNDING = {"float16": (4e-3, 1e-3), "float32": (2e-5, 2e-6), "float64": (1e-10, 1e-12)}


def identity(function: Any) -> Any:
    return function


class Recorder:
    """`sl.compile` that keeps what it made, to ask later whether native code ran."""

    def __init__(self) -> None:
        self.made: list[Any] = []

    def __call__(self, function: Any) -> Any:
        self.made.append(sl.compile(function))
        return self.made[-1]

    def native_calls(self) -> int:
        return sum(version.calls for step in self.made for version in step.explain().versions)

    def eager_calls(self) -> dict[str, int]:
        return {why: n for step in self.made for why, n in step.explain().eager_calls.items()}


def plain(value: Any) -> Any:
    """Copy what a program returned, with arrays in place of tensors."""
    if isinstance(value, sl.Tensor):
        return np.array(value.detach().numpy())
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, (tuple, list)):
        return [type(value).__name__, *map(plain, value)]
    return value


def outcome(program: Program, compile: Callable[..., Any]) -> Any:
    """Run a program from one and the same state of the random generator."""
    sl.manual_seed(1)
    result = program(compile)
    return plain([result, sl.random.default_generator.get_state()])


def compare(compiled: Any, eager: Any, where: str = "result", rounding: Any = None) -> None:
    """Compare what two runs returned: structure, dtypes and shapes exactly, numbers by dtype."""
    assert type(compiled) is type(eager), f"{where}: {compiled!r} where eager has {eager!r}"
    if isinstance(eager, np.ndarray):
        assert compiled.dtype == eager.dtype, where
        assert compiled.shape == eager.shape, where
        allowed = ROUNDING if rounding is None else rounding
        relative, absolute = allowed.get(str(eager.dtype), (0, 0))
        np.testing.assert_allclose(
            compiled.astype(np.float64) if relative else compiled,
            eager.astype(np.float64) if relative else eager,
            rtol=relative, atol=absolute, err_msg=where,
        )  # fmt: skip
    elif isinstance(eager, dict):
        assert list(compiled) == list(eager), where
        for key in eager:
            compare(compiled[key], eager[key], f"{where}[{key!r}]", rounding)
    elif isinstance(eager, list):
        assert len(compiled) == len(eager), where
        for place, (one, other) in enumerate(zip(compiled, eager, strict=True)):
            compare(one, other, f"{where}[{place}]", rounding)
    elif isinstance(eager, float):
        assert compiled == pytest.approx(eager, rel=1e-12, abs=1e-15, nan_ok=True), where
    else:
        assert compiled == eager, where


def agrees(program: Program, native: bool | None = True, rounding: Any = None) -> None:
    """Compiled, the program does the same as without.

    Args:
        native: whether native code must have run, or must not; None if both are fine.
    """
    eager = outcome(program, identity)
    recorder = Recorder()
    compiled = outcome(program, recorder)
    compare(compiled, eager, rounding=rounding)
    assert recorder.made, "the program compiles nothing"
    ran = recorder.native_calls() > 0
    assert native is None or ran == native, f"eager calls: {recorder.eager_calls()}"


def refused(program: Program, error: type[Exception], words: str) -> None:
    """Compiled, the program raises this error with these words; eagerly it runs."""
    outcome(program, identity)
    with pytest.raises(error, match=words) as caught:
        outcome(program, sl.compile)
    assert isinstance(caught.value, StreetlightError)


def same_error(program: Program, error: type[Exception], words: str, whole: bool = True) -> None:
    """Eagerly and compiled, the program raises the same error with these words.

    Args:
        whole: whether the whole message must be the same.
    """
    said = []
    for compile in (identity, sl.compile):
        with pytest.raises(error, match=re.escape(words)) as caught:
            outcome(program, compile)
        said.append((type(caught.value), str(caught.value) if whole else ""))
    assert said[0] == said[1]


@contextmanager
def default_dtype(dtype: Any) -> Iterator[None]:
    """Compute in another dtype for a while."""
    before = sl.get_default_dtype()
    sl.set_default_dtype(dtype)
    try:
        yield
    finally:
        sl.set_default_dtype(before)


def numbers(*shape: int, seed: int = 0, dtype: Any = None) -> sl.Tensor:
    """A tensor of normally distributed numbers."""
    array = np.random.default_rng(seed).normal(size=shape)
    return sl.tensor(array, dtype=dtype or sl.get_default_dtype())


def labels(count: int, classes: int, seed: int = 0) -> sl.Tensor:
    """A vector of class labels."""
    return sl.tensor(np.random.default_rng(seed).integers(0, classes, count))
