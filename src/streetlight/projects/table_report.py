"""What a run on a table leaves for its user to look at: pictures, the mistakes, predictions."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streetlight.interop import atomic_write
from streetlight.projects import pictures, table_pictures
from streetlight.projects.run_folder import RunFolder
from streetlight.projects.table_columns import label, remarks
from streetlight.projects.table_data import Encoding
from streetlight.projects.table_file import Table
from streetlight.projects.table_pictures import shorten
from streetlight.projects.table_result import Outcome, answers, brief, decimals, softmax
from streetlight.projects.words import percent, plural

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_CLASSES, MOST_LISTED, WORST_DRAWN, VALUES_DRAWN, ROWS_PRINTED = 25, 1_000, 12, 4, 10
NARROWEST, LONG_NUMBER, DIGITS_SHOWN = 7.4, 8, 4


def leave_pictures(
    run: RunFolder,
    table: Table,
    rows: NDArray[np.int64],
    outcome: Outcome,
    lost: dict[str, float],
    counting: list[str],
) -> None:
    """Write confusion.png or predicted-against-true.png, mistakes.csv and .png, weights.png.

    Args:
        run: the folder.
        table: the table.
        rows: the held-out rows of the table.
        outcome: what the network says about them.
        lost: how much is lost without each column, the largest loss first.
        counting: the columns that count.
    """
    target = shorten(outcome.encoding.target.name, 30)
    if outcome.encoding.target.classes:
        figure = _confusion(
            outcome, f"{target}: {percent(outcome.score)} of {len(rows):,} are right"
        )
        pictures.save_figure(figure, run.path / "confusion.png")
    else:
        title = f"{target}: R² {outcome.score:.2f}, off by {brief(outcome.error)} on average"
        figure = table_pictures.predicted_against_true(outcome.said, outcome.true, target, title)
        pictures.save_figure(figure, run.path / "predicted-against-true.png")
    measure = "accuracy" if outcome.encoding.target.classes else "R²"
    first = shorten(counting[0], 30) if counting else "No column"
    title = f"{first} counts{' most' * (len(counting) > 1)} for {target}"
    figure = table_pictures.importances(lost, counting, measure, title)
    pictures.save_figure(figure, run.path / "weights.png")
    _mistakes(run, table, rows, outcome, list(lost))


def write_predictions(
    run: RunFolder, table: Table, encoding: Encoding, outputs: NDArray[np.float64]
) -> None:
    """Print the first predictions and write all of them as CSV into the run's folder."""
    classes = encoding.target.classes
    said = _names(encoding, answers(encoding, outputs))
    headings = ["line", encoding.target.name, *(f"chance of {name}" for name in classes)]
    chances = softmax(outputs) if classes else np.empty((len(said), 0))
    records = [
        [str(line), name, *(f"{chance:.4f}" for chance in row)]
        for line, name, row in zip(table.lines, said, chances, strict=True)
    ]
    path = _free(run.path / f"predictions-{table.path.stem}.csv")
    _write_csv(path, headings, records)
    print(f"{table.path}: {plural(len(records), 'row')}")
    for note in [*table.notes, *(note for c in encoding.columns for note in remarks(c, table))]:
        print(f"  note: {note}")
    places = decimals(encoding.spread, DIGITS_SHOWN)
    for record, row in zip(records[:ROWS_PRINTED], chances, strict=False):
        likeliest = np.argsort(-row, kind="stable")[:3]
        told = ", ".join(f"{classes[number]} {percent(float(row[number]))}" for number in likeliest)
        print(f"  line {record[0]:<6} {told or f'{float(record[1]):,.{places}f}'}")
    if len(records) > ROWS_PRINTED:
        print(f"  and {len(records) - ROWS_PRINTED:,} more")
    print(f"all of them: {path}")


def _confusion(outcome: Outcome, title: str) -> Figure:
    """The confusion matrix; of many classes those that have most mistakes."""
    matrix, names = outcome.matrix(), outcome.encoding.target.classes
    wrong = matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * np.diag(matrix)
    shown = np.sort(np.argsort(-wrong, kind="stable")[:MOST_CLASSES])
    if len(shown) < len(names):
        title += f" (the {len(shown)} hardest of {len(names)} classes)"
    labels = [shorten(names[number], 14) for number in shown]
    figure = pictures.confusion(matrix[np.ix_(shown, shown)], labels, title)
    if figure.get_figwidth() < NARROWEST:
        figure.set_figwidth(NARROWEST)
        figure.axes[0].set_aspect("auto")
    if max(map(len, labels)) * len(labels) > 45:
        figure.axes[0].tick_params(axis="x", rotation=90)
    return figure


def _mistakes(
    run: RunFolder, table: Table, rows: NDArray[np.int64], outcome: Outcome, important: list[str]
) -> None:
    """Write the held-out rows that went wrong, the worst first, as a file and as a picture."""
    classes, worst = outcome.encoding.target.classes, outcome.worst()[:MOST_LISTED]
    said = _names(outcome.encoding, outcome.said[worst])
    true = [classes[int(number)] if classes else label(number) for number in outcome.true[worst]]
    off = outcome.said - outcome.true
    measures = _names(outcome.encoding, off[worst])
    if classes:
        measures = [f"{chance:.4g}" for chance in outcome.chances.max(axis=1)[worst]]
    fields = [name for name in table.names if name != outcome.encoding.target.name]
    columns = [table.texts(name) for name in fields]
    records = [
        [str(table.lines[row]), *told, *(column[row] for column in columns)]
        for row, *told in zip(rows[worst], said, true, measures, strict=True)
    ]
    headings = ["line", "said", "true", "chance" if classes else "off by", *fields]
    all_right = bool(classes) and outcome.score == 1
    _write_csv(run.path / "mistakes.csv", headings, [] if all_right else records)

    shown = important[:VALUES_DRAWN]
    places = [headings.index(name, 4) for name in shown]
    digits, drawn = decimals(outcome.encoding.spread, DIGITS_SHOWN), []
    for record in records[:WORST_DRAWN]:
        line, name, right, measure = record[:4]
        if classes:
            told = [f"{shorten(name, 15)} ({int(100 * float(measure))} %)", right]
        else:
            told = [f"{float(number):,.{digits}f}" for number in (name, right)]
        drawn.append([line, *told, *(_shown(record[place]) for place in places)])
    title = f"The {len(drawn)} held-out rows that are farthest off"
    if classes:
        wrong = int((outcome.said != outcome.true).sum())
        title = f"{wrong:,} of {plural(len(rows), 'row')} {'is' if wrong == 1 else 'are'} wrong"
    if all_right:
        title = f"All {len(rows):,} held-out rows are right; of these it was least sure"
    note = "worst first · bold: what the network said" + ", and how sure it was" * bool(classes)
    figure = table_pictures.mistaken_rows(["line", "said", "true", *shown], drawn, title, note)
    pictures.save_figure(figure, run.path / "mistakes.png")


def _shown(text: str) -> str:
    """A field of a table as it is drawn: long numbers brief, all else as it is."""
    try:
        return brief(float(text)) if len(text) > LONG_NUMBER else text
    except ValueError:
        return text


def _names(encoding: Encoding, said: NDArray[np.float64]) -> list[str]:
    """Class names, or predicted numbers as text, to six digits of the target's spread."""
    if encoding.target.classes:
        return [encoding.target.classes[int(number)] for number in said]
    places = decimals(encoding.spread, 6)
    return [label(round(float(number), places)) for number in said]


def _free(path: Path) -> Path:
    """The path, or with a number behind it where there is such a file already."""
    first, number = path, 1
    while path.exists():
        number += 1
        path = first.with_name(f"{first.stem}-{number}{first.suffix}")
    return path


def _write_csv(path: Path, headings: Sequence[str], records: Iterable[Sequence[str]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(headings)
    writer.writerows(records)
    with atomic_write(path) as file:
        file.write(text.getvalue().encode())
