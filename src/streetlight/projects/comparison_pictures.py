"""What clusters, counts and a network have learnt of the same digits, drawn as digits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from streetlight.projects.pictures import (
    GREY,
    INK,
    LEARNT,
    LINE,
    UNSEEN,
    count_colours,
    new_figure,
    plain,
    signed_colours,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NOTE = (
    "bars: share of each digit in a cluster, its name purple   ·   dark: ink   ·   "
    "orange: ink excites, blue: it quiets"
)
ROWS = (
    "k-means:\ncentres of\nclusters",
    "what they\nhold",
    "counting:\nhow often\nthere is ink",
    "network:\nstrongest\nunits",
)


def insides(
    centres: NDArray[Any], counts: NDArray[Any], frequencies: NDArray[Any], weights: NDArray[Any],
    title: str,
) -> Figure:  # fmt: skip
    """Draw ten cluster centres, ten counted digits and ten units, one above the other.

    Args:
        centres: (10, pixels) mean pictures of the clusters.
        counts: (10, 10) how many pictures of each digit a cluster holds.
        frequencies: (10, pixels) the share of each digit's pictures that have ink in a pixel.
        weights: (units, pixels) of the network's first layer; its ten strongest are drawn.
        title: the headline.
    """
    figure = new_figure(title, NOTE, (12, 6.6))
    grid = figure.subplots(4, 10)
    for row, words in zip(grid, ROWS, strict=True):
        row[0].set_ylabel(words, color=GREY, rotation=0, ha="right", va="center", labelpad=12)
    order = counts.argmax(axis=1).argsort(kind="stable")
    for picture, bars, cluster in zip(grid[0], grid[1], order, strict=True):
        _tile(picture, centres[cluster], count_colours(), 0.0, 1.0)
        picture.set_title(f"“{counts[cluster].argmax()}”", size=12, color=INK)
        _shares(bars, counts[cluster])
    for digit, axes in enumerate(grid[2]):
        _tile(axes, frequencies[digit], count_colours(), 0.0, 1.0)
    strongest = (-np.abs(weights).sum(axis=1)).argsort(kind="stable")[: grid.shape[1]]
    limit = float(np.abs(weights[strongest]).max()) or 1.0
    for axes, unit in zip(grid[3], strongest, strict=False):
        _tile(axes, weights[unit], signed_colours(), -limit, limit)
    return figure


def _tile(axes: Axes, pixels: NDArray[Any], colours: Any, low: float, high: float) -> None:
    """Draw one square picture without ticks."""
    side = int(np.sqrt(pixels.size))
    axes.imshow(pixels.reshape(side, side), cmap=colours, vmin=low, vmax=high)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_color(LINE)


def _shares(axes: Axes, counts: NDArray[Any]) -> None:
    """Draw the share of each digit as a bar, the most frequent one purple, with its figure."""
    shares, most = counts / counts.sum(), int(counts.argmax())
    plain(axes)
    axes.bar(range(10), shares, color=[UNSEEN if d == most else LEARNT for d in range(10)])
    axes.set(ylim=(0, 1.25), yticks=[], xticks=range(10))
    axes.tick_params(axis="x", labelsize=6, length=0)
    axes.text(
        most, shares[most] + 0.04, f"{100 * shares[most]:.0f} %", color=UNSEEN, size=8, ha="center"
    )
