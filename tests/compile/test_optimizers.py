"""Every optimiser and schedule: twenty compiled steps equal twenty eager ones, state and all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.compile.programs import agrees, default_dtype, numbers

import streetlight as sl
from streetlight import nn, optim
from streetlight.nn.utils import clip_grad_norm_, clip_grad_value_
from streetlight.optim import lr_scheduler as schedules

STEPS = 20

OPTIMIZERS: dict[str, Callable[..., Any]] = {
    "SGD": lambda p: optim.SGD(p, lr=0.1),
    "SGD with momentum": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, dampening=0.1),
    "SGD with Nesterov": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    "SGD with decay": lambda p: optim.SGD(p, lr=0.1, weight_decay=0.01),
    "SGD upwards": lambda p: optim.SGD(p, lr=0.001, maximize=True),
    "Adam": lambda p: optim.Adam(p, lr=0.01),
    "Adam with options": lambda p: optim.Adam(
        p, lr=0.01, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1, amsgrad=True
    ),
    "AdamW": lambda p: optim.AdamW(p, lr=0.01),
    "AdamW upwards": lambda p: optim.AdamW(p, lr=0.001, amsgrad=True, maximize=True),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.005),
    "RMSprop with options": lambda p: optim.RMSprop(
        p, lr=0.005, alpha=0.9, eps=1e-6, weight_decay=0.1, momentum=0.8, centered=True
    ),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.05),
    "Adagrad with options": lambda p: optim.Adagrad(
        p, lr=0.05, lr_decay=0.1, weight_decay=0.1, initial_accumulator_value=0.5, eps=1e-6
    ),
}

SCHEDULES: dict[str, Callable[[Any], Any]] = {
    "LambdaLR": lambda o: schedules.LambdaLR(o, lambda t: 1 / (t + 1)),
    "StepLR": lambda o: schedules.StepLR(o, 3, 0.5),
    "MultiStepLR": lambda o: schedules.MultiStepLR(o, [2, 5, 5], 0.5),
    "ExponentialLR": lambda o: schedules.ExponentialLR(o, 0.9),
    "CosineAnnealingLR": lambda o: schedules.CosineAnnealingLR(o, 7, 0.001),
    "OneCycleLR": lambda o: schedules.OneCycleLR(o, 0.1, total_steps=STEPS + 1),
    "ReduceLROnPlateau": lambda o: schedules.ReduceLROnPlateau(o, patience=1, factor=0.5),
}


def training(
    optimizer_of: Any, schedule_of: Any = None, before_update: Any = None, keep: bool = False
) -> Any:
    """The program that trains a small network for twenty steps and tells everything."""

    def program(compile: Any) -> Any:
        model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
        optimizer = optimizer_of(model.parameters())
        schedule = schedule_of(optimizer) if schedule_of else None

        @compile
        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad(set_to_none=not keep)
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            norm = before_update(model.parameters()) if before_update else None
            optimizer.step()
            return loss, norm, [p.grad.clone() for p in model.parameters()]

        seen = []
        for number in range(STEPS):
            seen.append(step(numbers(6, 3, seed=number), numbers(6, 2, seed=number)))
            if isinstance(schedule, schedules.ReduceLROnPlateau):
                schedule.step(1.0)
            elif schedule is not None:
                schedule.step()
        return seen, model.state_dict(), optimizer.state_dict()

    return program


def test_every_optimiser_and_schedule_is_here() -> None:
    made = {type(make([sl.zeros(1, requires_grad=True)])) for make in OPTIMIZERS.values()}
    classes = {c for c in vars(optim).values() if isinstance(c, type)}
    assert {c for c in classes if issubclass(c, optim.Optimizer)} - {optim.Optimizer} == made
    named = {name for name, c in vars(schedules).items() if isinstance(c, type)}
    named = {n for n in named if issubclass(vars(schedules)[n], schedules.LRScheduler)}
    assert named - {"LRScheduler"} == SCHEDULES.keys()


@pytest.mark.parametrize("dtype", [sl.float64, sl.float32], ids=str)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimiser_equals_eager(name: str, dtype: Any) -> None:
    with default_dtype(dtype):
        agrees(training(OPTIMIZERS[name]))


@pytest.mark.parametrize("optimizer", ["SGD with momentum", "Adam with options"])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedule_between_the_calls_is_followed(schedule: str, optimizer: str) -> None:
    with default_dtype(sl.float64):
        agrees(training(OPTIMIZERS[optimizer], SCHEDULES[schedule]))


CLIPPING: dict[str, Callable[[Any], Any]] = {
    "by norm": lambda parameters: clip_grad_norm_(parameters, 0.5),
    "by the largest": lambda parameters: clip_grad_norm_(parameters, 0.1, float("inf")),
    "by value": lambda parameters: clip_grad_value_(parameters, 0.05),
}


@pytest.mark.parametrize("name", CLIPPING)
def test_clipping_inside_of_the_step_equals_eager(name: str) -> None:
    with default_dtype(sl.float64):
        agrees(training(OPTIMIZERS["Adam"], before_update=CLIPPING[name]))


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_gradients_may_be_filled_with_zeros_instead(name: str) -> None:
    with default_dtype(sl.float64):
        agrees(training(OPTIMIZERS[name], keep=True))


def test_groups_keep_their_own_options() -> None:
    def grouped(parameters: Any) -> Any:
        weight, bias, *rest = parameters
        groups = [{"params": [weight]}, {"params": [bias], "lr": 0.5, "weight_decay": 0.1}]
        return optim.Adam([*groups, {"params": rest, "betas": (0.5, 0.6)}], lr=0.01)

    with default_dtype(sl.float64):
        agrees(training(grouped, SCHEDULES["ExponentialLR"]))


def test_two_optimisers_share_the_work() -> None:
    def program(compile: Any) -> Any:
        model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
        first, second = optim.SGD(model[0].parameters(), 0.1), optim.Adam(model[2].parameters())

        @compile
        def step(x: Any) -> Any:
            first.zero_grad()
            second.zero_grad()
            loss = (model(x) ** 2).mean()
            loss.backward()
            first.step()
            second.step()
            return loss

        losses = [step(numbers(5, 3, seed=i)) for i in range(6)]
        return losses, model.state_dict(), second.state_dict()

    agrees(program)


def test_an_optimiser_of_ones_own_is_compiled() -> None:
    class SignDescent(optim.Optimizer):
        def update(self, parameter: Any, gradient: Any, state: Any, group: Any) -> None:
            state["calls"] = state.get("calls", 0) + 1
            parameter.sub_(gradient.sign() / state["calls"], alpha=group["lr"])

    with default_dtype(sl.float64):
        agrees(training(lambda p: SignDescent(p, {"lr": 0.1}), SCHEDULES["StepLR"]))
