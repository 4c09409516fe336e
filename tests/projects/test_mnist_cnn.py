"""The convolutional job, on a few pictures: what it leaves, and that it can be asked later."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from streetlight import datasets
from streetlight.augment import TransformedDataset
from streetlight.datasets import LabelledImages
from streetlight.projects import images, mnist_cnn
from streetlight.projects.image_network import load_network
from streetlight.projects.run_folder import RunOptions
from streetlight.utils.data import TensorDataset


@pytest.fixture
def small(monkeypatch):
    """The job with 220 noisy pictures of ten bars and one small batch."""
    labels = np.arange(220, dtype=np.uint8) % 10
    pixels = np.random.default_rng(0).integers(0, 60, (220, 28, 28)).astype(np.uint8)
    for picture, label in zip(pixels, labels, strict=True):
        picture[:, 2 * label + 4 : 2 * label + 7] = 255
    parts = [LabelledImages(pixels[:, :, :], labels, 255) for _ in range(2)]
    monkeypatch.setattr(datasets, "mnist", lambda: tuple(parts))
    network = replace(mnist_cnn.NETWORK, kernels=(4, 6), pooled=(1, 2))
    monkeypatch.setattr(mnist_cnn, "NETWORK", network)
    monkeypatch.setattr(mnist_cnn, "WATCHED", 60)
    monkeypatch.setattr(mnist_cnn, "BATCH", 20)


def test_a_run_leaves_its_pictures_and_answers_later(small, tmp_path, capsys):
    run = tmp_path / "run"
    outcome = mnist_cnn.train_cnn(RunOptions(epochs=1, out=run))
    said = capsys.readouterr().out
    assert "Learning 220 handwritten digits of 28×28 pixels with four convolutions" in said
    names = {path.name for path in run.glob("*.png")}
    pictures = {"curves", "confusion", "mistakes", "kernels", "features", "augmentation"}
    assert names == {f"{name}.png" for name in pictures}
    images.evaluate(run)
    assert str(outcome) in capsys.readouterr().out
    bar = np.full((28, 28), 255, np.uint8)
    bar[4:24, 12:15] = 0
    Image.fromarray(bar).save(tmp_path / "bar.png")
    images.predict(run, [tmp_path / "bar.png"])
    assert f"{tmp_path / 'bar.png'}: " in capsys.readouterr().out
    model, network = load_network(run / "model.safetensors")
    assert network == mnist_cnn.NETWORK
    assert not model.training


def test_the_network_is_a_small_one():
    weights = mnist_cnn.NETWORK.build().parameters()
    assert sum(weight.numel() for weight in weights) < 150_000


def test_the_last_epochs_show_the_digits_as_they_are():
    dataset = TransformedDataset(TensorDataset(np.ones((2, 1, 2, 2))), lambda images: 2 * images)
    last = mnist_cnn.ShowUnchanged(dataset, 3)
    for epoch, shown in ((0, 2), (1, 2), (2, 1), (4, 1)):
        last.on_epoch_start(SimpleNamespace(epoch=epoch, epochs=5))
        assert dataset[0][0].max().item() == shown
