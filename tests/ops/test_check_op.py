"""`check_op` must be able to fail: operations with one deliberate mistake each are caught."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import streetlight as sl
from streetlight.errors import NumericalError, ShapeError
from streetlight.ops.registry import ErrorSample, Op, Sample, broadcast_shape
from streetlight.testing import check_op

X, Y = np.array([[0.5, -1.5, 2.0]]), np.array([[1.0, 0.3, -0.7], [2.0, -0.4, 0.9]])


@pytest.fixture(autouse=True)
def _forget_the_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streetlight.ops.registry.all_ops", {})


def product(xp: Any, x: Any, y: Any) -> Any:
    return x * y


RIGHT: dict[str, Any] = {
    "forward": product,
    "shape": lambda x, y: broadcast_shape("product", x, y),
    "vjp": [lambda g, out, x, y: g * y, lambda g, out, x, y: g * x],
    "saves": "x y",
    "samples": lambda: [Sample((X, Y)), Sample((Y, X)), Sample((X, X))],
    "error_samples": lambda: [ErrorSample((X, Y[:, :2]), {}, ShapeError, "sizes 2 and 3 do not")],
}


def make(**facts: Any) -> Op:
    facts = RIGHT | facts
    return Op(facts.pop("forward"), **facts)


def overwriting(xp: Any, x: Any, y: Any) -> Any:
    result = x * y
    x *= 2
    return result


def careless(xp: Any, x: Any, y: Any) -> Any:
    """Right as long as the elements lie side by side in memory."""
    whole = np.lib.stride_tricks.as_strided(x, x.shape, np.empty(x.shape).strides)
    return whole * y if x.dtype == np.float64 else x * y


def widening(xp: Any, x: Any, y: Any) -> Any:
    return x.astype(np.float64) * y


def coarse(xp: Any, x: Any, y: Any) -> Any:
    result = x * y
    return result if result.dtype == np.float64 else np.round(result, 1)


def twice_differentiable_only_by_name(g: Any, out: Any, x: Any, y: Any) -> Any:
    return g * y.detach()


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "wrong rule": ({"vjp": [lambda g, out, x, y: g * x, RIGHT["vjp"][1]]},
                   "the gradient differs from the measured slope"),
    "wrong second rule": ({"vjp": [RIGHT["vjp"][0], lambda g, out, x, y: -g * x]},
                          "the gradient differs from the measured slope"),
    "missing rule": ({"vjp": [RIGHT["vjp"][0], None]},
                     "the gradient differs from the measured slope"),
    "wrong second derivative": (
        {"vjp": [twice_differentiable_only_by_name, RIGHT["vjp"][1]]},
        "the gradient differs from the measured slope"),
    "wrong shape rule": ({"shape": lambda x, y: x.shape}, "has the shape (1, 3) of its rule"),
    "wrong dtype": ({"dtype": "bool"}, "has the dtype bool of its rule"),
    "changes its inputs": ({"forward": overwriting}, "leaves its inputs as they are"),
    "reads memory as it lies": ({"forward": careless}, "takes strided inputs"),
    "forgets float32": ({"forward": widening}, "keeps float32"),
    "imprecise in float32": ({"forward": coarse}, "computes in float32"),
    "no samples": ({"samples": list}, "has samples"),
    "other words": ({"error_samples": lambda: [ErrorSample((X, Y[:, :2]), {}, ShapeError, "no!")]},
                    "says 'no!'"),
    "no error": ({"error_samples": lambda: [ErrorSample((X, Y), {}, ShapeError, "sizes")]},
                 "says 'sizes', not 'no error'"),
}  # fmt: skip


def test_the_right_operation_passes() -> None:
    assert check_op(make()) == 3


@pytest.mark.parametrize("mistake", WRONG)
def test_a_mistake_is_caught(mistake: str) -> None:
    facts, words = WRONG[mistake]
    with pytest.raises(NumericalError) as caught:
        check_op(make(**facts))
    assert words in str(caught.value)


def test_an_input_that_is_used_but_not_saved_is_caught() -> None:
    with pytest.raises(TypeError, match="Node"):
        check_op(make(saves="x"))


def test_the_message_names_the_sample() -> None:
    with pytest.raises(NumericalError) as caught:
        check_op(make(vjp=[RIGHT["vjp"][1], RIGHT["vjp"][1]]))
    (note,) = caught.value.__notes__
    assert note.startswith("in: product on Sample(inputs=(array([[ 0.5")


def test_an_operation_of_ones_own_is_a_tensor_operation_like_any() -> None:
    multiply = make()
    x = sl.tensor([2.0, 3.0], requires_grad=True)
    (multiply(x, x) + x).sum().backward()
    assert x.grad.tolist() == [5.0, 7.0]
    assert repr(multiply) == "<op product>"
