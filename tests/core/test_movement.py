"""Operations that move elements: PyTorch's values, gradients, views and refusals."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from tests.core.parity import both_refuse, compare, numbers

import streetlight as sl
from streetlight.errors import ArgumentError, IndexOutOfRangeError, ShapeError

SHAPES = [(), (1,), (6,), (2, 3), (2, 1, 4), (0, 3), (3, 0, 2)]


@pytest.mark.parametrize(("shape", "new"), [
    ((6,), (2, 3)), ((2, 3), (3, -1)), ((2, 3), (-1,)), ((), (1, 1)), ((1, 1), ()),
    ((0, 3), (3, 0)), ((0,), (-1,)), ((2, 3, 4), (4, -1, 2)), ((3, 0, 2), (0,)),
])  # fmt: skip
def test_reshape(shape: Any, new: Any) -> None:
    compare(lambda T, x: (T.reshape(x, new), x.reshape(new), x.view(new)), numbers(*shape))
    if new:
        compare(lambda T, x: x.reshape(*new), numbers(*shape))
    compare(lambda T, x: x.T.reshape(new) if x.ndim == 2 else x.reshape(new), numbers(*shape))


@pytest.mark.parametrize(("shape", "new"), [
    ((6,), (4,)), ((6,), (4, -1)), ((6,), (-1, -1)), ((6,), (-2, -3)), ((0, 3), (0, -1)),
    ((), (0,)),
])  # fmt: skip
def test_reshape_that_does_not_fit(shape: Any, new: Any) -> None:
    error = both_refuse(lambda T, x: x.reshape(new), numbers(*shape))
    assert isinstance(error, ShapeError)
    assert f"elements do not fit the shape {new}" in str(error)
    assert "sizes whose product is the number of elements" in str(error)


@pytest.mark.parametrize("shape", SHAPES)
def test_flatten_squeeze_and_unsqueeze(shape: Any) -> None:
    x = numbers(*shape)
    compare(lambda T, x: (T.flatten(x), x.flatten(), T.squeeze(x), x.squeeze()), x)
    for dim in range(-len(shape), len(shape)):
        compare(lambda T, x, d=dim: (x.flatten(d), x.squeeze(d), T.squeeze(x, dim=d)), x)
        compare(lambda T, x, d=dim: x.flatten(end_dim=d), x)
    for dim in range(-len(shape) - 1, len(shape) + 1):
        compare(lambda T, x, d=dim: (T.unsqueeze(x, d), x.unsqueeze(d)), x)
    both_refuse(lambda T, x: x.unsqueeze(x.ndim + 1), x)
    both_refuse(lambda T, x: x.squeeze(x.ndim + 1), x)
    both_refuse(lambda T, x: x.flatten(x.ndim + 1), x)


def test_squeeze_of_several_dims() -> None:
    compare(lambda T, x: (x.squeeze((0, 2)), x.squeeze((1, -1)), x.squeeze(())), numbers(1, 2, 1))


def test_flatten_backwards() -> None:
    error = both_refuse(lambda T, x: x.flatten(1, 0), numbers(2, 3))
    assert "flatten: start_dim 1 lies behind end_dim 0" in str(error)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 1, 4), (0, 3, 2)])
def test_permute_and_transpose(shape: Any) -> None:
    x = numbers(*shape)
    for order in itertools.permutations(range(len(shape))):
        compare(lambda T, x, o=order: (T.permute(x, o), x.permute(o)), x)
        if order:
            compare(lambda T, x, o=order: x.permute(*o), x)
    for a, b in itertools.product(range(-len(shape), len(shape)), repeat=2):
        compare(lambda T, x, a=a, b=b: (T.transpose(x, a, b), x.transpose(a, b)), x)
    if len(shape) >= 2:
        compare(lambda T, x: x.mT, x)
    if len(shape) <= 2:
        compare(lambda T, x: x.t(), x)


def test_t_is_for_matrices() -> None:
    error = both_refuse(lambda T, x: x.t(), numbers(2, 3, 4))
    assert isinstance(error, ShapeError)
    assert "t: the tensor has 3 dimensions" in str(error)
    both_refuse(lambda T, x: x.mT, numbers(3))
    assert sl.ones(2, 3, 4).T.shape == (4, 3, 2)  # PyTorch warns of this, and still does it


@pytest.mark.parametrize("order", [(0,), (0, 0), (0, 2), (0, 1, 2)])
def test_an_order_that_is_none(order: Any) -> None:
    error = both_refuse(lambda T, x: x.permute(order), numbers(2, 3))
    assert "permute: " in str(error)


@pytest.mark.parametrize(("shape", "new"), [
    ((3,), (2, 3)), ((2, 1), (2, 4)), ((2, 1), (-1, 4)), ((), (2, 2)), ((1,), (0,)),
    ((0, 1), (0, 3)), ((1, 3), (5, 2, 3)), ((3,), (3,)), ((2, 3), (2, -1)),
])  # fmt: skip
def test_expand(shape: Any, new: Any) -> None:
    compare(lambda T, x: (x.expand(new), x.expand(*new) * 2), numbers(*shape))
    compare(lambda T, x: x.flip(0).expand(*new) if x.ndim else x.expand(new), numbers(*shape))


@pytest.mark.parametrize(("shape", "new"), [
    ((3,), (2, 4)), ((2, 3), (3,)), ((3,), (-1, 3)), ((2,), (0,)), ((2, 3), ()), ((1,), (-2,)),
])  # fmt: skip
def test_expand_that_does_not_fit(shape: Any, new: Any) -> None:
    error = both_refuse(lambda T, x: x.expand(new), numbers(*shape))
    assert isinstance(error, ShapeError)
    assert f"expand: {shape} cannot be repeated to {new}" in str(error)


@pytest.mark.parametrize("dims", [(0,), (1,), (-1,), (0, 1), ()])
def test_flip(dims: Any) -> None:
    compare(lambda T, x: (T.flip(x, dims), x.flip(dims)), numbers(2, 3))
    compare(lambda T, x: x.flip(-1), numbers(0))
    both_refuse(lambda T, x: x.flip(0, 0), numbers(2))
    both_refuse(lambda T, x: x.flip(2), numbers(2))


@pytest.mark.parametrize(("dim", "start", "length"), [(0, 0, 4), (0, 1, 2), (1, 2, 1), (-1, 3, 0),
                                                      (0, 4, 0), (1, -2, 2)])  # fmt: skip
def test_narrow(dim: int, start: int, length: int) -> None:
    compare(lambda T, x: (T.narrow(x, dim, start, length), x.narrow(dim, start, length)),
            numbers(4, 3))  # fmt: skip


@pytest.mark.parametrize(("start", "length"), [(0, 5), (3, 2), (4, 1), (-1, 2), (1, -1), (-5, 1)])
def test_narrow_beyond_the_end(start: int, length: int) -> None:
    error = both_refuse(lambda T, x: x.narrow(0, start, length), numbers(4, 3))
    assert isinstance(error, IndexOutOfRangeError)
    assert f"narrow: {length} elements from {start} do not lie within 0 to 3" in str(error)


@pytest.mark.parametrize("widths", [(1, 2), (0, 0), (1, 0, 0, 2), (), (2, 1, 0, 0, 1, 1)])
def test_pad(widths: Any) -> None:
    shape = (2, 3, 2)[: max(1, len(widths) // 2)]
    for value in (0.0, -1.5):
        compare(lambda T, x, v=value: T.nn.functional.pad(x, widths, value=v), numbers(*shape))


@pytest.mark.parametrize("widths", [(1,), (1, 1, 1, 1)])
def test_pad_of_other_dims(widths: Any) -> None:
    error = both_refuse(lambda T, x: T.nn.functional.pad(x, widths), numbers(3))
    assert f"pad: {widths} with mode 'constant' does not suit 1 dimensions" in str(error)


def test_pad_knows_one_mode_and_no_negative_widths() -> None:
    for widths, mode in (((1, 1), "reflect"), ((-1, 0), "constant")):
        with pytest.raises(ArgumentError, match="two widths >= 0 for each dimension"):
            sl.nn.functional.pad(sl.ones(2, 3), widths, mode)


@pytest.mark.parametrize("dim", [0, 1, -1, -2])
@pytest.mark.parametrize("shapes", [[(2, 3)], [(2, 3), (2, 3)], [(2, 3), (0, 3), (1, 3)]])
def test_cat_and_stack(shapes: Any, dim: int) -> None:
    arrays = [numbers(*(shape if dim in (0, -2) else shape[::-1]), seed=i)
              for i, shape in enumerate(shapes)]  # fmt: skip
    compare(lambda T, *x: T.cat(x, dim), *arrays)
    compare(lambda T, *x: (T.cat([x[0], x[0]], dim=dim), T.cat(list(x), dim) * 2), *arrays)
    same = [arrays[0]] * len(arrays)
    for place in (dim, -3 if dim < 0 else 2):
        compare(lambda T, *x, p=place: T.stack(x, p), *same)
    compare(lambda T, x, y: T.stack([x, y]), numbers(), numbers(seed=1))


def test_cat_and_stack_refuse() -> None:
    x, y = numbers(2, 3), numbers(2, 4)
    error = both_refuse(lambda T, x, y: T.cat([x, y]), x, y)
    assert "cat: shapes (2, 3) and (2, 4) cannot be joined" in str(error)
    assert "equal sizes in all dimensions but 0" in str(error)
    error = both_refuse(lambda T, x, y: T.stack([x, y]), x, y)
    assert "stack: shapes (2, 3) and (2, 4) differ" in str(error)
    for name in ("cat", "stack"):
        error = both_refuse(lambda T, n=name: getattr(T, n)([]))
        assert f"{name}: there is nothing to join" in str(error)
        error = both_refuse(lambda T, x, n=name: getattr(T, n)([x, x], 5), x)
        assert f"{name}: there is no dimension 5" in str(error)
        error = both_refuse(lambda T, x, n=name: getattr(T, n)([x, 3]), x)
        assert f"{name}: 3 is not a tensor" in str(error)
    error = both_refuse(lambda T, x, y: T.cat([x, y]), x, numbers(3))
    assert "cat: the tensors have different numbers of dimensions, or none" in str(error)
    both_refuse(lambda T, x: T.cat([x, x]), numbers())


@pytest.mark.parametrize(("shape", "size", "dim"), [
    ((5,), 2, 0), ((5,), 5, 0), ((5,), 9, 0), ((4, 3), 1, 1), ((4, 3), [1, 0, 3], 0), ((0,), 2, 0),
    ((4, 3), (2, 1), -1), ((0, 2), 0, 0), ((0,), [0, 0], 0),
])  # fmt: skip
def test_split(shape: Any, size: Any, dim: int) -> None:
    compare(lambda T, x: (*T.split(x, size, dim), *x.split(size, dim)), numbers(*shape))


@pytest.mark.parametrize("size", [0, -1, [2, 2], [6, -1], []])
def test_split_that_does_not_fit(size: Any) -> None:
    error = both_refuse(lambda T, x: x.split(size), numbers(5))
    assert f"split: sizes {size} do not make up 5" in str(error)


@pytest.mark.parametrize(("shape", "chunks", "dim"), [((5,), 2, 0), ((5,), 4, 0), ((5,), 9, 0),
                                                      ((0,), 3, 0), ((4, 6), 3, -1)])  # fmt: skip
def test_chunk(shape: Any, chunks: int, dim: int) -> None:
    compare(lambda T, x: (*T.chunk(x, chunks, dim), *x.chunk(chunks, dim)), numbers(*shape))
    error = both_refuse(lambda T, x: x.chunk(0, dim), numbers(*shape))
    assert "chunk: 0 parts cannot be made" in str(error)


@pytest.mark.parametrize("move", [
    lambda x: x.reshape(3, 2), lambda x: x.T, lambda x: x[1:], lambda x: x[0], lambda x: x[:, None],
    lambda x: x.expand(4, 2, 3)[0], lambda x: x.squeeze(), lambda x: x.narrow(1, 0, 2),
    lambda x: x.split(1)[1], lambda x: x[::-1] if isinstance(x, sl.Tensor) else x, lambda x: x[...],
    lambda x: x.detach(), lambda x: x.flatten(), lambda x: x.unsqueeze(0), lambda x: x.data,
])  # fmt: skip
def test_views_share_memory(move: Any) -> None:
    x = sl.zeros(2, 3)
    assert np.shares_memory(move(x).numpy(), x.numpy())
    x.fill_(5)
    assert set(move(x).flatten().tolist()) == {5.0}


@pytest.mark.parametrize("copy", [
    lambda x: x.clone(), lambda x: x.T.reshape(-1), lambda x: x[sl.tensor([0, 1])], lambda x: x + 0,
    lambda x: x[x == 0], lambda x: x.flip(0), lambda x: sl.cat([x]), lambda x: x.T.contiguous(),
    lambda x: sl.tensor(x), lambda x: x.double().float(),
])  # fmt: skip
def test_copies_do_not(copy: Any) -> None:
    x = sl.zeros(2, 3)
    assert not np.shares_memory(copy(x).numpy(), x.numpy())


def test_contiguous_and_shapes_of_others() -> None:
    x = sl.zeros(2, 3)
    assert x.contiguous() is x
    assert not x.T.is_contiguous()
    assert x.T.contiguous().is_contiguous()
    compare(
        lambda T, x, y: (x.view_as(y), x.type_as(y)), numbers(6), numbers(2, 3, dtype=np.float32)
    )
    compare(lambda T, x: (T.tril(x), T.triu(x, 1), T.tril(x, -1)), numbers(3, 4))


def test_cat_skips_vectors_of_nothing() -> None:
    compare(lambda T, x: T.cat([T.tensor([]), x, T.tensor([]), x], 1), numbers(2, 3))
    compare(lambda T, x, y: T.cat([x, y]), numbers(0, dtype=np.float32), numbers(2))
    compare(lambda T, x: (T.cat([x, x]), T.cat([T.tensor([]), T.tensor([1])])), numbers(0))


@pytest.mark.parametrize("name", ["split", "chunk"])
def test_a_0_d_tensor_cannot_be_cut(name: str) -> None:
    error = both_refuse(lambda T: getattr(T, name)(T.tensor(2.0), 1))
    assert f"{name}: a 0-d tensor cannot be cut" in str(error)
