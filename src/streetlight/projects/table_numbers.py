"""From text to numbers: points and commas as they are meant, or an error where that is unclear.

"1,234" is 1234 to an English reader and 1.234 to a German one. A column is read the one way that
fits all its values; where both fit, other columns of the file decide; where none does, we ask.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streetlight.errors import TableError
from streetlight.projects.table_file import Table

_EXPONENT = r"(?:[eE][+-]?\d+)?"
ENGLISH = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d*)(?:\.\d*)?" + _EXPONENT)
GERMAN = re.compile(r"[+-]?(?:\d{1,3}(?:\.\d{3})+|\d*)(?:,\d*)?" + _EXPONENT)
NUMERAL = re.compile(r"[+-]?[\d.,]*\d[\d.,]*" + _EXPONENT)
LARGEST = 1e30


def read_numbers(table: Table, name: str) -> tuple[NDArray[np.float64], list[int]]:
    """The numbers of a column, NaN where a field is missing, and the rows that hold text instead.

    Raises:
        TableError: a number is infinite or too large, or its comma could mean two things.
    """
    texts = table.texts(name)
    values, wrong = _parse(texts, _decimal(table, name, texts))
    large = np.flatnonzero(np.abs(values) > LARGEST)
    if large.size and not wrong:
        row = int(large[0])
        raise TableError(
            f"column {name!r}, line {table.lines[row]}: {texts[row]!r} is not a usable number",
            expected=f"finite numbers up to {LARGEST:g} in size",
            fix="correct the field, or leave it empty if the value is not known",
        )
    return values, wrong


def _parse(texts: Sequence[str], decimal: str) -> tuple[NDArray[np.float64], list[int]]:
    values = np.full(len(texts), np.nan)
    wrong = []
    for row, text in enumerate(texts):
        if text:
            try:
                values[row] = float(_plain(text, decimal))
            except ValueError:
                wrong.append(row)
    return values, wrong


def _plain(text: str, decimal: str) -> str:
    """The number as Python writes it; text that is no number comes back as it is."""
    if "_" in text:
        return ""
    if decimal == "," and GERMAN.fullmatch(text):
        return text.replace(".", "").replace(",", ".")
    if "," in text and ENGLISH.fullmatch(text):
        return text.replace(",", "")
    return text


def _decimal(table: Table, name: str, texts: Sequence[str]) -> str:
    """The decimal sign of one column: "." or ","."""
    comma = any("," in text for text in texts)
    file = _file_decimal(table) if comma or table.delimiter != "," else "."
    if not comma and file != ",":
        return "."
    signs = _signs(texts)
    if len(signs) == 1:
        return signs.pop()
    if file or not signs:
        return file or "."
    row, example = next((row, text) for row, text in enumerate(texts) if "," in text)
    plain = example.replace(",", "")
    raise TableError(
        f"column {name!r}, line {table.lines[row]}: {example!r} could be two numbers",
        expected=f"{plain} or {example.replace(',', '.')}, written that way",
        fix="write the column without commas",
    )


def _file_decimal(table: Table) -> str:
    """The decimal sign that the columns of the file agree on; "" if they do not tell."""
    if "decimal" not in table.known:
        tellings = [_signs(table.texts(name, chunks=1)) for name in table.names]
        told = {sign for signs in tellings if len(signs) == 1 for sign in signs}
        table.known["decimal"] = told.pop() if len(told) == 1 else ""
    return table.known["decimal"]


def _signs(texts: Sequence[str]) -> set[str]:
    """The decimal signs under which all numbers with a point or comma can be read.

    >>> sorted(_signs(["3,14", "20"])), sorted(_signs(["1,234"])), sorted(_signs(["20"]))
    ([','], [',', '.'], [])
    """
    numerals = {text for text in texts if ("." in text or "," in text) and NUMERAL.fullmatch(text)}
    if not numerals:
        return set()
    readings = {".": ENGLISH, ",": GERMAN}
    return {
        sign
        for sign, pattern in readings.items()
        if all(pattern.fullmatch(text) for text in numerals)
    }
