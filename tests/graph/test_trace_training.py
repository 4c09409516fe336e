"""Traced training steps, evaluated, do what eager ones do: optimisers, modes, gradients."""

from __future__ import annotations

from typing import Any

import pytest
from tests.graph.tracing import agree

import streetlight as sl
import streetlight.nn.functional as F
from streetlight import nn, optim

OPTIMIZERS = {
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01, dampening=0.1),
    "nesterov": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "maximize": lambda p: optim.SGD(p, lr=0.01, maximize=True),
    "adam": lambda p: optim.Adam(p, lr=0.01),
    "amsgrad": lambda p: optim.Adam(p, lr=0.01, amsgrad=True, weight_decay=0.1),
    "adamw": lambda p: optim.AdamW(p, lr=0.01),
    "rmsprop": lambda p: optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
    "adagrad": lambda p: optim.Adagrad(p, lr=0.1, lr_decay=0.1),
}


def batches(count: int = 4, seed: int = 0) -> list[tuple[Any, ...]]:
    generator = sl.Generator().manual_seed(seed)
    return [
        (
            sl.randn(6, 7, generator=generator),
            sl.randint(0, 3, (6,), generator=generator),
        )
        for _ in range(count)
    ]


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(7, 5), nn.Tanh(), nn.Dropout(0.5), nn.Linear(5, 3))


def training_step(model: nn.Module, optimizer: optim.Optimizer) -> Any:
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_with_each_optimiser(name: str) -> None:
    def build() -> Any:
        model = network()
        optimizer = OPTIMIZERS[name](model.parameters())
        return training_step(model, optimizer), (model, optimizer)

    traces = agree(build, batches())
    assert len(traces) == 1


def test_the_learning_rate_may_change_without_a_new_trace() -> None:
    def build() -> Any:
        model = network()
        optimizer = optim.Adam(model.parameters())
        return training_step(model, optimizer), (model, optimizer)

    def between(state: Any, index: int) -> None:
        state[1].param_groups[0]["lr"] = 0.1 / (index + 1)
        state[1].param_groups[0]["betas"] = (0.9 - index * 0.1, 0.999)

    assert len(agree(build, batches(), between)) == 1


def test_train_and_eval_have_traces_of_their_own() -> None:
    def build() -> Any:
        model = network()
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        return training_step(model, optimizer), (model, optimizer)

    def between(state: Any, index: int) -> None:
        state[0].train(index % 2 == 0)

    assert len(agree(build, batches(), between)) == 2
