"""The pictures that tables alone have: what each column adds, predictions against the truth, and
the rows that went wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streetlight.projects.pictures import GREY, INK, LINE, SIGNED, UNSEEN, new_figure, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLD, HOT = SIGNED[1], SIGNED[5]
MOST_BARS, MOST_POINTS, LONGEST = 20, 2_000, 18


def shorten(text: str, longest: int = LONGEST) -> str:
    """The text on one line, its end cut off where it is too long to be drawn.

    >>> shorten("a very long name of a column")
    'a very long name …'
    """
    text = " ".join(text.split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


def importances(names: Sequence[str], lost: NDArray[np.float64], unit: str, title: str) -> Figure:
    """Draw what is lost when the values of one column are shuffled, the largest loss on top.

    Args:
        names: of the columns, the largest loss first.
        lost: (columns,) accuracy or R² lost; below zero it was gained.
        unit: what is lost, such as "accuracy".
        title: the headline.
    """
    shown = len(names[:MOST_BARS])
    more = f" · {len(names) - shown} more not shown" if len(names) > shown else ""
    note = f"bars: {unit} lost on held-out rows when the column is shuffled, mean of ten{more}"
    figure = new_figure(title, note, (9, 1.5 + 0.36 * shown))
    axes = figure.subplots()
    plain(axes)
    values, places = lost[:shown], np.arange(shown)
    reach = max(float(np.abs(values).max()), 1e-9)
    axes.barh(places, values, color=[HOT if value >= 0 else COLD for value in values], height=0.7)
    for place, value in zip(places, values, strict=True):
        axes.text(
            max(float(value), 0.0) + 0.015 * reach, float(place), f"{value:.3f}".replace("-", "−"),
            va="center", color=INK, size=9,
        )  # fmt: skip
    axes.set_yticks(places, [shorten(name, 28) for name in names[:shown]], color=INK)
    axes.set_ylim(shown - 0.4, -0.6)
    axes.axvline(0, color=GREY, linewidth=1)
    axes.set_xlim(min(0.0, float(values.min()) * 1.1), reach * 1.12)
    axes.set_xlabel(f"{unit} lost", color=GREY)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    return figure


def predicted_against_true(
    said: NDArray[np.float64], true: NDArray[np.float64], target: str, title: str
) -> Figure:
    """Draw each held-out row as a point: what it is, and what the network said.

    Args:
        said: (rows,) what the network said.
        true: (rows,) what is true.
        target: name of the column.
        title: the headline.
    """
    shown = slice(None, MOST_POINTS)
    some = f" · {MOST_POINTS:,} of {len(true):,} rows" if len(true) > MOST_POINTS else ""
    figure = new_figure(title, f"one dot: a held-out row · on the line: said = true{some}", (7, 7))
    axes = figure.subplots()
    plain(axes)
    low = float(min(said[shown].min(), true[shown].min()))
    high = float(max(said[shown].max(), true[shown].max()))
    margin = 0.04 * (high - low)
    axes.axline((low, low), slope=1, color=LINE, linewidth=1.5, zorder=0)
    dense = len(true) > 300
    axes.scatter(
        true[shown], said[shown], s=12 if dense else 30, color=UNSEEN,
        alpha=0.3 if dense else 0.6, linewidths=0,
    )  # fmt: skip
    axes.set_xlim(low - margin, high + margin)
    axes.set_ylim(low - margin, high + margin)
    axes.set_aspect("equal")
    if high - low >= 1e4:
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel(f"true {shorten(target, 40)}", color=GREY)
    axes.set_ylabel("said", color=GREY)
    return figure


def mistaken_rows(
    headings: Sequence[str], rows: Sequence[Sequence[str]], title: str, note: str
) -> Figure:
    """Draw the worst mistakes as a table: the line, what was said, what is true, and the values.

    Args:
        headings: names of the columns of the picture; the first three are line, said and true.
        rows: for each mistake as many texts, the worst first.
        title: the headline.
        note: how to read it.
    """
    cells = [[shorten(text) for text in row] for row in (headings, *rows)]
    widths = [max(len(row[place]) for row in cells) + 3 for place in range(len(headings))]
    ends = np.cumsum(widths)
    height = 0.32 * len(cells)
    figure = new_figure(title, note, (max(0.1 * float(ends[-1]), 7), 1.1 + height))
    axes = figure.subplots()
    axes.axis("off")
    axes.set_xlim(0, max(float(ends[-1]), 70))
    axes.set_ylim(len(cells) - 0.4, -0.6)
    axes.axhline(0.5, color=INK, linewidth=1)
    for line, row in enumerate(cells):
        if line > 1:
            axes.axhline(line - 0.5, color="#eeeeee", linewidth=1)
        for place, (text, end) in enumerate(zip(row, ends, strict=True)):
            axes.text(
                float(end) - 2, line, text, ha="right", va="center", size=10,
                color=GREY if line == 0 or place == 0 or place > 2 else INK,
                weight="bold" if line and place == 1 else "normal",
            )  # fmt: skip
    return figure
