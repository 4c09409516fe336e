"""The ring of seconds: a tour of the whole house in one file, to run after every change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import streetlight as sl
import streetlight.nn.functional as F
from streetlight import nn, optim
from streetlight.train import Trainer
from streetlight.utils.data import DataLoader, TensorDataset

LIGHTS = np.array([[1, 0, 1], [0, 1, 1], [0, 0, 1], [1, 1, 1]], np.float32)
WALK = np.array([[1], [1], [0], [0]], np.float32)


def test_arithmetic_is_that_of_numpy() -> None:
    a, b = np.arange(6.0).reshape(2, 3) - 2.5, np.array([1.0, 2.0, 4.0])
    x, y = sl.tensor(a), sl.tensor(b)
    ours = (x * y - y / x).exp().sum(dim=1, keepdim=True)
    np.testing.assert_allclose(ours.numpy(), np.exp(a * b - b / a).sum(1, keepdims=True), rtol=1e-5)
    np.testing.assert_allclose((x @ y).numpy(), a @ b, rtol=1e-6)
    np.testing.assert_array_equal(x.T[1:, None].numpy(), a.T[1:, None])


def test_gradients_of_any_order() -> None:
    x = sl.tensor([2.0, -3.0], requires_grad=True)
    (first,) = sl.autograd.grad((x**3).sum(), x, create_graph=True)
    (second,) = sl.autograd.grad(first.sum(), x)
    assert first.tolist() == [12.0, 27.0]  # 3 x^2
    assert second.tolist() == [12.0, -18.0]  # 6 x


def by_hand(w1: np.ndarray, w2: np.ndarray, rate: float, steps: int) -> float:
    """The same network on NumPy, with the gradients written out; returns the last error."""
    for step in range(steps):
        x, y = LIGHTS[step % 4], WALK[step % 4]
        hidden = np.maximum(w1 @ x, 0)
        delta = 2 * (w2 @ hidden - y)
        back = (w2.T @ delta) * (hidden > 0)
        error = float(delta @ delta) / 4
        w2 -= rate * np.outer(delta, hidden)
        w1 -= rate * np.outer(back, x)
    return error


def test_a_step_of_learning_is_the_one_on_paper() -> None:
    sl.manual_seed(1)
    model = nn.Sequential(nn.Linear(3, 4, bias=False), nn.ReLU(), nn.Linear(4, 1, bias=False))
    w1, w2 = (parameter.detach().numpy().copy() for parameter in model.parameters())
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    for step in range(40):
        x, y = sl.tensor(LIGHTS[step % 4]), sl.tensor(WALK[step % 4])
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y, reduction="sum")
        loss.backward()
        optimizer.step()
    assert loss.item() == pytest.approx(by_hand(w1, w2, 0.1, 40), rel=1e-4)
    for parameter, expected in zip(model.parameters(), (w1, w2), strict=True):
        np.testing.assert_allclose(parameter.detach().numpy(), expected, atol=1e-5)


def test_a_network_learns_the_street_lights(tmp_path: Path) -> None:
    sl.manual_seed(0)
    data = TensorDataset(sl.tensor(LIGHTS), sl.tensor(WALK))
    model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
    trainer = Trainer(model, optim.Adam(model.parameters(), lr=0.05), nn.MSELoss())
    history = trainer.fit(DataLoader(data, 2, shuffle=True), epochs=60, quiet=True)
    assert history["loss"][0] > 0.2
    assert history["loss"][-1] < 0.01
    answers = trainer.predict(sl.tensor(LIGHTS))
    assert (answers.numpy() > 0.5).tolist() == (WALK > 0.5).tolist()

    sl.save(model.state_dict(), tmp_path / "lights.safetensors")
    copy = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
    copy.load_state_dict(sl.load(tmp_path / "lights.safetensors"))
    np.testing.assert_array_equal(copy(sl.tensor(LIGHTS)).detach().numpy(), answers.numpy())


def test_handwritten_digits_come_with_the_package() -> None:
    train, test = sl.datasets.digits()
    image, label = train[0]
    assert len(train) + len(test) == 1797
    assert image.numpy().size == 64
    assert 0 <= int(label) <= 9


def test_a_mistake_is_answered_in_words() -> None:
    with pytest.raises(sl.errors.ShapeError, match=r"(?s)E101.*expected:.*fix:"):
        nn.Linear(4, 2)(sl.ones(5, 3))
    with pytest.raises(ValueError, match="sizes 2 and 3 do not fit"):
        sl.ones(2) + sl.ones(3)
