"""What docs/compile.md warns of, as far as no other test shows it.

Those that are expected to fail are changes of the program that are not seen: what the page says of
them must go when they are.
"""

from __future__ import annotations

import types
from collections import deque
from typing import Any

import numpy as np
import pytest
from tests.compile.programs import agrees, numbers

import streetlight as sl
from streetlight import tanh
from streetlight.compile.function import identifier

unseen = pytest.mark.xfail(
    raises=AssertionError, reason="this change is not seen: a wrong number without a word"
)


def test_the_python_of_a_function_runs_twice_for_each_version(
    capsys: pytest.CaptureFixture[str],
) -> None:
    @sl.compile
    def f(x: Any) -> Any:
        print("run")
        return x * 2

    for x in (sl.ones(2), sl.ones(2), sl.ones(3), sl.ones(2)):
        f(x)
    assert capsys.readouterr().out == "run\n" * 4


def test_a_mask_may_be_written_through() -> None:
    @agrees
    def program(compile: Any) -> Any:
        @compile
        def f(x: Any) -> Any:
            y = x.clone()
            y[y < 0] = 0.0
            return y

        return [f(numbers(5, seed=seed)) for seed in range(3)]


def test_operations_may_be_used_by_a_name_of_their_own() -> None:
    @agrees
    def program(compile: Any) -> Any:
        tanh.places.clear()  # as if nobody had differentiated it yet
        weight = sl.ones(2, requires_grad=True)

        @compile
        def f(x: Any) -> Any:
            tanh(x * weight).sum().backward()
            return weight.grad

        return f(numbers(2))


def test_values_may_have_the_names_of_functions_of_c() -> None:
    for name in ("cbrt", "atan2", "exp"):  # an operation of that name may call it
        assert identifier(name) == f"v_{name}"


# ---- what is not seen ----


class Options:
    scale = 2.0


class Slots:
    __slots__ = ("scale",)

    def __init__(self) -> None:
        self.scale = 2.0


def module() -> Any:
    made = types.ModuleType("config")
    made.scale = 2.0  # type: ignore[attr-defined]
    return made


@unseen
@pytest.mark.parametrize("make", [module, lambda: Options, Slots])
def test_attributes_of_modules_classes_and_slots(make: Any) -> None:
    def program(compile: Any) -> Any:
        owner = make()
        f, seen = compile(lambda x: x * owner.scale), []
        for owner.scale in (2.0, 3.0):
            seen.append(f(sl.ones(2)))
        owner.scale = 2.0
        return seen

    agrees(program, native=None)


@unseen
@pytest.mark.parametrize("kind", [set, deque])
def test_sets_and_queues(kind: Any) -> None:
    def program(compile: Any) -> Any:
        things = kind([1])
        put = things.add if kind is set else things.append
        f = compile(lambda x: x * len(things))
        seen = [f(sl.ones(2))]
        put(2)
        return [*seen, f(sl.ones(2))]

    agrees(program, native=None)


@unseen
def test_large_arrays_that_are_copied() -> None:
    def program(compile: Any) -> Any:
        array = np.ones(100_000, np.float32)
        f = compile(lambda x: x + sl.tensor(array))
        seen = [f(sl.ones(100_000))]
        array[:] = 5
        return [*seen, f(sl.ones(100_000))]

    agrees(program, native=None)


@unseen
def test_a_refusal_that_the_function_catches() -> None:
    def program(compile: Any) -> Any:
        @compile
        def f(x: Any) -> Any:
            try:
                return x if x.sum() > 0 else -x
            except RuntimeError:
                return x * 0

        return f(sl.ones(2))

    agrees(program, native=None)
