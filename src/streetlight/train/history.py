"""History: what each epoch of a run measured, as columns, as a CSV file and as curves."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from streetlight.errors import ArgumentError, DataError, TableError
from streetlight.interop.files import access_error, atomic_write
from streetlight.train.running import unknown_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Told apart by all kinds of colour vision and in greyscale; blue and orange stand for signs.
_TRAINING, _VALIDATION = "#6f6f6f", "#6a2c91"
_NOT_CURVES = ("epoch", "learning_rate", "seconds")


class History:
    """One row per epoch, one column per thing measured.

    Columns are `epoch` (from 1), `loss`, each metric by name, the same with the prefix
    `validation_`, `learning_rate` and `seconds`. `interrupted` says whether Ctrl-C ended the run.

    >>> history = History()
    >>> history.append({"epoch": 1, "loss": 0.5})
    >>> history.append({"epoch": 2, "loss": 0.25})
    >>> history["loss"], len(history), history.last()["loss"]
    ([0.5, 0.25], 2, 0.25)
    """

    def __init__(self) -> None:
        self.columns: dict[str, list[float]] = {}
        self.interrupted = False

    def append(self, row: Mapping[str, float]) -> None:
        """Add one epoch's row; its names must be those of the rows before.

        Raises:
            ArgumentError: the names differ from the columns there are.
        """
        if self.columns and set(row) != set(self.columns):
            raise ArgumentError(
                "History.append: the row has other names than the columns",
                expected=", ".join(self.columns),
                got={"names": ", ".join(row)},
                fix="measure the same things in every epoch",
            )
        for name, value in row.items():
            self.columns.setdefault(name, []).append(value)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def __getitem__(self, name: str) -> list[float]:
        """The column `name`, one value per epoch.

        Raises:
            UnknownNameError: there is no such column; the nearest one is offered.
        """
        if name not in self.columns:
            raise unknown_name("column", name, list(self.columns))
        return self.columns[name]

    def __repr__(self) -> str:
        figures = "  ".join(f"{name} {value:.4g}" for name, value in self.last().items())
        return f"History({len(self)} epochs{': ' + figures if figures else ''})"

    def last(self) -> dict[str, float]:
        """The row of the latest epoch; empty before the first one ended."""
        return {name: values[-1] for name, values in self.columns.items()}

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the columns as a CSV file with a header, whole or not at all.

        Raises:
            FileAccessError: the file cannot be written.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([list(self.columns), *zip(*self.columns.values(), strict=True)])
        with atomic_write(path) as file:
            file.write(text.getvalue().encode())

    @staticmethod
    def from_csv(path: str | os.PathLike[str]) -> History:
        """Read a file that `to_csv` wrote; the numbers come back exactly.

        Raises:
            FileAccessError: the file cannot be read.
            TableError: a line is ragged or holds no number; the message names it.
        """
        try:
            lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError as error:
            raise access_error("read", path, error) from None
        history = History()
        names = next(csv.reader(lines[:1]), [])
        for number, fields in enumerate(csv.reader(lines[1:]), start=2):
            history.append(_row(names, fields, f"{os.fspath(path)}, line {number}"))
        return history

    def draw(self, figure: Figure) -> None:
        """Draw the curves into a matplotlib figure: the loss and each metric beside one another.

        Raises:
            DataError: no epoch has ended yet.
        """
        names = _curves(self)
        if not names:
            raise DataError(
                "there is nothing to draw yet",
                expected="a history of at least one epoch",
                fix="train for an epoch first: trainer.fit(loader, epochs=1)",
            )
        for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
            self._draw_curves(axes, name)

    def _draw_curves(self, axes: Axes, name: str) -> None:
        """One panel: training and validation over the epochs, each curve labelled at its end."""
        from matplotlib.ticker import MaxNLocator

        epochs = self.columns["epoch"]
        styles = {name: ("training", _TRAINING, "--")}
        if (other := f"validation_{name}") in self.columns:
            styles[other] = ("validation", _VALIDATION, "-")
        highest = max(styles, key=lambda column: self.columns[column][-1])
        for column, (label, color, style) in styles.items():
            values = self.columns[column]
            marker = "o" if len(values) == 1 else ""
            axes.plot(epochs, values, color=color, linestyle=style, marker=marker)
            axes.annotate(
                f"{label} {values[-1]:.3g}",
                (epochs[-1], values[-1]),
                xytext=(4, 0),
                textcoords="offset points",
                color=color,
                va="bottom" if column == highest else "top",  # so that the two never overlap
                fontsize=9,
            )
        axes.set(xlabel="epoch", title=name.replace("_", " "))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.3)

    def plot(self, path: str | os.PathLike[str] | None = None) -> None:
        """Show the curves (notebook, or `matplotlib.pyplot.show()`), or write them to `path`.

        Args:
            path: a `.png`, `.svg` or `.pdf` file; None draws a pyplot figure.

        Raises:
            DataError: no epoch has ended yet.
            ArgumentError: the path's ending names no format of pictures.
            FileAccessError: the file cannot be written.
        """
        if path is None:
            from matplotlib import pyplot

            self.draw(pyplot.figure(figsize=_size(self), layout="constrained"))
            return
        from matplotlib.figure import Figure

        figure = Figure(figsize=_size(self), layout="constrained")
        self.draw(figure)
        ending = Path(path).suffix.removeprefix(".").lower()
        if ending not in figure.canvas.get_supported_filetypes():
            raise ArgumentError(
                f"History.plot: {os.fspath(path)} does not end like a picture",
                expected="a name that ends in .png, .svg or .pdf",
                fix="add .png",
            )
        with atomic_write(path) as file:
            figure.savefig(file, format=ending, dpi=150)


def _curves(history: History) -> list[str]:
    """The columns that get a panel each; their validation joins them there."""
    names = [name for name in history.columns if name not in _NOT_CURVES]
    return [name for name in names if not name.startswith("validation_")]


def _size(history: History) -> tuple[float, float]:
    return 5.0 * max(1, len(_curves(history))), 3.6


def _row(names: list[str], fields: list[str], place: str) -> dict[str, float]:
    """One line of a CSV file as numbers by column; whole numbers stay whole."""
    if len(fields) != len(names):
        raise TableError(
            f"{place} has another number of fields than the header",
            expected=f"{len(names)} fields",
            got={"fields": len(fields)},
            fix="mend the line, or write the file again with history.to_csv()",
        )
    try:
        return {
            name: int(field) if field.isdecimal() else float(field)
            for name, field in zip(names, fields, strict=True)
        }
    except ValueError:
        raise TableError(
            f"{place} holds something else than numbers",
            expected="a number in each field",
            got={"fields": fields},
            fix="mend the line, or write the file again with history.to_csv()",
        ) from None
