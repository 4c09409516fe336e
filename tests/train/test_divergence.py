"""Divergence: named with the layer and the step where it began; bad data are told apart from it."""

import numpy as np
import pytest

import streetlight as sl
from streetlight import nn, optim
from streetlight.errors import DataError, DivergenceError
from streetlight.train import Callback, Trainer
from streetlight.train.divergence import gradients_are_finite
from streetlight.utils.data import DataLoader, TensorDataset


class PoisonWeight(Callback):
    def __init__(self, name, step, value=np.nan):
        self.name, self.step, self.value = name, step, value

    def on_step_end(self, trainer):
        if trainer.step == self.step:
            trainer.model.state_dict()[self.name].fill_(self.value)


def test_a_weight_that_is_not_finite_is_named(problem):
    made = problem.make()
    with pytest.raises(DivergenceError) as raised:
        made.trainer.fit(made.training, epochs=3, callbacks=[PoisonWeight("4.bias", 9)], quiet=True)
    text = str(raised.value)
    assert "epoch 2, batch 3 (step 10): the loss is nan; it began in 4.bias" in text
    assert "try lr=0.002, Trainer(..., clip_norm=1.0), scaled inputs" in text
    assert "the weights of epoch 1, the best so far, are kept" in text


def test_the_best_weights_are_back_in_the_model(problem):
    made = problem.make()
    with pytest.raises(DivergenceError):
        made.trainer.fit(
            made.training, made.validation, 9, callbacks=[PoisonWeight("0.weight", 30)], quiet=True
        )
    assert len(made.trainer.history) == 4
    losses = made.trainer.history["validation_loss"]
    assert made.trainer.evaluate(made.validation)["loss"] == pytest.approx(min(losses), rel=1e-6)


def test_a_layer_that_overflows_is_named(problem):
    class Overflow(nn.Module):
        def forward(self, x):
            return x * 1e30 * 1e30

    made = problem.make()
    made.model[2] = Overflow()
    with pytest.raises(DivergenceError) as raised:
        made.trainer.fit(made.training, quiet=True)
    text = str(raised.value)
    assert "epoch 1, batch 1 (step 1): the loss is" in text
    assert "it began in the output of 2 (Overflow)" in text
    assert "are kept" not in text


def test_a_loss_that_fails_by_itself(problem):
    def loss(outputs, targets):
        return (outputs - outputs).sum().log()

    made = problem.make(loss=loss, clip_norm=1.0)
    with pytest.raises(DivergenceError) as raised:
        made.trainer.fit(made.training, quiet=True)
    assert "the loss is -inf; it began in the loss itself" in str(raised.value)
    assert "clip_norm" not in str(raised.value)


@pytest.mark.parametrize("clip_norm", [None, 1.0])
def test_a_gradient_that_is_not_finite_while_the_loss_is(problem, clip_norm):
    def loss(outputs, targets):
        zero = outputs.sum() * 0.0
        return zero.sqrt() + 1.0  # finite, but its slope is not

    made = problem.make(loss=loss, clip_norm=clip_norm)
    before = problem.weights(made.model[4])
    with pytest.raises(DivergenceError) as raised:
        made.trainer.fit(made.training, quiet=True)
    text = str(raised.value)
    assert "epoch 1, batch 1 (step 1): a gradient is not finite" in text
    assert "it began in the gradient of 4.bias" in text
    assert problem.weights(made.model[4]) == before


def test_a_learning_rate_that_is_far_too_high():
    random = np.random.default_rng(0)
    x = random.normal(size=(64, 3)).astype(np.float32)
    model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1))
    trainer = Trainer(model, optim.SGD(model.parameters(), lr=1e3), nn.MSELoss())
    loader = DataLoader(TensorDataset(x, x.sum(1, keepdims=True)), 16)
    with pytest.raises(DivergenceError) as raised:
        trainer.fit(loader, epochs=50, quiet=True)
    assert "try lr=100" in str(raised.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_bad_numbers_in_the_data(problem, value):
    made = problem.make()
    x = np.zeros((20, 2), np.float32)
    x[13, 1] = value
    loader = DataLoader(TensorDataset(x, np.zeros(20, np.int64)), 8)
    words = rf"batch 2.*: the inputs hold {value} at \[5, 1\] \(1 in all\)"
    with pytest.raises(DataError, match="epoch 1, " + words) as raised:
        made.trainer.fit(loader, quiet=True)
    assert "drop the sample or fill in the value" in str(raised.value)


def test_bad_numbers_in_the_validation_data(problem):
    made = problem.make()
    x = np.zeros((20, 2), np.float32)
    x[13, 1] = np.nan
    loader = DataLoader(TensorDataset(x, np.zeros(20, np.int64)), 8)
    words = r"evaluation, batch 2: the inputs hold nan at \[5, 1\] \(1 in all\)"
    with pytest.raises(DataError, match=words):
        made.trainer.evaluate(loader)
    with pytest.raises(DataError, match=words):
        made.trainer.fit(made.training, loader, quiet=True)


def test_bad_numbers_in_the_targets():
    y = np.array([[1.0], [np.nan], [np.nan]], np.float32)
    loader = DataLoader(TensorDataset(np.ones((3, 1), np.float32), y), 3)
    model = nn.Linear(1, 1)
    trainer = Trainer(model, optim.SGD(model.parameters(), lr=0.1), nn.MSELoss())
    with pytest.raises(DataError, match=r"the targets hold nan at \[1, 0\] \(2 in all\)"):
        trainer.fit(loader, quiet=True)


def test_an_empty_batch():
    model = nn.Linear(2, 1)
    trainer = Trainer(model, optim.SGD(model.parameters(), lr=0.1), nn.MSELoss())
    with pytest.raises(DataError, match="the inputs are empty"):
        trainer.fit([(sl.zeros(0, 2), sl.zeros(0, 1))], quiet=True)


def test_the_validation_diverges_alone(problem):
    made = problem.make(loss=lambda o, t: nn.functional.cross_entropy(o, t) / made.model.scale)
    made.model.scale = 1.0

    class Break(Callback):
        def on_step_end(self, trainer):
            made.model.scale = 0.0 if trainer.batch == trainer.batches else 1.0

    with pytest.raises(DivergenceError, match="evaluation, batch 1"):
        made.trainer.fit(made.training, made.validation, callbacks=[Break()], quiet=True)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, -2.0], True),
        ([1e30, 1e30], True),  # their squares overflow, they do not
        ([1.0, np.nan], False),
        ([-np.inf, 1.0], False),
        ([], True),
    ],
)
def test_the_fused_test_of_gradients(values, expected):
    good, bad = sl.zeros(2, requires_grad=True), sl.zeros(len(values), requires_grad=True)
    good.grad, bad.grad = sl.ones(2), sl.tensor(values, dtype=sl.float32)
    assert gradients_are_finite([good, bad, sl.zeros(3)]) is expected
