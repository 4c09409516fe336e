"""Ways in which compilers were caught with wrong numbers: what Python does around the tensors.

Each program equals eager or raises a named error; see test_footguns.py.
"""

from __future__ import annotations

import functools
import threading
from collections import namedtuple
from typing import Any

import numpy as np
import pytest
from tests.compile.programs import agrees, default_dtype, identity, numbers, refused

import streetlight as sl
from streetlight import nn
from streetlight.errors import TraceError

SCALE = 2.0
TABLE = {"scale": [1.0, 2.0]}
WEIGHT = sl.ones(3)

# ---- numbers of the program ----


def test_a_global_number_that_changes_is_noticed() -> None:
    @agrees
    def program(compile: Any) -> Any:
        global SCALE
        f, seen = compile(lambda x: x * SCALE), []
        for value in (2.0, 3.0, 3, 2.0):
            SCALE = value
            seen.append(f(numbers(3)))
        return seen


def test_a_global_container_that_changes_is_noticed() -> None:
    @agrees
    def program(compile: Any) -> Any:
        f, seen = compile(lambda x: x * TABLE["scale"][1]), []
        for scale in (2.0, 3.0, 2.0):
            TABLE["scale"][1] = scale
            seen.append(f(numbers(3)))
        TABLE["scale"] = [0.0, 9.0]
        return [*seen, f(numbers(3))]


def test_a_global_tensor_that_is_exchanged_is_noticed() -> None:
    @agrees
    def program(compile: Any) -> Any:
        global WEIGHT
        f, seen = compile(lambda x: x * WEIGHT), []
        for seed in range(3):
            WEIGHT = numbers(3, seed=seed)
            seen.append(f(sl.ones(3)))
        return seen


def test_a_variable_of_the_enclosing_function_that_changes_is_noticed() -> None:
    @agrees
    def program(compile: Any) -> Any:
        scale, bias, flag, many = 2.0, numbers(3), True, [sl.ones(3)]

        @compile
        def f(x: Any) -> Any:
            y = x * scale + bias
            return sum(many, y) if flag else y

        seen = [f(sl.ones(3))]
        scale = 3.0
        seen.append(f(sl.ones(3)))
        bias = numbers(3, seed=1)
        seen.append(f(sl.ones(3)))
        many.append(sl.ones(3) * 5)
        seen.append(f(sl.ones(3)))
        flag = False
        return [*seen, f(sl.ones(3))]


def test_an_attribute_that_changes_is_noticed() -> None:
    @agrees
    def program(compile: Any) -> Any:
        class Options:
            scale = 2.0

        class Model(nn.Module):
            def __init__(self) -> None:
                self.options, self.power, self.names = Options(), 2, {"a": 1.0}

            def forward(self, x: Any) -> Any:
                return x**self.power * self.options.scale + self.names["a"]

        model = Model()
        f = compile(model)
        seen = [f(numbers(3))]
        model.power = 3
        seen.append(f(numbers(3)))
        model.options.scale = 5.0
        seen.append(f(numbers(3)))
        model.names["a"] = 7.0
        return [*seen, f(numbers(3))]


def test_a_captured_array_that_changes_is_noticed() -> None:
    @agrees
    def program(compile: Any) -> Any:
        array = np.ones(3, np.float32)
        f = compile(lambda x: x + array)
        seen = [f(numbers(3))]
        array[:] = 5
        return [*seen, f(numbers(3))]


def test_a_counter_in_the_model_is_refused() -> None:
    class Model(nn.Module):
        calls = 0

        def forward(self, x: Any) -> Any:
            self.calls += 1
            return x * self.calls

    @functools.partial(refused, error=TraceError, words="relies on: model.calls is 0")
    def program(compile: Any) -> Any:
        model = Model()
        f = compile(model)
        return [f(sl.ones(2)) for _ in range(4)], model.calls


def test_a_counter_outside_of_the_function_is_refused() -> None:
    @functools.partial(refused, error=TraceError, words="relies on: calls is 0")
    def program(compile: Any) -> Any:
        calls = 0

        @compile
        def f(x: Any) -> Any:
            nonlocal calls
            calls += 1
            return x * calls

        return [f(sl.ones(2)) for _ in range(4)], calls


def test_two_functions_of_one_text_are_two() -> None:
    @agrees
    def program(compile: Any) -> Any:
        def times(n: Any) -> Any:
            return compile(lambda x: x * n)

        functions = [times(2.0), times(3.0), times(2), times(sl.ones(3) * 4)]
        return [f(numbers(3)) for f in functions * 2]


# ---- arguments ----


def test_arguments_of_every_kind_are_told_apart() -> None:
    def program(compile: Any) -> Any:
        def f(x: Any, scale: Any = 2, *more: Any, mode: str = "add", **named: Any) -> Any:
            y = x * scale if mode == "mul" else x + scale if scale is not None else x
            for each in (*more, *named.values()):
                y = y + each
            return y, list(named)

        x, f, g, h, i = numbers(3), *[compile(f) for _ in range(4)]
        return [
            f(x), f(x, 3), f(x, 3.0), f(x, True), f(x, None), f(x, 2, x), f(x, 2, x, 1.5, x),
            g(x, mode="mul"), g(x, 3, mode="mul"), g(x, a=x, b=1), g(x, b=x, a=1), g(x=x, scale=3),
            h(x, scale=float("nan")), h(x, scale=float("inf")), h(x, -0.0, mode="mul"),
            h(x, np.float32(2.5)), h(x, np.int64(3)), i(x.long(), 2), i(x.long(), 2.5),
            i(x.long(), 2**40), i(x > 0, 1.5), i(x, sl.tensor(2.0, dtype=sl.float64)),
        ]  # fmt: skip

    agrees(program)


def test_containers_of_arguments_and_results_keep_their_form() -> None:
    pair = namedtuple("pair", ["first", "second"])

    @agrees
    def program(compile: Any) -> Any:
        @compile
        def f(batch: Any) -> Any:
            x, (y, z) = batch["x"], batch["rest"]
            return {"b": x + y, "a": [x, (y * 2, None)], "p": pair(x * z, 3), "name": "text"}

        x, y = numbers(3), numbers(3, seed=1)
        given = [
            {"x": x, "rest": (y, 2.0)}, {"rest": (y, 2.0), "x": x}, {"x": x, "rest": [y, 3.0]},
            {"x": y, "rest": (x, 4.0)},
        ]  # fmt: skip
        results = [f(batch) for batch in given]
        return results, [type(result["p"]).__name__ for result in results]


def test_floats_that_change_do_not_retrace() -> None:
    f = sl.compile(lambda x, lr: x * lr - lr**2)
    for lr in (0.1, 0.2, 1e-30, float("inf"), 0.1):
        np.testing.assert_allclose(f(sl.ones(2), lr).numpy(), np.float32(lr - lr**2), rtol=1e-6)
    assert len(f.explain().versions) == 1


def test_numbers_may_be_returned() -> None:
    @agrees
    def program(compile: Any) -> Any:
        @compile
        def f(x: Any, lr: float, n: int) -> Any:
            return x * lr, lr * 2, lr, n + 1, x.shape[0] * n, "text", None, x.dtype, x.ndim

        return [f(numbers(3), lr, 4) for lr in (0.1, 0.2, 0.3)]


def test_names_of_the_user_may_be_words_of_c() -> None:
    @agrees
    def program(compile: Any) -> Any:
        class Model(nn.Module):
            def __init__(self) -> None:
                self.int = nn.Linear(2, 2)
                self.__dict__["größe"] = nn.Linear(2, 2)
                self.parts = {"a-b.c": nn.Linear(2, 2), "0": nn.Linear(2, 2)}

            def forward(self, double: Any) -> Any:
                for layer in (self.int, self.größe, *self.parts.values()):
                    double = layer(double).tanh()
                return double

        @compile
        def main(double: Any, register: Any, step: Any, exp: Any, call: Any, größe: Any) -> Any:
            void = double + register * step
            return (void.exp() + exp * call) / größe

        model = compile(Model())
        return [main(*[numbers(3, seed=i).abs() + 1 for i in range(6)]), model(numbers(3, 2))] * 2


def test_long_programs_are_compiled() -> None:
    """Deep chains must not meet a limit of recursion."""

    @agrees
    def program(compile: Any) -> Any:
        weight = nn.Parameter(sl.ones(2))

        @compile
        def step(x: Any) -> Any:
            weight.grad = None
            y = x
            for _ in range(1500):
                y = y * 0.99 + weight * 0.01
            y.sum().backward()
            return y, weight.grad

        return [step(numbers(2, seed=i)) for i in range(2)]


# ---- the default dtype, threads, functions inside of functions ----


def test_another_default_dtype_is_noticed() -> None:
    @agrees
    def program(compile: Any) -> Any:
        f = compile(lambda x: (x * 1.5, x + sl.ones(3), sl.zeros(2), sl.tensor([1.5])))
        seen = []
        for dtype in (sl.float32, sl.float64, sl.float32):
            with default_dtype(dtype):
                seen.append(f(sl.tensor([1, 2, 3])))
        return seen


def test_compiled_functions_may_call_each_other() -> None:
    @agrees
    def program(compile: Any) -> Any:
        weight = nn.Parameter(numbers(3))
        inner = compile(lambda x: (x * weight).tanh())

        @compile
        def outer(x: Any) -> Any:
            weight.grad = None
            (inner(x) * 2).sum().backward()
            return inner(x) + 1, weight.grad

        return [outer(numbers(3)), inner(numbers(3)), outer(numbers(3, seed=1))]


def test_a_compiled_function_may_be_compiled_again() -> None:
    @agrees
    def program(compile: Any) -> Any:
        f = compile(compile(lambda x: x * 2))
        return [f(numbers(3)) for _ in range(2)]


def test_threads_may_call_one_compiled_function() -> None:
    total = sl.zeros(1000, dtype=sl.float64)

    @sl.compile
    def add(x: Any) -> Any:
        total.add_(x)
        return (x * 2).tanh()

    def work(seed: int) -> None:
        for i in range(50):
            x = numbers(1000, seed=seed * 50 + i, dtype=sl.float64)
            result = add(x)
            right.append(np.allclose(result.numpy(), np.tanh(2 * x.numpy()), rtol=1e-12))

    right: list[bool] = []
    threads = [threading.Thread(target=work, args=[seed]) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = sum(np.random.default_rng(seed).normal(size=1000) for seed in range(200))
    assert right == [True] * 200
    np.testing.assert_allclose(total.numpy(), expected, rtol=1e-9, atol=1e-9)


def test_a_compiled_function_may_call_itself() -> None:
    @agrees
    def program(compile: Any) -> Any:
        @compile
        def f(x: Any, depth: int) -> Any:
            return f(x * 2, depth - 1) if depth else x

        return [f(numbers(3), depth) for depth in (3, 0, 2, 3)]


def test_functions_of_every_kind_can_be_compiled() -> None:
    @agrees
    def program(compile: Any) -> Any:
        class Network(nn.Module):
            def __init__(self) -> None:
                self.layer = nn.Linear(3, 2)

            @compile
            def score(self, x: Any) -> Any:
                return self.layer(x)

            def forward(self, x: Any) -> Any:
                return self.score(x) * 2

        model, twin = Network(), Network()
        partial = functools.partial(nn.functional.elu, alpha=0.5)
        made = [compile(model), compile(model.forward), compile(partial), model, twin.score]
        return [f(numbers(4, 3)) for f in made * 2]


def test_the_same_program_without_compile_is_the_oracle() -> None:
    """The comparison itself notices a difference."""

    def program(compile: Any) -> Any:
        return sl.ones(3) * (1 if compile is identity else 2)

    with pytest.raises(AssertionError):
        agrees(program, native=None)
