"""What becomes of gradients in traced steps: used up, kept, added up, dropped."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from tests.graph.test_trace_training import batches, network
from tests.graph.tracing import agree, run

import streetlight as sl
import streetlight.nn.functional as F
from streetlight import nn, optim
from streetlight.errors import TraceError
from streetlight.graph.trace import trace_call
from streetlight.graph.traced import SPENT


def test_gradients_that_are_not_used_up_are_real() -> None:
    def build() -> Any:
        model = network()

        def step(x: Any, y: Any) -> Any:
            model.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            return loss, [p.grad.clone() for p in model.parameters()]

        return step, model

    agree(build, batches())


@pytest.mark.parametrize("to_none", [True, False])
def test_gradients_add_up_over_calls(to_none: bool) -> None:
    def build() -> Any:
        model = network()
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        def half(x: Any, y: Any) -> Any:
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            return loss

        half.optimizer = optimizer  # type: ignore[attr-defined]
        return half, (model, optimizer)

    def between(state: Any, index: int) -> None:
        if index % 2 == 0:
            state[1].step()
            state[1].zero_grad(set_to_none=to_none)

    traces = agree(build, batches(8), between)
    assert len(traces) <= 2


def test_zeroing_in_place_inside() -> None:
    def build() -> Any:
        model = network()
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad(set_to_none=False)
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        return step, (model, optimizer)

    agree(build, batches())


def test_zeroing_after_the_step() -> None:
    def build() -> Any:
        model = network()
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        def step(x: Any, y: Any) -> Any:
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            return loss

        return step, (model, optimizer)

    (traced,) = agree(build, batches())
    assert all(gradient is None for _, gradient in traced.gradients)


def test_stepping_first() -> None:
    def build() -> Any:
        model = network()
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        def step(x: Any, y: Any) -> Any:
            optimizer.step()
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            return loss

        return step, (model, optimizer)

    agree(build, batches(5))


def test_clipping_inside_of_a_step() -> None:
    def build() -> Any:
        model = network()
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y) * 100
            loss.backward()
            norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            nn.utils.clip_grad_value_(model.parameters(), 0.1)
            optimizer.step()
            return loss.detach(), norm

        return step, (model, optimizer)

    agree(build, batches())


def test_a_gradient_that_was_used_up_says_so() -> None:
    weight = sl.ones(2).requires_grad_()
    optimizer = optim.SGD([weight], lr=0.5)

    def step() -> None:
        optimizer.zero_grad()
        (weight * 2).sum().backward()
        optimizer.step()

    traced = trace_call(step, (), {})
    assert traced.gradients == [(weight, SPENT)]
    run(traced, ())
    assert weight.tolist() == [0.0, 0.0]
    assert weight.grad.shape == (2,)
    for use in (
        lambda: weight.grad.tolist(),
        lambda: weight.grad + 1,
        lambda: weight.grad.add_(1),
        lambda: print(weight.grad),
        lambda: (weight * 3).sum().backward(),
        lambda: weight.grad.clone() * 2,
        lambda: weight.grad.numpy().sum(),
        lambda: trace_call(lambda: (weight * 3).sum().backward(), (), {}),
    ):
        with pytest.raises(TraceError, match="used up inside of a compiled step"):
            use()
    for twin in (copy.deepcopy(weight), pickle.loads(pickle.dumps(weight))):
        assert twin.tolist() == [0.0, 0.0]
        with pytest.raises(TraceError, match="used up inside of a compiled step"):
            twin.grad.tolist()
    assert weight.grad.double().dtype == sl.float64
    optimizer.zero_grad()
    (weight * 2).sum().backward()
    assert weight.grad.tolist() == [2.0, 2.0]
