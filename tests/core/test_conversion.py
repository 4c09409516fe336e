"""In and out: Python numbers and lists, NumPy arrays, PyTorch tensors, text."""

from __future__ import annotations

import copy
import operator
from typing import Any

import numpy as np
import pytest
from tests.core.parity import both_refuse, numbers, torch

import streetlight as sl
from streetlight.errors import (
    ArgumentError,
    DeviceError,
    DTypeError,
    GradientError,
    IndexOutOfRangeError,
    MissingDependencyError,
    ShapeError,
)

# ---- in ----


@pytest.mark.parametrize("data", [
    1, 1.5, True, [1, 2], [1, 2.5], [True, False], [True, 2], [], [[], []], [[1], [2]], (1, 2),
    ((1.0,),), [[[1.5]], [[2]]], np.float64(2.5), np.float32(2.5), np.int16(3), np.bool_(True),
    np.arange(3), np.zeros((0, 2)), np.ones(2, np.float16), [np.float64(1.0)],
    [np.arange(2.0), np.ones(2)], [np.int32(1), np.int32(2)], range(3), 2**40, -(2**63),
    float("inf"), 1e300, [1e300, 1.0],
])  # fmt: skip
def test_data_of_every_kind(data: Any) -> None:
    arrays = isinstance(data, list) and data and isinstance(data[0], np.ndarray)
    ours, expected = sl.tensor(data), torch.tensor(np.array(data) if arrays else data)
    assert ours.dtype.name == str(expected.dtype).removeprefix("torch.")
    assert ours.shape == tuple(expected.shape)
    np.testing.assert_array_equal(ours.numpy(), expected.numpy())
    doubles = sl.tensor(data, dtype=sl.float64)
    assert doubles.dtype == sl.float64
    np.testing.assert_array_equal(doubles.float().numpy(), expected.float().numpy())


def test_lists_of_tensors() -> None:
    x = sl.tensor([1.0, 2.0], dtype=sl.float64, requires_grad=True)
    assert sl.tensor([x[0], x[1]]).tolist() == [1.0, 2.0]
    assert sl.tensor([x[0], x[1]]).dtype == sl.float64
    assert sl.tensor([sl.ones(2), sl.zeros(2)]).tolist() == [[1.0, 1.0], [0.0, 0.0]]
    assert sl.tensor([[sl.tensor(1), sl.tensor(2)], [3, 4]]).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(("data", "kind", "words"), [
    ([[1], [2, 3]], ShapeError, "these nested lists do not form a block"),
    ([1, [2]], ShapeError, "these nested lists do not form a block"),
    ("text", DTypeError, "cannot make numbers of str data"), (None, DTypeError, "of NoneType data"),
    ([1, "two"], DTypeError, "cannot make numbers of list data"), ({1}, DTypeError, "of set data"),
    ({"a": 1}, DTypeError, "cannot make numbers of dict data"), (1j, DTypeError, "of complex data"),
    ([None, 1], DTypeError, "cannot make numbers of list data"), (2**63, DTypeError, "of int data"),
    ([2**70], DTypeError, "numbers of list data"), (object(), DTypeError, "of object data"),
    (np.array(["a"]), DTypeError, "is not a dtype of tensors"),
    (np.array([1j]), DTypeError, "is not a dtype of tensors"),
    (np.zeros(2, np.uint32), DTypeError, "is not a dtype of tensors"),
    (np.zeros(2, "datetime64[s]"), DTypeError, "is not a dtype of tensors"),
])  # fmt: skip
def test_data_that_are_no_numbers(data: Any, kind: type, words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        sl.tensor(data)
    assert "expected:" in str(caught.value)
    with pytest.raises(kind):
        sl.ones(2) + data if isinstance(data, str) else sl.as_tensor(data)


def test_tensor_copies_and_as_tensor_shares() -> None:
    array = np.zeros(3)
    copied, shared, cast = (
        sl.tensor(array),
        sl.as_tensor(array),
        sl.as_tensor(array, dtype=sl.float32),
    )
    array[0] = 1.0
    assert copied[0].item() == 0.0
    assert shared[0].item() == 1.0
    assert cast.dtype == sl.float32
    assert sl.as_tensor(shared) is shared
    assert sl.tensor(shared, requires_grad=True).requires_grad


@pytest.mark.parametrize("array", [
    np.arange(6.0).reshape(2, 3), np.arange(6).reshape(2, 3).T, np.arange(6.0)[::-2],
    np.zeros((0, 2)), np.array(2.0), np.asfortranarray(np.ones((2, 2), np.float32)),
    np.ones(3, bool),
])  # fmt: skip
def test_from_numpy_shares_memory(array: np.ndarray) -> None:
    x = sl.from_numpy(array)
    assert x.numpy() is array or np.shares_memory(x.numpy(), array) or not array.size
    assert x.shape == array.shape
    assert x.dtype == array.dtype
    if array.size:
        array[...] = 1
        assert bool((x == 1).all())
        x.zero_()
        assert not array.any()


def test_from_numpy_refuses_what_it_cannot_share() -> None:
    for wrong in ([1.0], 3.0, torch.ones(2)):
        with pytest.raises(
            DTypeError, match=r"(?s)from_numpy: this is not a NumPy array.*sl\.tensor"
        ):
            sl.from_numpy(wrong)
    with pytest.raises(
        DTypeError, match="from_numpy: memory of foreign byte order cannot be shared"
    ):
        sl.from_numpy(np.ones(2, ">f8"))
    assert sl.tensor(np.array([1.0, 2.0], ">f8")).tolist() == [1.0, 2.0]
    assert sl.tensor(np.ma.array([1.0, 2.0])).tolist() == [1.0, 2.0]


# ---- out ----


def test_numpy_and_array() -> None:
    x = sl.tensor([[1.0, 2.0]])
    assert np.shares_memory(x.numpy(), np.asarray(x))
    assert np.asarray(x, dtype=np.float64).dtype == np.float64
    assert not np.shares_memory(np.array(x), x.numpy())
    assert np.stack([x, x]).shape == (2, 1, 2)
    for ask in (lambda t: t.numpy(), np.asarray, lambda t: np.from_dlpack(t)):
        with pytest.raises(
            GradientError, match=r"(?s)numpy: NumPy cannot record.*x\.detach\(\)\.numpy"
        ):
            ask(sl.ones(2, requires_grad=True))


@pytest.mark.parametrize("symbol", [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod,
    operator.pow, operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne,
])  # fmt: skip
def test_arrays_on_either_side(symbol: Any) -> None:
    array, other = np.array([1.0, 2.0, 5.0]), np.array([2.0, 2.0, 3.0])
    for result in (symbol(sl.tensor(array), other), symbol(array, sl.tensor(other))):
        assert isinstance(result, sl.Tensor)
        np.testing.assert_array_equal(result.numpy(), symbol(array, other))


@pytest.mark.parametrize("dtype", [sl.float32, sl.float64, sl.float16, sl.int64, sl.uint8, sl.bool])
def test_dlpack_both_ways(dtype: Any) -> None:
    x = sl.tensor([[1, 0, 1], [0, 1, 1]], dtype=dtype)
    for theirs in (torch.from_dlpack(x), torch.from_dlpack(x.T).T):
        np.testing.assert_array_equal(theirs.numpy(), x.numpy())
        assert theirs.numpy().dtype == dtype
    torch.from_dlpack(x)[0, 0] = 0
    assert x[0, 0].item() == 0
    for foreign in (torch.tensor([[1, 2], [3, 4]]).to(torch.from_dlpack(x).dtype), x.numpy(), x):
        ours = sl.from_dlpack(foreign)
        assert ours.dtype == dtype
        np.testing.assert_array_equal(ours.numpy(), np.asarray(foreign))
        assert np.shares_memory(ours.numpy(), np.asarray(foreign))
    np.testing.assert_array_equal(np.from_dlpack(x), x.numpy())


def test_dlpack_of_other_things() -> None:
    foreign = [torch.ones(2, dtype=torch.complex64), torch.ones(2, dtype=torch.bfloat16)]
    for wrong in (3, [1.0], "text", torch.ones(1, requires_grad=True), *foreign):
        with pytest.raises(DTypeError, match=r"from_dlpack: |is not a dtype of tensors"):
            sl.from_dlpack(wrong)


@pytest.mark.parametrize("value", [1, -2.5, True, 0])
def test_single_numbers(value: Any) -> None:
    for x in (sl.tensor(value), sl.tensor([[value]])):
        assert x.item() == value
        assert type(x.item()) is type(value)
        assert bool(x) == bool(value)
        assert float(x) == float(value)
        assert int(x) == int(value)
        assert f"{x:.2f}" == f"{value:.2f}"
    assert sl.tensor([[value, value]]).tolist() == [[value, value]]
    assert list(range(4))[sl.tensor(2)] == 2


def test_several_numbers_are_not_one() -> None:
    x = sl.tensor([1.0, 2.0])
    with pytest.raises(
        ArgumentError, match=r"(?s)item: the tensor has 2 elements, not one.*tolist\(\)"
    ):
        x.item()
    with pytest.raises(
        ArgumentError, match=r"(?s)bool: 2 elements are neither true.*x\.all\(\) or x\.any"
    ):
        bool(x)
    with pytest.raises(ArgumentError, match="bool: 0 elements"):
        bool(sl.zeros(0))
    with pytest.raises(ArgumentError, match="item: the tensor has 0 elements"):
        sl.zeros(0, 3).item()
    for convert in (float, int):
        with pytest.raises(ArgumentError, match="item: the tensor has 2 elements"):
            convert(x)
    with pytest.raises(DTypeError, match=r"index: float32 is not a whole number"):
        [1, 2, 3][sl.tensor(1.0)]
    with pytest.raises(DTypeError, match="len: a 0-d tensor has no length"):
        len(sl.tensor(1.0))
    with pytest.raises(DTypeError, match="len: a 0-d tensor has no length"):
        iter(sl.tensor(1.0))


def test_a_tensor_as_a_container() -> None:
    x = sl.tensor([[1, 2], [3, 4]])
    assert len(x) == 2
    assert [row.tolist() for row in x] == [[1, 2], [3, 4]]
    assert x.numel() == 4
    assert x.dim() == x.ndim == 2
    assert x.size() == x.shape == (2, 2)
    assert x.size(-1) == 2
    assert {x: "as a key"}[x] == "as a key"
    assert x is not None
    assert (x == None) is False  # noqa: E711
    assert (x != None) is True  # noqa: E711
    assert 3 in x
    assert 7 not in x
    assert +x is x
    first, second = x
    assert (first + second).tolist() == [4, 6]
    with pytest.raises(IndexOutOfRangeError, match="size: there is no dimension 2"):
        x.size(2)


def test_copies_of_leaves() -> None:
    x = sl.tensor([1.0, 2.0], requires_grad=True)
    x.sum().backward()
    twin = copy.deepcopy(x)
    assert twin.requires_grad
    assert twin.grad.tolist() == [1.0, 1.0]
    assert not np.shares_memory(twin.detach().numpy(), x.detach().numpy())
    with pytest.raises(GradientError, match="deepcopy: only leaves can be copied"):
        copy.deepcopy(x * 2)


# ---- dtypes and devices ----


def test_to() -> None:
    x = sl.tensor([1.7, -1.7])
    assert x.to(sl.float32) is x
    assert x.to("cpu") is x.cpu() is x.to(device="cpu") is x
    assert x.to("float64").dtype == x.double().dtype == x.to(dtype=sl.float64).dtype == sl.float64
    assert x.to("cpu", sl.int64).tolist() == x.long().tolist() == [1, -1]
    assert x.to(sl.ones(1, dtype=sl.float16)).dtype == x.half().dtype == sl.float16
    assert x.int().dtype == sl.int32
    assert x.bool().tolist() == [True, True]
    assert x.double().float().dtype == sl.float32
    assert x.device == "cpu"


def test_gradients_flow_through_dtypes() -> None:
    x = sl.tensor([1.5, 2.5], requires_grad=True)
    (x.double() * 3).half().sum().backward()
    assert x.grad.dtype == sl.float32
    assert x.grad.tolist() == [3.0, 3.0]


@pytest.mark.parametrize("place", ["gpu", "mps", "cpux", "tpu:0"])
def test_other_devices(place: str) -> None:
    words = rf'(?s)E103\] there is no device {place!r}.*"cpu" or "cuda".*x\.to\("cpu"\)'
    x = sl.ones(2)
    for move in (lambda: x.to(place), lambda: x.to(device=place), lambda: sl.device(place),
                 lambda: sl.zeros(2, device=place), lambda: sl.ones(1, device=place)):  # fmt: skip
        with pytest.raises(DeviceError, match=words):
            move()


def test_cuda_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streetlight.devices.cupy", None)
    monkeypatch.setitem(__import__("sys").modules, "cupy", None)
    for move in (lambda: sl.ones(2).cuda(), lambda: sl.ones(2).to("cuda:0"),
                 lambda: sl.zeros(2, device="cuda")):  # fmt: skip
        with pytest.raises(MissingDependencyError, match=r"(?s)need CuPy.*pip install cupy-cuda"):
            move()


# ---- text ----

TEXTS = {
    "tensor([1., 2.], shape=(2,), dtype=float32)": lambda: sl.tensor([1.0, 2.0]),
    "tensor(3, shape=(), dtype=int64)": lambda: sl.tensor(3),
    "tensor([], shape=(0, 3), dtype=float32)": lambda: sl.zeros(0, 3),
    "tensor([ True, False], shape=(2,), dtype=bool)": lambda: sl.tensor([True, False]),
    "tensor([[1, 2],\n        [3, 4]], shape=(2, 2), dtype=uint8)":
        lambda: sl.tensor([[1, 2], [3, 4]], dtype=sl.uint8),
    "tensor([0.3333, 0.6667], shape=(2,), dtype=float64)":
        lambda: sl.tensor([1 / 3, 2 / 3], dtype=sl.float64),
    "tensor([1.e-08, 1.e+08], shape=(2,), dtype=float32)": lambda: sl.tensor([1e-8, 1e8]),
    "tensor([ inf,  nan, -inf], shape=(3,), dtype=float32)":
        lambda: sl.tensor([float("inf"), float("nan"), -float("inf")]),
    "tensor([1.], shape=(1,), dtype=float32, requires_grad=True)":
        lambda: sl.ones(1, requires_grad=True),
    "tensor([2.], shape=(1,), dtype=float32, grad_fn=<mul>)":
        lambda: sl.ones(1, requires_grad=True) * 2,
    "tensor([   0,    1,    2, ..., 9997, 9998, 9999], shape=(10000,), dtype=int64)":
        lambda: sl.arange(10000),
    "<add>": lambda: (sl.ones(1, requires_grad=True) + 1).grad_fn,
    "<op matmul>": lambda: sl.ops.linalg._matmul,
}  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_texts(text: str) -> None:
    assert repr(TEXTS[text]()) == text
    assert str(TEXTS[text]()) == text


def test_texts_in_f_strings() -> None:
    for value in (3, 2.5, True):
        assert f"{sl.tensor(value)}" == f"{torch.tensor(value)}" == f"{value}"
    assert f"{sl.tensor(0.12345):.2f}" == "0.12"
    assert f"{sl.tensor([1, 2])}" == "tensor([1, 2], shape=(2,), dtype=int64)"


def test_an_error_shows_what_it_got() -> None:
    error = both_refuse(lambda T, x, y: x + y, numbers(2, 3), numbers(2, 4))
    assert str(error) == (
        "[E101] add: sizes 3 and 4 do not fit in dimension -1\n"
        "  input 0:  float64 (2, 3)\n"
        "  input 1:  float64 (2, 4)\n"
        "  expected: equal sizes, or 1 in one of them, counted from the last dimension\n"
        "  fix:      make the shapes agree with reshape, unsqueeze or .T\n"
        "  more:     streetlight explain E101"
    )
