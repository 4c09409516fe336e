"""The pictures that tables alone have: what each column adds, predictions against the truth, and
the rows that went wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streetlight.projects.pictures import GREY, INK, LINE, SIGNED, UNSEEN, new_figure, plain
from streetlight.projects.table_result import decimals

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HOT = SIGNED[5]
MOST_BARS, MOST_POINTS, LONGEST, LEAST_WIDTH = 20, 2_000, 22, 70


def shorten(text: str, longest: int = LONGEST) -> str:
    """The text on one line, its middle cut out where it is too long to be drawn.

    >>> shorten("measurement_of_something_number_1")
    'measurement_of…umber_1'
    """
    text, tail = " ".join(text.split()), longest // 3
    return text if len(text) <= longest else f"{text[: longest - tail - 1]}…{text[-tail:]}"


def importances(
    lost: Mapping[str, float], counting: Collection[str], unit: str, title: str
) -> Figure:
    """Draw what is lost when the values of one column are shuffled, the largest loss on top.

    Args:
        lost: accuracy or R² lost by column, the largest loss first; below zero it was gained.
        counting: the columns whose loss is more than noise; the others are grey.
        unit: what is lost, such as "accuracy".
        title: the headline.
    """
    names = list(lost)[:MOST_BARS]
    shown = len(names)
    note = f"bars: {unit} lost on held-out rows when the column is shuffled, mean of ten"
    note += " · grey: within noise" if set(names) - set(counting) else ""
    note += f" · {len(lost) - shown} more not shown" if len(lost) > shown else ""
    figure = new_figure(title, note, (9, 1.5 + 0.36 * shown))
    axes = figure.subplots()
    plain(axes)
    values, places = np.array([lost[name] for name in names]), np.arange(shown)
    reach = max(float(np.abs(values).max()), 0.01)
    colours = [HOT if name in counting else LINE for name in names]
    axes.barh(places, values, color=colours, height=0.7)
    for place, value in zip(places, values, strict=True):
        axes.text(
            max(float(value), 0.0) + 0.015 * reach, float(place), f"{value:z.3f}".replace("-", "−"),
            va="center", color=INK, size=9,
        )  # fmt: skip
    axes.set_yticks(places, [shorten(name, 28) for name in names], color=INK)
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
    largest = max(-low, high)
    if 1e4 <= largest < 1e12:
        places = decimals(high - low, 3) if high > low else 0
        axes.locator_params(nbins=4 if largest >= 1e6 else 6)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(f"{{x:,.{places}f}}")
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
    ends = ends * max(1, LEAST_WIDTH / ends[-1])
    figure = new_figure(title, note, (0.1 * float(ends[-1]), 1.2 + 0.32 * len(cells)))
    axes = figure.subplots()
    axes.axis("off")
    axes.set_xlim(0, float(ends[-1]))
    axes.set_ylim(len(cells) - 0.1, -0.6)
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
