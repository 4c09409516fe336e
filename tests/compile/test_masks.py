"""Large masks of dropout are made again from their words: the same numbers, and one draw."""

from __future__ import annotations

import re
from typing import Any

from tests.compile.programs import agrees, numbers

import streetlight as sl
from streetlight import nn, optim
from streetlight.compile.masks import LARGE
from streetlight.nn import functional as F

ROWS, COLUMNS = 300, 256
assert ROWS * COLUMNS > LARGE


def training(compile: Any) -> Any:
    layers = [nn.Linear(8, COLUMNS), nn.Tanh(), nn.Dropout(0.4), nn.Linear(COLUMNS, 3)]
    model = nn.Sequential(*layers[:3], nn.Dropout(0.2), layers[3])
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    @compile
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    losses = [step(numbers(ROWS, 8, seed=i), numbers(ROWS, 3, seed=i)) for i in range(4)]
    return losses, model.state_dict()


def test_a_network_with_large_masks_trains_as_in_eager() -> None:
    agrees(training)


def test_each_mask_is_drawn_once_and_made_twice() -> None:
    made: list[Any] = []

    def keep(function: Any) -> Any:
        made.append(sl.compile(function))
        return made[-1]

    training(keep)
    text = made[0].c_source()
    assert text.count("sl_random_words(") == 2
    assert re.search(r"const float bernoulli_again\w* = \(bernoulli_words", text)


def test_a_mask_that_is_returned_is_kept() -> None:
    def program(compile: Any) -> Any:
        @compile
        def run(x: Any) -> Any:
            mask = F.dropout(sl.ones(*x.shape), 0.5)
            return mask, sl.grad((x * x * mask).sum(), [x])

        return run(numbers(ROWS, COLUMNS).requires_grad_())

    agrees(program)
