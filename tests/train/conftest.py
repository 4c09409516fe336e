"""A small problem that all tests of training share: classify points by the sign of a product."""

from types import SimpleNamespace

import numpy as np
import pytest

import streetlight as sl
from streetlight import nn, optim
from streetlight.train import Trainer
from streetlight.utils.data import DataLoader, TensorDataset


def points(samples, seed):
    """Points in the square, and whether their coordinates have the same sign."""
    x = np.random.default_rng(seed).uniform(-1, 1, (samples, 2)).astype(np.float32)
    return TensorDataset(x, (x[:, 0] * x[:, 1] > 0).astype(np.int64))


def make(lr=0.02, optimizer=None, scheduler=None, batch_size=8, loss=None, **options):
    """A model, its loaders and its trainer, always the same for the same options."""
    sl.manual_seed(3)
    model = nn.Sequential(
        nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 2)
    )
    chosen = (optimizer or (lambda p: optim.Adam(p, lr=lr)))(model.parameters())
    options = {"metrics": ["accuracy"], **options}
    schedule = scheduler(chosen) if scheduler else None
    loss = loss or nn.CrossEntropyLoss()
    return SimpleNamespace(
        model=model,
        optimizer=chosen,
        scheduler=schedule,
        training=DataLoader(points(50, 0), batch_size, shuffle=True),
        validation=DataLoader(points(30, 1), 16),
        trainer=Trainer(model, chosen, loss, scheduler=schedule, **options),
    )


def weights(model):
    """All numbers of a model, as bytes."""
    return b"".join(t.numpy().tobytes() for t in model.state_dict().values())


@pytest.fixture
def problem():
    """The functions above, for test files that cannot import them."""
    return SimpleNamespace(make=make, points=points, weights=weights)
