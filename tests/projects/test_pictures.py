"""The pictures say what they are to say, in the colours of the house."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from streetlight.projects import pictures


def texts(figure):
    """All that is written in a figure."""
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def luminance(colour):
    """Relative luminance as in WCAG 2.1."""
    parts = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return float(np.dot(parts, [0.2126, 0.7152, 0.0722]))


@pytest.mark.parametrize("colour", [pictures.INK, pictures.GREY, pictures.LEARNT, pictures.UNSEEN])
def test_words_stand_out_from_the_paper(colour):
    assert 1.05 / (luminance(colour) + 0.05) >= 4.5


def test_blue_is_negative_orange_positive_and_white_zero():
    colours = pictures.signed_colours()
    assert colours(0.5)[:3] == pytest.approx((1, 1, 1), abs=0.02)
    for place in (0.0, 0.2, 0.4):
        red, _, blue, _ = colours(place)
        assert blue > red
        red, _, blue, _ = colours(1 - place)
        assert red > blue


def test_counts_run_from_light_to_dark():
    shades = [luminance(pictures.count_colours()(place)[:3]) for place in np.linspace(0, 1, 20)]
    assert shades == sorted(shades, reverse=True)


def test_curves_name_themselves_and_mark_what_is_kept():
    history = {"loss": [2, 1.0], "validation_loss": [1.5, 1.25]}
    figure = pictures.curves(history, ["loss"], 1, "headline")
    words = texts(figure)
    assert {"headline", "loss", "epoch", "training 2.000", "validation 1.500"} <= set(words)
    lines = [line.get_xydata().tolist() for line in figure.axes[0].lines]
    assert lines == [[[1, 2], [2, 1]], [[1, 1.5], [2, 1.25]], [[1, 1.5]]]


def test_one_epoch_alone_is_drawn(tmp_path):
    figure = pictures.curves({"loss": [2.0], "validation_loss": [2.0]}, ["loss"], 1, "one")
    assert figure.axes[0].get_xticks().tolist() == [1]
    pictures.save_figure(figure, tmp_path / "one.png")
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")


def test_curves_write_r2_and_minus_signs_as_people_do():
    history = {"r2": [-0.5, -0.25], "validation_r2": [-0.125, -1.0]}
    words = texts(pictures.curves(history, ["r2"], 2, "headline"))
    assert {"R²", "training −0.250", "validation −1.000"} <= set(words)
    assert "r2" not in words


def test_confusion_writes_the_counts_and_colours_the_mistakes():
    matrix = np.array([[1200, 3], [0, 7]])
    figure = pictures.confusion(matrix, ["cat", "dog"], "cat is taken for dog")
    words = texts(figure)
    assert {"1,200", "3", "7", "cat", "dog", "said", "true", "mistakes"} <= set(words)
    assert "0" not in words
    coloured = figure.axes[0].images[1].get_array()
    assert coloured.compressed().tolist() == [3]


def test_no_mistake_at_all_is_drawn_too():
    figure = pictures.confusion(np.diag([3, 4, 5]), ["a", "b", "c"], "none")
    assert {"3", "4", "5"} <= set(texts(figure))
    assert len(figure.axes) == 1


def test_mistakes_that_are_made_once_need_no_colour_scale():
    figure = pictures.confusion(np.array([[3, 1], [1, 4]]), ["a", "b"], "once")
    assert len(figure.axes) == 1
    assert not any("colour" in text for text in texts(figure))
    assert len(pictures.confusion(np.array([[3, 2], [1, 4]]), ["a", "b"], "twice").axes) == 2


@pytest.mark.parametrize("count", [1, 6, 7, 18])
def test_mistakes_show_what_was_said_and_what_is_true(count):
    images = np.random.default_rng(0).random((count, 8, 8))
    said, true = np.arange(count) % 10, (np.arange(count) + 1) % 10
    figure = pictures.mistakes(images, said, true, np.full(count, 0.996), "headline")
    words = texts(figure)
    assert [word for word in words if word.endswith("%)")] == [f"{s}  (99 %)" for s in said]
    assert [word for word in words if word.startswith("is ")] == [f"is {t}" for t in true]
    shown = [axes.images[0].get_array() for axes in figure.axes if axes.get_visible()]
    np.testing.assert_allclose(shown, images)


@pytest.mark.parametrize(("units", "side"), [(1, 8), (60, 8), (10, 28)])
def test_units_share_one_scale_centred_on_zero(units, side):
    weights = np.random.default_rng(0).normal(0, 0.3, (units, side, side))
    figure = pictures.unit_pictures(weights, "headline")
    (image,) = figure.axes[0].images
    drawn = np.ma.getdata(image.get_array())
    np.testing.assert_array_equal(np.sort(drawn[np.isfinite(drawn)]), np.sort(weights.ravel()))
    np.testing.assert_array_equal(drawn[:side, :side], weights[0])
    low, high = image.get_clim()
    assert low == -high
    assert high == pytest.approx(np.abs(weights).max(), rel=0.3)
    dashes = [line for line in figure.axes[0].lines if line.get_marker() == "_"]
    assert bool(dashes) == (side == 8)
    assert "weight" in texts(figure)


def test_a_layer_of_zeros_is_drawn():
    assert pictures.unit_pictures(np.zeros((4, 8, 8)), "zeros").axes


def test_a_comparison_gives_both_figures():
    there = {"a": 0.7, "b": 0.95, "c": 0.1}
    figure = pictures.comparison({"a": 0.9, "b": 0.3}, there, "headline", "note")
    words = set(texts(figure))
    assert {"90.0 %", "70.0 %", "30.0 %", "95.0 %", "a", "b", "headline", "note"} <= words
    low, high = figure.axes[0].get_xlim()
    assert 0.1 < low < 0.3
    assert high > 0.95


def test_matplotlib_is_left_as_it_was():
    code = (
        "import sys, numpy as np, matplotlib; before = dict(matplotlib.rcParams)\n"
        "from streetlight.projects import pictures\n"
        "pictures.unit_pictures(np.ones((2, 8, 8)), 't')\n"
        "pictures.confusion(np.eye(2), 'ab', 't')\n"
        "assert dict(matplotlib.rcParams) == before and 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
