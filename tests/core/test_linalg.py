"""Matrix products: PyTorch's values and gradients, and shapes refused in our own words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.core.parity import both_refuse, compare, numbers

import streetlight as sl
import streetlight.nn.functional as F
from streetlight.errors import ArgumentError, DTypeError, ShapeError
from streetlight.ops.linalg import linear


@pytest.mark.parametrize(("first", "second"), [
    ((2, 3), (3, 4)), ((3,), (3,)), ((3,), (3, 4)), ((2, 3), (3,)), ((5, 2, 3), (3, 4)),
    ((5, 2, 3), (5, 3, 4)), ((2, 3), (5, 3, 4)), ((1, 2, 3), (5, 3, 4)), ((6, 1, 2, 3), (5, 3, 1)),
    ((3,), (5, 3, 4)), ((5, 2, 3), (3,)), ((0, 3), (3, 2)), ((2, 0), (0, 3)), ((2, 3), (3, 0)),
    ((0,), (0,)), ((0, 2, 3), (3, 4)), ((4, 2, 0), (0, 3)), ((1, 1), (1, 1)),
])  # fmt: skip
def test_matmul(first: Any, second: Any) -> None:
    x, y = numbers(*first), numbers(*second, seed=1)
    compare(lambda T, x, y: (T.matmul(x, y), x.matmul(y), x @ y), x, y)
    compare(lambda T, x, y: x @ y, x.astype(np.float32), y.astype(np.float32), tolerance=2e-5)
    compare(lambda T, x, y: x @ y, np.rint(x).astype(int), np.rint(y).astype(int))


@pytest.mark.parametrize(("first", "second"), [
    ((2, 3), (4, 5)), ((3,), (4,)), ((3,), (4, 3)), ((2, 3), (2,)), ((), (3,)), ((3,), ()),
    ((2, 3), ()), ((), (2, 3)), ((2, 2, 3), (3, 3, 4)), ((5, 2, 3), (5, 4, 3)), ((0,), (3,)),
    ((), ()),
])  # fmt: skip
def test_matmul_that_does_not_fit(first: Any, second: Any) -> None:
    error = both_refuse(lambda T, x, y: x @ y, numbers(*first), numbers(*second))
    assert isinstance(error, ShapeError)
    assert str(error).startswith("[E101] matmul: ")
    assert f"float64 {first}" in str(error) or "sizes 2 and 3 do not fit" in str(error)
    assert "fix:" in str(error)


def test_matmul_words() -> None:
    with pytest.raises(ShapeError, match=r"(?s)matmul: \(2, 3\) @ \(4, 5\) does not fit.*"
                       r"float32 \(2, 3\).*the two inner sizes must be equal.*\.T"):  # fmt: skip
        sl.ones(2, 3) @ sl.ones(4, 5)


def test_matmul_of_mixed_dtypes_promotes() -> None:
    """PyTorch refuses mixed dtypes; here the rules of elementwise operations hold."""
    x, y = numbers(2, 3, dtype=np.float32), numbers(3, 2)
    assert (sl.tensor(x) @ sl.tensor(y)).dtype == sl.float64
    np.testing.assert_allclose((sl.tensor(x) @ sl.tensor(y)).numpy(), x.astype(float) @ y)
    assert (sl.ones(2, 2) @ sl.ones(2, 2, dtype=sl.int64)).dtype == sl.float32


def test_matmul_with_numpy_and_with_numbers() -> None:
    x, y = numbers(2, 3), numbers(3, 2)
    for product in (sl.tensor(x) @ y, x @ sl.tensor(y)):
        assert isinstance(product, sl.Tensor)
        np.testing.assert_allclose(product.numpy(), x @ y)
    for wrong in (3, "text", None):
        with pytest.raises(DTypeError, match="matmul: cannot compute with a "):
            sl.tensor(x) @ wrong


@pytest.mark.parametrize(("x", "w"), [((2, 3), (4, 3)), ((3,), (2, 3)), ((5, 2, 3), (1, 3)),
                                      ((0, 3), (2, 3)), ((2, 5, 0), (4, 0)), ((2, 0, 3), (2, 3)),
                                      ((2, 3), (0, 3)), ((1, 1, 1, 2), (3, 2))])  # fmt: skip
def test_linear(x: Any, w: Any) -> None:
    compare(lambda T, x, w: T.nn.functional.linear(x, w), numbers(*x), numbers(*w, seed=1))


@pytest.mark.parametrize(("x", "w"), [(np.float64, np.float32), (np.float32, np.float64),
                                      (np.int64, np.float32)])  # fmt: skip
def test_linear_of_mixed_dtypes(x: Any, w: Any) -> None:
    arrays = np.ones((2, 3), x), np.ones((4, 3), w)
    error = both_refuse(lambda T, x, w: T.nn.functional.linear(x, w), *arrays)
    assert isinstance(error, DTypeError)
    assert "linear: the input is not a tensor of the weight's dtype" in str(error)
    assert f"input.to(sl.{np.dtype(w)})" in str(error)
    with pytest.raises(DTypeError, match=f"linear: cannot compute with {np.dtype(x)} and"):
        linear(*map(sl.tensor, arrays))


def test_linear_of_a_single_number() -> None:
    with pytest.raises(ShapeError, match="linear: last size of input is missing"):
        F.linear(sl.tensor(1.0), sl.ones(2, 3))


def test_dot_and_outer() -> None:
    x, y = numbers(3), numbers(4, seed=1)
    compare(lambda T, x, y: (T.dot(x, x), x.dot(x), T.outer(x, y), y.outer(x)), x, y)
    for shapes in (((2, 3), (3,)), ((3,), (4,)), ((), ())):
        error = both_refuse(lambda T, x, y: T.dot(x, y), *(numbers(*s) for s in shapes))
        assert f"dot: {shapes[0]} and {shapes[1]} are not vectors of one length" in str(error)
    for shapes in (((2, 3), (3,)), ((), (4,))):
        error = both_refuse(lambda T, x, y: T.outer(x, y), *(numbers(*s) for s in shapes))
        assert f"outer: {shapes[0]} and {shapes[1]} are not two vectors" in str(error)


@pytest.mark.parametrize(("equation", "shapes"), [
    ("ij,jk->ik", [(2, 3), (3, 4)]), ("ij,jk", [(2, 3), (3, 4)]), ("ij->ji", [(2, 3)]),
    ("ij->", [(2, 3)]), ("ij->i", [(2, 3)]), ("ii->i", [(3, 3)]), ("ii", [(3, 3)]),
    ("i,i->", [(4,), (4,)]), ("i,j->ij", [(2,), (3,)]), ("bij,bjk->bik", [(5, 2, 3), (5, 3, 4)]),
    ("bij,bjk->ik", [(5, 2, 3), (5, 3, 4)]), ("ij,ij->ij", [(2, 3), (2, 3)]),
    ("ij,kl->ijkl", [(2, 3), (1, 4)]), ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 2)]),
    ("bhqd,bhkd->bhqk", [(2, 2, 3, 4), (2, 2, 5, 4)]), ("iij->ji", [(2, 2, 3)]), ("ba", [(2, 3)]),
    ("ij,j", [(0, 3), (3,)]), ("ij,jk->ik", [(2, 0), (0, 3)]), (" i j , j -> i ", [(2, 3), (3,)]),
    ("ij,k->", [(2, 3), (4,)]), ("iii->i", [(2, 2, 2)]), ("i,i,i->i", [(3,), (3,), (3,)]),
])  # fmt: skip
def test_einsum(equation: str, shapes: Any) -> None:
    arrays = [numbers(*shape, seed=i) for i, shape in enumerate(shapes)]
    compare(lambda T, *x: T.einsum(equation, *x), *arrays)


@pytest.mark.parametrize(("equation", "shapes"), [
    ("ij,jk->ik", [(2, 3), (4, 5)]), ("ij->k", [(2, 3)]), ("ij", [(2, 3, 4)]), ("ii->i", [(2, 3)]),
    ("ij,jk->ik", [(2, 3)]), ("ij->ii", [(2, 3)]), ("i1->i", [(2, 3)]),
])  # fmt: skip
def test_einsum_that_does_not_fit(equation: str, shapes: Any) -> None:
    error = both_refuse(lambda T, *x: T.einsum(equation, *x), *(numbers(*s) for s in shapes))
    assert isinstance(error, ArgumentError)
    assert f"einsum: {equation!r} does not suit the operands" in str(error)
    assert "one letter for each dimension" in str(error)


def test_einsum_has_no_dots() -> None:
    with pytest.raises(ArgumentError, match=r"einsum: '\.\.\.ij->\.\.\.ji' does not suit"):
        sl.einsum("...ij->...ji", sl.ones(2, 3))  # PyTorch's "..." is not built


def test_products_of_strided_matrices() -> None:
    x, y = numbers(6, 4), numbers(6, 8, seed=1)
    compare(lambda T, x, y: x.T[:, ::2] @ y[::2, ::4], x, y)
    compare(lambda T, x, y: T.einsum("ij,ik->jk", x[::3], y[::3].flip(1)), x, y)
