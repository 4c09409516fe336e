"""Ways in which compilers were caught with wrong numbers: models that change between the calls.

Each program equals eager or raises a named error; see test_footguns.py.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from tests.compile.programs import agrees, labels, numbers

import streetlight as sl
from streetlight import nn, optim
from streetlight.nn import functional as F


def network() -> Any:
    return nn.Sequential(
        nn.Linear(3, 6), nn.Tanh(), nn.BatchNorm1d(6), nn.Dropout(0.3), nn.Linear(6, 2)
    )


def step_of(model: Any, optimizer: Any) -> Callable[[Any, Any], Any]:
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def changing(change: Callable[[Any, Any], Any], optimizer_of: Any = None) -> Any:
    """The program that trains, changes something between the calls, and trains on."""

    def program(compile: Any) -> Any:
        model = network()
        optimizer = (optimizer_of or (lambda p: optim.Adam(p, lr=0.05)))(model.parameters())
        step = compile(step_of(model, optimizer))
        losses = []
        for number in range(9):
            losses.append(step(numbers(5, 3, seed=number), labels(5, 2, seed=number)))
            if number % 3 == 2:
                change(model, optimizer)
        return losses, model.state_dict(), optimizer.state_dict()

    return program


def set_option(name: str, value: Any) -> Callable[[Any, Any], None]:
    def change(model: Any, optimizer: Any) -> None:
        for group in optimizer.param_groups:
            group[name] = value(group[name])

    return change


def momentum(parameters: Any) -> Any:
    return optim.SGD(parameters, lr=0.1, momentum=0.9)


OPTIONS: dict[str, tuple[Any, Any]] = {
    "lr": (set_option("lr", lambda lr: lr / 3), None),
    "lr of 0": (set_option("lr", lambda lr: 0.1 - lr), lambda p: optim.SGD(p, lr=0.1)),
    "whole lr": (set_option("lr", lambda lr: 1), lambda p: optim.SGD(p, lr=0.1)),
    "momentum": (set_option("momentum", lambda m: m - 0.2), momentum),
    "no momentum": (set_option("momentum", lambda m: 0.9 - m), momentum),
    "nesterov": (set_option("nesterov", lambda n: not n), momentum),
    "betas": (set_option("betas", lambda b: (b[0] - 0.1, b[1] - 0.01)), None),
    "eps": (set_option("eps", lambda eps: eps * 1e4), None),
    "weight decay": (set_option("weight_decay", lambda w: 0.1 - w), None),
    "maximize": (set_option("maximize", lambda m: not m), None),
    "amsgrad": (
        set_option("weight_decay", lambda w: w + 0.1),
        lambda p: optim.Adam(p, amsgrad=True),
    ),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options_of_the_optimiser_are_not_baked_in(name: str) -> None:
    change, optimizer_of = OPTIONS[name]
    agrees(changing(change, optimizer_of))


def toggle_mode(model: Any, optimizer: Any) -> None:
    model.train(not model.training)


def freeze(model: Any, optimizer: Any) -> None:
    model[0].requires_grad_(not model[0].weight.requires_grad)


def replace_data(model: Any, optimizer: Any) -> None:
    for parameter in model.parameters():
        parameter.data = parameter.data * 0.5


def write_data(model: Any, optimizer: Any) -> None:
    model[4].weight.data[0] = 1.0
    model[2].running_mean.zero_()
    with sl.no_grad():
        model[0].bias += 1


def write_array(model: Any, optimizer: Any) -> None:
    model[0].weight.detach().numpy()[:] = 0.25


def load(model: Any, optimizer: Any) -> None:
    state = {name: tensor * 0.5 for name, tensor in model.state_dict().items()}
    model.load_state_dict({n: t.to(model.state_dict()[n].dtype) for n, t in state.items()})


def load_optimizer(model: Any, optimizer: Any) -> None:
    saved = copy.deepcopy(optimizer.state_dict())
    saved["param_groups"][0]["lr"] = 0.001
    optimizer.load_state_dict(saved)


def forget(model: Any, optimizer: Any) -> None:
    optimizer.state.clear()


def to_double(model: Any, optimizer: Any) -> None:
    model.to(sl.float64).to(sl.float32)


def other_share(model: Any, optimizer: Any) -> None:
    model[3].p = 0.8 - model[3].p


def other_eps(model: Any, optimizer: Any) -> None:
    model[2].eps, model[2].momentum = model[2].eps * 10, model[2].momentum / 2


def other_layer(model: Any, optimizer: Any) -> None:
    model[1] = nn.ReLU() if isinstance(model[1], nn.Tanh) else nn.Tanh()


def append_layer(model: Any, optimizer: Any) -> None:
    model.append(nn.LeakyReLU(0.5))


def other_parameter(model: Any, optimizer: Any) -> None:
    model[4].weight = nn.Parameter(model[4].weight.detach() * 2)


def no_bias(model: Any, optimizer: Any) -> None:
    model[4].bias = None


def tie(model: Any, optimizer: Any) -> None:
    model[4].bias = nn.Parameter(sl.ones(2))
    model[2].bias = model[0].bias


def add_group(model: Any, optimizer: Any) -> None:
    model.append(nn.Linear(2, 2))
    optimizer.add_param_group({"params": model[-1].parameters(), "lr": 0.5})


def reseed(model: Any, optimizer: Any) -> None:
    sl.manual_seed(3)


def draw(model: Any, optimizer: Any) -> None:
    sl.randn(3)


def give_generator(model: Any, optimizer: Any) -> None:
    model[3].generator = sl.Generator().manual_seed(4)


def rewind(model: Any, optimizer: Any) -> None:
    state = sl.random.default_generator.get_state()
    sl.rand(5)
    sl.random.default_generator.set_state(state)


CHANGES = [
    toggle_mode, freeze, replace_data, write_data, write_array, load, load_optimizer, forget,
    to_double, other_share, other_eps, other_layer, append_layer, other_parameter, no_bias, tie,
    add_group, reseed, draw, give_generator, rewind,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_changes_of_model_optimiser_and_generator_are_noticed(change: Any) -> None:
    agrees(changing(change))


def test_model_in_double_precision_gives_double_precision() -> None:
    @agrees
    def program(compile: Any) -> Any:
        model = network()
        f = compile(model)
        first = f(numbers(5, 3))
        model.to(sl.float64)
        return first, f(numbers(5, 3, dtype=sl.float64)), f(numbers(5, 3, dtype=sl.float64))


def test_copied_model_is_a_model_of_its_own() -> None:
    @agrees
    def program(compile: Any) -> Any:
        model = network()
        optimizer = optim.SGD(model.parameters(), 0.1)
        step = compile(step_of(model, optimizer))
        step(numbers(5, 3), labels(5, 2))
        twin = copy.deepcopy(model)
        twin_step = compile(step_of(twin, optim.SGD(twin.parameters(), 0.2)))
        losses = [s(numbers(5, 3), labels(5, 2)) for s in (step, twin_step, step, twin_step)]
        return losses, model.state_dict(), twin.state_dict()


def test_two_compiled_functions_share_a_model() -> None:
    @agrees
    def program(compile: Any) -> Any:
        model = network()
        optimizer = optim.Adam(model.parameters(), 0.1)
        step, score = compile(step_of(model, optimizer)), compile(model)
        seen = []
        for number in range(4):
            seen.append(step(numbers(5, 3, seed=number), labels(5, 2)))
            seen.append(score(numbers(2, 3)))
            seen.append(model(numbers(2, 3)))
        return seen, model.state_dict()


def test_weights_that_are_tied_move_together() -> None:
    @agrees
    def program(compile: Any) -> Any:
        table, head = nn.Embedding(6, 4), nn.Linear(4, 6)
        head.weight = table.weight
        optimizer = optim.Adam([*table.parameters(), head.bias], 0.1)

        @compile
        def step(x: Any) -> Any:
            optimizer.zero_grad()
            loss = F.cross_entropy(head(table(x)), x)
            loss.backward()
            optimizer.step()
            return loss

        return [step(labels(5, 6)) for _ in range(4)], table.weight, head.weight
