"""The columns of a table as a network can take them, and how each of them is encoded.

A number is standardised, x = (value - mean) / spread, and held within 10 spreads of the mean; a
missing one becomes the median and raises a flag beside it. The outermost hundredth at either end is
drawn in before mean and spread are taken, so that one wrong entry does not flatten all others.
A text of few values becomes one input per value (one-hot); a text of many values becomes the number
of a row in an embedding table. All of it is fitted on the training rows alone.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from streetlight.errors import TableError
from streetlight.projects.table_file import Table
from streetlight.projects.table_numbers import read_numbers
from streetlight.projects.words import plural

MOST_CHOICES = 20
FARTHEST, FAR = 10.0, 5.0
NEEDED = "give the table all columns that the network has learnt from"

Raw = NDArray[np.float64] | list[str]


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers: the median that fills gaps, the mean and the spread.

    >>> column = NumberColumn("age", median=30.0, mean=40.0, spread=10.0, gaps=True)
    >>> column.encode(np.array([50.0, np.nan])).tolist()
    [[1.0, 0.0], [-1.0, 1.0]]
    """

    kind: ClassVar[str] = "number"
    name: str
    median: float
    mean: float
    spread: float
    gaps: bool

    @property
    def width(self) -> int:
        """How many inputs of the network it fills."""
        return 1 + self.gaps

    def read(self, table: Table) -> NDArray[np.float64]:
        """The numbers of this column in another table.

        Raises:
            TableError: the column is not there, or holds text.
        """
        table.require(self.name, NEEDED)
        values, wrong = read_numbers(table, self.name)
        if wrong:
            raise TableError(
                f"column {self.name!r} holds text: {_examples(table, self.name, wrong)}",
                expected="numbers, as in the table that was learnt",
                fix="correct those fields, or leave them empty",
            )
        return values

    def encode(self, raw: Raw) -> NDArray[np.float32]:
        """(rows, width) inputs of the network."""
        values = np.asarray(raw, dtype=np.float64)
        missing = np.isnan(values)
        filled = np.where(missing, self.median, values)
        scaled = np.clip((filled - self.mean) / self.spread, -FARTHEST, FARTHEST)
        inputs = [scaled, missing] if self.gaps else [scaled]
        return np.stack(inputs, axis=1).astype(np.float32)


@dataclass(frozen=True)
class TextColumn:
    """A column of text: its values in order; one input each, or the rows of an embedding.

    Values that the training rows do not show are all zeros (one-hot) or row 0 (embedding).

    >>> TextColumn("colour", ("blue", "red"), embedded=False).encode(["red", "pink"]).tolist()
    [[0.0, 1.0], [0.0, 0.0]]
    >>> TextColumn("colour", ("blue", "red"), embedded=True).encode(["red", "pink"]).tolist()
    [[2.0], [0.0]]
    """

    kind: ClassVar[str] = "text"
    name: str
    values: tuple[str, ...]
    embedded: bool

    @property
    def width(self) -> int:
        """How many inputs of the network it fills."""
        return 1 if self.embedded else len(self.values)

    def read(self, table: Table) -> list[str]:
        """The texts of this column in another table; a TableError if it is not there."""
        table.require(self.name, NEEDED)
        return table.texts(self.name)

    def encode(self, raw: Raw) -> NDArray[np.float32]:
        """(rows, width) inputs of the network."""
        numbers = {text: number for number, text in enumerate(self.values, 1)}
        codes = np.array([numbers.get(str(text), 0) for text in raw])
        if self.embedded:
            return codes[:, None].astype(np.float32)
        return (codes[:, None] == np.arange(1, len(self.values) + 1)).astype(np.float32)


Column = NumberColumn | TextColumn


def read_column(table: Table, name: str) -> Raw:
    """The numbers of a column, or its texts if it holds text.

    Raises:
        TableError: numbers and many different texts are mixed, or a number is unusable.
    """
    values, wrong = read_numbers(table, name)
    if not wrong:
        return values
    texts = table.texts(name)
    numbers = int(np.isfinite(values).sum())
    if numbers < len(wrong):
        return texts
    odd = plural(len(wrong), "text")
    if len(set(texts)) <= MOST_CHOICES:
        table.notes.append(
            f"{name}: {odd} among the numbers ({_examples(table, name, wrong)}); "
            "all its values are taken as names"
        )
        return texts
    raise TableError(
        f"column {name!r} mixes {plural(numbers, 'number')} with {odd}: "
        f"{_examples(table, name, wrong)}",
        expected="numbers throughout, or text throughout",
        fix="correct those fields, leave them empty if not known, or take the column out",
    )


def fit_column(name: str, raw: Raw, train: NDArray[np.int64]) -> Column | str:
    """Fit the encoding of one column to the training rows, or say why it is of no use."""
    if isinstance(raw, np.ndarray):
        return _fit_numbers(name, raw, train)
    return _fit_texts(name, raw, train)


def _fit_numbers(name: str, values: NDArray[np.float64], train: NDArray[np.int64]) -> Column | str:
    shown = values[train]
    present = shown[np.isfinite(shown)]
    if not len(present):
        return "empty"
    gaps = len(present) < len(shown)
    if present.min() == present.max() and not gaps:
        return f"always {label(present[0])}"
    if not gaps and _numbers_rows(name, values):
        return "numbers the rows"
    inner = np.clip(present, *np.quantile(present, [0.01, 0.99], method="nearest"))
    inner = inner if inner.std() else present
    mean, median = float(inner.mean()), float(np.median(present))
    return NumberColumn(name, median, mean, float(inner.std()) or 1.0, gaps)


def _fit_texts(name: str, texts: list[str], train: NDArray[np.int64]) -> Column | str:
    counts = Counter(texts[row] for row in train)
    if len(counts) == 1:
        return f"always {texts[train[0]]!r}"
    present = counts.total() - counts[""]
    if len(counts) - ("" in counts) > present / 2:
        return f"nearly every text differs, such as {next(filter(None, texts))[:30]!r}"
    if len(counts) <= MOST_CHOICES:
        return TextColumn(name, tuple(sorted(counts)), embedded=False)
    often = sorted(text for text, count in counts.items() if count > 1)
    return TextColumn(name, tuple(often), embedded=True)


def _numbers_rows(name: str, values: NDArray[np.float64]) -> bool:
    """Whether the values count the rows from 0 or 1, or all differ and are called an id."""
    if not np.all(values == np.rint(values)) or len(np.unique(values)) < len(values):
        return False
    words = name.lower().replace("_", " ").replace("-", " ").split()
    called = "id" in words or "index" in words or name.endswith(("Id", "ID"))
    return called or bool(values[0] in (0, 1) and np.all(np.diff(values) == 1))


def to_plain(column: Column) -> dict[str, Any]:
    """A column's encoding as plain values, for JSON."""
    return {"kind": column.kind, **asdict(column)}


def from_plain(plain: dict[str, Any]) -> Column:
    """The column whose plain values these are; KeyError, TypeError or ValueError if of none."""
    name = str(plain["name"])
    if plain["kind"] == "number":
        median, mean, spread = (float(plain[part]) for part in ("median", "mean", "spread"))
        return NumberColumn(name, median, mean, spread, bool(plain["gaps"]))
    return TextColumn(name, tuple(map(str, plain["values"])), bool(plain["embedded"]))


def label(value: float) -> str:
    """A number in full, as a person writes it.

    >>> label(3.0), label(161562781.25), label(1e-9)
    ('3', '161562781.25', '1e-09')
    """
    return str(int(value)) if abs(value) < 1e15 and value == int(value) else repr(float(value))


def remarks(column: Column, table: Table) -> list[str]:
    """What a user should know about the values of another table: those unlike the ones learnt."""
    raw = column.read(table)
    if isinstance(column, TextColumn):
        odd = [row for row, text in enumerate(raw) if text not in column.values]
        kinds = [("not learnt", odd)]
    else:
        values = np.asarray(raw, dtype=np.float64)
        far = np.abs(values - column.mean) > FAR * column.spread
        kinds = [("far from all that was learnt", np.flatnonzero(far).tolist())]
        gaps = [] if column.gaps else np.flatnonzero(np.isnan(values)).tolist()
        kinds.append((f"missing, taken as {label(column.median)}", gaps))
    return [
        f"{column.name}: {plural(len(rows), 'value')} {what}: {_examples(table, column.name, rows)}"
        for what, rows in kinds
        if rows
    ]


def _examples(table: Table, name: str, rows: list[int]) -> str:
    """A few fields with their lines: 'abc' (line 7), 'x' (line 9), ..."""
    texts = table.texts(name)
    shown = ", ".join(f"{texts[row][:30]!r} (line {table.lines[row]})" for row in rows[:3])
    return shown + (", ..." if len(rows) > 3 else "")
