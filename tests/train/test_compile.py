"""Training with compiled steps: the same as eager, and what "auto" does where it cannot be done."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import streetlight as sl
from streetlight import nn, optim
from streetlight.errors import ArgumentError, DivergenceError, TraceError
from streetlight.train import Trainer
from streetlight.utils.data import DataLoader, TensorDataset


class Untraceable(nn.Linear):
    def forward(self, input: Any) -> Any:
        return super().forward(input) * (1.0 if input.sum().item() > 0 else 2.0)


def trained(compile: Any, rule: str = "SGD", **options: Any) -> tuple[Trainer, Any]:
    """Train two epochs of five batches and a short one."""
    sl.manual_seed(3)
    random = np.random.default_rng(0)
    x = sl.tensor(random.normal(size=(55, 8)).astype(np.float32))
    y = sl.tensor(random.integers(3, size=55))
    model = nn.Sequential(nn.Linear(8, 6), nn.Tanh(), nn.Dropout(0.2), nn.Linear(6, 3))
    optimizer = getattr(optim, rule)(model.parameters(), lr=0.05)
    options.setdefault("scheduler", optim.lr_scheduler.StepLR(optimizer, 1, 0.5))
    trainer = Trainer(
        model, optimizer, nn.CrossEntropyLoss(), ["accuracy"], compile=compile, **options
    )
    loader = DataLoader(TensorDataset(x, y), 10, shuffle=True)
    return trainer, trainer.fit(loader, validation=loader, epochs=3, quiet=True)


@pytest.mark.parametrize("rule", ["SGD", "Adam"])
@pytest.mark.parametrize("options", [{}, {"clip_norm": 0.1}, {"accumulate": 2}])
def test_equals_eager(rule: str, options: dict[str, Any]) -> None:
    eager, history = trained(False, rule, **options)
    compiled, same = trained(True, rule, **options)
    for name, weight in eager.model.state_dict().items():
        np.testing.assert_allclose(
            compiled.model.state_dict()[name].numpy(), weight.numpy(), rtol=2e-5, atol=2e-6
        )
    losses = [kept["loss"] for kept in (history, same)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
    calls = [v.calls for v in compiled.steps._compiled["gradients"].explain().versions]  # type: ignore[attr-defined]
    assert sum(calls) == 15  # three epochs of five whole batches; the short ones run eagerly


def test_auto_says_that_it_compiles(capsys: pytest.CaptureFixture[str]) -> None:
    model = nn.Linear(2, 1)
    trainer = Trainer(model, optim.SGD(model.parameters(), lr=0.1), nn.MSELoss(), compile="auto")
    trainer.fit([(sl.ones(4, 2), sl.ones(4, 1))], epochs=2)
    assert capsys.readouterr().out.count("training runs as native code\n") == 1


def test_auto_trains_eagerly_what_cannot_be_traced(capsys: pytest.CaptureFixture[str]) -> None:
    model = Untraceable(2, 1)
    before = model.weight.detach().clone()
    trainer = Trainer(model, optim.SGD(model.parameters(), lr=0.1), nn.MSELoss(), compile="auto")
    trainer.fit([(sl.ones(4, 2), sl.ones(4, 1))], epochs=2)
    out = capsys.readouterr().out
    assert out.count("not compiled: ") == 1
    assert "native" not in out
    assert not sl.equal(model.weight, before)


def test_true_refuses_what_cannot_be_traced() -> None:
    model = Untraceable(2, 1)
    trainer = Trainer(model, optim.SGD(model.parameters(), lr=0.1), nn.MSELoss(), compile=True)
    with pytest.raises(TraceError, match="item"):
        trainer.fit([(sl.ones(4, 2), sl.ones(4, 1))], quiet=True)


def test_divergence_is_found_before_the_update() -> None:
    model = nn.Linear(2, 1)
    trainer = Trainer(model, optim.SGD(model.parameters(), lr=1e30), nn.MSELoss(), compile=True)
    with pytest.raises(DivergenceError, match="the loss is"):
        trainer.fit([(sl.ones(4, 2) * 3, sl.ones(4, 1))], epochs=9, quiet=True)
    assert np.isfinite(model.weight.detach().numpy()).all()


def test_unknown_option() -> None:
    model = nn.Linear(2, 1)
    with pytest.raises(ArgumentError, match="compile cannot be 'yes'"):
        Trainer(model, optim.SGD(model.parameters()), nn.MSELoss(), compile="yes")  # type: ignore[arg-type]
