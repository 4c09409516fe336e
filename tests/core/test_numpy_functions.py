"""NumPy's own functions and operators on tensors are recorded operations, or refused by name."""

import numpy as np
import pytest

import streetlight as sl
from streetlight.errors import DTypeError


def test_numpy_functions_are_recorded() -> None:
    x = sl.tensor([1.0, 2.0], requires_grad=True)
    (np.exp(x) * np.array([2.0, 3.0], dtype=np.float32)).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [2 * np.e, 3 * np.e**2], rtol=1e-6)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (np.ones(2) - sl.tensor([1.0, 3.0]), [0.0, -2.0]),
        (np.float32(2) / sl.tensor([1.0, 4.0]), [2.0, 0.5]),
        (np.arange(2.0) @ sl.ones(2, 2, dtype=sl.float64), [1.0, 1.0]),
        (np.maximum(sl.tensor([1.0, -1.0]), 0.0), [1.0, 0.0]),
    ],
)
def test_arrays_on_the_left(found: sl.Tensor, expected: list[float]) -> None:
    assert isinstance(found, sl.Tensor)
    assert found.tolist() == expected


def test_unknown_functions_and_outputs_are_refused() -> None:
    with pytest.raises(DTypeError, match=r"numpy\.arctan2: there is no such operation"):
        np.arctan2(sl.ones(2), sl.ones(2))
    array = np.ones(2)
    with pytest.raises(DTypeError, match=r"numpy\.add: there is no such operation"):
        array += sl.ones(2)
