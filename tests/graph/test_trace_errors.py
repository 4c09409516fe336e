"""What cannot be traced is refused with one error that shows the line and says what to write."""

from __future__ import annotations

import queue
import random
import threading
import time
import types
from typing import Any

import numpy as np
import pytest

import streetlight as sl
import streetlight.nn.functional as F
from streetlight import nn, optim
from streetlight.errors import TraceError
from streetlight.graph import trace
from streetlight.graph.trace import OnlyEagerly, trace_call

X = sl.tensor([[1.0, 2.0], [3.0, 4.0]])


def branch(x: Any) -> Any:
    return x if x.sum() > 0 else -x


def item(x: Any) -> Any:
    return x * x.sum().item()


def as_float(x: Any) -> Any:
    return x * float(x.sum())


def as_int(x: Any) -> Any:
    return x[: int(x[0, 0])]


def as_index(x: Any) -> Any:
    return x[x.argmax()]


def in_range_(x: Any) -> Any:
    return sum(x for _ in range(x.argmax()))


def listed(x: Any) -> Any:
    return x * x.tolist()[0][0]


def to_numpy(x: Any) -> Any:
    return sl.Tensor(np.sort(x.numpy()))


def numpy_function(x: Any) -> Any:
    return sl.Tensor(np.sort(x))


def printed(x: Any) -> Any:
    print(x * 2)
    return x


def formatted(x: Any) -> Any:
    return f"{x.sum():.2f}"


def of_tensors(x: Any) -> Any:
    return sl.tensor([x[0, 0], x[1, 1]])


def masked(x: Any) -> Any:
    return x[x > 0].sum()


def selected(x: Any) -> Any:
    return x.masked_select(x > 0)


def found(x: Any) -> Any:
    return x.nonzero()


def close(x: Any) -> Any:
    return x.allclose(x)


def within(x: Any) -> Any:
    return 2.0 in x


def one_hot(x: Any) -> Any:
    return F.one_hot(x.long())


def drawn(x: Any) -> Any:
    return x * sl.randint(0, 3, (2,))


def permuted(x: Any) -> Any:
    return x[sl.randperm(2)]


def own_generator(x: Any) -> Any:
    return x * sl.rand(2, generator=sl.Generator().manual_seed(0))


def probabilities(x: Any) -> Any:
    return sl.bernoulli(x)


CASES = {
    branch: ("bool: a traced tensor", "sl.where"),
    item: ("item: a traced tensor", "return the tensor from the function"),
    as_float: ("item: a traced tensor", "result.item"),
    as_int: ("item: a traced tensor", "result.item"),
    as_index: ("int: a traced tensor", "plain ints"),
    in_range_: ("item: a traced tensor", "result.item"),
    listed: ("tolist: a traced tensor", "result.tolist"),
    to_numpy: ("a traced tensor has no numbers yet", "function of Streetlight"),
    numpy_function: ("a traced tensor has no numbers yet", "function of Streetlight"),
    printed: ("a traced tensor has no numbers yet", "return the tensor"),
    formatted: ("item: a traced tensor", "result.item"),
    of_tensors: ("a traced tensor has no numbers yet", "sl.stack"),
    masked: ("a bool mask chooses", "sl.where(mask"),
    selected: ("a bool mask chooses", "sl.where(mask"),
    found: ("a traced tensor has no numbers yet", "return the tensor"),
    close: ("bool: a traced tensor", "sl.where"),
    within: ("bool: a traced tensor", "sl.where"),
    one_hot: ("item: a traced tensor", "result.item"),
    drawn: ("draws whole numbers", "draw them outside"),
    permuted: ("draws", "draw them outside"),
    own_generator: ("a random generator is made inside", "make it once outside"),
    probabilities: ("item: a traced tensor", "result.item"),
}


@pytest.mark.parametrize("fn", CASES, ids=lambda fn: fn.__name__)
def test_what_needs_numbers_is_refused(fn: Any) -> None:
    words, fix = CASES[fn]
    with pytest.raises(TraceError) as caught:
        trace(fn, X)
    assert words in str(caught.value)
    assert fix in str(caught.value)
    if fn is not own_generator:
        code = fn.__code__
        lines = {line for *_, line in code.co_lines()}
        shown = str(caught.value).partition("test_trace_errors.py:")[2].partition(":")[0]
        assert int(shown) in lines


def test_the_line_is_shown_and_state_of_the_world_is_unharmed() -> None:
    with pytest.raises(TraceError, match=r"at test_trace_errors.py:\d+: return x if x.sum\(\) > 0"):
        trace(branch, X)
    assert (X + 1).tolist() == [[2.0, 3.0], [4.0, 5.0]]
    assert branch(X) is X


def test_the_numbers_of_captured_tensors_are_no_secret_way() -> None:
    weight = sl.ones(2)
    with pytest.raises(TraceError, match="item: a traced tensor"):
        trace(lambda: weight.sum().item())
    with pytest.raises(TraceError, match="tolist: a traced tensor"):
        trace(lambda: weight.tolist())


# ---- what is kept ----


class Keeper(nn.Module):
    def __init__(self) -> None:
        self.hidden = None
        self.calls = 0

    def forward(self, x: Any) -> Any:
        self.hidden = x * 2
        return self.hidden + 1


class Counter(nn.Module):
    def __init__(self) -> None:
        self.calls = 0

    def forward(self, x: Any) -> Any:
        self.calls += 1
        return x * 2


losses: list[Any] = []
total = 0.0


def appends(x: Any) -> Any:
    loss = (x * 2).sum()
    losses.append(loss)
    return loss


def adds_up(x: Any) -> Any:
    global total
    loss = (x * 2).sum()
    total += loss.detach()
    return loss


def counts(x: Any) -> Any:
    losses.append(1)
    return x * 2


class Result:
    def __init__(self, loss: Any) -> None:
        self.loss = loss


@pytest.mark.parametrize("fn", [Keeper(), appends, adds_up, lambda x: Result(x * 2)])
def test_tensors_that_are_kept_are_refused(fn: Any) -> None:
    global total
    try:
        with pytest.raises(
            TraceError, match=r"kept after its end; it is made at test_trace_errors"
        ):
            trace(fn, X)
    finally:
        losses.clear()
        total = 0.0


@pytest.mark.parametrize("fn", [Counter(), counts])
def test_side_effects_are_refused(fn: Any) -> None:
    try:
        with pytest.raises(TraceError, match="the function changes what it relies on"):
            trace(fn, X)
    finally:
        losses.clear()


def test_a_tensor_of_a_trace_is_dead_afterwards() -> None:
    kept: dict[str, Any] = {}

    def fn(x: Any) -> Any:
        kept["h"] = x * 2
        return x

    with pytest.raises(TraceError, match="kept after its end"):
        trace(fn, X)
    for use in (
        lambda: kept["h"] + 1,
        lambda: X + kept["h"],
        lambda: X.clone().add_(kept["h"]),
        lambda: kept["h"].sum(),
        lambda: float(kept["h"][0]),
        lambda: repr(kept["h"]),
        lambda: kept["h"].numpy().sum(),
        lambda: trace(lambda: kept["h"] + 1),
    ):
        with pytest.raises(TraceError, match="outside of it"):
            use()


def test_history_from_outside_and_into_state() -> None:
    weight = sl.ones(2).requires_grad_()
    grown, hidden = weight * 2, sl.zeros(2)
    with pytest.raises(TraceError, match="history of recorded operations"):
        trace(lambda: grown + 1)
    with pytest.raises(TraceError, match="the argument x has a history"):
        trace(lambda x: x + 1, grown)

    def keeps() -> None:
        hidden.copy_(weight * 2)

    with pytest.raises(TraceError, match="would keep the history"):
        trace(keeps)
    assert hidden.tolist() == [0.0, 0.0]
    assert not hidden.requires_grad


def test_one_tensor_in_two_ways() -> None:
    weight = sl.ones(2)
    with pytest.raises(TraceError, match="the argument x is also used as weight"):
        trace(lambda x: x + weight, weight)
    with pytest.raises(OnlyEagerly, match="the argument x is also used as weight"):
        trace_call(lambda x: x + weight, (weight.detach(),), {}, settled=True)


def test_requires_grad_is_changed_outside() -> None:
    weight = sl.ones(2).requires_grad_()

    def fn() -> Any:
        weight.requires_grad_(False)
        return weight * 2

    with pytest.raises(TraceError, match="changes requires_grad of weight"):
        trace(fn)
    assert weight.requires_grad


def test_options_are_set_outside() -> None:
    optimizer = optim.SGD([sl.ones(2)], lr=0.5)

    def fn() -> None:
        optimizer.step()
        optimizer.param_groups[0]["lr"] = 0.1

    with pytest.raises(TraceError, match=r"sets optimizer.lr to something new"):
        trace(fn)
    assert optimizer.param_groups[0]["lr"] == 0.5


def test_schedules_step_outside() -> None:
    optimizer = optim.SGD([sl.ones(2)], lr=0.5)
    schedule = optim.lr_scheduler.ExponentialLR(optimizer, 0.5)

    def fn() -> None:
        optimizer.step()
        schedule.step()

    with pytest.raises(TraceError):
        trace(fn)
    assert optimizer.param_groups[0]["lr"] == 0.5


def test_state_that_is_made_at_every_call() -> None:
    class Forgetful(optim.Optimizer):
        def update(self, parameter: Any, gradient: Any, state: Any, group: Any) -> None:
            state["old"] = gradient.clone()

    weight = sl.ones(2).requires_grad_()
    optimizer = Forgetful([weight], {})

    def fn() -> None:
        optimizer.zero_grad()
        (weight * 2).sum().backward()
        optimizer.step()

    with pytest.raises(TraceError, match=r"makes new state: Forgetful.state\[weight\].old"):
        trace(fn)
    fn()
    with pytest.raises(TraceError, match=r"makes new state: Forgetful.state\[weight\].old"):
        trace(fn)


# ---- what is not the same when it runs again ----


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: x * random.random(),
        lambda x: x * np.random.default_rng().random(),
        lambda x: x + np.random.normal(size=(2, 2)),
        lambda x: x * time.perf_counter(),
        lambda x: x + (1 if random.random() < 0.5 else x.exp().log() * random.random()),
    ],
)
def test_what_differs_at_every_call_is_not_frozen(fn: Any) -> None:
    def often() -> None:
        for _ in range(9):
            trace(fn, X)

    with pytest.raises(TraceError, match="when it runs twice"):
        often()


def test_an_array_of_unknown_origin_is_refused() -> None:
    box = types.SimpleNamespace(array=np.ones(2))
    with pytest.raises(TraceError, match="reads a NumPy array"):
        trace(lambda x: x * vars(box)["array"], X)


# ---- threads, and traces in traces ----


def test_other_threads_stay_eager() -> None:
    results: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def work() -> None:
        results.put((sl.ones(2) * 3).tolist())

    def fn(x: Any) -> Any:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return x * 2

    assert len(trace(fn, X).nodes) == 1
    assert results.get(timeout=9) == [3.0, 3.0]


def test_a_trace_in_a_trace_is_refused() -> None:
    with pytest.raises(TraceError, match="inside of another"):
        trace(lambda x: trace(lambda y: y, x), X)


def test_a_device_other_than_the_cpu_is_named() -> None:
    assert trace(lambda x: x.to("cpu") * 2, X).nodes[0].output.device == "cpu"
