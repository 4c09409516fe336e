"""Compiled functions as functions: names, methods, copies, arguments, and errors."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import traceback
from collections import namedtuple
from typing import Any

import numpy as np
import pytest
from tests.compile.programs import numbers

import streetlight as sl
from streetlight import nn
from streetlight.compile.compiled import Compiled
from streetlight.errors import ArgumentError, CompileError, IndexOutOfRangeError, TraceError


@sl.compile
def doubled(x: Any, flag: bool = True) -> Any:
    """Double or halve."""
    return x * 2 if flag else x / 2


def versions(step: Any) -> list[tuple[dict[str, str], str, int]]:
    return [(v.arguments, v.reason.words, v.calls) for v in step.explain().versions]


def test_the_names_of_the_function_are_kept() -> None:
    assert doubled.__name__ == "doubled"
    assert doubled.__doc__ == "Double or halve."
    assert doubled.__module__ == __name__
    assert doubled.__wrapped__(sl.ones(1)).item() == 2.0
    assert repr(doubled).startswith("<compiled <function doubled at ")


def test_a_compiled_function_is_compiled_once() -> None:
    assert sl.compile(doubled) is doubled


def test_a_module_keeps_its_attributes() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5))
    compiled = sl.compile(model)
    assert list(compiled.parameters()) == list(model.parameters())
    compiled.eval()
    assert not model.training
    x = numbers(4, 3)
    with sl.no_grad():
        np.testing.assert_allclose(compiled(x).numpy(), model(x).numpy(), rtol=1e-6)


@pytest.mark.parametrize("wrong", [3, "text", None])
def test_what_cannot_be_called_cannot_be_compiled(wrong: Any) -> None:
    with pytest.raises(ArgumentError, match=f"a {type(wrong).__name__} cannot be compiled"):
        sl.compile(wrong)


def test_generators_and_coroutines_are_refused() -> None:
    def batches(x: Any) -> Any:
        yield x

    async def later(x: Any) -> Any:
        return x

    for function in (batches, later):
        with pytest.raises(ArgumentError, match="that returns its result"):
            sl.compile(function)


class Learner:
    """Has a compiled method."""

    def __init__(self, rate: float) -> None:
        self.weight = nn.Parameter(sl.ones(2))
        self.rate = rate

    @sl.compile
    def step(self, x: Any) -> Any:
        with sl.no_grad():
            self.weight.sub_(x * self.rate)
        return self.weight * 1


def test_methods_belong_to_their_instance() -> None:
    one, other = Learner(0.5), Learner(0.25)
    assert isinstance(Learner.step, Compiled)
    assert one.step is one.step
    assert one.step is not other.step
    for _ in range(2):
        one.step(sl.ones(2))
    other.step(sl.ones(2))
    assert one.weight.tolist() == [0.0, 0.0]
    assert other.weight.tolist() == [0.75, 0.75]
    assert len(versions(one.step)) == 1


def test_methods_run_as_they_are_where_something_else_is_traced() -> None:
    class Network(nn.Module):
        def __init__(self) -> None:
            self.layer = nn.Linear(3, 2)

        @sl.compile
        def score(self, x: Any) -> Any:
            return self.layer(x)

        def forward(self, x: Any) -> Any:
            return self.score(x) * 2

    model = Network()
    f = sl.compile(model)
    with sl.no_grad():
        found = [f(numbers(4, 3)) for _ in range(3)]
        expected = model(numbers(4, 3))
    for one in found:
        np.testing.assert_allclose(one.numpy(), expected.numpy(), rtol=1e-6)
    assert versions(f)[0][2] >= 2


def test_methods_of_other_kinds() -> None:
    linear = nn.Linear(2, 2)

    class Tools:
        network = sl.compile(linear)

        @staticmethod
        @sl.compile
        def double(x: Any) -> Any:
            return x * 2

    Tools.triple = sl.compile(lambda self, x: x * 3)
    assert Tools().double(sl.ones(1)).item() == 2.0
    assert Tools().triple(sl.ones(1)).item() == 3.0
    assert Tools().network.__wrapped__ is linear
    with pytest.raises(ArgumentError, match="a staticmethod cannot be compiled"):
        sl.compile(staticmethod(len))


def test_an_instance_must_have_room_for_its_method() -> None:
    class Slim:
        __slots__ = ()
        step = sl.compile(lambda self, x: x)

    with pytest.raises(CompileError, match="step: a Slim cannot keep a compiled method"):
        Slim().step(sl.ones(1))


def test_copies_of_an_object_have_methods_of_their_own() -> None:
    one = Learner(0.5)
    one.step(sl.ones(2))
    twin = copy.deepcopy(one)
    twin.step(sl.ones(2))
    assert one.weight.tolist() == [0.5, 0.5]
    assert twin.weight.tolist() == [0.0, 0.0]


def test_copies_compile_anew() -> None:
    doubled(numbers(3))
    for twin in (copy.copy(doubled), copy.deepcopy(doubled)):
        assert twin is not doubled
        assert twin.__wrapped__ is doubled.__wrapped__
        assert not twin.explain().versions
    model = nn.Linear(2, 2)
    assert copy.deepcopy(sl.compile(model)).__wrapped__ is not model


def test_pickles_hold_the_function() -> None:
    doubled(numbers(3))
    assert pickle.loads(pickle.dumps(doubled)) is doubled
    model = pickle.loads(pickle.dumps(sl.compile(nn.Linear(2, 2))))
    assert model(numbers(3, 2)).shape == (3, 2)


def test_arguments_and_results_may_be_nested() -> None:
    Pair = namedtuple("Pair", "first second")

    @sl.compile
    def f(batch: Any, *rest: Any, scale: float, **more: Any) -> Any:
        x, y = batch["pair"]
        return Pair(x * scale, [y + rest[0], (rest, more["word"], None)]), {1: x}

    x, y, z = (numbers(2, seed=seed) for seed in range(3))
    for scale in (2.0, 3.0):
        (first, (second, (rest, word, nothing))), whole = f(
            {"pair": [x, y]}, z, scale=scale, word="a"
        )
        assert first.tolist() == (x * scale).tolist()
        assert second.tolist() == (y + z).tolist()
        assert rest == (z,)
        assert rest[0] is z
        assert (word, nothing) == ("a", None)
        assert whole[1] is x
    assert len(versions(f)) == 1
    assert list(f.explain().versions[0].arguments) == [
        "batch['pair'][0]", "batch['pair'][1]", "rest_0", "scale", "word",
    ]  # fmt: skip


def test_names_of_arguments_may_be_those_of_the_generated_text() -> None:
    @sl.compile
    def f(numbers: Any, lock: Any, MISS: Any, step: Any, input: Any, isinstance: Any) -> Any:
        return numbers + lock + MISS + step + input + isinstance

    assert f(*[sl.ones(1)] * 3, *[sl.ones(1) for _ in range(3)]).tolist() == [6.0]
    assert f(*[sl.ones(1) for _ in range(6)]).tolist() == [6.0]


def test_compiled_functions_may_be_called_in_compiled_functions() -> None:
    scale = nn.Parameter(sl.ones(3))
    inner = sl.compile(lambda x: x * scale)
    inner(sl.ones(3))
    outer = sl.compile(lambda x: inner(x).sum())
    assert [outer(sl.ones(3)).item() for _ in range(2)] == [3.0, 3.0]
    assert versions(inner)[0][2] == 1
    assert versions(outer)[0][2] == 2


# ---- errors ----


def test_a_wrong_index_is_refused_in_the_words_of_eager_code() -> None:
    table = nn.Embedding(5, 2)
    f = sl.compile(lambda i: table(i).sum() * sl.rand(1))
    for _ in range(2):
        f(sl.tensor([1, 2]))
    state = sl.random.default_generator.state()
    with pytest.raises(IndexOutOfRangeError) as compiled:
        f(sl.tensor([1, 7]))
    assert sl.random.default_generator.state() == state
    with pytest.raises(IndexOutOfRangeError) as eager:
        table(sl.tensor([1, 7]))
    assert str(compiled.value) == str(eager.value)
    assert "RunEagerly" not in "".join(traceback.format_exception(compiled.value))


def test_an_error_of_the_function_is_raised_after_its_changes() -> None:
    count = sl.zeros(1)

    @sl.compile
    def f(x: Any, wrong: bool) -> Any:
        count.add_(1)
        if wrong:
            raise KeyError("of the user")
        return x + count

    f(sl.ones(1), False)
    with pytest.raises(KeyError, match="of the user"):
        f(sl.ones(1), True)
    assert count.item() == 2.0
    assert f(sl.ones(1), False).item() == 4.0
    assert f.explain().eager_calls == {"it raises KeyError": 1}


def test_an_error_of_the_trace_alone_is_named() -> None:
    @sl.compile
    def f(x: Any) -> Any:
        return x + (0 if isinstance(x._data, np.ndarray) else {}["no array"])

    words = r"f raises KeyError\('no array'\) when it is traced, but not eagerly"
    with pytest.raises(TraceError, match=words):
        f(sl.ones(1))


def test_an_error_after_a_change_names_the_operation() -> None:
    table, count = sl.ones(5, 2), sl.zeros(2)

    @sl.compile
    def f(i: Any) -> Any:
        count.add_(table[i].sum(0))
        return table[(count * 3).long()]

    with pytest.raises(CompileError, match=r"f: an index is out of range in \w+ = \w+\(\.\.\.\)"):
        f(sl.tensor([1, 2]))


def test_no_compiler_is_told_at_the_call() -> None:
    code = """
import os, sys, streetlight as sl
os.environ["PATH"] = ""
sys.modules["ziglang"] = None
f = sl.compile(lambda x: x + 1)
try:
    f(sl.ones(3))
except sl.errors.CompileError as error:
    print(error)
"""
    command = [sys.executable, "-c", code]
    environment = {"PATH": "", "STREETLIGHT_CACHE": "", "HOME": "/nonexistent"}
    found = subprocess.run(
        command, capture_output=True, text=True, check=True, env=environment, cwd="/"
    )
    assert 'pip install "streetlight[compile]"' in found.stdout


def test_import_does_not_load_the_compiler() -> None:
    code = "import sys, streetlight as sl; sl.compile; print('streetlight.graph' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"
