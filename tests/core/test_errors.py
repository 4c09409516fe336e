"""How errors show the values that they are about."""

import numpy as np
import pytest

from streetlight.errors import ShapeError, describe


class Plain:
    pass


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.zeros((2, 3), dtype=np.float32), "float32 (2, 3)"),
        ("a" * 100, "'" + "a" * 76 + "..."),
        (Plain(), "Plain"),
        (1.5, "1.5"),
    ],
)
def test_values_are_described(value: object, words: str) -> None:
    assert describe(value) == words


def test_the_four_questions_stand_below_each_other() -> None:
    error = ShapeError("what", expected="this", got={"input": 3}, fix="do that")
    assert str(error).splitlines() == [
        "[E101] what", "  input:    3", "  expected: this", "  fix:      do that",
        "  more:     streetlight explain E101",
    ]  # fmt: skip
    assert isinstance(error, ValueError)
    assert isinstance(error, RuntimeError)
