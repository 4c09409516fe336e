"""Where a compiled call reads and writes: captured arrays, strides, sharing, stamps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import streetlight as sl
from streetlight import nn
from streetlight.compile.binding import share_memory
from streetlight.errors import CompileError, GradientError, InPlaceError


def moving(weight: Any) -> Any:
    """A compiled function that adds its argument to a tensor, and returns something else."""

    @sl.compile
    def step(x: Any) -> Any:
        with sl.no_grad():
            weight.add_(x)
        return weight * 2

    return step


def eager_calls(step: Any) -> list[str]:
    return list(step.explain().eager_calls)


def test_captured_tensors_are_changed_where_they_lie() -> None:
    weight = nn.Parameter(sl.zeros(3))
    array, step = weight._data, moving(weight)
    for count in range(1, 4):
        assert step(sl.ones(3)).tolist() == [2.0 * count] * 3
        assert weight._data is array
        assert array.tolist() == [float(count)] * 3


def test_exchanged_arrays_are_found() -> None:
    weight = nn.Parameter(sl.zeros(3))
    step = moving(weight)
    step(sl.ones(3))
    old = weight._data
    weight.data = sl.tensor([10.0, 20.0, 30.0])
    assert step(sl.ones(3)).tolist() == [22.0, 42.0, 62.0]
    assert old.tolist() == [1.0, 1.0, 1.0]
    assert len(step.explain().versions) == 1


def test_tensors_that_had_one_memory_may_part() -> None:
    weight = nn.Parameter(sl.ones(3))
    twin = weight.detach()

    @sl.compile
    def step(x: Any) -> Any:
        loss = (x * weight + twin).sum()
        loss.backward()
        return loss

    assert step(sl.ones(3)).item() == 6.0
    weight.data = sl.ones(3) * 5
    assert step(sl.ones(3)).item() == 18.0
    weight.requires_grad_(False)
    with pytest.raises(GradientError, match="does not depend on anything"):
        step(sl.ones(3))


def test_results_have_memory_of_their_own() -> None:
    weight = nn.Parameter(sl.zeros(3))
    step = moving(weight)
    results = [step(sl.ones(3)) for _ in range(3)]
    assert [r.tolist() for r in results] == [[2.0] * 3, [4.0] * 3, [6.0] * 3]
    for result in results:
        assert not np.shares_memory(result._data, weight._data)
        assert result._data.flags.owndata


@pytest.mark.parametrize(
    "strided",
    [
        lambda a: a[:, ::2],
        lambda a: a[::-1, :3],
        lambda a: np.asfortranarray(a[:, :3]),
        lambda a: np.frombuffer(b"\0" + a[:, :3].tobytes(), np.float32, offset=1).reshape(4, 3),
    ],
)
def test_arguments_in_any_order_of_memory(strided: Any) -> None:
    f = sl.compile(lambda x: x * 2)
    x = sl.tensor(0)
    x._data = strided(np.arange(24, dtype=np.float32).reshape(4, 6))
    for _ in range(2):
        np.testing.assert_array_equal(f(x)._data, x._data * 2)
    assert not eager_calls(f)


@pytest.mark.parametrize("view", [lambda a: a.T, lambda a: a[::-1], lambda a: a[:, ::-1]])
def test_captured_tensors_in_any_order_of_memory(view: Any) -> None:
    whole = np.arange(9, dtype=np.float32).reshape(3, 3)
    expected, weight = whole.copy(), nn.Parameter(sl.zeros(3, 3))
    weight._data = view(whole)
    step = moving(weight)
    for count in range(1, 3):
        result = step(sl.ones(3, 3))
        np.testing.assert_array_equal(whole, expected + count)
        np.testing.assert_array_equal(result._data, view(whole) * 2)
        whole[0, 0] += 0.0
    assert not eager_calls(step)


def test_changes_from_outside_are_seen_in_strided_memory() -> None:
    whole = np.zeros((2, 3), np.float32)
    weight = nn.Parameter(sl.zeros(3, 2))
    weight._data = whole.T
    step = moving(weight)
    step(sl.ones(3, 2))
    whole[:] = 5
    assert step(sl.ones(3, 2)).tolist() == [[12.0] * 2] * 3


def test_read_only_memory_is_refused_as_in_eager_code() -> None:
    weight = nn.Parameter(sl.zeros(3))
    step = moving(weight)
    step(sl.ones(3))
    weight._data.flags.writeable = False
    weight._data = weight._data[:]
    with pytest.raises(InPlaceError, match="memory is read-only"):
        step(sl.ones(3))


def test_an_argument_that_is_changed_through_a_parameter_runs_eagerly() -> None:
    weight = nn.Parameter(sl.arange(6.0))
    step = moving(weight)
    step(sl.ones(6))
    looking = weight.detach()[::1]
    assert step(looking).tolist() == [4.0 * (i + 1) for i in range(6)]
    (why,) = eager_calls(step)
    assert why == "x and weight share memory that the step changes"
    step(sl.ones(6))
    assert step.explain().versions[0].calls == 2


def test_two_parameters_in_one_memory_run_eagerly() -> None:
    one, other = nn.Parameter(sl.zeros(4)), nn.Parameter(sl.zeros(4))

    @sl.compile
    def step() -> Any:
        with sl.no_grad():
            one.add_(1)
            other.add_(one)
        return other * 1

    assert step().tolist() == [1.0] * 4
    other.data = one.detach()
    assert step().tolist() == [4.0] * 4
    assert eager_calls(step) == ["one and other share memory that the step changes"]


def test_neighbours_in_memory_do_not_share_it() -> None:
    block = np.zeros(9, np.float32)
    weight, argument = nn.Parameter(sl.zeros(3)), sl.zeros(3)
    weight._data = block[3:6]
    step = moving(weight)
    for start, shares in ((0, False), (6, False), (2, True), (5, True)):
        argument._data = block[start : start + 3]
        before = step.explain().eager_calls
        step(argument)
        assert (step.explain().eager_calls != before) == shares
    assert step.explain().eager_calls == {"x and weight share memory that the step changes": 2}


def test_backward_notices_that_a_parameter_was_changed() -> None:
    weight = nn.Parameter(sl.ones(3))
    step = moving(weight)
    step(sl.ones(3))
    loss = (weight * weight).sum()
    step(sl.ones(3))
    with pytest.raises(InPlaceError, match="changed in place after its use"):
        loss.backward()


def test_backward_notices_that_an_argument_was_changed() -> None:
    x, weight = sl.ones(3), nn.Parameter(sl.ones(3))
    change = sl.compile(lambda x: x.mul_(2))
    change(x)
    loss = (weight * x).sum()
    assert change(x) is x
    assert x.tolist() == [4.0] * 3
    with pytest.raises(InPlaceError, match="changed in place after its use"):
        loss.backward()


def test_a_walk_cannot_pass_a_compiled_function() -> None:
    weight = nn.Parameter(sl.ones(3))
    f = sl.compile(lambda x: (x * weight).sum())
    for _ in range(2):
        with pytest.raises(GradientError, match="result of a compiled function"):
            f(sl.ones(3)).backward()
        with pytest.raises(GradientError, match="result of a compiled function"):
            sl.grad(f(sl.ones(3)) + weight.sum(), weight)
    loss = f(sl.ones(3)).detach() + weight.sum()
    loss.backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [1.0] * 3


def test_tensors_on_other_devices_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Elsewhere:
        """An array of another library."""

        shape, dtype, ndim = (3,), np.dtype("float32"), 1

    class Library:
        ndarray = Elsewhere

    f = sl.compile(lambda x: x + 1)
    f(sl.ones(3))
    x = sl.ones(3)
    x._data = Elsewhere()
    monkeypatch.setattr("streetlight.devices.cupy", Library)
    for step in (f, sl.compile(lambda x: x + 1)):
        with pytest.raises(CompileError, match="compiled steps run on the CPU"):
            step(x)


def test_arrays_whose_elements_interleave_share_nothing() -> None:
    block = np.zeros((4, 4))
    assert not share_memory(block[:, ::2], block[:, 1::2])
    assert share_memory(block[1:], block[:2])
