"""The checks of gradients themselves: they pass what is right and name what is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import streetlight as sl
from streetlight.errors import DTypeError, NumericalError
from streetlight.testing import gradcheck, gradgradcheck


def leaf(*values: float) -> sl.Tensor:
    return sl.tensor(list(values), dtype=sl.float64, requires_grad=True)


def scaled(factor: Any) -> Any:
    """The identity with a gradient that is wrong by a factor."""

    return lambda x: x * factor + x.detach() * (1 - factor)


def test_right_gradients_pass() -> None:
    x, y, mask = leaf(0.5, -1.5, 2.0), leaf(1.0), sl.tensor([True, False, True])
    assert gradcheck(lambda x: x.exp(), x) is True
    assert gradcheck(lambda x, y, m: (sl.where(m, x, y), x.sum(), x > 0), [x, y, mask]) is True
    assert gradcheck(lambda x, y: x * 3, [x, y]) is True  # y does not matter
    assert gradcheck(lambda x, y: x.detach() * y, [x.detach(), y]) is True
    assert gradgradcheck(lambda x, y: (x * y).sin(), (x, y)) is True
    assert gradgradcheck(lambda x: x * 3, x) is True  # whose second derivative is 0
    assert gradcheck(lambda x: x.sum(), leaf()) is True
    assert x.grad is None


def test_they_record_whatever_the_surroundings_say() -> None:
    with sl.no_grad():
        assert gradcheck(lambda x: x**2, leaf(1.0)) is True
        assert gradgradcheck(lambda x: x**3, leaf(1.0)) is True
        with pytest.raises(NumericalError):
            gradcheck(scaled(1.01), leaf(1.0))


@pytest.mark.parametrize("factor", [0.0, 0.999, 1.01, -1.0, 2.0, float("nan")])
def test_wrong_gradients_are_named(factor: float) -> None:
    words = "gradcheck: the gradient differs from the measured slope"
    for values in ((1.0,), (0.3, -0.7, 5.0), tuple(np.linspace(-1, 1, 20))):
        with pytest.raises(NumericalError, match=words) as caught:
            gradcheck(scaled(factor), leaf(*values))
    for part in ("gradient:", "measured slope:", "slope ahead:", "mend the backward rule"):
        assert part in str(caught.value)


def test_one_wrong_element_of_many_is_found() -> None:
    factors = sl.tensor([1.0] * 19 + [1.1], dtype=sl.float64)
    with pytest.raises(NumericalError):
        gradcheck(scaled(factors), leaf(*range(20)))


def test_kinks_are_named() -> None:
    for function in (lambda x: x.relu(), lambda x: x.clamp(min=0), lambda x: x.abs() + x.relu()):
        with pytest.raises(NumericalError, match=r"(?s)there is a kink.*away from the kink"):
            gradcheck(function, leaf(1.0, 0.0))
        assert gradcheck(function, leaf(1.0, 1e-3)) is True


def test_wrong_second_derivatives_are_found() -> None:
    def constant_slope(x: sl.Tensor) -> sl.Tensor:
        """x³ with a gradient that has the right numbers and forgets where they come from."""
        y = x.detach() ** 3
        slope = 3 * x.detach() ** 2
        return y + slope * (x - x.detach())

    assert gradcheck(constant_slope, leaf(0.5, 2.0)) is True
    with pytest.raises(NumericalError, match="the gradient differs"):
        gradgradcheck(constant_slope, leaf(0.5, 2.0))


def test_float32_is_too_coarse() -> None:
    for check in (gradcheck, gradgradcheck):
        with pytest.raises(
            DTypeError, match=r"(?s)gradcheck: float32 is too coarse.*x\.double\(\)"
        ):
            check(lambda x: x * 2, sl.ones(2, requires_grad=True))
