"""Ways in which compilers were caught with wrong numbers: gradients, hooks, errors half-way.

Each program equals eager or raises a named error; see test_footguns.py.
"""

from __future__ import annotations

import functools
from typing import Any

from tests.compile.programs import agrees, labels, numbers, refused, same_error
from tests.compile.test_footguns_state import network, step_of

import streetlight as sl
from streetlight import nn, optim
from streetlight.errors import GradientError, IndexOutOfRangeError, TraceError

# ---- gradients ----


def test_gradients_that_the_step_used_up_are_not_there_without_a_word() -> None:
    @functools.partial(refused, error=TraceError, words="the gradient was used up inside")
    def program(compile: Any) -> Any:
        model = nn.Linear(3, 2)
        optimizer = optim.SGD(model.parameters(), 0.1)
        step, seen = compile(step_of(model, optimizer)), []
        for number in range(3):
            step(numbers(5, 3, seed=number), labels(5, 2))
            seen += [model.weight.grad, model.bias.grad]
        return seen


def test_gradients_that_the_step_returns_can_be_read() -> None:
    @agrees
    def program(compile: Any) -> Any:
        model = nn.Linear(3, 2)
        optimizer = optim.SGD(model.parameters(), 0.1)
        train = step_of(model, optimizer)
        step = compile(lambda x, y: (train(x, y), model.weight.grad))
        return [step(numbers(5, 3, seed=i), labels(5, 2)) for i in range(3)]


def test_gradients_add_up_over_the_calls() -> None:
    @agrees
    def program(compile: Any) -> Any:
        model = nn.Linear(3, 2)
        optimizer = optim.SGD(model.parameters(), 0.1, momentum=0.9)

        @compile
        def accumulate(x: Any) -> Any:
            loss = (model(x) ** 2).mean()
            loss.backward()
            return loss

        @compile
        def update() -> None:
            optimizer.step()
            optimizer.zero_grad()

        seen = []
        for number in range(8):
            accumulate(numbers(5, 3, seed=number))
            seen.append(None if model.weight.grad is None else model.weight.grad.clone())
            if number % 2:
                seen.append(update())
        return seen, model.weight.grad, model.state_dict()


def test_gradients_made_outside_are_used_inside() -> None:
    @agrees
    def program(compile: Any) -> Any:
        model = nn.Linear(3, 2)
        optimizer = optim.Adam(model.parameters(), 0.1)
        update, x = compile(optimizer.step), numbers(5, 3)
        for _ in range(4):
            model(x).sum().backward()
            update()
            with sl.no_grad():
                model.bias.grad.mul_(2)
            model.weight.grad = None
        return model.state_dict(), model.weight.grad, model.bias.grad, optimizer.state_dict()


def test_gradients_inside_of_the_step_can_be_changed() -> None:
    @agrees
    def program(compile: Any) -> Any:
        model = nn.Linear(3, 2)
        optimizer = optim.SGD(model.parameters(), 0.1)

        @compile
        def step(x: Any) -> Any:
            optimizer.zero_grad()
            (model(x) ** 2).sum().backward()
            model.weight.grad *= 0.5
            model.bias.grad = model.bias.grad.sign()
            optimizer.step()
            return model.weight.grad, model.bias.grad

        return [step(numbers(5, 3, seed=i)) for i in range(3)], model.state_dict()


def test_the_gradient_of_an_argument_is_kept_with_it() -> None:
    @agrees
    def program(compile: Any) -> Any:
        @compile
        def f(x: Any) -> Any:
            loss = (x**2).sum()
            loss.backward()
            return loss

        x, y = numbers(3).requires_grad_(), numbers(3, seed=1).requires_grad_()
        for given in (x, y, x):
            f(given)
        return x.grad, y.grad


def test_a_result_says_that_it_cannot_be_differentiated_outside() -> None:
    @functools.partial(refused, error=GradientError, words="the result of a compiled function")
    def program(compile: Any) -> Any:
        model = nn.Linear(3, 2)
        f = compile(model)
        f(numbers(5, 3)).sum().backward()
        return model.weight.grad


def test_no_grad_around_the_call_is_noticed() -> None:
    @agrees
    def program(compile: Any) -> Any:
        model = nn.Linear(3, 2)

        @compile
        def f(x: Any) -> Any:
            y = model(x)
            return y.detach(), y.requires_grad, sl.is_grad_enabled()

        seen = [f(numbers(5, 3))]
        with sl.no_grad():
            seen.append(f(numbers(5, 3)))
        return [*seen, f(numbers(5, 3))]


def test_second_gradients_are_taken_inside() -> None:
    @agrees
    def program(compile: Any) -> Any:
        model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
        optimizer = optim.SGD(model.parameters(), 0.1)

        @compile
        def step(x: Any) -> Any:
            optimizer.zero_grad()
            given = x.detach().requires_grad_()
            (slope,) = sl.grad(model(given).sum(), given, create_graph=True)
            penalty = ((slope.norm(dim=1) - 1) ** 2).mean()
            penalty.backward()
            optimizer.step()
            return penalty

        return [step(numbers(5, 3, seed=i)) for i in range(4)], model.state_dict()


# ---- hooks ----


def test_hooks_run_as_in_eager() -> None:
    @agrees
    def program(compile: Any) -> Any:
        model = network()
        optimizer = optim.SGD(model.parameters(), 0.1)
        step, seen = compile(step_of(model, optimizer)), []
        handle = None
        for number in range(9):
            seen.append(step(numbers(5, 3, seed=number), labels(5, 2)))
            if number == 2:
                handle = model[0].register_forward_hook(lambda module, args, out: out * 2)
            if number == 4:
                model[4].weight.register_hook(lambda gradient: gradient * 0.5)
            if number == 6:
                handle.remove()
        return seen, model.state_dict()


# ---- errors in the middle ----


def test_an_error_before_the_update_leaves_everything_as_it_was() -> None:
    @agrees
    def program(compile: Any) -> Any:
        model = nn.Linear(3, 2)
        optimizer = optim.Adam(model.parameters(), 0.1)
        step, seen = compile(step_of(model, optimizer)), []
        for number in range(4):
            target = labels(5, 2) if number != 2 else sl.tensor([0, 1, 2, 1, 0])
            try:
                seen.append(step(numbers(5, 3, seed=number), target))
            except IndexOutOfRangeError as error:
                seen.append(str(error))
        return seen, model.state_dict(), optimizer.state_dict()


def test_an_error_of_the_users_own_is_raised_as_it_is() -> None:
    @agrees
    def program(compile: Any) -> Any:
        state = sl.zeros(3)

        @compile
        def f(x: Any) -> Any:
            state.add_(x)
            if x.shape[0] != 3:
                raise KeyError("this is mine")
            return state * 1

        f(sl.ones(3))
        try:
            f(sl.ones(1))
        except KeyError as error:
            return str(error), state, f(sl.ones(3))


def test_wrong_shapes_are_refused_as_in_eager() -> None:
    def program(compile: Any) -> Any:
        f = compile(nn.Linear(3, 2))
        return f(numbers(4, 3)), f(numbers(4, 5))

    same_error(program, ValueError, "linear: last size of input is 5, but weight expects 3")
