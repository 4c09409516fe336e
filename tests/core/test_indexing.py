"""Square brackets and their relatives: PyTorch's elements, gradients, assignments and refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.core.parity import both_refuse, compare, numbers

import streetlight as sl
from streetlight.errors import (
    ArgumentError,
    DTypeError,
    IndexOutOfRangeError,
    InPlaceError,
    ShapeError,
)  # fmt: skip
from streetlight.ops.indexing import _scatter_add as scatter_add_op

SHAPE = (4, 3, 2)
MASK = np.array([True, False, True, True])
WHOLE_MASK = np.random.default_rng(3).random(SHAPE) > 0.5
COLUMN = np.array([[0], [-1]])
S = np.s_
INDICES: dict[str, Any] = {
    "number": S[1], "last": S[-1], "numbers": S[1, 2, 0], "number and slice": S[1:3, 0],
    "slice": S[1:3], "step": S[::2], "open": S[:], "none": S[None], "dots": S[...],
    "nones": S[None, 1, ..., None], "dots and number": S[..., -1], "empty slice": S[3:1],
    "beyond": S[2:100], "all dims": S[1:, ::2, :1], "slice none slice": S[:, None, 1:],
    "list": S[[2, 0, 2]], "array": S[np.array([0, -1])], "matrix": S[np.array([[0, 1], [2, 3]])],
    "empty list": S[[]], "two arrays": S[[0, 1], [2, 0]], "broadcast": S[COLUMN, [0, 1, 2]],
    "array and slice": S[[0, 2], 1:], "slice and array": S[:, [0, 2]], "dots array": S[..., [1, 0]],
    "array slice array": S[[0, 1], :, [1, 0]], "slice arrays": S[:, [0, 1], [1, 0]],
    "number slice array": S[0, :, [1, 0]], "array slice number": S[[1, 0], :, 0],
    "number array": S[1, [2, 0]], "slice number array": S[:, 1, [1, 0, 1]],
    "array number slice": S[[0, 3], 2, :], "none array": S[None, [0, 1]],
    "array none array": S[[0, 1], None, [1, 2]], "number none array": S[0, None, [1, 2]],
    "mask": S[MASK], "whole mask": S[WHOLE_MASK], "mask slice": S[MASK, 1:],
    "mask number": S[MASK, 1], "number mask": S[0, np.array([True, False, True])],
    "slice mask": S[:, np.array([True, False, True])], "mask array": S[MASK, [0, 1, 2]],
    "mask in the middle": S[1, :, np.array([True, False])], "no mask": S[np.zeros(4, bool)],
    "matrix mask": S[WHOLE_MASK[:, :, 0]], "true": S[True], "false": S[False],
    "0-d": S[np.array(2)],
    "0-d array slice": S[np.array(2), :, [0, 1]], "numpy number": S[np.int64(1), :],
    "list of bools": S[[True, False, True, False]], "tuple of lists": S[[0], [0], [0]],
}  # fmt: skip


def to(T: Any, index: Any) -> Any:
    """The index with tensors in place of NumPy arrays."""
    if isinstance(index, tuple):
        return tuple(to(T, part) for part in index)
    return T.tensor(index) if isinstance(index, np.ndarray) else index


@pytest.mark.parametrize("name", INDICES)
def test_getting(name: str) -> None:
    index = INDICES[name]
    compare(lambda T, x: x[to(T, index)], numbers(*SHAPE))
    compare(lambda T, x: (x * 2)[to(T, index)] * 3, numbers(*SHAPE))
    np.testing.assert_array_equal(sl.tensor(numbers(*SHAPE))[index].shape,
                                  sl.tensor(numbers(*SHAPE))[to(sl, index)].shape)  # fmt: skip


@pytest.mark.parametrize("name", INDICES)
def test_setting(name: str) -> None:
    """A number, a value of the full shape, a value that is broadcast; gradients to all."""
    index = to(sl, INDICES[name])
    chosen = sl.zeros(*SHAPE)[index].shape
    values = [numbers(), numbers(*chosen, seed=1), numbers(*chosen[-1:], seed=2)]

    def change(T: Any, x: Any, value: Any) -> Any:
        y = x * 1
        y[to(T, INDICES[name])] = value
        return y, y * x

    for value in values:
        if name != "list" or value.ndim == 0:  # which has one place twice
            compare(change, numbers(*SHAPE), value)

    def fill(T: Any, x: Any) -> Any:
        y = x * 1
        y[to(T, INDICES[name])] = 7
        return y

    compare(fill, numbers(*SHAPE))
    compare(fill, np.arange(24).reshape(SHAPE))


def test_setting_one_place_twice_keeps_the_last() -> None:
    x = sl.zeros(3)
    x[[1, 1, 0]] = sl.tensor([1.0, 2.0, 3.0])
    assert x.tolist() == [3.0, 2.0, 0.0]


def test_negative_steps() -> None:
    """PyTorch has none; NumPy's meaning."""
    array = numbers(5, 4)
    x = sl.tensor(array, requires_grad=True)
    np.testing.assert_array_equal(x[::-1].detach().numpy(), array[::-1])
    (x[3:0:-2, ::-1] * sl.tensor(np.arange(8.0).reshape(2, 4))).sum().backward()
    expected = np.zeros((5, 4))
    expected[3:0:-2, ::-1] = np.arange(8.0).reshape(2, 4)
    np.testing.assert_array_equal(x.grad.numpy(), expected)
    y = sl.zeros(4)
    y[::-1] = sl.tensor([1.0, 2.0, 3.0, 4.0])
    assert y.tolist() == [4.0, 3.0, 2.0, 1.0]


def test_overlapping_parts() -> None:
    def shift(T: Any, x: Any) -> Any:
        y = x * 1
        y[1:] = y[:-1] * 1 if T is sl else y[:-1].clone()
        y[:2] += y[2:4]
        return y

    compare(shift, numbers(5))
    x = sl.arange(5.0)
    x[1:] = x[:-1]
    assert x.tolist() == [0.0, 0.0, 1.0, 2.0, 3.0]


def test_setting_casts() -> None:
    def change(T: Any, x: Any) -> Any:
        y = T.zeros(3, dtype=T.int64)
        y[0] = 2.9
        y[1:] = x[:2].detach()
        z = T.zeros(3)
        z[:] = x
        return y, z, z * 2

    compare(change, np.array([1.5, -1.5, 3.0]))


@pytest.mark.parametrize("name", ["number slice array", "slice number array", "array", "slice"])
def test_adding_in_place_to_a_part(name: str) -> None:
    def change(T: Any, x: Any, w: Any) -> Any:
        y = x * 1
        y[to(T, INDICES[name])] += w
        return y**2

    compare(change, numbers(*SHAPE), numbers())


def test_bad_indices() -> None:
    x = numbers(2, 3)
    cases: dict[str, Any] = {
        "index 2 is out of bounds": S[2], "index -3 is out of bounds": S[-3],
        "index 3 is out of bounds": S[:, [0, 3]], "index -4 is out of bounds": S[0, [-4]],
        "too many indices": S[0, 0, 0], "a mask of shape (3,) does not fit": S[np.ones(3, bool)],
        "the parts of the index do not go together": S[[0, 1], [0, 1, 2]],
    }  # fmt: skip
    for words, index in cases.items():
        error = both_refuse(lambda T, x, i=index: x[to(T, i)], x)
        assert isinstance(error, IndexOutOfRangeError)
        assert words in str(error)
        assert "float64 (" in str(error)
        both_refuse(lambda T, x, i=index: x.__setitem__(to(T, i), 0.0), x)


@pytest.mark.parametrize(
    "index", [1.5, "a", S[0, "b"], S["a":2], S[::0], S[1.5:], np.array([0.5]), {}]
)
def test_indices_of_no_use(index: Any) -> None:
    error = both_refuse(lambda T, x: x[to(T, index)], numbers(2, 3))
    assert str(error).startswith(("[E102] index: ", "[E107] index: "))
    both_refuse(lambda T, x: x.__setitem__(to(T, index), 0.0), numbers(2, 3))


def test_index_words() -> None:
    words = r"(?s)index: cannot choose elements by float32.*integers, slices, None, \.\.\., or"
    with pytest.raises(DTypeError, match=words):
        sl.ones(3)[sl.tensor([0.5])]
    with pytest.raises(ArgumentError, match=r"index: slice\(.*\) is not a slice"):
        sl.ones(3)[::0]


@pytest.mark.parametrize(("index", "value"), [
    (S[0], [1.0, 2.0]), (S[:, 1], [1.0, 2.0, 3.0]), (S[MASK[:2]], [1.0, 2.0]),
    (S[[0, 1]], np.ones((3, 3))), (S[:], np.ones((2, 2, 3))), (S[np.ones((2, 3), bool)], [1.0] * 4),
])  # fmt: skip
def test_values_that_do_not_fit(index: Any, value: Any) -> None:
    error = both_refuse(
        lambda T, x: x.__setitem__(to(T, index), T.tensor(np.asarray(value))), numbers(2, 3)
    )
    assert isinstance(error, ShapeError)
    assert "NumPy" not in str(error)
    assert f"float64 {np.shape(value)}" in str(error)


def test_values_of_no_use() -> None:
    x = sl.zeros(3)
    ragged = [[1.0], [2.0, 3.0]]
    for value, kind in (("text", DTypeError), (None, DTypeError), (ragged, ShapeError)):
        with pytest.raises(kind):
            x[0] = value
        with pytest.raises(kind):
            x[[0, 1]] = value
    with pytest.raises(DTypeError, match="uint8 cannot hold"):
        sl.zeros(2, dtype=sl.uint8)[0] = 300
    x[0] = 1e300  # more than float32 holds
    x[[1]] = float("nan")
    assert x.tolist()[0] == float("inf")


def test_read_only_memory() -> None:
    array = np.zeros(3)
    array.flags.writeable = False
    x = sl.from_numpy(array)
    for change in (lambda: x.__setitem__(0, 1.0), lambda: x.add_(1), lambda: x[1:].zero_(),
                   lambda: x.__setitem__([0], 1.0), lambda: x.detach().fill_(2)):  # fmt: skip
        with pytest.raises(InPlaceError, match=r"(?s)E106.*memory is read-only.*x\.clone\(\)"):
            change()
    assert (x + 1).tolist() == [1.0, 1.0, 1.0]


# ---- functions that choose ----

ROWS = np.array([[2], [0]])
BOTH = np.array([[0, 1, 0], [1, 1, 0]])


@pytest.mark.parametrize(("shape", "dim", "index"), [
    ((2, 3), 1, ROWS), ((2, 3), -1, np.array([[2, 2, 1, 0], [0, 0, 0, 1]])), ((2, 3), 0, BOTH),
    ((2, 3), 0, BOTH[:1, :2]), ((4,), 0, np.array([3, 3, 1])),
    ((2, 3, 2), 1, np.ones((1, 4, 2), int)), ((0, 3), 1, np.zeros((0, 2), int)),
    ((3, 2), 0, np.zeros((0, 2), int)), ((), 0, np.array(0)),
])  # fmt: skip
def test_gather_and_scatter_add(shape: Any, dim: int, index: np.ndarray) -> None:
    x, src = numbers(*shape), numbers(*index.shape, seed=1)
    compare(lambda T, x, i: (T.gather(x, dim, i), x.gather(dim, i)), x, index)
    compare(
        lambda T, x, i, s: (T.scatter_add(x, dim, i, s), x.scatter_add(dim, i, s)), x, index, src
    )


@pytest.mark.parametrize("name", ["gather", "scatter_add"])
@pytest.mark.parametrize(("shape", "dim", "index", "kind", "words"), [
    ((2, 3), 1, [[3]], IndexOutOfRangeError, "index 3 is out of bounds in dimension 1"),
    ((2, 3), 1, [[-1]], IndexOutOfRangeError, "index -1 is out of bounds in dimension 1"),
    ((2, 3), 2, [[0]], IndexOutOfRangeError, "there is no dimension 2"),
    ((2, 3), 0, [0, 1], ShapeError, "the index does not fit the input"),
    ((2, 3, 4), 0, [[0, 1, 0]], ShapeError, "the index does not fit the input"),
    ((2, 3), 0, [[0, 0, 0, 0]], ShapeError, "the index does not fit the input"),
    ((2, 3), 0, [[0.0]], DTypeError, "the index is float64"),
    ((2, 3), 0, [[True]], DTypeError, "the index is bool"),
])  # fmt: skip
def test_gather_and_scatter_add_refuse(
    name: str, shape: Any, dim: int, index: Any, kind: type, words: str
) -> None:
    array = np.array(index)
    src = [] if name == "gather" else [np.ones(array.shape)]
    error = both_refuse(
        lambda T, x, i, *s: getattr(T, name)(x, dim, i, *s), numbers(*shape), array, *src
    )
    assert isinstance(error, kind)
    assert f"{name}: {words}" in str(error)


def test_scatter_add_wants_a_source_that_fits() -> None:
    index = np.array([[0, 1]])
    with pytest.raises(ShapeError, match="scatter_add: src and index differ in shape"):
        sl.scatter_add(sl.ones(2, 3), 0, sl.tensor(index), sl.ones(2, 3))  # PyTorch takes a part
    error = both_refuse(lambda T, x, i, s: x.scatter_add(0, i, s), numbers(2, 3), index,
                        np.ones((1, 2), np.float32))  # fmt: skip
    assert "scatter_add: src is float32, but the input is float64" in str(error)


@pytest.mark.parametrize(("shape", "dim", "index"), [
    ((4, 3), 0, [3, 0, 3]), ((4, 3), 1, [2]), ((4, 3), -1, []), ((4,), 0, [1, 1]), ((2, 0), 0, [1]),
    ((4, 3), 0, 2),
])  # fmt: skip
def test_index_select(shape: Any, dim: int, index: Any) -> None:
    chosen = np.array(index, dtype=np.int64)
    compare(
        lambda T, x, i: (T.index_select(x, dim, i), x.index_select(dim, i)), numbers(*shape), chosen
    )


@pytest.mark.parametrize(("index", "kind", "words"), [
    ([0, 4], IndexOutOfRangeError, "index 4 is out of bounds in dimension 0"),
    ([-1], IndexOutOfRangeError, "index -1 is out of bounds in dimension 0"),
    ([[0]], DTypeError, "the index must be a vector of integers"), ([0.0], DTypeError, "the index"),
    ([True, False, True, False], DTypeError, "the index must be a vector of integers"),
])  # fmt: skip
def test_index_select_refuses(index: Any, kind: type, words: str) -> None:
    error = both_refuse(lambda T, x, i: x.index_select(0, i), numbers(4, 3), np.array(index))
    assert isinstance(error, kind)
    assert f"index_select: {words}" in str(error)


@pytest.mark.parametrize(("shape", "mask"), [((2, 3), (2, 3)), ((2, 3), (3,)), ((3,), (2, 3)),
                                             ((), ()), ((0,), (0,)), ((2, 3), (2, 1))])  # fmt: skip
def test_masks(shape: Any, mask: Any) -> None:
    x, chosen = numbers(*shape), numbers(*mask, seed=1) > 0
    compare(lambda T, x, m: (T.masked_select(x, m), x.masked_select(m)), x, chosen)
    compare(lambda T, x, m: (x.masked_fill(m, -1.5), x.masked_fill(m, 2)), x, chosen)
    compare(lambda T, x, m: x.masked_fill(m, 3), np.arange(6).reshape(2, 3), numbers(2, 3) > 0)


def test_masks_are_bools_that_fit() -> None:
    x, wrong = numbers(3), np.array([1, 0, 1])
    for choose in (lambda T, x, m: x.masked_select(m), lambda T, x, m: x.masked_fill(m, 0.0)):
        error = both_refuse(choose, x, wrong)
        assert "the mask is int64" in str(error)
        error = both_refuse(choose, x, np.ones(2, bool))
        assert "sizes 2 and 3 do not fit in dimension -1" in str(error)


@pytest.mark.parametrize("pick", [
    lambda x: x[:, [2, 0]], lambda x: x[[1, 0]], lambda x: x.T[:, [1, 0]],
    lambda x: sl.index_select(x, 1, sl.tensor([2, 0])), lambda x: x.topk(2).values,
    lambda x: x.T.gather(0, sl.tensor([[2, 0], [1, 1]])), lambda x: x.T.sort(0).values,
    lambda x: sl.cat([x.T, x.T]), lambda x: sl.stack([x.T, x.T]), lambda x: sl.pad(x.T, (1, 1)),
    lambda x: x.T.flip(0), lambda x: x.T.clone(), lambda x: x.topk(2).indices,
    lambda x: x[:, [True, False, True]],
])  # fmt: skip
def test_chosen_elements_lie_row_by_row(pick: Any) -> None:
    chosen = pick(sl.tensor(numbers(2, 3)))
    if chosen.is_contiguous():
        chosen.view(-1).zero_()
    assert chosen.is_contiguous()
    assert not chosen.any()


@pytest.mark.parametrize("choose", [
    lambda x: x.max(0), lambda x: x.min(-1), lambda x: x.sort(), lambda x: x.topk(1),
])  # fmt: skip
def test_values_of_a_0_d_tensor_are_a_copy(choose: Any) -> None:
    x = sl.tensor(2.0)
    choose(x).values.zero_()
    assert x.item() == 2


@pytest.mark.parametrize("k", [None, 2.5])
def test_topk_refuses_k(k: Any) -> None:
    with pytest.raises(ArgumentError, match=f"topk: k is {k}"):
        sl.topk(sl.ones(3), k)


def test_adding_by_number_does_not_reach_into_the_next_row():
    source, index = sl.ones(2, 2), sl.tensor([[0, 1], [2, 0]])
    with pytest.raises(IndexOutOfRangeError, match="an index must not reach into the next row"):
        scatter_add_op(source, index, dim=1, shape=(2, 2))
    small = sl.tensor([[0, 1], [1, 0]], dtype=sl.int8)
    result = scatter_add_op(sl.ones(2, 2), small, dim=0, shape=(2, 300))
    assert result[:, :2].tolist() == [[1.0, 1.0], [1.0, 1.0]]
