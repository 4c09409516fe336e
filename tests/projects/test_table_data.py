"""Columns, targets, splits and the encoding of a table, on files as users have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streetlight.errors import FileFormatError, TableError
from streetlight.projects.table_columns import (
    NumberColumn,
    TextColumn,
    fit_column,
    read_column,
)
from streetlight.projects.table_data import Encoding, fit_encoding
from streetlight.projects.table_file import Table
from streetlight.projects.table_target import Split, find_target, split_rows, target_numbers


def make(**columns: list[object]) -> Table:
    texts = {name: [str(value) for value in column] for name, column in columns.items()}
    rows = len(next(iter(texts.values())))
    chunks = {name: ["\0".join(column)] for name, column in texts.items()}
    return Table(Path("t.csv"), ",", list(range(2, rows + 2)), chunks)


def fit(**column: list[object]):
    (name,) = column
    table = make(**column)
    return fit_column(name, read_column(table, name), np.arange(len(table)))


# --- one column -------------------------------------------------------------------------------


def test_numbers_are_standardised_by_the_training_rows_alone():
    table = make(a=[1, 2, 3, 6, 1000])
    column = fit_column("a", read_column(table, "a"), np.array([0, 1, 2, 3]))
    assert column == NumberColumn("a", median=2.5, mean=3.0, spread=np.sqrt(3.5), gaps=False)
    encoded = column.encode(np.array([3.0, 6.0, np.nan, 1e300]))
    np.testing.assert_allclose(encoded[:, 0], [0, 3 / 3.5**0.5, -0.5 / 3.5**0.5, 10], rtol=1e-6)
    assert encoded.dtype == np.float32


def test_one_wrong_entry_does_not_flatten_the_others():
    column = fit(a=[*np.linspace(-1, 1, 200), 1e25])
    assert 0.5 < column.spread < 0.7
    assert column.encode(np.array([1e25, -1e25])).tolist() == [[10], [-10]]


def test_a_rare_value_keeps_its_spread():
    column = fit(a=[0] * 399 + [1])
    assert column.spread == pytest.approx(np.sqrt(399) / 400)


def test_gaps_become_the_median_and_a_flag():
    column = fit(a=[1, "", 3, 11, "NA"])
    assert (column.median, column.mean, column.gaps, column.width) == (3.0, 5.0, True, 2)
    encoded = column.encode(np.array([5.0, np.nan]))
    np.testing.assert_allclose(encoded, [[0, 0], [-2 / column.spread, 1]], rtol=1e-6)


def test_a_constant_with_gaps_keeps_its_flag():
    column = fit(a=[4, "", 4, ""])
    assert column.encode(np.array([4.0, np.nan])).tolist() == [[0, 0], [0, 1]]


def test_few_texts_are_one_hot_and_the_missing_one_is_a_value():
    column = fit(a=["red", "blue", "", "red", "blue", "red"])
    assert column == TextColumn("a", ("", "blue", "red"), embedded=False)
    assert column.encode(["blue", "", "green"]).tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0]]


def test_many_texts_are_embedded_and_rare_ones_share_row_zero():
    texts = [f"city{n}" for n in range(30)] * 3 + ["hamlet"]
    column = fit(a=texts)
    assert column.embedded
    assert len(column.values) == 30
    assert column.encode(["city0", "hamlet", "unheard of"]).tolist() == [[1], [0], [0]]


@pytest.mark.parametrize(
    ("name", "values", "why"),
    [
        ("a", ["", "NA", ""], "empty"),
        ("a", [3, 3, 3.0], "always 3"),
        ("a", ["x", "x"], "always 'x'"),
        ("a", list(range(1, 40)), "numbers the rows"),
        ("a", list(range(40)), "numbers the rows"),
        ("customer_id", [903, 17, 45], "numbers the rows"),
        ("PassengerId", [903, 17, 45], "numbers the rows"),
        ("a", [f"Mr. {n}" for n in range(9)], "nearly every text differs, such as 'Mr. 0'"),
    ],
)
def test_useless_columns_say_why(name, values, why):
    assert fit(**{name: values}) == why


@pytest.mark.parametrize(
    ("name", "values"),
    [("a", [903, 17, 45]), ("id", [1, 2, 2]), ("id", [0.5, 1.5, 3]), ("year", [1990, 1991, 1992])],
)
def test_columns_that_only_look_like_numbering_stay(name, values):
    assert isinstance(fit(**{name: values}), NumberColumn)


def test_mixed_columns_are_refused_with_examples():
    table = make(age=[*range(100, 140), "old", 7, "12kg", "x", "y"])
    with pytest.raises(TableError, match="column 'age' mixes 41 numbers with 4 texts") as error:
        read_column(table, "age")
    assert "'old' (line 42), '12kg' (line 44), 'x' (line 45), ..." in str(error.value)


def test_few_mixed_values_are_names_and_that_is_said():
    table = make(children=[0, 1, 2, "3+"] * 5)
    assert read_column(table, "children")[:4] == ["0", "1", "2", "3+"]
    assert "children: 5 texts among the numbers ('3+' (line 5)" in table.notes[0]


def test_mostly_text_is_text():
    assert read_column(make(code=["A1", "B2", "77"]), "code") == ["A1", "B2", "77"]


def test_a_number_column_refuses_text_in_another_table():
    column = NumberColumn("a", 0.0, 0.0, 1.0, gaps=False)
    with pytest.raises(TableError, match=r"column 'a' holds text: 'x' \(line 3\)"):
        column.read(make(a=[1, "x"]))
    with pytest.raises(TableError, match="no column 'a'"):
        column.read(make(b=[1, 2]))
    with pytest.raises(TableError, match=r"no column 'c'(.|\n)*give the table all columns"):
        TextColumn("c", ("x",), embedded=False).read(make(b=[1, 2]))


# --- the target -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "classes", "why"),
    [
        (["b", "a"] * 15, ("a", "b"), "'a' or 'b'"),
        (["True", "False"] * 15, ("False", "True"), "'False' or 'True'"),
        (["c", "a", "b"] * 10, ("a", "b", "c"), "text"),
        ([2, 0, 10] * 10, ("0", "2", "10"), "3 different whole numbers"),
        (["1.0", "0.0"] * 15, ("0", "1"), "2 different whole numbers"),
        ([0.5, 1.5, 2.0] * 10, (), "3 different numbers"),
        (list(range(30)), (), "30 different numbers"),
    ],
)
def test_what_the_target_is(values, classes, why):
    target, numbers = find_target(make(y=values), "y")
    assert (target.classes, target.why) == (classes, why)
    expected = [classes.index(str(values[0]).removesuffix(".0"))] if classes else [values[0]]
    assert numbers[:1].tolist() == expected


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["x"] * 30, "target column 'y' is always 'x'"),
        ([7] * 30, "target column 'y' is always '7'"),
        ([0.5] * 30, "target column 'y' is always '0.5'"),
        ([1, 2, ""] * 5 + [""] * 30, "target column 'y' is missing in 35 of 45 rows"),
        ([""] * 30, "target column 'y' is missing in 30 of 30 rows"),
        ([1, 2] * 9, "t.csv has 18 rows with a target"),
        ([1], "t.csv has 1 row with a target"),
        ([f"name {n}" for n in range(30)], "30 different texts in 30 rows"),
        ([f"2024-01-{n % 3 + 1:02}" for n in range(30)], "holds dates, such as '2024-01-01'"),
        ([f"{n}.5.2024 10:00" for n in range(1, 31)], "holds dates, such as '1.5.2024 10:00'"),
        (
            [f"$1,{n}.50" for n in range(100, 140)],
            r"40 different texts(.|\n)*take '\$' and ',' out of its numbers: 1100.50 instead of",
        ),
        ([f"{n} %" for n in range(40)], r"take '%' out of its numbers: 0 instead of 0 %"),
        ([*range(30), "soon"], r"column 'y' mixes 30 numbers with 1 text: 'soon' \(line 32\)"),
        ([0.5] * 30 + ["inf"], "column 'y', line 32: 'inf' is not a usable number"),
    ],
)
def test_hopeless_targets(values, words):
    with pytest.raises(TableError, match=words):
        find_target(make(y=values), "y")


def test_an_unknown_target_offers_near_names():
    with pytest.raises(TableError, match=r"did you mean 'species'\?"):
        find_target(make(species=["a"] * 30), "specis")


@given(
    counts=st.lists(st.integers(1, 40), min_size=2, max_size=5),
    missing=st.integers(0, 10),
    seed=st.integers(0, 9),
)
def test_the_split_takes_every_row_once_and_a_fifth_of_each_class(counts, missing, seed):
    numbers = [float(c) for c, count in enumerate(counts) for _ in range(count)]
    values = np.array(numbers + [np.nan] * missing)
    target = find_target(make(y=["a", "b"] * 15), "y")[0]
    target = type(target)("y", tuple(map(str, range(len(counts)))), "text")
    split = split_rows(target, values, seed)
    everything = np.sort(np.concatenate([split.train, split.validation, split.test]))
    assert everything.tolist() == list(range(len(numbers)))
    for number, count in enumerate(counts):
        measured = int((values[split.test] == number).sum())
        assert measured == (round(0.2 * count) if count > 2 else 0)
        assert (values[split.train] == number).any()
    again = split_rows(target, values, seed)
    assert again.test.tolist() == split.test.tolist()


def test_seeds_split_differently():
    target, values = find_target(make(y=list(range(60))), "y")
    assert (
        split_rows(target, values, 0).test.tolist() != split_rows(target, values, 1).test.tolist()
    )


def test_the_target_of_another_table():
    target, _ = find_target(make(y=["no", "yes"] * 15), "y")
    found = target_numbers(make(y=["yes", "perhaps", "", "no"]), target)
    np.testing.assert_array_equal(found, [1, np.nan, np.nan, 0])
    number, _ = find_target(make(y=list(range(30))), "y")
    np.testing.assert_array_equal(target_numbers(make(y=[3, ""]), number), [3, np.nan])
    np.testing.assert_array_equal(target_numbers(make(y=["a", "b"]), number), [np.nan, np.nan])


# --- the encoding -----------------------------------------------------------------------------


def example() -> Table:
    count = 90
    return make(
        id=list(range(count)),
        city=[f"c{n % 30}" for n in range(count)],
        size=[n * 0.5 if n % 9 else "" for n in range(count)],
        same=["x"] * count,
        colour=[["red", "blue", "green"][n % 3] for n in range(count)],
        y=[n % 2 for n in range(count)],
    )


def fitted(table: Table):
    target, values = find_target(table, "y")
    split = split_rows(target, values, 0)
    return fit_encoding(table, target, values, split)


def test_the_encoding_puts_embedded_columns_last():
    encoding, inputs = fitted(example())
    assert [column.name for column in encoding.columns] == ["size", "colour", "city"]
    assert encoding.dropped == {"id": "numbers the rows", "same": "always 'x'"}
    assert inputs.shape == (90, 2 + 3 + 1)
    assert (encoding.dense, len(encoding.embeddings)) == (5, 1)
    assert encoding.parts == {"size": slice(0, 2), "colour": slice(2, 5), "city": slice(5, 6)}
    assert inputs[:, 5].max() <= encoding.embeddings[0] - 1


def test_the_encoding_survives_json_and_encodes_the_same():
    table = example()
    encoding, inputs = fitted(table)
    again = Encoding.from_json(encoding.to_json())
    assert again == encoding
    np.testing.assert_array_equal(again.encode(table), inputs)


def test_a_number_target_is_standardised_by_the_training_rows():
    table = make(x=[n % 7 for n in range(40)], y=[n * 1.5 for n in range(40)])
    target, values = find_target(table, "y")
    split = Split(np.arange(20), np.arange(20, 30), np.arange(30, 40))
    encoding, _ = fit_encoding(table, target, values, split)
    assert encoding.guess == pytest.approx(14.25)
    assert encoding.spread == pytest.approx(1.5 * np.sqrt((20**2 - 1) / 12))


def test_a_table_without_any_useful_column():
    table = make(a=["x"] * 40, n=list(range(40)), y=[0, 1] * 20)
    with pytest.raises(TableError, match="no column to learn 'y' from") as error:
        fitted(table)
    assert "a: always 'x'; n: numbers the rows" in str(error.value)
    with pytest.raises(TableError, match="add columns beside the target"):
        fitted(make(y=[0, 1] * 20))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "3",
        '{"target": {}, "columns": []}',
        '{"target": {"classes": []}, '
        '"columns": [{"kind": "number", "name": "a", "median": "x", "mean": 0, "spread": 1}]}',
    ],
)
def test_a_foreign_encoding_is_refused(text):
    with pytest.raises(FileFormatError, match="does not say how its table is encoded"):
        Encoding.from_json(text)
