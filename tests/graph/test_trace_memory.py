"""Views and changes in place: the graph is pure, and yet says what eager code does to memory."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from tests.graph.tracing import agree, run, same, traced_or_run

import streetlight as sl
import streetlight.nn.functional as F
from streetlight.errors import InPlaceError, TraceError
from streetlight.graph import trace, verify
from streetlight.graph.trace import OnlyEagerly, trace_call


def check(fn: Any, *shapes: tuple[int, ...]) -> Any:
    """A function on fresh tensors gives the same traced, also in what it does to its arguments."""

    def build() -> Any:
        return fn, ()

    generator = sl.Generator().manual_seed(1)
    batch = tuple(sl.randn(*shape, generator=generator) for shape in shapes)
    (traced,) = agree(build, [batch, batch])
    verify(traced.graph)
    return traced


def rows(x: Any) -> Any:
    x[0] = 1.0
    x[1:, 2] = x[0, :1] * 5
    return x.sum(0)


def chain(x: Any) -> Any:
    view = x.T[1:3].reshape(2, 2, 2)
    view[0].mul_(2.0)
    view[1, 0] += 1.0
    return view.sum()


def reshaped(x: Any) -> Any:
    flat = x.reshape(-1)
    flat[3:7] = 0.0
    return x * 1


def of_a_copy(x: Any) -> Any:
    flat = x.T.reshape(-1)  # it cannot be a view
    flat.zero_()
    return flat, x * 1


def of_a_clone(x: Any) -> Any:
    y = x.clone()
    y.add_(1.0).relu_()
    y[y > 2.0] = 2.0
    return y, x


def both(x: Any, y: Any) -> Any:
    x.copy_(y)
    y.mul_(2.0)
    return x - y


def swapped(x: Any, y: Any) -> Any:
    kept = x.clone()
    x.copy_(y)
    y.copy_(kept)


def detached(x: Any) -> Any:
    alias = x.detach()
    alias.add_(1.0)
    x.data.mul_(3.0)
    return x * 1


def scaled(x: Any, y: Any) -> Any:
    x.add_(y, alpha=0.5)
    x.sub_(y, alpha=2)
    x.clamp_(-1.0, 1.0)
    x.masked_fill_(x > 0.5, 9.0)
    return x


def indexed(x: Any) -> Any:
    x[sl.tensor([0, 2])] = x[sl.tensor([1, 1])] * 2
    x[0, sl.tensor([1])] = 7.0
    return x


def made_inside(x: Any) -> Any:
    out = sl.zeros(4, 3)
    for i in range(4):
        out[i] = x[i, :3] * i
    table = sl.tensor([[1.0, 2.0], [3.0, 4.0]])
    table += x[0, 0]
    return out, table, sl.ones(2), sl.arange(3)


def to_integers(x: Any) -> Any:
    whole = (x * 10).long()
    whole //= 3
    whole[0] = 2.7
    return whole, whole % 4


CASES = [
    rows, chain, reshaped, of_a_copy, of_a_clone, detached, indexed, made_inside, to_integers,
]  # fmt: skip


@pytest.mark.parametrize("fn", CASES, ids=lambda fn: fn.__name__)
def test_one_argument(fn: Any) -> None:
    check(fn, (4, 4))


@pytest.mark.parametrize("fn", [both, swapped, scaled], ids=lambda fn: fn.__name__)
def test_two_arguments(fn: Any) -> None:
    check(fn, (2, 3), (2, 3))


def test_gradients_through_changes_in_place() -> None:
    def fn(x: Any) -> Any:
        leaf = x.detach().clone().requires_grad_()
        y = leaf * 2
        y[0] = leaf[1] * leaf[2]
        y[1:].mul_(3.0)
        z = y.exp() * 1
        z += leaf
        z.sum().backward()
        return leaf.grad, z.detach()

    check(fn, (3, 2))


def test_a_change_that_the_walk_needs_is_refused_as_in_eager() -> None:
    def fn(x: Any) -> Any:
        leaf = x.clone().requires_grad_()
        y = leaf.exp()
        y.mul_(2.0)
        y.sum().backward()

    x = sl.ones(3)
    with pytest.raises(InPlaceError) as eager:
        fn(x)
    with pytest.raises(InPlaceError, match=re.escape(str(eager.value))):
        trace_call(fn, (x,), {})


def test_a_leaf_cannot_be_changed_where_gradients_are_recorded() -> None:
    weight = sl.ones(3).requires_grad_()

    def fn() -> None:
        weight.add_(1.0)

    with pytest.raises(InPlaceError, match="a leaf that requires a gradient"):
        trace_call(fn, (), {})
    assert weight.tolist() == [1.0, 1.0, 1.0]


def test_expanded_memory_cannot_be_changed() -> None:
    def fn(x: Any) -> None:
        x.expand(3, 2).add_(1.0)

    with pytest.raises(InPlaceError, match="expanded"):
        trace_call(fn, (sl.ones(2),), {})


def test_memory_that_may_be_shared_cannot_be_changed() -> None:
    def fn(x: Any) -> Any:
        y = x.T * 2  # NumPy keeps the layout of the input
        flat = y.reshape(-1)
        flat.add_(1.0)
        return y, flat

    with pytest.raises(TraceError, match="may be shared"):
        trace_call(fn, (sl.ones(2, 3),), {})


def test_state_that_overlaps_cannot_be_changed() -> None:
    whole = sl.zeros(4)
    part = whole[1:]

    def fn() -> Any:
        part.add_(1.0)
        return whole * 2

    with pytest.raises(OnlyEagerly, match="whole and part share memory"):
        trace_call(fn, (), {})
    with pytest.raises(TraceError, match="whole and part share memory"):
        trace(fn)


def test_state_that_overlaps_may_be_read() -> None:
    whole = sl.rand(4)
    part = whole[1:]
    traced = trace_call(lambda: part * whole[:3], (), {})
    same(run(traced, ()), part * whole[:3])


def test_arrays_of_numpy_are_read_where_they_are() -> None:
    shared, copied = sl.rand(3).numpy(), np.ones(3, np.float32)

    def fn(x: Any) -> Any:
        return x * shared + sl.tensor(copied)

    x = sl.ones(3)
    cache: list[Any] = []
    for change in (shared, shared, copied):
        change += 1
        same(fn(x), traced_or_run(fn, (x,), cache))
    assert len(cache) == 2


def test_results_look_at_the_memory_that_eager_ones_look_at() -> None:
    state = sl.zeros(2, 2)

    def fn(x: Any) -> Any:
        with sl.no_grad():
            state.add_(1.0)
        y = x * 2
        return y, y[0], y.detach(), x.T, state[1], state, (x + 1).reshape(-1)

    def build() -> Any:
        state.zero_()

        def step(x: Any) -> Any:
            results = traced_or_run(fn, (x,), cache) if use_trace else fn(x)
            for result in results[:6]:
                result[..., 0] += 1.0
            return results, x

        return step, state

    for use_trace in (True, False):
        cache: list[Any] = []
        step, _ = build()
        x = sl.ones(2, 2)
        found = step(x)
        if use_trace:
            expected = found
    same(expected, found)
    assert found[0][5] is state


def test_non_contiguous_state() -> None:
    table = sl.randn(4, 3)
    turned = table.T

    def fn(x: Any) -> Any:
        with sl.no_grad():
            turned.add_(x)
        return turned.reshape(-1) * 1, turned @ x.T

    def build() -> Any:
        return fn, turned

    before = turned.clone()
    (traced,) = agree(lambda: (turned.copy_(before), build())[1], [(sl.ones(3, 4),)] * 2)
    verify(traced.graph)


def test_chosen_rows_are_checked_when_they_are_known() -> None:
    def fn(x: Any, rows: Any) -> Any:
        return x.index_select(0, rows), F.embedding(rows, x), x.gather(0, rows.unsqueeze(-1))

    x, rows = sl.randn(3, 2), sl.tensor([2, 0])
    traced = trace_call(fn, (x, rows), {})
    same(fn(x, rows), run(traced, (x, rows)))
    for wrong in (3, -1):
        for choose in (
            lambda x, rows: x.index_select(0, rows),
            lambda x, rows: F.embedding(rows, x),
            lambda x, rows: x.gather(0, rows.unsqueeze(-1)),
            lambda x, rows: x.scatter_add(0, rows.unsqueeze(-1), x[:2, :1]),
        ):
            traced = trace_call(choose, (x, rows), {})
            with pytest.raises(IndexError):
                run(traced, (x, sl.tensor([0, wrong])))
