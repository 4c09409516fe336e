"""What holds for every augmentation, what two change the pixels' values, and what joins them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import streetlight as sl
from streetlight import augment
from streetlight.errors import (
    ArgumentError,
    DTypeError,
    IndexOutOfRangeError,
    ShapeError,
)
from streetlight.random import Generator

KINDS = {
    "wobble": lambda **g: augment.Wobble(1.0, 0.2, **g),
    "affine": lambda **g: augment.RandomAffine(20, (0.1, 0.1), (0.8, 1.2), 10, **g),
    "rotation": lambda **g: augment.RandomRotation(20, **g),
    "crop": lambda **g: augment.RandomCrop((7, 9), padding=2, **g),
    "resized crop": lambda **g: augment.RandomResizedCrop((7, 9), **g),
    "horizontal flip": lambda **g: augment.RandomHorizontalFlip(**g),
    "vertical flip": lambda **g: augment.RandomVerticalFlip(**g),
    "elastic": lambda **g: augment.ElasticTransform(30.0, 2.0, **g),
    "noise": lambda **g: augment.GaussianNoise(**g),
    "erasing": lambda **g: augment.RandomErasing(**g),
}
IDLE = {
    "wobble": augment.Wobble(0.0),
    "affine": augment.RandomAffine(0),
    "rotation": augment.RandomRotation(0),
    "crop": augment.RandomCrop((7, 9)),
    "resized crop": augment.RandomResizedCrop((7, 9), (1, 1), (9 / 7, 9 / 7)),
    "horizontal flip": augment.RandomHorizontalFlip(0.0),
    "vertical flip": augment.RandomVerticalFlip(0.0),
    "elastic": augment.ElasticTransform(0.0),
    "noise": augment.GaussianNoise(sigma=0.0),
    "erasing": augment.RandomErasing(0.0),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def pictures(*shape: int, dtype: Any = np.float32) -> Any:
    return np.random.default_rng(0).random(shape).astype(dtype)


@every_kind
def test_the_seed_decides_and_each_picture_has_its_own_draw(kind: str) -> None:
    images = np.repeat(pictures(1, 2, 7, 9), 12, axis=0)
    before = images.copy()
    make = KINDS[kind]
    first = make(generator=Generator().manual_seed(4))(images)
    assert first.tobytes() == make(generator=Generator().manual_seed(4))(images).tobytes()
    assert not np.array_equal(first, make(generator=Generator().manual_seed(5))(images))
    assert len(np.unique(first, axis=0)) > (1 if "flip" in kind else 4)
    np.testing.assert_array_equal(images, before)


@every_kind
def test_the_default_generator_is_that_of_manual_seed(kind: str) -> None:
    images, change = pictures(8, 1, 7, 9), KINDS[kind]()
    sl.manual_seed(1)
    once = change(images)
    again = change(images)
    sl.manual_seed(1)
    np.testing.assert_array_equal(change(images), once)
    assert not np.array_equal(once, again)


@every_kind
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3, 1, 7, 9), (2, 3, 8, 8), (0, 1, 7, 9), (1, 4, 1, 2)])
def test_shapes_types_and_range_are_kept(kind: str, dtype: Any, shape: tuple[int, ...]) -> None:
    if kind == "crop":
        shape = (*shape[:2], max(7, shape[2]), max(9, shape[3]))
    change, images = KINDS[kind](), pictures(*shape, dtype=dtype)
    found = change(images)
    size = (7, 9) if "crop" in kind else shape[2:]
    assert found.shape == (*shape[:2], *size)
    assert found.dtype == dtype
    assert found.flags.c_contiguous
    if found.size:
        assert -1e-6 <= found.min() <= found.max() <= 1 + 1e-6
    tensor = change(sl.from_numpy(images))
    assert isinstance(tensor, sl.Tensor)
    assert tensor.dtype == dtype
    assert tensor.shape == found.shape


@pytest.mark.parametrize("kind", IDLE)
def test_without_strength_nothing_changes(kind: str) -> None:
    images = pictures(4, 2, 7, 9)
    np.testing.assert_array_equal(IDLE[kind](images), images)


@every_kind
def test_channels_of_a_picture_move_together(kind: str) -> None:
    if kind != "noise":
        images = np.repeat(pictures(6, 1, 7, 9), 3, axis=1)
        found = KINDS[kind]()(images)
        np.testing.assert_array_equal(found, np.repeat(found[:, :1], 3, axis=1))


@every_kind
def test_what_is_no_batch_of_pictures(kind: str) -> None:
    change = KINDS[kind]()
    name = type(change).__name__
    with pytest.raises(ShapeError, match=f"{name}: these are no batch of images") as told:
        change(pictures(3, 28, 28))
    assert "images[:, None] adds the channel" in str(told.value)
    with pytest.raises(ShapeError, match="no batch of images"):
        change(pictures(3, 1, 0, 28))
    with pytest.raises(DTypeError, match=f"{name}: these are no floating-point images") as told:
        change(np.zeros((3, 1, 8, 8), np.uint8))
    assert "/ 255" in str(told.value)
    with pytest.raises(DTypeError, match="no floating-point images"):
        change([[[[1.0]]]])


def test_noise_has_its_mean_and_spread() -> None:
    images = np.full((50, 1, 40, 40), 0.5)
    found = augment.GaussianNoise(0.1, 0.2, clip=False, generator=Generator())(images) - 0.5
    assert abs(found.mean() - 0.1) < 0.003
    assert abs(found.std() - 0.2) < 0.003
    assert found.min() < -0.6


def test_erased_is_one_rectangle_of_the_share_asked_for() -> None:
    images = np.ones((2000, 1, 30, 30))
    change = augment.RandomErasing(0.25, (0.1, 0.3), value=7.0, generator=Generator())
    holes = change(images)[:, 0] == 7
    hit = holes.any(axis=(1, 2))
    assert abs(hit.mean() - 0.25) < 0.04
    assert abs(holes[hit].mean() - 0.2) < 0.01
    for hole in holes[hit][:20]:
        assert hole.sum() == hole.any(axis=0).sum() * hole.any(axis=1).sum()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: augment.GaussianNoise(sigma=-1), "GaussianNoise: sigma cannot be -1"),
        (lambda: augment.RandomErasing(p=2), "RandomErasing: p cannot be 2"),
        (lambda: augment.RandomErasing(scale=(-1, 1)), "RandomErasing: scale cannot be"),
        (lambda: augment.RandomErasing(ratio=(0, 1)), "RandomErasing: ratio cannot be"),
        (lambda: augment.MixUp(alpha=0), "MixUp: alpha cannot be 0"),
    ],
)
def test_wrong_options(make: Any, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        make()


def test_what_is_beside_the_images_comes_back() -> None:
    images, labels = pictures(3, 1, 4, 4), np.arange(3)
    changed, same = augment.RandomVerticalFlip(1.0)(images, labels)
    assert same is labels
    np.testing.assert_array_equal(changed, images[:, :, ::-1])


def test_compose_does_one_after_the_other() -> None:
    images, labels = pictures(3, 1, 4, 6), np.arange(3)
    both = augment.Compose([augment.RandomHorizontalFlip(1.0), augment.RandomCrop((4, 3), 0)])
    generator = Generator().manual_seed(2)
    both.transforms[1].generator = generator
    found, same = both(images, labels)
    generator.manual_seed(2)
    expected = augment.RandomCrop((4, 3), generator=generator)(images[..., ::-1])
    np.testing.assert_array_equal(found, expected)
    assert same is labels
    assert both(images).shape == (3, 1, 4, 3)
    mixed = augment.Compose([both, augment.MixUp(num_classes=3), augment.TwoViews(both)])
    first, second, rows = mixed(images, labels)
    assert first.shape == second.shape == (3, 1, 4, 3)
    assert rows.shape == (3, 3)
    assert repr(both).startswith("Compose([RandomHorizontalFlip(p=1.0), RandomCrop(size=(4, 3)")


def test_two_views_are_two_draws_of_the_same_pictures() -> None:
    images, labels = pictures(5, 1, 6, 6), np.arange(5)
    change = augment.TwoViews(augment.RandomAffine(0, (0.4, 0.4)))
    first, second, same = change(images, labels)
    assert same is labels
    assert not np.array_equal(first, second)
    assert len(change(images)) == 2
    assert repr(change).startswith("TwoViews(RandomAffine(")


def test_mixup_mixes_each_picture_and_its_label_alike() -> None:
    labels = np.array([0, 1, 2, 0, 1, 2])
    images = np.eye(3)[labels].reshape(6, 3, 1, 1).astype(np.float32)  # pictures of the labels
    mixed, rows = augment.MixUp(num_classes=3, generator=Generator())(images, labels)
    np.testing.assert_allclose(mixed.reshape(6, 3), rows, atol=1e-6)
    np.testing.assert_allclose(rows.sum(1), 1, atol=1e-6)
    kept = rows[np.arange(6), labels]
    np.testing.assert_allclose(rows[np.arange(6), np.roll(labels, 1)], 1 - kept, atol=1e-6)
    assert len(np.unique(kept)) == 6


@pytest.mark.parametrize("alpha", [0.2, 1.0, 8.0])
def test_mixup_draws_from_beta(alpha: float) -> None:
    labels = np.arange(5000) % 2
    images = np.zeros((5000, 1, 1, 1), np.float32)
    _, rows = augment.MixUp(alpha=alpha, num_classes=2, generator=Generator())(images, labels)
    kept = rows[np.arange(5000), labels]
    assert abs(kept.mean() - 0.5) < 0.02
    assert abs(kept.var() - 1 / (4 * (2 * alpha + 1))) < 0.008


def test_mixup_takes_rows_and_tensors() -> None:
    rows = np.eye(3, dtype=np.float64)[[0, 1, 2]]
    images, labels = augment.MixUp()(sl.from_numpy(pictures(3, 1, 2, 2)), sl.from_numpy(rows))
    assert isinstance(images, sl.Tensor)
    assert isinstance(labels, sl.Tensor)
    assert labels.dtype == np.float32
    np.testing.assert_allclose(labels.sum(1).numpy(), 1, atol=1e-6)
    empty, none = augment.MixUp(num_classes=4)(pictures(0, 1, 2, 2), np.zeros(0, np.int64))
    assert empty.shape == (0, 1, 2, 2)
    assert none.shape == (0, 4)


def test_wrong_labels_for_mixup() -> None:
    images = pictures(3, 1, 2, 2)
    with pytest.raises(ShapeError, match="MixUp: these labels do not belong to the images"):
        augment.MixUp(num_classes=3)(images)
    with pytest.raises(ShapeError, match="these labels do not belong"):
        augment.MixUp(num_classes=3)(images, np.arange(4))
    with pytest.raises(ShapeError, match="these labels do not belong"):
        augment.MixUp(num_classes=3)(images, np.zeros(3))
    with pytest.raises(ArgumentError, match="MixUp: num_classes cannot be None"):
        augment.MixUp()(images, np.arange(3))
    for wrong in (3, -1):
        with pytest.raises(IndexOutOfRangeError, match="a label is not among the classes"):
            augment.MixUp(num_classes=3)(images, np.array([0, 1, wrong]))


def test_a_change_of_ones_own() -> None:
    with pytest.raises(NotImplementedError):
        augment.Transform()(pictures(1, 1, 2, 2))
    assert repr(augment.RandomVerticalFlip(0.25)) == "RandomVerticalFlip(p=0.25)"
