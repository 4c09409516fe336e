"""The pictures of a run: curves, confusion, mistakes and what the first layer looks for.

Colours follow one rule everywhere: blue is negative and orange positive, centred on zero with one
scale and a legend; magnitudes run from light to dark in cividis. Each headline says the point.
Nothing here touches matplotlib's global state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings, filterwarnings

import numpy as np

from streetlight.interop.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure


INK, GREY, LINE = "#222222", "#666666", "#bbbbbb"
LEARNT, UNSEEN = "#757575", "#6a2c91"
SIGNED = ["#08306b", "#2f79b5", "#a9cfe8", "#ffffff", "#fdcb92", "#ee8a1d", "#a34400"]
COUNTS = ["#fff6d5", "#ecd97a", "#b5a971", "#7c7b78", "#3b496c", "#00224e"]


def new_figure(title: str, note: str, size: tuple[float, float]) -> Figure:
    """Make a figure with a headline that says the point and a grey line that explains it.

    Args:
        title: the headline.
        note: how to read the picture.
        size: width and height in inches; a hundred pixels each.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    room = 1 - 0.85 / size[1]
    engine = ConstrainedLayoutEngine(rect=(0.01, 0.01, 0.98, room), w_pad=0.06, h_pad=0.06)
    figure = Figure(figsize=size, dpi=100, layout=engine, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(0.02, 1 - 0.16 / size[1], title, size=14, weight="bold", color=INK, va="top")
    figure.text(0.02, 1 - 0.48 / size[1], note, size=10, color=GREY, va="top")
    return figure


def plain(axes: Axes, *, frame: bool = True) -> None:
    """Take away what does not speak: the upper and right border and dark ticks, or all lines."""
    axes.tick_params(colors=GREY, length=0 if not frame else 3)
    for name, spine in axes.spines.items():
        spine.set_visible(frame and name in ("left", "bottom"))
        spine.set_color(LINE)


def signed_colours() -> Any:
    """The colour map for signed numbers: blue below zero, white at zero, orange above."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("cold-hot", SIGNED)


def count_colours() -> Any:
    """The colour map for counts: cividis from light to dark, with a paler beginning."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("counts", COUNTS)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG file, whole or not at all; letters no font has become boxes."""
    with atomic_write(path) as file, catch_warnings():
        filterwarnings("ignore", message="Glyph")
        figure.savefig(file, format="png")


def curves(
    history: Mapping[str, Sequence[float]], measures: Sequence[str], kept: int, title: str
) -> Figure:
    """Draw how training went: one panel for each measure, training grey and validation purple.

    Args:
        history: a list with one number per epoch for each measure and its `validation_` sister.
        measures: the names, such as "loss" and "accuracy".
        kept: the epoch whose model is kept.
        title: the headline.
    """
    note = "grey: training, while it learns  ·  purple: validation  ·  dot and figures: model kept"
    figure = new_figure(title, note, (max(4.8 * len(measures), 8), 4.2))
    panels = figure.subplots(1, len(measures), squeeze=False)[0]
    for axes, name in zip(panels, measures, strict=True):
        plain(axes)
        shown = "R²" if name == "r2" else name.replace("_", " ")
        axes.set_title(shown, loc="left", size=11, color=INK)
        axes.set_xlabel("epoch", color=GREY)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(axis="y", color="#eeeeee")
        learnt, unseen = history[name], history[f"validation_{name}"]
        epochs = np.arange(1, len(learnt) + 1)
        marker = "o" if len(epochs) == 1 else ""
        axes.plot(epochs, learnt, color=LEARNT, linewidth=2, marker=marker)
        axes.plot(epochs, unseen, color=UNSEEN, linewidth=2)
        axes.plot(kept, unseen[kept - 1], "o", color=UNSEEN, markersize=7)
        if len(epochs) == 1:
            axes.set(xlim=(0.5, 1.5), xticks=[1])
        ends = {"training": (LEARNT, learnt), "validation": (UNSEEN, unseen)}
        _name_ends(axes, ends, kept)
    return figure


def _name_ends(axes: Axes, curves: Mapping[str, tuple[str, Sequence[float]]], kept: int) -> None:
    """Write at the end of two curves what they are, one name above the other where they meet.

    The figure beside the name is that of the epoch which is kept.
    """
    low, high = axes.get_ylim()
    ends = [values[-1] for _, values in curves.values()]
    apart = 7 if abs(ends[0] - ends[1]) < 0.1 * (high - low) else 0
    for place, (label, (colour, values)) in enumerate(curves.items()):
        up = ends[place] > ends[1 - place] or (ends[0] == ends[1] and place == 0)
        axes.annotate(
            f"{label} {values[kept - 1]:.3f}".replace("-", "−"), (len(values), values[-1]),
            xytext=(8, apart if up else -apart),
            textcoords="offset points", color=colour, va="center",
        )  # fmt: skip


def confusion(matrix: np.ndarray, classes: Sequence[str], title: str) -> Figure:
    """Draw which class is taken for which, with the counts; colour counts mistakes alone.

    Args:
        matrix: (classes, classes) counts, one row for each true class.
        classes: the names of the classes.
        title: the headline.
    """
    size = len(classes)
    right = np.eye(size, dtype=bool)
    wrong = np.where(right | (matrix == 0), np.nan, matrix)
    most = int(np.nanmax(wrong, initial=0))
    note = "row: what it is   ·   column: what the network said"
    note += "   ·   colour: number of mistakes" if most > 1 else ""
    figure = new_figure(title, note, (2.2 + 0.55 * size, 2.4 + 0.5 * size))
    axes = figure.subplots()
    plain(axes, frame=False)
    axes.imshow(np.where(right, 1.0, np.nan), cmap="Greys", vmin=0, vmax=16)
    image = axes.imshow(wrong, cmap=count_colours(), vmin=1, vmax=max(most, 2))
    for row, column in np.argwhere(matrix > 0):
        shade = image.to_rgba(matrix[row, column])[:3]
        dark = row != column and float(np.dot(shade, [0.3, 0.59, 0.11])) < 0.5
        axes.text(
            column, row, f"{matrix[row, column]:,}", ha="center", va="center",
            color=GREY if row == column else "white" if dark else INK,
            weight="normal" if row == column else "bold", size=10 if most < 1000 else 8,
        )  # fmt: skip
    axes.set_xticks(range(size), classes)
    axes.set_yticks(range(size), classes)
    for edge in np.arange(size + 1) - 0.5:
        axes.axhline(edge, color="#e4e4e4", linewidth=0.8)
        axes.axvline(edge, color="#e4e4e4", linewidth=0.8)
    axes.set_xlabel("said", color=GREY)
    axes.set_ylabel("true", color=GREY)
    if most > 1:
        _legend(figure, axes, image, "mistakes", range(1, most + 1, max(1, ceil(most / 5))))
    return figure


def _legend(figure: Figure, axes: Any, image: Any, label: str, ticks: Sequence[float]) -> Colorbar:
    """Draw the colour scale beside the picture."""
    bar = figure.colorbar(image, ax=axes, shrink=0.6, aspect=22, pad=0.02, ticks=ticks)
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=GREY, length=0)
    bar.set_label(label, color=GREY)
    return bar


def mistakes(
    images: np.ndarray, said: np.ndarray, true: np.ndarray, sure: np.ndarray, title: str
) -> Figure:
    """Draw pictures that were taken for something else, with what was said and what is true.

    Args:
        images: (n, height, width), 0 is paper and 1 is ink; those shown, worst first.
        said: (n,) the names that the network gave.
        true: (n,) the right names.
        sure: (n,) the probability that the network gave to what it said.
        title: the headline.
    """
    rows = ceil(len(images) / 6)
    columns = ceil(len(images) / rows)
    note = "bold: what the network said, and how sure it was   ·   below: what it is"
    width = max(1.5 * columns, 6.0)
    figure = new_figure(title, note, (width, 0.95 + rows * (width / columns + 0.55)))
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_visible(False)
    for axes, image, word, right, share in zip(grid, images, said, true, sure, strict=False):
        axes.imshow(image, cmap="gray_r", vmin=0, vmax=1)
        axes.set(visible=True, xticks=[], yticks=[])
        for spine in axes.spines.values():
            spine.set_color(LINE)
        axes.set_title(f"{word}  ({int(100 * share)} %)", size=12, weight="bold", color=INK)
        axes.set_xlabel(f"is {right}", size=11, color=GREY)
    return figure


def comparison(
    here: Mapping[str, float], there: Mapping[str, float], title: str, note: str
) -> Figure:
    """Draw for each name two shares as dots on one line: ours purple, the book's grey.

    Args:
        here: what was found in this run, by name.
        there: what the book found, by the same names; further ones are left aside.
        title: the headline.
        note: how to read the picture.
    """
    figure = new_figure(title, note, (9, 2.1 + 0.5 * len(here)))
    axes = figure.subplots()
    plain(axes)
    for row, (name, ours) in enumerate(here.items()):
        book = there[name]
        axes.plot([book, ours], [row, row], color=LINE, linewidth=3, zorder=1)
        for value, other, colour in ((book, ours, LEARNT), (ours, book, UNSEEN)):
            axes.plot(value, row, "o", color=colour, markersize=9)
            axes.annotate(
                f"{100 * value:.1f} %", (value, row), xytext=(9 if value >= other else -9, 0),
                textcoords="offset points", color=colour, va="center",
                ha="left" if value >= other else "right",
            )  # fmt: skip
    axes.set_axisbelow(True)
    axes.set_yticks(range(len(here)), list(here), color=INK)
    shares = [share for name in here for share in (here[name], there[name])]
    room = 0.25 * (max(shares) - min(shares)) + 0.01  # for the figures at both sides
    axes.set_xlim(min(shares) - room, max(shares) + room)
    axes.set_xlabel("test images named rightly", color=GREY)
    axes.set_ylim(len(here) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.4g} %")
    axes.grid(axis="x", color="#eeeeee")
    axes.tick_params(axis="y", length=0)
    return figure


def unit_pictures(weights: np.ndarray, title: str) -> Figure:
    """Draw the weights of first-layer units as pictures, all on one scale centred on zero.

    Args:
        weights: (units, height, width).
        title: the headline.
    """
    columns = min(len(weights), max(ceil(np.sqrt(len(weights) * 1.6)), 6))
    rows = ceil(len(weights) / columns)
    dashes = weights.shape[1] <= 10  # large cells get one below zero: grey prints keep the sign
    blue = "blue, dashes" if dashes else "blue"
    note = f"orange: ink here excites the unit   ·   {blue}: ink here quiets it   ·   one scale"
    figure = new_figure(title, note, (10, 1.1 + 8.8 * rows / columns))
    axes = figure.subplots()
    axes.axis("off")
    limit = float(np.quantile(np.abs(weights), 0.998)) or 1.0
    sheet = _side_by_side(weights, columns)
    image = axes.imshow(sheet, cmap=signed_colours(), vmin=-limit, vmax=limit)
    if dashes:
        down, right = np.nonzero(sheet < -limit / 4)
        axes.plot(right, down, "_", color="white", markersize=4)
    bar = _legend(figure, axes, image, "weight", [-limit, 0.0, limit])
    bar.ax.set_yticklabels([f"−{limit:.2g}", "0", f"{limit:.2g}"])
    return figure


def _side_by_side(tiles: np.ndarray, columns: int) -> np.ndarray:
    """Lay tiles (n, height, width) out in rows on one sheet, with NaN between them."""
    count, height, width = tiles.shape
    gap = ceil(height / 8)
    rows = ceil(count / columns)
    sheet = np.full((rows, height + gap, columns, width + gap), np.nan)
    for number, tile in enumerate(tiles):
        sheet[number // columns, :height, number % columns, :width] = tile
    return sheet.reshape(rows * (height + gap), -1)[:-gap, :-gap]
