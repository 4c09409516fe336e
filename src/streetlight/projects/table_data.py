"""A table as a network sees it: which columns it takes, encoded how, and what it is to say.

The whole encoding is kept with the model as JSON, so that the model can be asked about other
tables later.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from streetlight.errors import FileFormatError, TableError
from streetlight.projects.table_columns import (
    Column,
    TextColumn,
    fit_column,
    from_plain,
    read_column,
    to_plain,
)
from streetlight.projects.table_file import Table
from streetlight.projects.table_target import Split, Target


@dataclass(frozen=True)
class Encoding:
    """How a row of a table becomes the input of a network, and its output becomes an answer.

    Attributes:
        columns: those that are used; first all that are numbers to the network, then those that
            are rows of an embedding.
        dropped: the columns that are not used, and why.
        target: the column that is learnt.
        guess: what one says without looking: the most frequent class, or the mean.
        spread: standard deviation of the target where it is a number, 1 otherwise.
    """

    columns: tuple[Column, ...]
    dropped: dict[str, str]
    target: Target
    guess: float
    spread: float = 1.0

    @property
    def dense(self) -> int:
        """How many inputs are numbers to the network."""
        return sum(column.width for column in self.columns if not _embedded(column))

    @property
    def embeddings(self) -> list[int]:
        """For each embedded column, the rows that its embedding needs."""
        return [
            len(column.values) + 1
            for column in self.columns
            if isinstance(column, TextColumn) and column.embedded
        ]

    @property
    def parts(self) -> dict[str, slice]:
        """Which inputs belong to which column."""
        ends = np.cumsum([column.width for column in self.columns]).tolist()
        return {
            column.name: slice(end - column.width, end)
            for column, end in zip(self.columns, ends, strict=True)
        }

    def encode(self, table: Table) -> NDArray[np.float32]:
        """(rows, inputs) for another table with the same columns.

        Raises:
            TableError: a column is not there, or holds text where numbers were learnt.
        """
        return np.concatenate([c.encode(c.read(table)) for c in self.columns], axis=1)

    def to_json(self) -> str:
        """The encoding as JSON text."""
        columns = [to_plain(column) for column in self.columns]
        return json.dumps({**asdict(self), "columns": columns})

    @classmethod
    def from_json(cls, text: str) -> Encoding:
        """The encoding that `to_json` has written.

        Raises:
            FileFormatError: the text is not one.
        """
        try:
            plain = json.loads(text)
            target = plain.pop("target")
            columns = tuple(from_plain(column) for column in plain.pop("columns"))
            target["classes"] = tuple(target["classes"])
            return cls(**plain, columns=columns, target=Target(**target))
        except (ValueError, TypeError, KeyError, AttributeError):
            raise FileFormatError(
                "this model does not say how its table is encoded",
                expected="a model that `streetlight train table` has saved",
                fix="train it again",
            ) from None


def fit_encoding(
    table: Table, target: Target, values: NDArray[np.float64], split: Split
) -> tuple[Encoding, NDArray[np.float32]]:
    """Fit the encoding to the training rows, and encode all rows with it.

    Returns:
        The encoding, and the inputs (rows, inputs).

    Raises:
        TableError: a column is broken, or none is of any use.
    """
    fitted: list[tuple[Column, NDArray[np.float32]]] = []
    dropped: dict[str, str] = {}
    for name in table.names:
        if name == target.name:
            continue
        raw = read_column(table, name)
        column = fit_column(name, raw, split.train)
        if isinstance(column, str):
            dropped[name] = column
        else:
            fitted.append((column, column.encode(raw)))
    if not fitted:
        raise _useless(table, target, dropped)
    fitted.sort(key=lambda pair: _embedded(pair[0]))
    learnt = values[split.train]
    if target.classes:
        guess, spread = float(np.bincount(learnt.astype(np.int64)).argmax()), 1.0
    else:
        guess, spread = float(learnt.mean()), float(learnt.std()) or 1.0
    columns = tuple(column for column, _ in fitted)
    inputs = np.concatenate([block for _, block in fitted], axis=1)
    return Encoding(columns, dropped, target, guess, spread), inputs


def _embedded(column: Column) -> bool:
    return isinstance(column, TextColumn) and column.embedded


def _useless(table: Table, target: Target, dropped: dict[str, str]) -> TableError:
    reasons = "; ".join(f"{name}: {why}" for name, why in list(dropped.items())[:5])
    return TableError(
        f"{table.path} has no column to learn {target.name!r} from",
        expected="a column of numbers, or of texts that occur again and again",
        got={"dropped": reasons} if dropped else None,
        fix="add such a column" if dropped else "add columns beside the target",
    )
