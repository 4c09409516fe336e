"""Points and commas in numbers: read as they are meant, or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streetlight.errors import TableError
from streetlight.projects.table_file import Table
from streetlight.projects.table_numbers import read_numbers


def make(delimiter: str = ";", **columns: list[str]) -> Table:
    rows = len(next(iter(columns.values())))
    chunks = {name: ["\0".join(texts)] for name, texts in columns.items()}
    return Table(Path("t.csv"), delimiter, list(range(2, rows + 2)), chunks)


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["1", "-2.5", "+3e2", ".5", "5."], [1, -2.5, 300, 0.5, 5]),
        (["1", "", "NA", "nan"], [1, np.nan, np.nan, np.nan]),
        (["3,14", "20", "-0,5"], [3.14, 20, -0.5]),
        (["1.234,56", "7"], [1234.56, 7]),
        (["1,234.56", "7"], [1234.56, 7]),
        (["1,234,567", "8"], [1234567, 8]),
        (["1,234", "2,5"], [1.234, 2.5]),
        (["1,234", "0.5"], [1234, 0.5]),
        (["1.234", "5.678"], [1.234, 5.678]),
    ],
)
def test_numbers(texts, numbers):
    values, wrong = read_numbers(make(a=texts), "a")
    np.testing.assert_array_equal(values, np.array(numbers, dtype=float))
    assert wrong == []


def test_another_column_decides_what_a_comma_means():
    german = make(a=["1,234", "5,678"], b=["2,5", "3"])
    assert read_numbers(german, "a")[0].tolist() == [1.234, 5.678]
    english = make(a=["1,234", "5,678"], b=["2.5", "3"])
    assert read_numbers(english, "a")[0].tolist() == [1234, 5678]


def test_in_a_file_with_decimal_commas_points_part_thousands():
    german = make(a=["1.234", "999"], b=["2,5", "3"])
    assert read_numbers(german, "a")[0].tolist() == [1234, 999]


def test_a_comma_that_could_mean_two_things_is_refused():
    with pytest.raises(TableError, match=r"column 'a', line 3: '1,234' could be two numbers") as e:
        read_numbers(make(a=["7", "1,234"], b=["x", "y"]), "a")
    assert "1234 or 1.234" in str(e.value)


def test_columns_that_disagree_leave_it_open():
    both = make(a=["1,234", "5,678"], b=["2,5", "3"], c=["2.5", "3"])
    with pytest.raises(TableError, match="could be two numbers"):
        read_numbers(both, "a")


def test_text_is_not_taken_for_numbers():
    values, wrong = read_numbers(make(a=["1", "1_000", "x", "1,2,3", "", "01.02.2020"]), "a")
    assert wrong == [1, 2, 3, 5]
    assert np.isnan(values[1:]).all()


@pytest.mark.parametrize("text", ["inf", "-Infinity", "1e400", "1e31"])
def test_infinite_numbers_are_refused_with_their_line(text):
    with pytest.raises(TableError, match=f"column 'a', line 4: '{text}' is not a usable number"):
        read_numbers(make(a=["1", "2", text]), "a")
