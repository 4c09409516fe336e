"""Where things go: exact moves, mixtures of pixels by hand and by PyTorch, and what is drawn."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from streetlight import augment
from streetlight.augment.geometric import boxes
from streetlight.augment.resample import look_through
from streetlight.errors import ArgumentError, ShapeError
from streetlight.random import Generator


def pictures(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def by_hand(image: Any, change: Any, fill: float) -> Any:
    """Each output pixel by itself: where it looks, and the four pixels around that place."""
    height, width = image.shape
    middle = np.array([(height - 1) / 2, (width - 1) / 2])
    result = np.zeros_like(image)
    for row in range(height):
        for column in range(width):
            place = np.array([row, column])
            y, x = place + change[:, :2] @ (place - middle) + change[:, 2]
            for i in (math.floor(y), math.floor(y) + 1):
                for j in (math.floor(x), math.floor(x) + 1):
                    inside = 0 <= i < height and 0 <= j < width
                    weight = (1 - abs(y - i)) * (1 - abs(x - j))
                    result[row, column] += weight * (image[i, j] if inside else fill)
    return result


@pytest.mark.parametrize("fill", [0.0, 0.5])
@pytest.mark.parametrize("shape", [(8, 8), (5, 9), (1, 3)])
def test_pixels_are_mixed_as_by_hand(shape: tuple[int, int], fill: float) -> None:
    images = pictures(4, 2, *shape)
    changes = np.random.default_rng(1).uniform(-0.4, 0.4, (4, 2, 3)).astype(np.float32)
    changes[:, :, 2] *= 4
    found = look_through(images, changes, fill)
    for image, seen, change in zip(images, found, changes, strict=True):
        for channel in range(2):
            expected = by_hand(image[channel], change, fill)
            np.testing.assert_allclose(seen[channel], expected, atol=1e-5)
    assert found.dtype == np.float32


def test_many_pictures_are_seen_as_each_by_itself() -> None:
    images = pictures(70, 2, 20, 30)
    draws = np.random.default_rng(1).uniform(-0.2, 0.2, (70, 2, 3)).astype(np.float32)
    each = [look_through(images[i : i + 1], draws[i : i + 1])[0] for i in range(70)]
    np.testing.assert_array_equal(look_through(images, draws), each)


def test_a_whole_pixel_moves_the_picture_and_lets_paper_in() -> None:
    images = np.arange(12, dtype=np.float32).reshape(1, 1, 3, 4)
    change = np.array([[[0, 0, 1], [0, 0, 0]]], np.float32)
    found = look_through(images, change)[0, 0]
    np.testing.assert_array_equal(found, [[4, 5, 6, 7], [8, 9, 10, 11], [0, 0, 0, 0]])


@pytest.mark.parametrize("turns", [-1, 0, 1, 2, 3])
def test_quarter_turns_are_exact(turns: int) -> None:
    images = pictures(3, 2, 7, 7)
    found = augment.RandomRotation((90 * turns, 90 * turns))(images)
    np.testing.assert_allclose(found, np.rot90(images, turns, axes=(2, 3)), atol=3e-6)


def test_affine_turns_the_other_way_round() -> None:
    images = pictures(2, 1, 6, 6)
    clockwise = augment.RandomAffine((90, 90))(images)
    np.testing.assert_allclose(clockwise, np.rot90(images, -1, axes=(2, 3)), atol=3e-6)


@pytest.mark.parametrize("size", [(9, 9), (6, 11)])
def test_affine_is_what_pytorch_samples(size: tuple[int, int]) -> None:
    images, (height, width) = pictures(2, 3, *size), size
    angle, scale, lean = np.radians(25), 1.2, np.tan(np.radians(12))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    forward = scale * turn @ np.array([[1, -lean], [0, 1]])  # x before y
    half = np.diag([width / 2, height / 2])
    theta = np.zeros((2, 2, 3))
    theta[:, :, :2] = np.linalg.inv(half) @ np.linalg.inv(forward) @ half
    grid = torch.nn.functional.affine_grid(torch.tensor(theta), images.shape, align_corners=False)
    expected = torch.nn.functional.grid_sample(
        torch.tensor(images).double(), grid, align_corners=False
    )
    found = augment.RandomAffine((25, 25), scale=(1.2, 1.2), shear=(12, 12))(images)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def test_a_scale_enlarges_about_the_centre() -> None:
    image = np.zeros((1, 1, 9, 9))
    image[0, 0, 4, 4:6] = 1
    found = augment.RandomAffine(0, scale=(2, 2))(image)[0, 0]
    np.testing.assert_allclose(found[4, 4:7], 1, atol=1e-6)
    np.testing.assert_allclose(found[4, [0, 1, 2, 8]], 0, atol=1e-6)


def centres(images: Any) -> Any:
    """The centre of mass of each picture, (N, 2)."""
    places = np.indices(images.shape[2:]).reshape(2, -1)
    mass = images.reshape(len(images), -1)
    return mass @ places.T / mass.sum(1, keepdims=True)


def test_shifts_are_spread_evenly_over_their_range() -> None:
    images = np.zeros((4000, 1, 21, 31))
    images[:, :, 10, 15] = 1
    moved = augment.RandomAffine(0, translate=(0.2, 0.1), generator=Generator())(images)
    down, across = (centres(moved) - [10, 15]).T
    for found, most in ((down, 2.1), (across, 6.2)):
        assert -most <= found.min() < -0.95 * most
        assert 0.95 * most < found.max() <= most
        assert abs(found.mean()) < 0.05 * most
        assert abs(found.std() - most / math.sqrt(3)) < 0.03 * most
    assert abs(np.corrcoef(down, across)[0, 1]) < 0.06


def test_wobble_moves_by_its_shift() -> None:
    images = np.zeros((1000, 1, 15, 15))
    images[:, :, 7, 7] = 1
    offsets = centres(augment.Wobble(3.0, generator=Generator())(images)) - 7
    assert 2.9 < np.abs(offsets).max() <= 3.0
    assert abs(offsets.mean()) < 0.1


def test_crops_are_pieces_at_all_places() -> None:
    images = np.broadcast_to(np.arange(35.0).reshape(5, 7), (2000, 1, 5, 7))
    found = augment.RandomCrop((3, 6), generator=Generator())(images)
    firsts, counts = np.unique(found[:, 0, 0, 0], return_counts=True)
    assert firsts.tolist() == [0, 1, 7, 8, 14, 15]
    assert counts.min() > 270
    piece = np.arange(35.0).reshape(5, 7)[:3, :6]
    np.testing.assert_array_equal(found[:, 0] - found[:, :1, :1, 0], np.tile(piece, (2000, 1, 1)))


def test_padding_is_left_and_right_then_top_and_bottom() -> None:
    found = augment.RandomCrop((3, 6), padding=(2, 1), fill=9.0)(np.zeros((1, 1, 1, 2)))
    expected = np.full((3, 6), 9.0)
    expected[1, 2:4] = 0
    np.testing.assert_array_equal(found[0, 0], expected)


def test_the_whole_picture_resized_is_what_pytorch_interpolates() -> None:
    images = pictures(2, 3, 5, 8)
    whole = augment.RandomResizedCrop((7, 11), scale=(1, 1), ratio=(1.6, 1.6))
    expected = torch.nn.functional.interpolate(torch.tensor(images), (7, 11), mode="bilinear")
    np.testing.assert_allclose(whole(images), expected.numpy(), atol=1e-5)


def test_boxes_have_the_areas_and_shapes_asked_for() -> None:
    draws = Generator().uniform((5000, 4))
    top, left, tall, wide = boxes(draws, (100, 100), (0.1, 0.3), (0.5, 2.0))
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (top + tall <= 100).all()
    assert (left + wide <= 100).all()
    assert abs((tall * wide).mean() - 2000) < 40
    assert abs(np.log(wide / tall).mean()) < 0.03
    assert np.log(wide / tall).max() < np.log(2.1)


def test_boxes_too_long_are_cut() -> None:
    found = boxes(np.full((1, 4), 0.5, np.float32), (4, 50), (1.0, 1.0), (1.0, 1.0))
    assert found[:, 0].tolist() == [0, 18, 4, 14]


def test_flips_are_exact_and_as_often_as_asked() -> None:
    images = pictures(2000, 1, 2, 3)
    for kind, axis in ((augment.RandomHorizontalFlip, 3), (augment.RandomVerticalFlip, 2)):
        np.testing.assert_array_equal(kind(p=1.0)(images), np.flip(images, axis))
        found = kind(p=0.3, generator=Generator())(images)
        flipped = (found == np.flip(images, axis)).all(axis=(1, 2, 3))
        kept = (found == images).all(axis=(1, 2, 3))
        assert (flipped ^ kept).all()
        assert abs(flipped.mean() - 0.3) < 0.04


def test_bends_are_smooth_and_of_the_strength_asked_for() -> None:
    ramp = np.tile(np.arange(64.0), (20, 1, 64, 1))  # each pixel tells its column
    bent = augment.ElasticTransform(alpha=60.0, sigma=6.0, generator=Generator())(ramp)
    moved = (bent - ramp)[:, :, 12:-12, 12:-12]
    assert 0.3 < moved.std() / (30 / math.sqrt(3) / (2 * math.sqrt(math.pi) * 6)) < 2
    assert np.abs(np.diff(moved, axis=2)).max() < 0.6
    assert abs(moved.mean()) < 0.3


def test_pieces_larger_than_the_picture() -> None:
    with pytest.raises(ShapeError, match="RandomCrop: the piece is larger than the image") as told:
        augment.RandomCrop(9, padding=1)(pictures(1, 1, 6, 12))
    assert "images of at least 9×9 pixels with padding" in str(told.value)


WRONG = [
    (lambda: augment.RandomRotation((9, 3)), r"RandomRotation: degrees cannot be \(9, 3\)"),
    (lambda: augment.RandomRotation(-5), "RandomRotation: degrees cannot be -5"),
    (lambda: augment.RandomAffine(0, translate=(2, 0)), "RandomAffine: translate cannot be 2"),
    (lambda: augment.RandomAffine(0, translate=0.1), "RandomAffine: translate cannot be 0.1"),
    (lambda: augment.RandomAffine(0, scale=(0, 1)), r"RandomAffine: scale cannot be \(0, 1\)"),
    (lambda: augment.RandomCrop(0), "RandomCrop: size cannot be 0"),
    (lambda: augment.RandomCrop((3, 4, 5)), r"RandomCrop: size cannot be \(3, 4, 5\)"),
    (lambda: augment.RandomCrop(3, padding=-1), "RandomCrop: padding cannot be -1"),
    (lambda: augment.RandomResizedCrop(3, ratio=(0, 1)), "RandomResizedCrop: ratio cannot be"),
    (lambda: augment.RandomHorizontalFlip(1.5), "RandomHorizontalFlip: p cannot be 1.5"),
    (lambda: augment.ElasticTransform(-1), "ElasticTransform: alpha cannot be -1"),
    (lambda: augment.ElasticTransform(sigma=0), "ElasticTransform: sigma cannot be 0"),
    (lambda: augment.Wobble(-1), "Wobble: shift cannot be -1"),
    (lambda: augment.Wobble(1, float("nan")), "Wobble: slant cannot be nan"),
]


@pytest.mark.parametrize(("make", "words"), WRONG)
def test_wrong_options(make: Any, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        make()
