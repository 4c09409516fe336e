"""Ways in which compilers were caught with wrong numbers: looks at tensors, and draws, inside.

Each program equals eager or raises a named error; see test_footguns.py.
"""

from __future__ import annotations

import functools
import random
import time
from typing import Any

import numpy as np
import pytest
from tests.compile.programs import agrees, numbers, refused

import streetlight as sl
from streetlight import nn
from streetlight.errors import TraceError


def lowered(y: Any) -> Any:
    while y.sum() > -100:
        y = y - 100
    return y


LOOKS = {
    "item": lambda y: y.sum().item(),
    "float": lambda y: float(y.sum()),
    "int": lambda y: int(y.sum()),
    "bool": lambda y: bool(y.sum() > 0),
    "if": lambda y: y if y.sum() > 0 else -y,
    "while": lambda y: lowered(y),
    "and": lambda y: y.sum() > 0 and y,
    "max": lambda y: max(y[0], y[1]),
    "in": lambda y: 2.0 in y,
    "tolist": lambda y: y.tolist(),
    "numpy": lambda y: y.numpy(),
    "asarray": lambda y: np.asarray(y),
    "repr": lambda y: repr(y),
    "format": lambda y: f"{y.sum():.3f}",
    "index": lambda y: [1, 2, 3][y.argmax()],
    "range": lambda y: range(y.argmax()),
    "nonzero": lambda y: y.nonzero(),
    "mask": lambda y: y[y > 0],
    "allclose": lambda y: sl.allclose(y, y),
    "equal": lambda y: y.equal(y),
}


@pytest.mark.parametrize("name", LOOKS)
def test_looking_at_numbers_is_refused_by_name_and_line(name: str) -> None:
    @functools.partial(refused, error=TraceError, words=r"test_footguns_looks\.py:\d+")
    def program(compile: Any) -> Any:
        f = compile(lambda x: LOOKS[name](x * 2))
        return f(numbers(3).abs())


def test_printing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    @functools.partial(refused, error=TraceError, words=r"test_footguns_looks\.py:\d+")
    def program(compile: Any) -> Any:
        @compile
        def f(x: Any) -> Any:
            print(x * 2)
            return x

        return f(numbers(3))

    capsys.readouterr()


def test_tensors_that_are_kept_elsewhere_are_refused() -> None:
    @functools.partial(refused, error=TraceError, words=r"is kept after its end.*kept\.append")
    def program(compile: Any) -> Any:
        kept: list[Any] = []

        @compile
        def f(x: Any) -> Any:
            kept.append(x * 2)
            return x.sum()

        return [f(numbers(3, seed=i)) for i in range(3)], kept


def test_tensors_that_are_kept_in_the_model_are_refused() -> None:
    @functools.partial(refused, error=TraceError, words=r"is kept after its end.*self\.hidden = ")
    def program(compile: Any) -> Any:
        class Model(nn.Module):
            def forward(self, x: Any) -> Any:
                self.hidden = x * 2
                return x.sum()

        model = Model()
        f = compile(model)
        return [(f(numbers(3, seed=i)), model.hidden * 1) for i in range(4)]


RANDOM = {
    "random.random": lambda x: x * random.random(),
    "numpy": lambda x: x * np.random.default_rng().random(),
    "numpy array": lambda x: x + np.random.normal(size=3),
    "time": lambda x: x * time.perf_counter(),
}


@pytest.mark.parametrize("name", RANDOM)
def test_randomness_of_python_is_not_frozen(name: str) -> None:
    """A graph would repeat the first number for ever."""
    with pytest.raises(TraceError, match=r"not do the same when it runs twice.*_looks\.py:\d+"):
        sl.compile(lambda x: RANDOM[name](x))(sl.ones(3))


DRAWS = {
    "rand": lambda: sl.rand(3),
    "randn": lambda: sl.randn(3),
    "rand_like": lambda: sl.rand_like(sl.ones(3)),
    "uniform_": lambda: sl.empty(3).uniform_(2, 3),
    "normal_": lambda: sl.zeros(3).normal_(),
    "dropout": lambda: nn.functional.dropout(sl.ones(30)),
}


@pytest.mark.parametrize("name", DRAWS)
def test_draws_inside_are_new_at_every_call(name: str) -> None:
    def program(compile: Any) -> Any:
        f = compile(lambda x: (x, DRAWS[name]()))
        return [f(sl.ones(3)) for _ in range(4)]

    agrees(program)


@pytest.mark.parametrize("draw", [lambda: sl.randint(0, 100, (3,)), lambda: sl.randperm(20)])
def test_draws_of_whole_numbers_are_refused(draw: Any) -> None:
    @functools.partial(refused, error=TraceError, words=r"a generator draws whole numbers.*py:\d+")
    def program(compile: Any) -> Any:
        f = compile(lambda x: (x, draw()))
        return [f(sl.ones(3)) for _ in range(2)]


def test_generators_may_be_arguments_and_may_be_shared() -> None:
    @agrees
    def program(compile: Any) -> Any:
        shared = sl.Generator().manual_seed(5)

        @compile
        def f(x: Any, generator: Any) -> Any:
            first = nn.functional.dropout(x, generator=generator)
            return first + nn.functional.dropout(x, generator=shared), sl.rand(2)

        seen = []
        for seed in (1, 1, 2):
            seen.append(f(sl.ones(8), sl.Generator().manual_seed(seed)))
            seen.append(sl.rand(2, generator=shared))
            seen.append(f(sl.ones(8), shared))
            shared.manual_seed(seed)
            sl.manual_seed(seed)
        return seen, shared.get_state()


def test_there_may_be_many_generators() -> None:
    @agrees
    def program(compile: Any) -> Any:
        layers = [nn.Dropout(generator=sl.Generator().manual_seed(i)) for i in range(40)]
        f = compile(lambda x: [layer(x) for layer in layers])
        return [f(sl.ones(5)) for _ in range(3)]
