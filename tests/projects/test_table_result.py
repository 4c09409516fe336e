"""The result of a table: counted by hand, compared with guessing, and hopeless ones called so."""

from __future__ import annotations

import numpy as np
import pytest

from streetlight.projects.table_columns import NumberColumn, TextColumn
from streetlight.projects.table_data import Encoding
from streetlight.projects.table_result import Outcome, column_importance, softmax
from streetlight.projects.table_target import Target

COLUMNS = (
    NumberColumn("a", 0.0, 0.0, 1.0, gaps=False),
    NumberColumn("b", 0.0, 0.0, 1.0, gaps=True),
    TextColumn("c", ("x",), embedded=True),
)


def classes(said: list[int], true: list[int], names=("no", "yes", "so")) -> Outcome:
    encoding = Encoding(COLUMNS, {}, Target("y", tuple(names), "text"), guess=0.0)
    return Outcome(encoding, np.eye(len(names))[said] * 3.0, np.array(true, dtype=float))


def numbers(said: list[float], true: list[float]) -> Outcome:
    encoding = Encoding(COLUMNS, {}, Target("y", (), "numbers"), guess=10.0, spread=2.0)
    outputs = (np.array(said)[:, None] - 10) / 2
    return Outcome(encoding, outputs, np.array(true, dtype=float))


def test_softmax_against_its_formula():
    logits = np.array([[0.0, np.log(3.0)], [1000.0, 1000.0]])
    np.testing.assert_allclose(softmax(logits), [[0.25, 0.75], [0.5, 0.5]])


def test_classes_are_counted():
    outcome = classes([0, 1, 1, 2, 1, 0], [0, 1, 2, 2, 2, 1])
    assert outcome.score == pytest.approx(3 / 6)
    assert outcome.matrix().tolist() == [[1, 0, 0], [1, 1, 0], [0, 2, 1]]
    assert outcome.tell()[0] == (
        "right for 50.0 % of 6 held-out rows (± 17.7 %); always saying 'no': 16.7 %"
    )
    assert outcome.confused() == ["most confused: so taken for yes 2×, yes taken for no 1×"]
    assert sorted(outcome.worst().tolist()) == [2, 4, 5]


def test_the_worst_mistakes_come_first():
    outcome = classes([0, 0, 0, 1], [1, 1, 0, 0])
    outcome.outputs[:] = [[2, 0, 0], [5, 0, 0], [9, 0, 0], [0, 3, 0]]
    assert outcome.worst().tolist() == [1, 3, 0]


def test_without_mistakes_the_least_sure_come_first():
    outcome = classes([0, 1, 2], [0, 1, 2])
    outcome.outputs[1] = [0, 0.5, 0]
    assert outcome.confused() == []
    assert outcome.worst()[0] == 1
    assert "100 % of 3 held-out rows (± 17.9 %)" in outcome.tell()[0]


def test_one_row_is_a_row():
    assert "right for 100 % of 1 row (" in classes([0], [0]).tell("row")[0]


def test_numbers_are_measured():
    outcome = numbers([11, 9, 14, 10], [12, 8, 14, 6])
    np.testing.assert_allclose(outcome.said, [11, 9, 14, 10])
    assert outcome.score == pytest.approx(1 - 18 / 40)
    assert outcome.error == pytest.approx(1.5)
    assert outcome.tell() == [
        "R² 0.550 on 4 held-out rows (1 is perfect, 0 is guessing)",
        "off by 1.5 on average; always saying 10: 3",
    ]
    assert outcome.worst().tolist() == [3, 0, 1, 2]


def test_hopeless_results_are_called_so():
    assert "no better than guessing" in numbers([10, 10, 10], [9, 10, 11]).tell()[-1]
    assert "no better than guessing" in numbers([1, 2, 3], [5, 5, 5]).tell()[-1]
    half = classes([0, 1] * 50, [0, 0, 1, 1] * 25, names=("no", "yes"))
    assert half.hopeless
    assert "these columns do not tell 'y'" in half.tell()[-1]
    assert not classes([0] * 58 + [1] * 42, [0] * 50 + [1] * 50, names=("no", "yes")).hopeless
    assert classes([0] * 53 + [1], [0] * 50 + [1] * 4, names=("no", "yes")).hopeless


def test_importance_finds_the_column_that_counts():
    true = np.arange(40.0) % 7
    inputs = np.stack([(true - 10) / 2, *np.random.default_rng(0).random((3, 40))], axis=1)
    inputs = inputs.astype(np.float32)

    def network(rows):
        return rows[:, :1].astype(float)

    encoding = numbers([1], [1]).encoding
    outcome = Outcome(encoding, network(inputs), true)
    lost, counting = column_importance(network, outcome, inputs, seed=0)
    assert list(lost) == ["a", "b", "c"]
    assert counting == ["a"]
    assert lost["a"] == pytest.approx(2.0, abs=0.4)  # R² of shuffled values is 1 - 2 on average
    assert (lost["b"], lost["c"]) == (0.0, 0.0)
    assert np.array_equal(inputs[:, 0], ((true - 10) / 2).astype(np.float32))


def test_no_column_of_a_guessing_network_counts():
    generator = np.random.default_rng(1)
    inputs = generator.random((60, 4)).astype(np.float32)
    true = generator.integers(2, size=60).astype(float)

    def network(rows):
        return np.stack([rows[:, 0], 1 - rows[:, 1]], axis=1).astype(float)

    encoding = classes([0], [0], names=("no", "yes")).encoding
    outcome = Outcome(encoding, network(inputs), true)
    assert outcome.hopeless
    assert column_importance(network, outcome, inputs, seed=0)[1] == []


def test_a_loss_within_the_noise_does_not_count():
    generator = np.random.default_rng(2)
    true = np.arange(300.0) % 7
    inputs = np.stack([(true - 10) / 2, *generator.normal(size=(3, 300))], axis=1)
    inputs = inputs.astype(np.float32)

    def network(rows):
        return (rows[:, :1] + 0.1 * rows[:, 1:2] * rows[:, 3:4]).astype(float)

    outcome = Outcome(numbers([1], [1]).encoding, network(inputs), true)
    for seed in range(5):
        assert column_importance(network, outcome, inputs, seed)[1] == ["a"]
