"""History: what each epoch of a run measured, as columns, as a CSV file and as curves."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError

    def __getitem__(self, name: str) -> list[float]:
        """The column `name`, one value per epoch.

        Raises:
            UnknownNameError: there is no such column; the nearest one is offered.
        """
        raise NotImplementedError

    def last(self) -> dict[str, float]:
        """The row of the latest epoch; empty before the first one ended."""
        raise NotImplementedError

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the columns as a CSV file with a header, whole or not at all.

        Raises:
            FileAccessError: the file cannot be written.
        """
        raise NotImplementedError

    @staticmethod
    def from_csv(path: str | os.PathLike[str]) -> History:
        """Read a file that `to_csv` wrote; the numbers come back exactly.

        Raises:
            FileAccessError: the file cannot be read.
            TableError: a line is ragged or holds no number; the message names it.
        """
        raise NotImplementedError

    def draw(self, figure: Figure) -> None:
        """Draw the curves into a matplotlib figure: losses at the left, scores at the right."""
        raise NotImplementedError

    def plot(self, path: str | os.PathLike[str] | None = None) -> None:
        """Show the curves (notebook, or `matplotlib.pyplot.show()`), or write them to `path`.

        Args:
            path: a `.png`, `.svg` or `.pdf` file; None draws a pyplot figure.

        Raises:
            DataError: no epoch has ended yet.
            FileAccessError: the file cannot be written.
        """
        raise NotImplementedError
