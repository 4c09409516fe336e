"""Callbacks: the order of the points, early stopping, and when checkpoints are saved."""

import pytest

from streetlight.errors import ArgumentError, FileAccessError, UnknownNameError
from streetlight.train import Callback, Checkpoint, EarlyStopping

POINTS = [name for name in dir(Callback) if name.startswith("on_")]


def recorder(log, order=0, name=""):
    """A callback that writes down each point, with where the run stands."""

    def note(point):
        def method(self, trainer):
            log.append(f"{name}{point[3:]} {trainer.epoch}.{trainer.batch}.{trainer.step}")

        return method

    kind = type("Recorder", (Callback,), {point: note(point) for point in POINTS})
    callback = kind()
    callback.order = order
    return callback


def test_all_points_in_order(problem):
    made, log = problem.make(batch_size=25), []
    made.trainer.fit(made.training, epochs=2, callbacks=[recorder(log)], quiet=True)
    assert log == [
        "fit_start 0.0.0",
        "epoch_start 0.0.0", "batch_end 0.1.1", "step_end 0.1.1", "batch_end 0.2.2",
        "step_end 0.2.2", "epoch_end 1.0.2",
        "epoch_start 1.0.2", "batch_end 1.1.3", "step_end 1.1.3", "batch_end 1.2.4",
        "step_end 1.2.4", "epoch_end 2.0.4",
        "fit_end 2.0.4",
    ]  # fmt: skip


def test_steps_are_fewer_than_batches_when_gradients_accumulate(problem):
    made, log = problem.make(batch_size=10, accumulate=2), []
    made.trainer.fit(made.training, callbacks=[recorder(log)], quiet=True)
    assert [line for line in log if "batch" in line or "step" in line] == [
        "batch_end 0.1.0", "batch_end 0.2.1", "step_end 0.2.1", "batch_end 0.3.1",
        "batch_end 0.4.2", "step_end 0.4.2", "batch_end 0.5.3", "step_end 0.5.3",
    ]  # fmt: skip


def test_callbacks_run_by_order_then_as_given(problem):
    made, log = problem.make(), []
    callbacks = [recorder(log, 5, "c "), recorder(log, 0, "a "), recorder(log, 0, "b ")]
    made.trainer.fit(made.training, callbacks=callbacks, quiet=True)
    assert [line[0] for line in log[:6]] == ["a", "b", "c", "a", "b", "c"]


def test_the_base_class_does_nothing(problem):
    made, plain = problem.make(), Callback()
    for point in POINTS:
        assert getattr(plain, point)(made.trainer) is None
    plain.load_state_dict(plain.state_dict())


class StopAt(Callback):
    def __init__(self, point, count):
        self.point, self.count = point, count

    def on_batch_end(self, trainer):
        self.reached("batch", trainer)

    def on_epoch_end(self, trainer):
        self.reached("epoch", trainer)

    def reached(self, point, trainer):
        self.count -= point == self.point
        if self.count == 0:
            trainer.stop()


def test_stop(problem):
    made, log = problem.make(), []
    callbacks = [StopAt("epoch", 2), recorder(log)]
    history = made.trainer.fit(made.training, epochs=9, callbacks=callbacks, quiet=True)
    assert len(history) == 2
    assert not history.interrupted
    assert log[-1] == "fit_end 2.0.14"
    made, log = problem.make(), []
    callbacks = [StopAt("batch", 10), recorder(log)]
    history = made.trainer.fit(made.training, epochs=9, callbacks=callbacks, quiet=True)
    assert len(history) == 1
    assert log[-2:] == ["step_end 1.3.10", "fit_end 1.3.10"]
    assert made.trainer.fit(made.training, epochs=1, quiet=True)["epoch"] == [1]


def test_an_error_reaches_the_callbacks_and_the_caller(problem):
    class Break(Callback):
        def on_batch_end(self, trainer):
            raise OSError("no more paper")

    made, log = problem.make(), []
    with pytest.raises(OSError, match="no more paper"):
        made.trainer.fit(made.training, callbacks=[Break(), recorder(log)], quiet=True)
    assert log[-1] == "error 0.1.1"


class Figures(Callback):
    """Plays validation losses to the trainer, as if they had been measured."""

    def __init__(self, figures):
        self.figures, self.weights = figures, []


@pytest.mark.parametrize(
    ("figures", "patience", "stopped", "best"),
    [
        ([5, 4, 3, 4, 4, 1], 2, 5, 3),
        ([5, 4, 3, 4, 2, 4, 1], 2, 7, 7),
        ([1, 1, 1, 1], 1, 2, 1),
        ([1, 2, 3, 0.5, 4, 4, 4, 4, 4], 4, 8, 4),
    ],
)
def test_early_stopping(problem, figures, patience, stopped, best, monkeypatch):
    made, seen = problem.make(), []
    measured = iter(figures)

    def play(loop, loader):
        running = made.trainer.running
        seen.append(problem.weights(made.model))
        value = next(measured)
        monkeypatch.setattr(running, "scalars", lambda: {"loss": value, "accuracy": -value})
        return running

    monkeypatch.setattr("streetlight.train.loop.measure", play)
    for monitor in ("validation_loss", "validation_accuracy"):
        measured, made, seen = iter(figures), problem.make(), []
        history = made.trainer.fit(
            made.training,
            made.validation,
            len(figures),
            [EarlyStopping(monitor, patience)],
            quiet=True,
        )
        assert len(history) == stopped
        assert made.trainer.best.epoch == best
        assert made.trainer.best.value == history[monitor][best - 1]
        assert problem.weights(made.model) == seen[best - 1]


def test_what_early_stopping_can_watch(problem):
    made = problem.make()
    with pytest.raises(UnknownNameError, match="there are no validation data, and so no") as raised:
        made.trainer.fit(made.training, callbacks=[EarlyStopping()], quiet=True)
    assert "fit(..., validation=loader), or watch 'loss'" in str(raised.value)
    watch = EarlyStopping("validation_los")
    with pytest.raises(UnknownNameError, match="no column to watch 'validation_los'") as raised:
        made.trainer.fit(made.training, made.validation, callbacks=[watch], quiet=True)
    assert "did you mean 'validation_loss'" in str(raised.value)
    history = made.trainer.fit(
        made.training, epochs=3, callbacks=[EarlyStopping("accuracy", 1)], quiet=True
    )
    assert made.trainer.best.value == max(history["accuracy"])
    with pytest.raises(ArgumentError, match="EarlyStopping: patience is not a count"):
        EarlyStopping(patience=0)


def test_the_best_is_kept_without_early_stopping(problem):
    made = problem.make(lr=0.3)
    history = made.trainer.fit(made.training, made.validation, epochs=12, quiet=True)
    losses = history["validation_loss"]
    assert made.trainer.best.epoch == losses.index(min(losses)) + 1 < 12
    made.trainer.restore_best()
    assert made.trainer.evaluate(made.validation)["loss"] == pytest.approx(min(losses), rel=1e-6)


class Saves(Callback):
    order = 101

    def __init__(self, path):
        self.path, self.seen, self.last = path, [], None

    def look(self, trainer):
        now = self.path.read_bytes() if self.path.exists() else None
        if now != self.last:
            self.seen.append((trainer.epoch, trainer.batch))
            self.last = now

    on_fit_start = on_step_end = on_epoch_end = on_fit_end = look


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        ({}, [(1, 0), (2, 0), (3, 0)]),
        ({"every_epochs": 2}, [(2, 0), (3, 0)]),
        ({"every_epochs": None, "every_steps": 4}, [(0, 4), (1, 1), (1, 5), (2, 2), (2, 6)]),
        ({"every_steps": 5}, [(0, 5), (1, 0), (1, 3), (2, 0), (2, 1), (2, 6), (3, 0)]),
    ],
)
def test_when_checkpoints_are_saved(problem, tmp_path, options, seen):
    made, path = problem.make(), tmp_path / "run.safetensors"
    saves = Saves(path)
    made.trainer.fit(
        made.training, epochs=3, callbacks=[saves, Checkpoint(path, **options)], quiet=True
    )
    assert saves.seen == [(0, 0), *seen]


def test_wrong_checkpoints(problem, tmp_path):
    for name in ("every_epochs", "every_steps"):
        with pytest.raises(ArgumentError, match=f"Checkpoint: {name} is not a count"):
            Checkpoint(tmp_path / "run", **{name: 0})
    made = problem.make()
    with pytest.raises(FileAccessError, match="run cannot be written: no such file"):
        made.trainer.fit(made.training, callbacks=[Checkpoint(tmp_path / "no" / "run")], quiet=True)
    assert made.trainer.step == 0  # it is known before any work is done
