"""What is shown of a convolutional network: the right kernels, patches, maps and words."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.text import Text

import streetlight as sl
from streetlight import nn
from streetlight.projects import seeing, seeing_pictures
from streetlight.projects.image_network import ImageNetwork
from streetlight.projects.judgement import Judgement
from streetlight.projects.seeing import Kernel, Stage


def texts(figure):
    """All that is written in a figure."""
    return {text.get_text() for text in figure.findobj(Text) if text.get_text()}


def convolution(*weights, padding=0):
    """A layer with these kernels."""
    layer = nn.Conv2d(1, len(weights), 3, padding=padding, bias=False)
    layer.weight.detach().numpy()[:] = np.array(weights, np.float32)[:, None]
    return layer


CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.float32)


@pytest.mark.parametrize("padding", [0, 1])
def test_the_patch_is_where_the_kernel_answers_most(padding):
    images = np.random.default_rng(0).random((3, 9, 7)).astype(np.float32) * 0.1
    images[1, 4:7, 2:5] += CROSS  # around row 5, column 3
    layer = convolution(CROSS, padding=padding)
    (found,) = seeing.strongest_kernels(layer, images[:2], images, most=4, patches=2)
    assert found.patches.shape == (2, 11, 11)
    np.testing.assert_array_equal(found.patches[0][4:7, 4:7], images[1, 4:7, 2:5])
    np.testing.assert_array_equal(found.patches[0][:, 2:9], np.pad(images[1], ((0, 2), (0, 0))))
    assert not found.patches[0][:, [0, 1, 9, 10]].any()


def test_the_largest_kernels_come_first_with_their_answers():
    images = np.random.default_rng(1).random((4, 5, 5)).astype(np.float32)
    layer = convolution(CROSS, -2 * CROSS, 0.5 * CROSS)
    found = seeing.strongest_kernels(layer, images[:2], images, most=2, patches=3)
    assert [kernel.weight[1, 1] for kernel in found] == [-2, 1]
    assert found[0].answers.shape == (2, 3, 3)
    assert found[0].answers[1, 1, 1] == pytest.approx(-2 * (images[1, 1:4, 1:4] * CROSS).sum())


def test_stages_end_where_the_next_convolution_begins():
    sl.manual_seed(0)
    network = ImageNetwork(
        "mnist", 12, 10, (4,), dropout=0.5, pixel_dropout=0.2, kernels=(3, 5), pooled=(2,),
        padding=1, norm=True,
    )  # fmt: skip
    model = network.build()
    digit = np.random.default_rng(0).random((12, 12)).astype(np.float32)
    first, second = seeing.stages(model, digit, most=4)
    assert (first.channels, first.maps.shape) == (3, (3, 12, 12))
    assert (second.channels, second.maps.shape) == (5, (4, 6, 6))
    maps = model.eval()[:8](sl.tensor(digit[None, None])).detach().numpy()[0]
    order = (-maps.mean((1, 2))).argsort()
    np.testing.assert_allclose(second.maps, maps[order[:4]])


def test_kernels_are_drawn_with_answers_and_patches():
    random = np.random.default_rng(0)
    rows = [
        Kernel(random.normal(size=(3, 3)), random.normal(size=(2, 6, 6)), random.random((4, 7, 7)))
        for _ in range(3)
    ]
    figure = seeing_pictures.kernels(rows, random.random((2, 8, 8)), 16)
    assert len(figure.axes[0].images) == 2 + 3 * (1 + 2 + 4)
    assert any("3 of the 16 kernels" in text for text in texts(figure))
    low, high = figure.axes[0].images[2].get_clim()
    assert low == -high


@pytest.mark.parametrize(("lowest", "words"), [(0, "dark: strong"), (-1, "blue: below zero")])
def test_maps_are_drawn_layer_below_layer(lowest, words):
    random = np.random.default_rng(0)
    rows = [Stage(16, random.random((5, 6, 6)) + lowest), Stage(8, random.random((5, 3, 3)))]
    figure = seeing_pictures.feature_maps(random.random((8, 8)), rows, np.eye(10)[3], "headline")
    found = texts(figure)
    assert {"headline", "layer 2", "16 maps of 6 × 6", "8 maps of 3 × 3", "9"} <= found
    assert any(words in text for text in found)
    assert len(figure.axes[0].images) == 1 + 10 + 10


def test_each_look_at_a_digit_is_drawn():
    figure = seeing_pictures.augmented(np.zeros((2, 8, 8)), np.ones((2, 5, 8, 8)), "headline")
    assert len(figure.axes[0].images) == 2 * (1 + 5)
    assert "headline" in texts(figure)


def test_a_network_leaves_its_kernels_and_features(tmp_path):
    sl.manual_seed(0)
    model = ImageNetwork("mnist", 8, 8, (), "tanh", bias=False, kernels=(4,)).build()
    images = np.random.default_rng(0).random((20, 8, 8)).astype(np.float32)
    outcome = Judgement(np.eye(10, dtype=np.float32)[np.arange(20) % 10], np.arange(20) % 10)
    seeing_pictures.draw(tmp_path, model, images, outcome)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["features.png", "kernels.png"]
