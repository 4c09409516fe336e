"""What is said about a network, on answers made by hand."""

from __future__ import annotations

import numpy as np
import pytest

import streetlight as sl
from streetlight import nn
from streetlight.projects.judgement import Judgement, ask
from streetlight.projects.words import percent


def answers(*rows):
    """A judgement of (true, said, how sure) for each picture."""
    shares = np.zeros((len(rows), 10), np.float32)
    for row, (_, said, sure) in zip(shares, rows, strict=True):
        row[:] = (1 - sure) / 9
        row[said] = sure
    return Judgement(shares, np.array([true for true, _, _ in rows]))


MIXED = answers((7, 9, 0.6), (7, 9, 0.9), (7, 7, 0.8), (3, 5, 0.7), (0, 0, 1.0))


def test_counts_accuracy_and_confusion():
    assert (MIXED.right, MIXED.accuracy) == (2, 0.4)
    assert MIXED.confusion[7, 9] == 2
    assert MIXED.confusion[3, 5] == 1
    assert MIXED.confusion.sum() == 5
    assert MIXED.confused() == [(7, 9, 2), (3, 5, 1)]
    assert MIXED.confused(1) == [(7, 9, 2)]


def test_the_worst_mistakes_are_the_surest():
    assert MIXED.worst(10).tolist() == [1, 3, 0]
    assert MIXED.worst(2).tolist() == [1, 3]
    flawless = answers((1, 1, 0.9), (2, 2, 0.5), (3, 3, 0.7))
    assert flawless.worst(2).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("rows", "point"),
    [
        ([(7, 9, 0.9)] * 8, "7 is taken for 9 eight times"),
        ([(7, 9, 0.9)] * 2, "7 is taken for 9 twice"),
        ([(3, 5, 0.9)] * 40, "3 is taken for 5, 40 times"),
        ([(3, 5, 0.9), (5, 3, 0.9)], "No digit is taken for the same other one twice"),
        ([(3, 3, 0.9)], "No digit is taken for another one"),
    ],
)
def test_the_point_of_the_confusion_is_a_sentence(rows, point):
    assert answers(*rows).point() == point


def test_it_is_told_in_two_lines():
    assert str(MIXED) == (
        "40.0 % right: 2 of 5 test digits, which it had never seen\n"
        "most confused: 7 taken for 9 (twice), 3 taken for 5 (once)"
    )
    assert str(answers((1, 1, 0.9))).endswith("\nnothing was confused")


def test_all_is_not_said_of_nearly_all():
    assert percent(9_999 / 10_000) == "99.9 %"
    assert percent(1.0) == "100 %"


def test_asking_gives_probabilities_and_leaves_the_model_in_peace():
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(4, 10))
    images = np.random.default_rng(0).random((3, 1, 2, 2)).astype(np.float32)
    shares = ask(model, images)
    weight, bias = (p.detach().numpy() for p in model.parameters())
    scores = np.exp(images.reshape(3, 4) @ weight.T + bias)
    np.testing.assert_allclose(shares, scores / scores.sum(1, keepdims=True), rtol=1e-5)
    assert model.training
    assert all(p.grad is None for p in model.parameters())
    assert isinstance(model, sl.nn.Module)
