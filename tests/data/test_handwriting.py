"""The real digits: the right pixels, the right labels, the split that was promised."""

from __future__ import annotations

import hashlib
import importlib.resources
import io
import os

import numpy as np
import pytest

import streetlight as sl
from streetlight.datasets import registry
from streetlight.errors import ChecksumError
from streetlight.utils.data import DataLoader

needs_mnist = pytest.mark.skipif(
    not os.environ.get("STREETLIGHT_DATA"),
    reason="needs the MNIST files in the folder that STREETLIGHT_DATA names",
)


@pytest.fixture(scope="module")
def mnist():
    return sl.datasets.mnist()


def packaged(name: str) -> bytes:
    return (importlib.resources.files("streetlight.datasets") / "files" / name).read_bytes()


def test_packaged_digits_are_the_published_ones():
    digest = hashlib.sha256(packaged("digits.npz")).hexdigest()
    assert digest == "b2dab7b501728c22e9119ad76740b2e17c77a231e42d1e592380d90886f1a05e"
    assert len(packaged("digits.npz")) == 45_394
    with np.load(io.BytesIO(packaged("digits.npz")), allow_pickle=False) as arrays:
        pixels, labels = arrays["images"], arrays["labels"]
    assert pixels.shape == (1797, 8, 8)
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert pixels[0, 1].tolist() == [0, 0, 13, 15, 10, 15, 5, 0]


def test_packaged_digits_equal_those_of_scikit_learn():
    published = pytest.importorskip("sklearn.datasets").load_digits()
    train, test = sl.datasets.digits()
    second = np.array(
        [(published.target[:i] == k).sum() % 3 == 1 for i, k in enumerate(published.target)]
    )
    for part, chosen in ((train, ~second), (test, second)):
        assert (part.images.numpy()[:, 0] * 16 == published.images[chosen]).all()
        assert (part.labels.numpy() == published.target[chosen]).all()


def test_attribution_is_in_the_package():
    text = packaged("digits.txt").decode()
    for words in ("Alpaydin", "Kaynak", "UCI", "CC BY 4.0", "10.24432/C50P49", "Changes"):
        assert words in text


def test_damaged_package_is_named(tmp_path, monkeypatch):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "digits.npz").write_bytes(packaged("digits.npz")[:-1])
    monkeypatch.setattr(registry, "__file__", str(tmp_path / "registry.py"))
    with pytest.raises(ChecksumError, match=r"digits\.npz is damaged"):
        sl.datasets.digits()


def test_digits_shapes_types_and_range():
    train, test = sl.datasets.digits()
    assert (len(train), len(test)) == (1198, 599)
    for part in (train, test):
        assert part.images.shape == (len(part), 1, 8, 8)
        assert (part.images.dtype, part.labels.dtype) == (sl.float32, sl.int64)
        assert (part.images.min().item(), part.images.max().item()) == (0.0, 1.0)
        shares = np.bincount(part.labels.numpy()) / len(part)
        assert np.abs(shares - 0.1).max() < 0.005


@needs_mnist
def test_mnist_shapes_types_and_range(mnist):
    for part, size in zip(mnist, (60_000, 10_000), strict=True):
        assert part.images.shape == (size, 1, 28, 28)
        assert (part.images.dtype, part.labels.dtype) == (sl.float32, sl.int64)
        assert (part.images.min().item(), part.images.max().item()) == (0.0, 1.0)


@needs_mnist
def test_mnist_pixels_and_labels(mnist):
    train, test = mnist
    assert train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert np.bincount(train.labels.numpy())[[0, 1, 9]].tolist() == [5923, 6742, 5949]
    # Mean and standard deviation as they are commonly published for the training images.
    assert train.images.numpy().mean(dtype=np.float64) == pytest.approx(0.1307, abs=5e-5)
    assert train.images.numpy().std(dtype=np.float64) == pytest.approx(0.3081, abs=5e-5)


@needs_mnist
def test_mnist_first_thousand_and_batches(mnist):
    train, _ = mnist
    images, labels = train[:1000]
    assert (images.shape, labels.shape) == ((1000, 1, 28, 28), (1000,))
    image, label = train[7]
    assert (image.shape, label.item()) == ((1, 28, 28), 3)
    images, labels = next(iter(DataLoader(train, 100)))
    assert (images.numpy() == train.images.numpy()[:100]).all()
    assert (labels.numpy() == train.labels.numpy()[:100]).all()
