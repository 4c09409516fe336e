"""Fifty networks drawn at random: twenty compiled steps of training equal twenty eager ones."""

from __future__ import annotations

from typing import Any

import pytest
from tests.compile.programs import agrees, default_dtype
from tests.compile.random_networks import Experiment

import streetlight as sl

# Rounding grows from step to step: what is allowed after twenty of them.
ROUNDING = {"float32": (2e-3, 2e-4), "float64": (1e-8, 1e-10)}


def training(seed: int) -> Any:
    def program(compile: Any) -> Any:
        experiment = Experiment(seed)
        step = compile(experiment.step)
        losses = []
        for number in range(20):
            losses.append(step(*experiment.batch(number)))
            if experiment.schedule:
                experiment.schedule.step()
        experiment.model.eval()
        scores = compile(experiment.model)(experiment.batch(0)[0])
        return losses, scores, experiment.model.state_dict(), experiment.optimizer.state_dict()

    return program


@pytest.mark.parametrize("seed", range(50))
def test_random_network_trains_as_in_eager(seed: int) -> None:
    with default_dtype(sl.float32 if seed % 5 == 4 else sl.float64):
        agrees(training(seed), rounding=ROUNDING)
