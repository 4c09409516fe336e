"""What is to be learnt from a table: is the target a class or a number, and which rows have it.

Also the split of the rows into those that teach, those that decide when to stop, and those that
are kept for the final measurement.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streetlight.errors import TableError
from streetlight.projects.table_columns import label, read_column
from streetlight.projects.table_file import Table
from streetlight.projects.words import plural

FEWEST_ROWS = 20
MOST_WHOLE_CLASSES = 20
DATE = re.compile(r"(?:\d{4}([-/.])\d\d?\1\d\d?|\d\d?([-/.])\d\d?\2(?:\d{4}|\d\d))(?:[T ].*)?")
SIGNED = re.compile(r"[+-]?[$€£¥] ?[+-]?[\d.,]*\d|[+-]?[\d.,]*\d ?[$€£¥%]")
TEST_SHARE = VALIDATION_SHARE = 0.2


@dataclass(frozen=True)
class Target:
    """The column to learn.

    Attributes:
        name: of the column.
        classes: the names of the classes in order; empty if the target is a number.
        why: why it was taken for one or the other.
    """

    name: str
    classes: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Split:
    """The rows of a table by what they are used for, as indices into the rows of the file."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


def find_target(table: Table, name: str) -> tuple[Target, NDArray[np.float64]]:
    """Say what the target is and give its values: class numbers or numbers, NaN where missing.

    Raises:
        TableError: there is no such column, most of it is missing, too few rows have it, it has
            one value alone, or nearly every row has a class of its own.
    """
    table.require(name)
    raw = read_column(table, name)
    if isinstance(raw, np.ndarray):
        _check_present(table, name, int(np.isfinite(raw).sum()))
        return _number_target(table, name, raw)
    _check_present(table, name, sum(map(bool, raw)))
    counts = Counter(text for text in raw if text)
    _check_dates(name, counts)
    if len(counts) > counts.total() / 4:
        raise TableError(
            f"target column {name!r} has {len(counts)} different texts in {counts.total()} rows",
            expected="classes that occur again and again, or numbers",
            fix=_unsigned(counts) or "choose another --target",
        )
    why = " or ".join(map(repr, sorted(counts))) if len(counts) == 2 else "text"
    return _classes(table, name, raw, sorted(counts), why)


def split_rows(target: Target, values: NDArray[np.float64], seed: int) -> Split:
    """Deal the rows that have a target out to the three parts, each class in the same shares.

    A class of one or two rows is learnt, but not measured.
    """
    generator = np.random.default_rng(seed)
    present = np.flatnonzero(np.isfinite(values))
    groups = [present]
    if target.classes:
        groups = [present[values[present] == number] for number in range(len(target.classes))]
    parts: list[list[NDArray[np.int64]]] = [[], [], []]
    for group in groups:
        tests = round(len(group) * TEST_SHARE) if len(group) > 2 else 0
        stops = round((len(group) - tests) * VALIDATION_SHARE) if len(group) > 2 else 0
        dealt = np.split(generator.permutation(group), [tests, tests + stops])
        for part, rows in zip(parts, dealt, strict=True):
            part.append(rows)
    test, validation, train = (np.sort(np.concatenate(part)) for part in parts)
    return Split(train, validation, test)


def target_numbers(table: Table, target: Target) -> NDArray[np.float64]:
    """The target of another table with the same columns; NaN where missing or never seen."""
    raw = read_column(table, target.name)
    if not target.classes:
        return raw if isinstance(raw, np.ndarray) else np.full(len(raw), np.nan)
    numbers = {text: float(number) for number, text in enumerate(target.classes)}
    return np.array([numbers.get(text, np.nan) for text in _labels(raw)])


def _check_present(table: Table, name: str, present: int) -> None:
    if present < len(table) / 2:
        raise TableError(
            f"target column {name!r} is missing in {len(table) - present} of {len(table)} rows",
            expected="a target in most rows",
            fix="fill it in, or remove the rows without it",
        )
    if present < FEWEST_ROWS:
        raise TableError(
            f"{table.path} has {plural(present, 'row')} with a target",
            expected=f"at least {FEWEST_ROWS}, and better some hundreds",
            fix="add rows: with so few, nothing can be learnt and measured",
        )


def _number_target(
    table: Table, name: str, raw: NDArray[np.float64]
) -> tuple[Target, NDArray[np.float64]]:
    distinct = np.unique(raw[np.isfinite(raw)])
    few = len(distinct) <= max(2, min(MOST_WHOLE_CLASSES, len(raw) // 10))
    if few and np.all(distinct == np.rint(distinct)):
        why = f"{len(distinct)} different whole numbers"
        return _classes(table, name, _labels(raw), [label(value) for value in distinct], why)
    if len(distinct) == 1:
        raise _constant(name, label(distinct[0]))
    return Target(name, (), f"{len(distinct):,} different numbers"), raw


def _classes(
    table: Table, name: str, texts: Sequence[str], classes: Sequence[str], why: str
) -> tuple[Target, NDArray[np.float64]]:
    if len(classes) == 1:
        raise _constant(name, classes[0])
    target = Target(name, tuple(classes), why)
    numbers = {text: float(number) for number, text in enumerate(classes)}
    return target, np.array([numbers.get(text, np.nan) for text in texts])


def _check_dates(name: str, texts: Collection[str]) -> None:
    """Refuse a target of dates: each would become a class, without before and after."""
    dates = [text for text in texts if DATE.fullmatch(text)]
    if len(dates) > len(texts) / 2:
        raise TableError(
            f"target column {name!r} holds dates, such as {dates[0]!r}",
            expected="numbers, or classes that occur again and again",
            fix="write it as a number, such as the days since the first date, the year or month",
        )


def _unsigned(texts: Collection[str]) -> str:
    """How to mend numbers that have a sign of money or a percent sign; "" for other texts."""
    signed = [text for text in texts if SIGNED.fullmatch(text)]
    if len(signed) <= len(texts) / 2:
        return ""
    plain = re.sub(r"[^\d.+-]", "", signed[0])
    found = " and ".join(repr(sign) for sign in "$€£¥%," if any(sign in text for text in signed))
    return f"take {found} out of its numbers: {plain} instead of {signed[0]}"


def _constant(name: str, value: str) -> TableError:
    return TableError(
        f"target column {name!r} is always {value!r}",
        expected="at least two different values",
        fix="choose another --target: there is nothing to tell apart",
    )


def _labels(raw: NDArray[np.float64] | list[str]) -> list[str]:
    if isinstance(raw, list):
        return raw
    return [label(value) if np.isfinite(value) else "" for value in raw]
