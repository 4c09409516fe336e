"""What docs/compile.md warns of, as far as no other test shows it.

Changes of what a function relies on must be seen, wherever it finds it.
"""

from __future__ import annotations

import math
import types
from collections import deque
from typing import Any

import numpy as np
import pytest
from tests.compile.programs import agrees, numbers, refused

import streetlight as sl
from streetlight import tanh
from streetlight.compile.function import identifier
from streetlight.errors import TraceError


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


# ---- changes that are seen ----


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


def test_functions_that_are_called_through_a_module() -> None:
    def program(compile: Any) -> Any:
        helpers, factor = module(), sl.ones(2)
        helpers.table = {"shift": 1.0, "factor": factor}
        helpers.loss = lambda x: x * helpers.scale * helpers.table["factor"] + other["shift"]
        other = helpers.table
        f = compile(lambda x: helpers.loss(x))
        seen = [f(sl.ones(2))]
        helpers.scale = 3.0
        seen.append(f(sl.ones(2)))
        other["shift"] = 5.0
        seen.append(f(sl.ones(2)))
        helpers.table["factor"] = sl.zeros(2)
        seen.append(f(sl.ones(2)))
        helpers.loss = lambda x: x - 1
        return [*seen, f(sl.ones(2))]

    agrees(program)


def test_modules_of_python_and_classes_with_methods_may_be_named() -> None:
    class Config(Options):
        kinds = frozenset({"a"})

        @property
        def twice(self) -> float:
            return 2 * self.scale

        @staticmethod
        def half(x: Any) -> Any:
            return x / 2

        @classmethod
        def scaled(cls, x: Any) -> Any:
            return x * cls.scale * math.pi

    @agrees
    def program(compile: Any) -> Any:
        def run(x: Any) -> Any:
            y = Config.half(x) * len(Config.kinds) + sl.zeros(2, dtype=sl.float32)
            return Config.scaled(y) * Config().twice * np.float32(math.sqrt(4))

        f = compile(run)
        return [f(sl.ones(2)) for _ in range(2)]


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


def test_large_arrays_that_are_copied() -> None:
    def program(compile: Any) -> Any:
        array = np.ones(100_000, np.float32)
        f = compile(lambda x: x + sl.tensor(array))
        seen = [f(sl.ones(100_000))]
        array[:] = 5
        return [*seen, f(sl.ones(100_000))]

    agrees(program, native=None)


def test_a_refused_change_that_the_function_catches() -> None:
    def program(compile: Any) -> Any:
        @compile
        def f(x: Any) -> Any:
            y = x.T * 2
            try:
                y.reshape(-1).add_(1.0)  # a view of y or a copy?
            except RuntimeError:
                return y * 0
            return y

        return f(numbers(2, 3))

    refused(program, TraceError, "this memory may be shared")


def test_a_refusal_that_the_function_catches() -> None:
    def program(compile: Any) -> Any:
        @compile
        def f(x: Any) -> Any:
            try:
                return x if x.sum() > 0 else -x
            except RuntimeError:
                return x * 0

        return f(sl.ones(2))

    refused(program, TraceError, "bool: a traced tensor has no numbers yet")
