"""Ways in which compilers were caught with wrong numbers: memory that is shared or changed.

Each program equals eager or raises a named error. More of them are in test_footguns_data.py (odd
layouts, shapes and numbers), test_footguns_state.py (models and optimisers that change between the
calls), test_footguns_gradients.py, test_footguns_python.py (what Python does around the tensors)
and test_footguns_looks.py (looks at numbers, and draws, inside).
"""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from tests.compile.programs import agrees, numbers

import streetlight as sl

# ---- results and the memory of the next call ----


def test_results_of_earlier_calls_survive_later_ones() -> None:
    @agrees
    def program(compile: Any) -> Any:
        f = compile(lambda x: (x * 2, x.sum()))
        return [f(numbers(3, seed=i)) for i in range(5)]


def test_a_result_may_be_the_input_of_the_next_call() -> None:
    @agrees
    def program(compile: Any) -> Any:
        f = compile(lambda x: x.tanh() * 1.5 + x.flip(0))
        seen = [numbers(4)]
        for _ in range(6):
            seen.append(f(seen[-1]))
        return seen


def test_results_may_change_places() -> None:
    @agrees
    def program(compile: Any) -> Any:
        f = compile(lambda a, b: (b, a + b))
        a, b, seen = numbers(3), numbers(3, seed=1), []
        for _ in range(6):
            a, b = f(a, b)
            seen.append((a, b))
        return seen


def test_a_result_that_nobody_keeps_changes_nothing() -> None:
    @agrees
    def program(compile: Any) -> Any:
        total = sl.zeros(3)

        @compile
        def add(x: Any) -> Any:
            total.add_(x)
            return total * 2

        add(numbers(3))
        kept = add(numbers(3))
        add(numbers(3))
        return kept, total


def test_an_argument_may_be_handed_back() -> None:
    @agrees
    def program(compile: Any) -> Any:
        f = compile(lambda x, y: (y, x, x + y))
        x, y = numbers(3), numbers(3, seed=1)
        first, second, _ = f(x, y)
        return first is y, second is x


def test_one_tensor_may_be_returned_twice() -> None:
    @agrees
    def program(compile: Any) -> Any:
        @compile
        def f(x: Any) -> Any:
            y = x * 2
            return y, [y], x

        for _ in range(2):
            first, (second,), _ = f(numbers(3))
        first.add_(1)
        return first, second


def test_a_view_of_a_result_still_looks_at_it() -> None:
    @agrees
    def program(compile: Any) -> Any:
        @compile
        def f(x: Any) -> Any:
            y = x * 2
            return y, y[0], y.T, y.reshape(6)

        for _ in range(2):
            results = f(numbers(2, 3))
        results[0].fill_(7)
        return results


def test_a_view_of_an_argument_still_looks_at_it() -> None:
    @agrees
    def program(compile: Any) -> Any:
        f = compile(lambda x: (x[1:], x.T, x + 1))
        x = numbers(2, 3)
        for _ in range(2):
            results = f(x)
        x.fill_(7)
        return results


def test_a_view_of_state_still_looks_at_it() -> None:
    @agrees
    def program(compile: Any) -> Any:
        state = numbers(2, 3)

        @compile
        def f(x: Any) -> Any:
            state.add_(x)
            return state[0], state

        results = [f(numbers(2, 3, seed=i)) for i in range(3)]
        return [*results, results[-1][1] is state]


# ---- arguments that share memory ----


def test_one_tensor_may_be_passed_twice() -> None:
    @agrees
    def program(compile: Any) -> Any:
        f = compile(lambda a, b: a * 2 + b)
        x, y = numbers(3), numbers(3, seed=1)
        return f(x, x), f(x, y), f(y, y)


def test_a_change_of_an_argument_is_seen_through_another() -> None:
    @agrees
    def program(compile: Any) -> Any:
        @compile
        def f(a: Any, b: Any) -> Any:
            a.add_(1)
            return a * b

        x, y = numbers(3), numbers(3, seed=1)
        return f(x, y), f(x, x), f(y, x), f(y, y), x, y


def test_arguments_that_overlap_are_changed_as_in_eager() -> None:
    @agrees
    def program(compile: Any) -> Any:
        @compile
        def f(a: Any, b: Any) -> Any:
            a.mul_(2)
            b.add_(a)
            return a + b

        apart, memory = numbers(6), numbers(8)
        first = f(apart[:3], apart[3:])
        second = f(memory[:3], memory[2:5])
        third = f(memory[4:7], memory[4:7])
        return first, second, third, apart, memory


def test_an_argument_may_be_a_parameter_or_share_its_memory() -> None:
    @agrees
    def program(compile: Any) -> Any:
        weight = sl.nn.Parameter(numbers(3))

        @compile
        def step(x: Any) -> Any:
            with sl.no_grad():
                weight.sub_(x * 0.1)
            return (weight * x).sum()

        flat = weight.detach()
        given = [numbers(3, seed=1), weight, flat, flat[::-1], numbers(3, seed=2)]
        return [step(x) for x in given], weight


def test_parameters_that_share_memory_change_as_in_eager() -> None:
    def program(compile: Any) -> Any:
        memory = numbers(5)
        a, b = memory[:3], memory[2:]

        @compile
        def step(x: Any) -> Any:
            a.add_(x)
            b.mul_(2)
            return a + b

        return [step(numbers(3, seed=i)) for i in range(3)], memory

    agrees(program, native=False)


# ---- changes in place ----


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x[0],
        lambda x: x[::-1],
        lambda x: x[..., ::-2],
        lambda x: x[1:3, 1],
        lambda x: x.T,
        lambda x: x.T[1:].T,
        lambda x: x.reshape(-1)[::5],
        lambda x: x.unsqueeze(0)[0, 2:],
        lambda x: x[:0],
        lambda x: x[2, 3],
    ],
)
def test_changes_through_views_reach_what_they_look_at(view: Any) -> None:
    """Negative strides are where another compiler was silently wrong."""

    @agrees
    def program(compile: Any) -> Any:
        state = numbers(4, 5)

        @compile
        def f(x: Any) -> Any:
            y = x * 1
            part = view(y)
            part.mul_(3)
            view(state).add_(part)
            view(y)[...] = view(state) * 0.5
            return y, part, state * 2

        return [f(numbers(4, 5, seed=i)) for i in range(3)], state


def test_arguments_are_changed_in_place() -> None:
    @agrees
    def program(compile: Any) -> Any:
        @compile
        def f(x: Any, index: Any) -> Any:
            x[0] = 7.0
            x[index] = x[index] * 2
            x[:, 1:].sub_(1)
            x[x > 100] = 0.0
            return x.sum()

        x, index = numbers(4, 3), sl.tensor([1, 3])
        return [f(x, index) for _ in range(3)], x


def test_strided_and_row_by_row_arguments_are_changed_in_place() -> None:
    @agrees
    def program(compile: Any) -> Any:
        @compile
        def f(x: Any) -> Any:
            x += 1
            x[0].mul_(2)
            return x * 1

        memory = numbers(6, 8)
        parts = [memory[:2, :3], memory[4:, ::3], memory.T[:2, ::2], numbers(2, 3), memory[:2, 5:]]
        return [f(part) for part in parts], memory


def test_gradients_flow_through_changes_in_place() -> None:
    @agrees
    def program(compile: Any) -> Any:
        weight = sl.nn.Parameter(numbers(3, 4))

        @compile
        def step(x: Any) -> Any:
            y = x * weight
            y[0] = y[1] * 2
            y[:, ::2].mul_(weight[:, ::2])
            y += 1
            y.relu_()
            weight.grad = None
            y.sum().backward()
            return y, weight.grad

        return [step(numbers(3, 4, seed=i)) for i in range(2)]


def test_overwritten_state_is_read_at_the_right_time() -> None:
    @agrees
    def program(compile: Any) -> Any:
        state = sl.zeros(3)

        @compile
        def f(x: Any) -> Any:
            before = state * 1
            old = state.clone()
            state.copy_(x)
            middle = state + old
            state.mul_(before)
            return before, middle, old, state + 0

        return [f(numbers(3, seed=i)) for i in range(4)], state


# ---- what is kept ----


def test_arguments_and_results_are_not_kept_alive() -> None:
    f = sl.compile(lambda x: (x * 2).sum())
    kept = []
    for i in range(3):
        x = numbers(3, seed=i)
        result = f(x)
        kept += [weakref.ref(x), weakref.ref(x._data), weakref.ref(result)]
    del x, result
    gc.collect()
    assert [ref() for ref in kept] == [None] * len(kept)


def test_a_compiled_function_that_is_dropped_drops_its_model() -> None:
    model = sl.nn.Linear(3, 2)
    f = sl.compile(model)
    f(numbers(4, 3))
    gone = weakref.ref(model.weight)
    del f, model
    gc.collect()
    assert gone() is None
