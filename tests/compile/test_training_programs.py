"""Programs as people write them around training: compiled, they equal eager or are refused."""

from __future__ import annotations

import copy
import functools
import pickle
from dataclasses import dataclass
from typing import Any

import pytest
from tests.compile.programs import agrees, labels, numbers, refused

import streetlight as sl
from streetlight import nn, optim
from streetlight.errors import CompileError, TraceError
from streetlight.nn import functional as F


def test_a_second_network_follows_slowly() -> None:
    @agrees
    def program(compile: Any) -> Any:
        quick, slow = nn.Linear(3, 2), nn.Linear(3, 2)
        optimizer = optim.Adam(quick.parameters(), 0.1)

        @compile
        def step(x: Any) -> Any:
            optimizer.zero_grad()
            loss = F.mse_loss(quick(x), slow(x).detach())
            loss.backward()
            optimizer.step()
            with sl.no_grad():
                for p, q in zip(quick.parameters(), slow.parameters(), strict=True):
                    q.mul_(0.9).add_(p, alpha=0.1)
            return loss

        losses = [step(numbers(4, 3, seed=i)) for i in range(5)]
        return losses, quick.state_dict(), slow.state_dict()


def test_weights_are_loaded_inside() -> None:
    @agrees
    def program(compile: Any) -> Any:
        one, other = nn.Linear(3, 2), nn.Linear(3, 2)

        @compile
        def take_over() -> None:
            other.load_state_dict(one.state_dict())

        take_over()
        with sl.no_grad():
            one.weight.add_(1)
        take_over()
        return other.state_dict()


def test_a_closure_computes_the_loss() -> None:
    @agrees
    def program(compile: Any) -> Any:
        model = nn.Linear(3, 2)
        optimizer = optim.SGD(model.parameters(), 0.1)

        @compile
        def step(x: Any) -> Any:
            def loss() -> Any:
                optimizer.zero_grad()
                value = (model(x) ** 2).sum()
                value.backward()
                return value

            return optimizer.step(loss)

        return [step(numbers(4, 3, seed=i)) for i in range(3)], model.state_dict()


def test_a_batch_is_taken_in_parts() -> None:
    @agrees
    def program(compile: Any) -> Any:
        model = nn.Linear(3, 2)
        optimizer = optim.SGD(model.parameters(), 0.1, momentum=0.9)

        @compile
        def step(x: Any) -> None:
            optimizer.zero_grad()
            for part in x.chunk(3):
                ((model(part) ** 2).sum() / 3).backward()
            optimizer.step()

        for seed in range(4):
            step(numbers(6, 3, seed=seed))
        return model.state_dict()


def test_gradients_of_hidden_values_are_kept_and_walked_twice() -> None:
    @agrees
    def program(compile: Any) -> Any:
        weight = nn.Parameter(numbers(3))

        @compile
        def f(x: Any) -> Any:
            hidden = weight * x
            hidden.retain_grad()
            loss = (hidden**2).sum()
            loss.backward(retain_graph=True)
            loss.backward()
            slopes = hidden.grad, weight.grad
            weight.grad = None
            return slopes

        return [f(numbers(3, seed=i)) for i in range(2)]


def test_an_input_climbs_its_own_gradient() -> None:
    @agrees
    def program(compile: Any) -> Any:
        model = nn.Linear(3, 1)

        @compile
        def climb(x: Any) -> Any:
            x.grad = None
            model(x).tanh().sum().backward()
            with sl.no_grad():
                x.add_(x.grad.sign() * 0.1).clamp_(-1, 1)
            return x

        x = numbers(4, 3).requires_grad_()
        return [climb(x) * 1 for _ in range(3)], x, x.grad


def test_the_learning_rate_is_an_argument() -> None:
    @agrees
    def program(compile: Any) -> Any:
        model = nn.Linear(3, 2)
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        @compile
        def step(x: Any, lr: float) -> None:
            optimizer.param_groups[0]["lr"] = lr
            optimizer.zero_grad()
            (model(x) ** 2).sum().backward()
            optimizer.step()

        for lr in (0.1, 0.2, 0.05):
            step(numbers(4, 3), lr)
        return model.state_dict(), optimizer.param_groups[0]["lr"]


def test_the_best_model_is_kept_and_taken_up_again() -> None:
    @agrees
    def program(compile: Any) -> Any:
        model = nn.Linear(3, 2)
        optimizer = optim.Adam(model.parameters(), 0.1)

        @compile
        def step(x: Any) -> None:
            optimizer.zero_grad()
            (model(x) ** 2).sum().backward()
            optimizer.step()

        for seed in range(3):
            step(numbers(4, 3, seed=seed))
        best, state = copy.deepcopy(model), copy.deepcopy(optimizer.state_dict())
        saved = pickle.loads(pickle.dumps(model.state_dict()))
        step(numbers(4, 3))
        model.load_state_dict(saved)
        optimizer.load_state_dict(state)
        step(numbers(4, 3))
        return model.state_dict(), best.state_dict(), optimizer.state_dict()


def test_data_are_exchanged_inside() -> None:
    @agrees
    def program(compile: Any) -> Any:
        weight = nn.Parameter(numbers(3))

        @compile
        def f(x: Any) -> Any:
            weight.data = weight.data * 0.9 + x
            return weight * 1

        return [f(numbers(3, seed=i)) for i in range(3)], weight


# ---- what is refused, each by name ----


@dataclass
class Scores:
    """A result of a class of its own."""

    scores: Any


def result_of_a_class(compile: Any) -> Any:
    return compile(lambda x: Scores(x * 2))(numbers(3)).scores


def mode_changed_inside(compile: Any) -> Any:
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5))

    @compile
    def f(x: Any) -> Any:
        y = model(x)
        model.eval()
        return y

    return [f(numbers(2, 3)) for _ in range(2)]


def schedule_inside(compile: Any) -> Any:
    model = nn.Linear(3, 2)
    optimizer = optim.SGD(model.parameters(), 0.1)
    schedule = optim.lr_scheduler.ExponentialLR(optimizer, 0.5)

    @compile
    def step(x: Any) -> None:
        optimizer.zero_grad()
        (model(x) ** 2).sum().backward()
        optimizer.step()
        schedule.step()

    return [step(numbers(4, 3)) for _ in range(3)]


def state_as_a_new_tensor(compile: Any) -> Any:
    class Model(nn.Module):
        def __init__(self) -> None:
            self.state = nn.Buffer(sl.zeros(3))

        def forward(self, x: Any) -> Any:
            self.state = self.state * 0.9 + x
            return self.state * 1

    f = compile(Model())
    return [f(numbers(3, seed=i)) for i in range(3)]


REFUSED = {
    result_of_a_class: "a tensor of the function is kept after its end",
    mode_changed_inside: r"the function changes what it relies on: model\.1\.training is True",
    schedule_inside: r"a tensor of the function is kept after its end.*schedule\.step\(\)",
    state_as_a_new_tensor: r"a tensor of the function is kept after its end.*self\.state = ",
}


@pytest.mark.parametrize("program", REFUSED, ids=lambda program: program.__name__)
def test_programs_that_a_graph_cannot_hold_are_refused(program: Any) -> None:
    refused(program, TraceError, REFUSED[program])


def test_an_error_after_a_change_is_named() -> None:
    """What was changed before cannot be taken back, as in eager; the error says so."""

    @functools.partial(refused, error=CompileError, words="an index is out of range in")
    def program(compile: Any) -> Any:
        total, table = sl.zeros(3), numbers(2, 3)

        @compile
        def f(x: Any, i: Any) -> Any:
            total.add_(x)
            return table[i] + total

        f(sl.ones(3), labels(2, 2))
        try:
            f(sl.ones(3), sl.tensor([7]))
        except IndexError:  # so it is in eager code
            return total
