"""What holds a network back from learning by heart does what it is for, on real digits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import streetlight as sl
from streetlight import augment, datasets, nn, optim
from streetlight.train import EarlyStopping, Trainer
from streetlight.utils.data import DataLoader, Subset

TRAIN, TEST = datasets.digits()
FEW, HELD_OUT = Subset(TRAIN, range(100)), DataLoader(TEST, 599)


def trained(
    data: Any = FEW, dropout: float = 0.0, epochs: int = 60, callbacks: Any = (), **options: Any
) -> Trainer:
    """Train a network that is large for a hundred digits."""
    sl.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 100), nn.ReLU(), nn.Dropout(dropout))
    model.append(nn.Linear(100, 10))
    smoothing = options.pop("label_smoothing", 0.0)
    optimizer = optim.AdamW(model.parameters(), **{"lr": 5e-3, "weight_decay": 0.0, **options})
    loss = nn.CrossEntropyLoss(label_smoothing=smoothing)
    trainer = Trainer(model, optimizer, loss, ["accuracy"])
    loader = DataLoader(data, 20, shuffle=True)
    trainer.fit(loader, HELD_OUT, epochs, callbacks, quiet=True)
    return trainer


@pytest.fixture(scope="module")
def plain() -> Trainer:
    return trained()


def sureness(trainer: Trainer) -> float:
    probabilities = nn.functional.softmax(trainer.predict(TEST.images), 1).numpy()
    return float(np.sort(probabilities, axis=1)[:, -1].mean())


def size(trainer: Trainer) -> float:
    return sum(float((p.detach().numpy() ** 2).sum()) for p in trainer.model.parameters())


def test_without_anything_it_learns_by_heart(plain: Trainer) -> None:
    assert plain.history["accuracy"][-1] == 1
    assert plain.history["validation_accuracy"][-1] < 0.93
    assert plain.history["validation_loss"][-1] > 10 * plain.history["loss"][-1]


def test_weight_decay_keeps_weights_small(plain: Trainer) -> None:
    assert size(trained(weight_decay=1.0)) < 0.7 * size(plain)


def test_smooth_labels_make_it_less_sure(plain: Trainer) -> None:
    smooth = trained(label_smoothing=0.2)
    assert sureness(smooth) < sureness(plain) - 0.1
    assert smooth.history["accuracy"][-1] == 1


def test_dropout_learns_more_slowly_than_it_answers(plain: Trainer) -> None:
    dropped = trained(dropout=0.5)
    early = slice(0, 10)
    assert np.mean(dropped.history["loss"][early]) > np.mean(plain.history["loss"][early])
    fitted = dropped.evaluate(DataLoader(FEW, 100))["loss"]
    assert fitted < dropped.history["loss"][-1]


def test_mixtures_are_never_learnt_by_heart(plain: Trainer) -> None:
    mixed = trained(augment.TransformedDataset(FEW, augment.MixUp(num_classes=10)))
    assert mixed.history["loss"][-1] > 10 * plain.history["loss"][-1]
    assert mixed.history["validation_loss"][-1] < plain.history["validation_loss"][-1]
    assert sureness(mixed) < sureness(plain)


def test_pictures_ever_new_help_with_those_never_seen(plain: Trainer) -> None:
    wobbled = trained(augment.TransformedDataset(FEW, augment.Wobble(0.6, 0.25)), epochs=120)
    better = wobbled.history["validation_accuracy"][-1]
    assert better > plain.history["validation_accuracy"][-1] + 0.02


def test_early_stopping_ends_at_the_turn_and_keeps_it() -> None:
    stopped = trained(epochs=300, lr=2e-2, callbacks=[EarlyStopping(patience=4)])
    figures = stopped.history["validation_loss"]
    assert len(figures) < 300
    assert int(np.argmin(figures)) == len(figures) - 5
    assert stopped.evaluate(HELD_OUT)["loss"] == min(figures)
