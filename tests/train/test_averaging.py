"""Averaged weights in training: what is validated, saved, resumed and left in the model."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest

import streetlight as sl
from streetlight.errors import ArgumentError
from streetlight.train import Callback, Checkpoint, EarlyStopping, ExponentialMovingAverage


class Watch(Callback):
    """Averages by hand, from the weights after each update."""

    order = -20  # before the weights are exchanged

    def __init__(self, decay: float) -> None:
        self.decay, self.average = decay, {}

    def on_step_end(self, trainer: Any) -> None:
        for name, value in trainer.model.state_dict().items():
            now = value.numpy().astype(np.float64)
            old = self.average.get(name, now)
            self.average[name] = self.decay * old + (1 - self.decay) * now


class Stop(Exception):
    pass


class StopAt(Callback):
    order = 200  # after Checkpoint

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, trainer: Any) -> None:
        if trainer.step == self.step:
            raise Stop


def assert_holds(model: Any, expected: dict[str, Any]) -> None:
    for name, value in model.state_dict().items():
        if value.dtype.kind == "f":
            np.testing.assert_allclose(value.numpy(), expected[name], rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("compile", [False, True])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_average_is_left_in_the_model_and_training_goes_its_way(
    problem: Any, compile: bool, accumulate: int
) -> None:
    plain = problem.make(compile=compile, accumulate=accumulate)
    watch = Watch(0.9)
    plain.trainer.fit(plain.training, plain.validation, 3, [watch], quiet=True)
    made = problem.make(compile=compile, accumulate=accumulate)
    average = ExponentialMovingAverage(0.9)
    history = made.trainer.fit(made.training, made.validation, 3, [average], quiet=True)
    assert history["loss"] == plain.trainer.history["loss"]
    assert history["validation_loss"] != plain.trainer.history["validation_loss"]
    assert_holds(made.model, watch.average)
    left = made.trainer.evaluate(made.validation)
    assert left["loss"] == history["validation_loss"][-1]


def test_an_average_of_one_step_is_no_average(problem: Any) -> None:
    plain = problem.make()
    history = plain.trainer.fit(plain.training, plain.validation, 2, quiet=True)
    made = problem.make()
    callbacks = [ExponentialMovingAverage(0.0)]
    same = made.trainer.fit(made.training, made.validation, 2, callbacks, quiet=True)
    assert same["validation_loss"] == history["validation_loss"]


@pytest.mark.parametrize("stop", [1, 5, 6, 7, 8, 14, 20, 21])
def test_resumed_runs_end_bit_for_bit_where_undisturbed_ones_do(
    problem: Any, tmp_path: Any, stop: int
) -> None:
    def fit(name: str, *more: Callback, resume: Any = None) -> Any:
        made = problem.make()
        saving = Checkpoint(tmp_path / name, every_steps=1)
        callbacks = [ExponentialMovingAverage(0.8), saving, *more]
        with contextlib.suppress(Stop):
            made.trainer.fit(
                made.training, made.validation, 3, callbacks, resume=resume, quiet=True
            )
        return made

    whole = fit("whole")
    fit("run", StopAt(stop))
    sl.rand(5)
    resumed = fit("run", resume=tmp_path / "run")
    assert problem.weights(resumed.model) == problem.weights(whole.model)
    for name in ("loss", "validation_loss", "validation_accuracy"):
        assert resumed.trainer.history[name] == whole.trainer.history[name]


def test_more_epochs_go_on_from_the_weights(problem: Any, tmp_path: Any) -> None:
    def fit(epochs: int, resume: Any = None) -> Any:
        made = problem.make()
        callbacks = [ExponentialMovingAverage(0.8), Checkpoint(tmp_path / "run")]
        made.trainer.fit(
            made.training, made.validation, epochs, callbacks, resume=resume, quiet=True
        )
        return problem.weights(made.model)

    whole = fit(4)
    fit(2)
    assert fit(4, resume=tmp_path / "run") == whole


def test_early_stopping_keeps_the_best_average(problem: Any) -> None:
    made = problem.make(lr=0.3)
    callbacks = [EarlyStopping(patience=2), ExponentialMovingAverage(0.5)]
    history = made.trainer.fit(made.training, made.validation, 40, callbacks, quiet=True)
    best = min(history["validation_loss"])
    assert made.trainer.evaluate(made.validation)["loss"] == best
    assert len(history) < 40


class StopEarly(Callback):
    def on_step_end(self, trainer: Any) -> None:
        if trainer.step == 9:
            trainer.stop()


def test_a_run_that_stops_in_mid_epoch_leaves_the_average(problem: Any) -> None:
    made, watch = problem.make(), Watch(0.9)
    callbacks = [ExponentialMovingAverage(0.9), watch, StopEarly()]
    made.trainer.fit(made.training, None, 3, callbacks[:1] + callbacks[2:], quiet=True)
    plain = problem.make()
    plain.trainer.fit(plain.training, None, 3, [watch, StopEarly()], quiet=True)
    assert_holds(made.model, watch.average)


def test_the_same_callback_begins_anew_in_another_run(problem: Any) -> None:
    average, found = ExponentialMovingAverage(0.9), []
    for _ in range(2):
        made = problem.make()
        made.trainer.fit(made.training, made.validation, 2, [average], quiet=True)
        found.append(problem.weights(made.model))
    assert found[0] == found[1]


def test_wrong_decay() -> None:
    with pytest.raises(ArgumentError, match="decay cannot be 2"):
        ExponentialMovingAverage(2)
