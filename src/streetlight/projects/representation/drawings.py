"""The pictures of an encoder: a map of what it finds alike, neighbours, and what labels buy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from streetlight.projects.pictures import GREY, INK, LEARNT, LINE, UNSEEN, new_figure, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Ten colours that also differ for the colour-blind, by Paul Tol; the shapes of the digits tell
# the nearest of them apart.
DIGITS = ["#332288", "#3f9fd0", "#44aa99", "#117733", "#999933"]
DIGITS += ["#ddaa33", "#cc6677", "#882255", "#aa4499", "#777777"]
WRONG = "#c05000"


def embedding_map(points: NDArray[Any], labels: NDArray[np.int64], title: str, note: str) -> Figure:
    """Draw pictures as points that are near each other if the encoder finds them alike.

    Each point is its digit as a small numeral in the digit's colour, and a large one stands in
    the middle of each digit.

    Args:
        points: (n, 2) places.
        labels: (n,) the digits.
        title, note: the headline, and how to read the picture.
    """
    from matplotlib.patheffects import withStroke

    figure = new_figure(title, note, (8.4, 8.0))
    axes = figure.subplots()
    plain(axes, frame=False)
    axes.set(xticks=[], yticks=[])
    for digit in np.unique(labels):
        own = points[labels == digit]
        colour = DIGITS[digit]
        axes.scatter(
            own[:, 0], own[:, 1], s=26, marker=f"${digit}$", color=colour, linewidth=0, alpha=0.8
        )
    for digit in np.unique(labels):
        x, y = np.median(points[labels == digit], axis=0)
        halo = [withStroke(linewidth=5, foreground="white")]
        axes.text(
            x, y, str(digit), size=28, weight="bold", color=DIGITS[digit], ha="center",
            va="center", path_effects=halo,
        )  # fmt: skip
    return figure


def neighbour_strips(
    asked: NDArray[np.float32],
    true: NDArray[np.int64],
    found: NDArray[np.float32],
    names: NDArray[np.int64],
    title: str,
) -> Figure:
    """Draw for each of some pictures the strip of those that the encoder finds most alike.

    Args:
        asked: (n, H, W), 0 is paper and 1 is ink.
        true: (n,) their digits.
        found: (n, k, H, W) the nearest ones, the nearest first.
        names: (n, k) their digits.
        title: the headline.
    """
    rows, columns = names.shape
    note = "left: a test digit   ·   right of it: the nearest training digits, the nearest first"
    note += "   ·   framed: another digit" if (names != true[:, None]).any() else ""
    figure = new_figure(title, note, (0.72 * (columns + 1.4) + 0.2, 0.85 + 0.76 * rows))
    widths = [1, 0.35, *[1] * columns]
    grid = figure.subplots(rows, columns + 2, squeeze=False, width_ratios=widths)
    for axes in grid.ravel():
        axes.set_axis_off()
    for row in range(rows):
        _tile(grid[row, 0], asked[row], INK)
        for column in range(columns):
            same = names[row, column] == true[row]
            _tile(grid[row, column + 2], found[row, column], LINE if same else WRONG)
    return figure


def _tile(axes: Axes, image: NDArray[np.float32], colour: str) -> None:
    """Show one picture with a frame of a colour; grey frames are thin."""
    axes.set_axis_on()
    axes.imshow(image, cmap="gray_r", vmin=0, vmax=1)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(color=colour, linewidth=0.8 if colour == LINE else 2.2)


def efficiency_curves(
    counts: Sequence[int], found: Mapping[str, NDArray[np.float64]], title: str
) -> Figure:
    """Draw test accuracy over the number of labels, a line for each way to use them.

    Args:
        counts: how many labels.
        found: for each way (draws, counts) accuracies; the band goes from the worst draw to the
            best. The first two ways use the encoder.
        title: the headline.
    """
    note = "purple: with the encoder   ·   grey: the same network, new   ·   band: all draws"
    figure = new_figure(title, note, (8.6, 5.0))
    axes = figure.subplots()
    plain(axes)
    styles = [(UNSEEN, "-"), (UNSEEN, "--"), (LEARNT, "-"), (LEARNT, "--")]
    for shares, (colour, dash) in zip(found.values(), styles, strict=False):
        mean = shares.mean(0)
        axes.fill_between(counts, shares.min(0), shares.max(0), color=colour, alpha=0.12, lw=0)
        axes.plot(counts, mean, dash, color=colour, linewidth=2, marker="o", markersize=4)
    _name_lines(axes, counts, {way: shares.mean(0)[-1] for way, shares in found.items()}, styles)
    axes.set_xscale("log")
    axes.set_xticks(list(counts), [f"{count:,}" for count in counts])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.4g} %")
    axes.set_xlabel("labelled digits, the same number of each", color=GREY)
    axes.set_ylabel("test digits named rightly", color=GREY)
    axes.grid(axis="y", color="#eeeeee")
    axes.set_axisbelow(True)
    return figure


def _name_lines(
    axes: Axes,
    counts: Sequence[int],
    ends: Mapping[str, float],
    styles: Sequence[tuple[str, str]],
) -> None:
    """Write at the end of each line what it is, moved apart where the ends are close."""
    low, high = axes.get_ylim()
    least = 0.055 * (high - low)
    looks = dict(zip(ends, styles, strict=False))
    place = np.inf
    for way, end in sorted(ends.items(), key=lambda item: -item[1]):
        place = min(end, place - least)
        colour, dash = looks[way]
        sample = "──" if dash == "-" else "╌╌"
        axes.annotate(
            f"{sample} {way} {100 * end:.1f} %", (counts[-1], place), xytext=(9, 0),
            textcoords="offset points", color=colour, va="center", size=9,
        )  # fmt: skip
