"""The trainer: it computes what a loop by hand computes, and refuses what cannot work."""

import numpy as np
import pytest

import streetlight as sl
from streetlight import nn, optim
from streetlight.errors import ArgumentError, DataError, UnknownNameError
from streetlight.random import default_generator
from streetlight.train import Callback, Metric, Trainer
from streetlight.utils.data import DataLoader, TensorDataset


def test_it_learns(problem):
    made = problem.make()
    history = made.trainer.fit(made.training, made.validation, epochs=60, quiet=True)
    assert made.trainer.evaluate(made.training)["accuracy"] > 0.9
    assert history["validation_loss"][-1] < history["validation_loss"][0]
    assert history["epoch"] == list(range(1, 61))
    assert list(history.columns) == [
        "epoch", "loss", "accuracy", "validation_loss", "validation_accuracy", "learning_rate",
        "seconds",
    ]  # fmt: skip
    assert made.trainer.step == 60 * 7
    assert not history.interrupted


@pytest.mark.parametrize(("accumulate", "clip_norm"), [(1, None), (1, 0.05), (3, None), (3, 0.02)])
def test_the_same_weights_as_a_loop_in_pytorch(accumulate, clip_norm):
    torch = pytest.importorskip("torch", reason="parity tests need torch==2.13.0")
    random = np.random.default_rng(0)
    x, y = random.normal(size=(4, 5, 3)), random.normal(size=(4, 5, 2))
    theirs = torch.nn.Linear(3, 2).double()
    ours = nn.Linear(3, 2)
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    for parameter in ours.parameters():
        parameter.data = parameter.data.double()
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})

    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.3, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
    losses = []
    for _ in range(5):
        groups = [range(i, min(i + accumulate, 4)) for i in range(0, 4, accumulate)]
        seen = []
        for group in groups:
            optimizer.zero_grad()
            for i in group:
                out = theirs(torch.tensor(x[i]))
                loss = torch.nn.functional.mse_loss(out, torch.tensor(y[i]))
                seen.append(loss.item())
                (loss / len(group)).backward()
            if clip_norm:
                torch.nn.utils.clip_grad_norm_(theirs.parameters(), clip_norm)
            optimizer.step()
        scheduler.step()
        losses.append(np.mean(seen))

    mine = optim.SGD(ours.parameters(), lr=0.3, momentum=0.9)
    trainer = Trainer(
        ours,
        mine,
        nn.MSELoss(),
        scheduler=optim.lr_scheduler.StepLR(mine, 2, 0.5),
        clip_norm=clip_norm,
        accumulate=accumulate,
    )
    batches = [(sl.tensor(a), sl.tensor(b)) for a, b in zip(x, y, strict=True)]
    history = trainer.fit(batches, epochs=5, quiet=True)
    assert trainer.step == 5 * len(groups)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-9)
    np.testing.assert_allclose(history["learning_rate"], [0.3, 0.3, 0.15, 0.15, 0.075])
    for name, value in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[name].numpy(), value.numpy(), rtol=1e-9)


def test_means_weigh_batches_by_their_size():
    model = nn.Linear(1, 1)
    model.load_state_dict({"weight": np.zeros((1, 1)), "bias": np.zeros(1)})
    y = np.array([[1.0], [1.0], [1.0], [4.0]], np.float32)
    loader = DataLoader(TensorDataset(np.ones((4, 1), np.float32), y), 3)
    trainer = Trainer(model, optim.SGD(model.parameters(), lr=0.0), nn.MSELoss(), ["mse"])
    figures = trainer.evaluate(loader)
    assert figures == {"loss": (3 + 16) / 4, "mse": (3 + 16) / 4}
    assert trainer.fit(loader, quiet=True)["loss"] == [(3 + 16) / 4]


def test_models_with_several_inputs():
    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(sl.tensor([1.0]))

        def forward(self, a, b):
            return (a + b) * self.scale

    a, b = np.array([1.0, 2.0], np.float32), np.array([3.0, 1.0], np.float32)
    loader = DataLoader(TensorDataset(a, b, 2 * (a + b)), 2)
    model = Sum()
    trainer = Trainer(model, optim.SGD(model.parameters(), lr=0.05), nn.MSELoss())
    trainer.fit(loader, epochs=50, quiet=True)
    assert model.scale.item() == pytest.approx(2.0, abs=1e-4)
    np.testing.assert_allclose(trainer.predict(loader).numpy(), 2 * (a + b), rtol=1e-3)


def test_evaluate_changes_nothing(problem):
    made = problem.make(metrics=["accuracy", "confusion_matrix"])
    made.model[3].train(False)
    before = problem.weights(made.model), default_generator.state()
    first = made.trainer.evaluate(made.validation)
    second = made.trainer.evaluate(made.validation)
    assert first.pop("confusion_matrix").tolist() == second.pop("confusion_matrix").tolist()
    assert first == second
    assert (problem.weights(made.model), default_generator.state()) == before
    assert made.model.training
    assert not made.model[3].training


def test_the_confusion_matrix_is_no_column_of_the_history(problem):
    made = problem.make(metrics=["confusion_matrix", "accuracy"])
    history = made.trainer.fit(made.training, made.validation, quiet=True)
    assert "confusion_matrix" not in history.columns
    figures = made.trainer.evaluate(made.validation)
    matrix = figures["confusion_matrix"].numpy()
    assert matrix.sum() == 30
    assert matrix.trace() / 30 == pytest.approx(figures["accuracy"])


def test_evaluation_in_the_midst_of_an_epoch_leaves_its_means_alone(problem):
    class Peep(Callback):
        def on_batch_end(self, trainer):
            trainer.evaluate(made.validation)

    made = problem.make()
    plain = made.trainer.fit(made.training, quiet=True)
    made = problem.make()
    peeped = made.trainer.fit(made.training, callbacks=[Peep()], quiet=True)
    assert (plain["loss"], plain["accuracy"]) == (peeped["loss"], peeped["accuracy"])


@pytest.mark.parametrize("samples", [1, 7, 1000, 2300])
def test_predict(problem, samples):
    model = nn.Sequential(nn.Linear(2, 3), nn.Dropout(0.9))
    trainer = Trainer(model, optim.SGD(model.parameters(), lr=0.1), nn.MSELoss())
    x = np.random.default_rng(0).normal(size=(samples, 2)).astype(np.float32)
    weight, bias = (model[0].state_dict()[name].numpy() for name in ("weight", "bias"))
    for inputs in (
        x,
        sl.tensor(x),
        DataLoader(TensorDataset(x), 100),
        DataLoader(TensorDataset(x, np.zeros(samples)), 100),
        [sl.tensor(x)],
    ):
        outputs = trainer.predict(inputs)
        assert not outputs.requires_grad
        np.testing.assert_allclose(outputs.numpy(), x @ weight.T + bias, rtol=1e-5, atol=1e-6)
    assert model.training


@pytest.mark.parametrize("inputs", [np.zeros((0, 2), np.float32), sl.tensor(1.5), []])
def test_predict_without_samples(problem, inputs):
    with pytest.raises(DataError, match="predict: there are no samples") as raised:
        problem.make().trainer.predict(inputs)
    assert "inputs[None]" in str(raised.value)


class Rates(Callback):
    def __init__(self):
        self.rates = []

    def on_step_end(self, trainer):
        self.rates.append(trainer.optimizer.param_groups[0]["lr"])


def test_one_cycle_steps_by_batch(problem):
    def scheduler(optimizer):
        return optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=14)

    made, rates = problem.make(scheduler=scheduler), Rates()
    made.trainer.fit(made.training, epochs=2, callbacks=[rates], quiet=True)
    assert made.scheduler.last_epoch == 14
    assert len(set(rates.rates)) > 10


@pytest.mark.parametrize(("when", "steps"), [(None, 2), ("epoch", 2), ("batch", 14)])
def test_when_a_schedule_steps(problem, when, steps):
    def scheduler(optimizer):
        return optim.lr_scheduler.ExponentialLR(optimizer, 0.5)

    made = problem.make(scheduler=scheduler, scheduler_step=when, lr=0.1)
    made.trainer.fit(made.training, epochs=2, quiet=True)
    assert made.trainer.learning_rate == pytest.approx(0.1 * 0.5**steps)


@pytest.mark.parametrize("with_validation", [True, False])
def test_plateau_is_given_the_validation_loss(problem, with_validation):
    def scheduler(optimizer):
        return optim.lr_scheduler.ReduceLROnPlateau(optimizer)

    made = problem.make(scheduler=scheduler)
    given = []
    step = made.scheduler.step
    made.scheduler.step = lambda value: (given.append(value), step(value))
    validation = made.validation if with_validation else None
    history = made.trainer.fit(made.training, validation, epochs=3, quiet=True)
    assert given == history["validation_loss" if with_validation else "loss"]


def test_a_second_fit_begins_a_new_run_with_the_weights_at_hand(problem):
    made = problem.make()
    first = made.trainer.fit(made.training, epochs=2, quiet=True)
    second = made.trainer.fit(made.training, epochs=3, quiet=True)
    assert (len(first), len(second)) == (2, 3)
    assert second["loss"][-1] < first["loss"][0]


def test_a_metric_of_ones_own(problem):
    class Largest(Metric):
        name = "largest"

        def reset(self):
            self.largest = float("-inf")

        def update(self, outputs, targets):
            assert not outputs.requires_grad
            self.largest = max(self.largest, outputs.max().item())

        def compute(self):
            return self.largest

    made = problem.make(metrics=[Largest()])
    assert made.trainer.fit(made.training, quiet=True)["largest"][0] > 0


def test_frozen_parameters_stay(problem):
    made = problem.make()
    made.model[0].requires_grad_(False)
    before = made.model[0].weight.tolist()
    made.trainer.fit(made.training, quiet=True)
    assert made.model[0].weight.tolist() == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"clip_norm": 0}, "Trainer: clip_norm cannot be"),
        ({"clip_norm": -1.0}, "a number above 0, or None"),
        ({"clip_norm": float("nan")}, "clip_norm"),
        ({"accumulate": 0}, "Trainer: accumulate is not a count"),
        ({"accumulate": 1.5}, "a whole number of at least 1"),
        ({"scheduler_step": "week"}, "Trainer: scheduler_step cannot be"),
    ],
)
def test_wrong_options(problem, options, words):
    with pytest.raises(ArgumentError, match=words):
        problem.make(**options)


def test_unknown_metric(problem):
    with pytest.raises(UnknownNameError, match="there is no metric 'acc'"):
        problem.make(metrics=["acc"])


@pytest.mark.parametrize("epochs", [0, -1, 1.5, True])
def test_wrong_epochs(problem, epochs):
    made = problem.make()
    with pytest.raises(ArgumentError, match="fit: epochs is not a count"):
        made.trainer.fit(made.training, epochs=epochs, quiet=True)


def test_loaders_that_cannot_work(problem):
    made = problem.make()
    with pytest.raises(DataError, match="there is no batch of training data"):
        made.trainer.fit([], quiet=True)
    with pytest.raises(DataError, match="there is no batch of validation data"):
        made.trainer.fit(made.training, [], quiet=True)
    with pytest.raises(DataError, match="evaluate: there is no batch"):
        made.trainer.evaluate([])
    batches = (batch for batch in made.training)
    with pytest.raises(ArgumentError, match="the training data cannot be gone through more than"):
        made.trainer.fit(batches, quiet=True)


class Lying:
    """A loader that has fewer batches than it says."""

    def __init__(self, batches):
        self.batches = batches

    def __len__(self):
        return len(self.batches) + 1

    def __iter__(self):
        return iter(self.batches)


def test_a_loader_that_ends_too_early(problem):
    made = problem.make()
    with pytest.raises(DataError, match="epoch 1: the loader ended too early") as raised:
        made.trainer.fit(Lying(list(made.training)), quiet=True)
    assert "8 batches, as len(loader) says" in str(raised.value)


@pytest.mark.parametrize("batch", [sl.zeros(2, 2), (sl.zeros(2, 2),), ([1.0], [2]), {"x": 1}, 3])
def test_batches_that_are_no_pairs(problem, batch):
    made = problem.make()
    for call in (made.trainer.fit, made.trainer.evaluate):
        with pytest.raises(DataError, match="a batch is not a pair of inputs and targets"):
            call([batch])
