"""The pictures of a convolutional network: its kernels, its maps of a digit, and what it is shown.

Colours are those of `pictures`: blue is negative and orange positive, magnitudes run from light to
dark, ink is black.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from streetlight import nn
from streetlight.projects.judgement import Judgement
from streetlight.projects.pictures import (
    GREY,
    INK,
    LINE,
    count_colours,
    new_figure,
    save_figure,
    signed_colours,
)
from streetlight.projects.seeing import Kernel, Stage, stages, strongest_kernels
from streetlight.projects.words import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TILE, SHORT = 0.9, 0.35  # of a cell: what a picture fills, and the space between groups
Image = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Scale:
    """Which colours stand for which numbers."""

    colours: Any
    low: float
    high: float


INKED = Scale("gray_r", 0.0, 1.0)
KERNELS, PATCHES, MAPS = 10, 8, 12  # that are shown
ANSWERED, FOLLOWED = (0, 2, 3, 4), 3  # classes of the digits that are shown


def draw(folder: Path, model: nn.Module, images: NDArray[np.float32], outcome: Judgement) -> None:
    """Leave kernels.png and features.png in a folder.

    Args:
        folder: where they go.
        model: a sequence of layers, with a convolution before all others that have weights.
        images: (n, height, width), the test digits.
        outcome: what the network said of them.
    """
    layer = next(layer for layer in model.children() if isinstance(layer, nn.Conv2d))
    digits = np.stack([images[np.argmax(outcome.true == digit)] for digit in ANSWERED])
    found = strongest_kernels(layer, digits, images, KERNELS, PATCHES)
    save_figure(kernels(found, digits, layer.out_channels), folder / "kernels.png")
    place = int(np.argmax(outcome.true == FOLLOWED))
    said, sure = outcome.said[place], percent(float(outcome.sureness[place]))
    title = f"From strokes to an answer: this is a {FOLLOWED}, and the network says {said} ({sure})"
    seen = stages(model, images[place], MAPS)
    save_figure(
        feature_maps(images[place], seen, outcome.shares[place], title), folder / "features.png"
    )


def signed(values: Image) -> Scale:
    """Blue to orange, with white at zero, for the sizes that most of these numbers have."""
    limit = float(np.quantile(np.abs(values), 0.998)) or 1.0
    return Scale(signed_colours(), -limit, limit)


def magnitude(values: Image) -> Scale:
    """Light to dark from zero on."""
    return Scale(count_colours(), 0.0, float(np.quantile(values, 0.998)) or 1.0)


def kernels(found: Sequence[Kernel], digits: Image, count: int) -> Figure:
    """Draw kernels in rows: the weights, the answer to some digits, and what excites it most.

    Args:
        found: the kernels to draw.
        digits: (n, height, width), those that the kernels answer.
        count: how many kernels the layer has.
    """
    shown = f"{len(found)} of the {count}" if len(found) < count else f"all {count}"
    note = (
        "orange: ink excites, or an exciting answer   ·   blue: ink quiets, or a quieting answer"
        f"   ·   {shown} kernels, the strongest first"
    )
    title = "What each first-layer kernel answers to: edges, corners and ends of strokes"
    columns = 1 + SHORT + len(digits) + SHORT + len(found[0].patches)
    figure, axes = _sheet(title, note, columns, 1 + SHORT + len(found))
    answers = 1 + SHORT
    patches = answers + len(digits) + SHORT
    for place, digit in enumerate(digits):
        _place(axes, digit, answers + place, 0, INKED)
    _head(axes, "kernel", 0, 1 + SHORT)
    _head(axes, "its answer to these digits", answers, 0)
    _head(axes, "what excites it most in the test set (framed: what it sees)", patches, 1 + SHORT)
    weights = signed(np.stack([kernel.weight for kernel in found]))
    answered = signed(np.stack([kernel.answers for kernel in found]))
    for number, kernel in enumerate(found):
        row = 1 + SHORT + number
        _place(axes, kernel.weight, 0, row, weights)
        for place, answer in enumerate(kernel.answers):
            _place(axes, answer, answers + place, row, answered)
        for place, patch in enumerate(kernel.patches):
            _place(axes, patch, patches + place, row, INKED)
            _frame(axes, patches + place, row, len(kernel.weight) / len(patch))
    return figure


def feature_maps(digit: Image, stages: Sequence[Stage], shares: Image, title: str) -> Figure:
    """Draw what each convolution makes of one digit: its strongest maps, layer below layer.

    Args:
        digit: (height, width).
        stages: the layers in order.
        shares: (10,) the probability of each class, at the end.
        title: the headline.
    """
    columns = max(len(stage.maps) for stage in stages)
    below = any((stage.maps < 0).any() for stage in stages)
    scales = "blue: below zero, orange: above" if below else "dark: strong"
    note = f"one row to a layer, its strongest maps first   ·   {scales}, one scale to a row"
    figure, axes = _sheet(title, note, 2 + columns, 2 * (1 + SHORT) + len(stages) * (1 + SHORT))
    _place(axes, digit, 2, 0, INKED)
    _label(axes, "the digit", f"{len(digit)} × {len(digit)} pixels", 0)
    for number, stage in enumerate(stages, 1):
        row = number * (1 + SHORT)
        scale = signed(stage.maps) if below else magnitude(stage.maps)
        side = stage.maps.shape[1]
        _label(axes, f"layer {number}", f"{stage.channels} maps of {side} × {side}", row)
        for place, shown in enumerate(stage.maps):
            _place(axes, shown, 2 + place, row, scale)
    row = (len(stages) + 1) * (1 + SHORT)
    _label(axes, "the answer", "ten probabilities", row)
    for place, share in enumerate(shares):
        _place(axes, np.full((1, 1), share), 2 + place, row, Scale(count_colours(), 0.0, 1.0))
        colour = "white" if share > 0.5 else INK
        axes.text(2 + place + TILE / 2, row + TILE / 2, str(place), color=colour, **_MIDDLE)
    return figure


def augmented(digits: Image, seen: Image, title: str) -> Figure:
    """Draw digits as they are, and beside each how it is shown while the network learns.

    Args:
        digits: (n, height, width).
        seen: (n, times, height, width).
        title: the headline.
    """
    note = "left: as it was written   ·   right: as it is shown in one epoch after the other"
    figure, axes = _sheet(title, note, 1 + SHORT + seen.shape[1], len(digits))
    for row, (digit, looks) in enumerate(zip(digits, seen, strict=True)):
        _place(axes, digit, 0, row, INKED)
        for place, look in enumerate(looks):
            _place(axes, look, 1 + SHORT + place, row, INKED)
    return figure


_MIDDLE: dict[str, Any] = {"ha": "center", "va": "center", "size": 12, "weight": "bold"}


def _sheet(title: str, note: str, columns: float, rows: float) -> tuple[Figure, Axes]:
    """A figure of cells, counted from the left and from above."""
    cell = 0.8  # inches
    figure = new_figure(title, note, (max(cell * columns + 0.4, 10), cell * rows + 1.25))
    axes = figure.subplots()
    axes.axis("off")
    axes.set(xlim=(0, columns), ylim=(rows, -0.25), aspect="equal")
    return figure, axes


def _place(axes: Axes, image: Image, column: float, row: float, scale: Scale) -> None:
    """Draw an image into a cell, with a thin border."""
    extent = (column, column + TILE, row + TILE, row)
    axes.imshow(image, cmap=scale.colours, vmin=scale.low, vmax=scale.high, extent=extent)
    _border(axes, column, row, TILE, LINE)


def _frame(axes: Axes, column: float, row: float, share: float) -> None:
    """Mark the middle of an image."""
    edge = TILE * (1 - share) / 2
    _border(axes, column + edge, row + edge, TILE * share, "#ee8a1d", 1.5)


def _border(
    axes: Axes, column: float, row: float, side: float, colour: str, width: float = 0.8
) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((column, row), side, side, fill=False, color=colour, linewidth=width))


def _head(axes: Axes, text: str, column: float, row: float) -> None:
    """Write above a cell."""
    axes.text(column, row - 0.08, text, color=GREY, size=10, va="bottom")


def _label(axes: Axes, what: str, size: str, row: float) -> None:
    """Write at the left of a row."""
    axes.text(0, row + 0.38, what, color=INK, size=11, weight="bold", va="bottom")
    axes.text(0, row + 0.48, size, color=GREY, size=10, va="top")
