"""Checkpoints: a run that is resumed ends, bit for bit, where the undisturbed one ends."""

import contextlib
import json

import numpy as np
import pytest

import streetlight as sl
from streetlight import nn, optim
from streetlight.errors import CheckpointError, FileAccessError, FileFormatError
from streetlight.interop import load_metadata
from streetlight.train import Callback, Checkpoint, EarlyStopping, Metric, Trainer
from streetlight.train.checkpoint import pack, unpack
from streetlight.utils.data import DataLoader


class Crash(Exception):
    pass


class CrashAt(Callback):
    """Ends the process, so to say, after some batches of the whole run."""

    order = 200  # after Checkpoint

    def __init__(self, batches):
        self.left = batches

    def on_step_end(self, trainer):
        self.left -= 1
        if self.left == 0:
            raise Crash


LR = optim.lr_scheduler
JOBS = {
    "adam": {},
    "momentum": {"optimizer": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True)},
    "rmsprop": {"optimizer": lambda p: optim.RMSprop(p, lr=0.01, centered=True)},
    "adagrad": {"optimizer": lambda p: optim.Adagrad(p, lr=0.05)},
    "one cycle": {"scheduler": lambda o: LR.OneCycleLR(o, max_lr=0.1, total_steps=28)},
    "plateau": {"scheduler": lambda o: LR.ReduceLROnPlateau(o, patience=0)},
    "cosine, clipped": {"scheduler": lambda o: LR.CosineAnnealingLR(o, 4), "clip_norm": 0.1},
    "two groups": {
        "optimizer": lambda p: optim.AdamW([{"params": [q], "lr": 0.01} for q in p], lr=0.02)
    },
    "all metrics": {"metrics": ["accuracy", "top1", "confusion_matrix"]},
}
ALIKE = ("epoch", "loss", "accuracy", "validation_loss", "validation_accuracy", "learning_rate")


def fit(problem, path, options, crash=None, resume=None, epochs=4, **checkpoint):
    made = problem.make(**options)
    callbacks = [Checkpoint(path, **checkpoint), EarlyStopping(patience=10)]
    callbacks += [CrashAt(crash)] if crash else []
    made.history = None
    try:
        made.history = made.trainer.fit(
            made.training, made.validation, epochs, callbacks, resume=resume, quiet=True
        )
    except Crash:
        sl.rand(17)  # what happens in between must not matter
    return made


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("crash", [1, 5, 6, 7, 8, 13, 14, 27, 28])
def test_resumed_runs_end_where_undisturbed_ones_do(problem, tmp_path, job, crash):
    options, saves = JOBS[job], {"every_steps": 3} if crash > 2 else {"every_steps": 1}
    whole = fit(problem, tmp_path / "whole.safetensors", options, **saves)
    path = tmp_path / "run.safetensors"
    fit(problem, path, options, crash=crash, **saves)
    resumed = fit(problem, path, options, resume=path, **saves)
    assert problem.weights(resumed.model) == problem.weights(whole.model)
    for name in set(ALIKE) & set(whole.history.columns):
        assert resumed.history[name] == whole.history[name]
    assert resumed.trainer.step == whole.trainer.step == 28
    assert resumed.trainer.best.epoch == whole.trainer.best.epoch


@pytest.mark.parametrize("crash", [1, 3, 4, 5, 9])
def test_with_gradient_accumulation(problem, tmp_path, crash):
    options = {"accumulate": 2}
    whole = fit(problem, tmp_path / "whole.safetensors", options)
    path = tmp_path / "run.safetensors"
    fit(problem, path, options, crash=crash, every_steps=1)
    resumed = fit(problem, path, options, resume=path)
    assert problem.weights(resumed.model) == problem.weights(whole.model)
    assert whole.trainer.step == 4 * 4


def test_crashing_again_and_again(problem, tmp_path):
    whole = fit(problem, tmp_path / "whole.safetensors", {})
    path = tmp_path / "run.safetensors"
    fit(problem, path, {}, crash=2, every_steps=1)
    for _ in range(9):
        last = fit(problem, path, {}, crash=3, resume=path, every_steps=1)
    assert last.history is not None
    assert problem.weights(last.model) == problem.weights(whole.model)


def test_early_stopping_resumes_with_what_it_has_seen(problem, tmp_path):
    def run(name, crash=None, resume=None):
        made = problem.make(lr=0.3)
        callbacks = [EarlyStopping(patience=2), Checkpoint(tmp_path / name, every_steps=2)]
        callbacks += [CrashAt(crash)] if crash else []
        with contextlib.suppress(Crash):
            made.trainer.fit(
                made.training, made.validation, 40, callbacks, resume=resume, quiet=True
            )
        return made

    whole = run("whole")
    stopped = whole.trainer.epoch
    assert stopped < 40
    assert whole.trainer.best.epoch == stopped - 2
    for crash in (7 * stopped - 9, 7 * stopped - 1, 7 * stopped):
        run("run", crash)
        resumed = run("run", resume=tmp_path / "run")
        assert resumed.trainer.epoch == stopped
        assert problem.weights(resumed.model) == problem.weights(whole.model)
    again = run("whole", resume=tmp_path / "whole")  # it is over, and stays so
    assert again.trainer.epoch == stopped
    assert problem.weights(again.model) == problem.weights(whole.model)


def test_a_finished_run_can_go_on_for_longer(problem, tmp_path):
    path = tmp_path / "run.safetensors"
    whole = fit(problem, tmp_path / "whole.safetensors", {}, epochs=5)
    fit(problem, path, {}, epochs=2)
    longer = fit(problem, path, {}, epochs=5, resume=path)
    assert len(longer.history) == 5
    assert problem.weights(longer.model) == problem.weights(whole.model)


def test_fetching_ahead_and_shuffled_validation(problem, tmp_path):
    def run(name, crash=None, resume=None):
        made = problem.make()
        training = DataLoader(problem.points(50, 0), 8, shuffle=True, num_workers=2)
        validation = DataLoader(problem.points(30, 1), 7, shuffle=True)
        callbacks = [Checkpoint(tmp_path / name, every_steps=1)]
        callbacks += [CrashAt(crash)] if crash else []
        with contextlib.suppress(Crash):
            made.history = made.trainer.fit(
                training, validation, 3, callbacks, resume=resume, quiet=True
            )
        return made

    whole = run("whole")
    run("run", crash=10)
    resumed = run("run", resume=tmp_path / "run")
    assert problem.weights(resumed.model) == problem.weights(whole.model)
    assert resumed.history["validation_loss"] == whole.history["validation_loss"]


class Noisy(Callback):
    """Draws at the start of each epoch, and counts; the draws are part of the run."""

    def __init__(self):
        self.drawn = []

    def on_fit_start(self, trainer):
        sl.rand(2)

    def on_epoch_start(self, trainer):
        sl.rand(3)

    def on_epoch_end(self, trainer):
        self.drawn.append(sl.rand(1).item())

    def state_dict(self):
        return {"drawn": self.drawn}

    def load_state_dict(self, state):
        self.drawn = state["drawn"]


def test_callbacks_that_draw_and_have_state(problem, tmp_path):
    def run(name, crash=None, resume=None):
        made, noisy = problem.make(), Noisy()
        callbacks = [noisy, Checkpoint(tmp_path / name, every_steps=2)]
        callbacks += [CrashAt(crash)] if crash else []
        with contextlib.suppress(Crash):
            made.trainer.fit(made.training, None, 3, callbacks, resume=resume, quiet=True)
        return made, noisy

    whole, drawn = run("whole")
    for crash in (1, 6, 7, 10):
        run("run", crash)
        resumed, again = run("run", resume=tmp_path / "run")
        assert problem.weights(resumed.model) == problem.weights(whole.model)
        assert again.drawn == drawn.drawn
    made = problem.make()
    with pytest.raises(CheckpointError, match="has the state of a callback Noisy, and none is"):
        made.trainer.fit(made.training, None, 3, resume=tmp_path / "run", quiet=True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"optimizer": lambda p: optim.SGD(p, lr=0.1)}, "with optimizer Adam, and now it is SGD"),
        ({"scheduler": lambda o: LR.StepLR(o, 1)}, "with scheduler NoneType, and now it is StepLR"),
        ({"metrics": ["top1"]}, "with metrics ['accuracy'], and now it is ['top1']"),
        ({"batch_size": 10}, "with batches to an epoch 7, and now it is 5"),
        ({"accumulate": 3}, "with accumulate 1, and now it is 3"),
    ],
)
def test_another_run_is_refused(problem, tmp_path, options, words):
    path = tmp_path / "run.safetensors"
    fit(problem, path, {}, epochs=1)
    with pytest.raises(CheckpointError) as raised:
        fit(problem, path, options, resume=path)
    assert f"cannot resume from {path}: it was saved {words}" in str(raised.value)
    assert "resume with the model, optimiser, data and callbacks" in str(raised.value)


def test_another_model_is_refused(problem, tmp_path):
    path = tmp_path / "run.safetensors"
    fit(problem, path, {}, epochs=1)
    made = problem.make()
    model = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 2))
    trainer = Trainer(model, optim.Adam(model.parameters()), nn.CrossEntropyLoss(), ["accuracy"])
    with pytest.raises(CheckpointError, match="it is of another model or optimiser") as raised:
        trainer.fit(made.training, made.validation, 2, resume=path, quiet=True)
    assert "0.weight is (8, 2), not (5, 2)" in str(raised.value)


def test_files_that_are_no_checkpoints(problem, tmp_path):
    made = problem.make()

    def resume(name):
        made.trainer.fit(made.training, resume=tmp_path / name, quiet=True)

    with pytest.raises(FileAccessError, match=r"none\.safetensors cannot be read: no such file"):
        resume("none.safetensors")
    (tmp_path / "foreign").write_bytes(b"foreign")
    with pytest.raises(FileFormatError, match="foreign is not a sound safetensors file"):
        resume("foreign")
    sl.save(made.model.state_dict(), tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="it holds weights, but no run"):
        resume("model.safetensors")


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: "not json",
        lambda tree: "[]",
        lambda tree: "[" * 100_000,
        lambda tree: json.dumps({"dict": []}),
        lambda tree: json.dumps({"dict": 5}),
        lambda tree: json.dumps({"surprise": 5, "two": 1}),
        lambda tree: tree.replace('"model.0.weight"', '"nowhere"'),
        lambda tree: tree.replace('"place", [1, 0, 7]', '"place", [1, 0]'),
        lambda tree: tree.replace('"random", [{"tensor"', '"random", [5, {"tensor"'),
    ],
)
def test_damaged_checkpoints(problem, tmp_path, change):
    path = tmp_path / "run.safetensors"
    fit(problem, path, {}, epochs=1)
    [(mark, tree)] = load_metadata(path).items()
    changed = change(tree)
    assert changed != tree
    sl.save(sl.load(path), path, {mark: changed})
    with pytest.raises(CheckpointError, match=r"run\.safetensors: it is (damaged|of another)"):
        fit(problem, path, {}, resume=path)


def test_trees_come_back():
    tree = {
        "numbers": [1, 2.5, float("inf"), -0.0, True, None, 10**30, 0.1 + 0.2],
        3: ("a", ("b",), []),
        "tensor": sl.tensor([[1.5, 2.5]], dtype=sl.float64),
        "deep": {"er": {"array": np.arange(3, dtype=np.int8)}, "er.array": np.zeros(2)},
        "scalar": np.float64(0.25),
        "empty": {},
    }
    tensors = {}
    text = json.dumps(pack(tree, tensors))
    back = unpack(json.loads(text), tensors)
    assert back["numbers"] == tree["numbers"]
    assert str(back["numbers"][3]) == "-0.0"
    assert back[3] == tree[3]
    assert back["tensor"].dtype == np.float64
    assert back["tensor"].tolist() == [[1.5, 2.5]]
    assert back["deep"]["er"]["array"].dtype == np.int8
    assert back["deep"]["er"]["array"].tolist() == [0, 1, 2]
    assert back["deep"]["er.array"].tolist() == [0.0, 0.0]
    assert (back["scalar"], back["empty"]) == (0.25, {})
    nan = unpack(json.loads(json.dumps(pack([float("nan")], {}))), {})
    assert np.isnan(nan[0])


def test_state_that_cannot_be_saved(problem, tmp_path):
    class Odd(Metric):
        name = "odd"

        def reset(self):
            self.function = len

        def update(self, outputs, targets):
            pass

        def compute(self):
            return 0.0

    made = problem.make(metrics=[Odd()])
    with pytest.raises(CheckpointError, match=r"cannot hold running\.1\.function") as raised:
        made.trainer.fit(made.training, callbacks=[Checkpoint(tmp_path / "run")], quiet=True)
    assert "leave it out of state_dict()" in str(raised.value)
    assert list(tmp_path.iterdir()) == []
