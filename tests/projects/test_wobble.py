"""Wobble against a plain loop over pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest

import streetlight as sl
from streetlight.projects import wobble
from streetlight.projects.wobble import Wobble


def by_hand(image, change):
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
                    if 0 <= i < height and 0 <= j < width:
                        weight = (1 - abs(y - i)) * (1 - abs(x - j))
                        result[row, column] += weight * image[i, j]
    return result


@pytest.mark.parametrize("shape", [(8, 8), (5, 9), (1, 3)])
def test_pixels_are_mixed_as_by_hand(shape):
    random = np.random.default_rng(0)
    images = random.random((4, 1, *shape)).astype(np.float32)
    changes = random.uniform(-0.4, 0.4, (4, 2, 3)).astype(np.float32)
    changes[:, :, 2] *= 4
    expected = np.stack([by_hand(i[0], c) for i, c in zip(images, changes, strict=True)])
    found = wobble._look_through(images, changes)
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-5)
    assert found.dtype == np.float32


def test_a_whole_pixel_moves_the_picture_and_lets_paper_in():
    images = np.arange(12, dtype=np.float32).reshape(1, 1, 3, 4)
    change = np.array([[[0, 0, 1], [0, 0, 0]]], np.float32)
    found = wobble._look_through(images, change)[0, 0]
    np.testing.assert_array_equal(found, [[4, 5, 6, 7], [8, 9, 10, 11], [0, 0, 0, 0]])


def test_it_acts_only_in_training_and_only_with_strength():
    images = sl.rand(3, 1, 8, 8)
    assert Wobble(1.0, 0.2).eval()(images) is images
    assert Wobble(0.0)(images) is images
    assert not sl.equal(Wobble(1.0)(images), images)


def test_each_picture_gets_its_own_change_and_the_seed_decides():
    images = sl.ones(2, 1, 8, 8)
    sl.manual_seed(1)
    once = Wobble(2.0, 0.3)(images)
    sl.manual_seed(1)
    assert sl.equal(once, Wobble(2.0, 0.3)(images))
    assert not sl.equal(once[0], once[1])


def test_its_repr_tells_the_strengths():
    assert repr(Wobble(0.5, 0.25)) == "Wobble(shift=0.5, slant=0.25)"
