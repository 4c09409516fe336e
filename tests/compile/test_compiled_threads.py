"""Compiled functions among threads and in forked processes."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from tests.compile.programs import numbers

import streetlight as sl
from streetlight import nn, optim
from streetlight.compile.version import nobody_running


def test_threads_may_make_versions_at_once() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)).eval()
    f = sl.compile(model)
    inputs = [numbers(rows, 4, seed=rows) for rows in (1, 2, 3) for _ in range(20)]
    with sl.no_grad():
        expected = [model(x).numpy() for x in inputs]

    def call(x: Any) -> Any:
        with sl.no_grad():
            return f(x).numpy()

    with ThreadPoolExecutor(6) as pool:
        for one, other in zip(pool.map(call, inputs), expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    assert len(f.explain().versions) == 3


def test_every_step_of_every_thread_counts() -> None:
    weight = nn.Parameter(sl.zeros(1000))
    descent = optim.Adam([weight], lr=0.0)
    drawn = sl.zeros(1)

    @sl.compile
    def step(x: Any) -> Any:
        descent.zero_grad()
        loss = (weight * x).sum() + sl.rand(1).sum()
        loss.backward()
        descent.step()
        drawn.add_(1)
        return loss

    step(sl.ones(1000))
    sl.manual_seed(1)
    with ThreadPoolExecutor(4) as pool:
        losses = list(pool.map(lambda _: step(sl.ones(1000)).item(), range(200)))
    assert drawn.item() == 201.0
    assert descent.state[weight]["step"] == 201
    sl.manual_seed(1)
    assert sorted(losses) == pytest.approx(sorted(sl.rand(1).item() for _ in range(200)))


def test_a_trace_waits_for_running_steps_and_they_for_it() -> None:
    f = sl.compile(lambda x: x + 1)
    f(sl.ones(1))
    done = threading.Event()

    def call() -> None:
        f(sl.ones(1))
        done.set()

    thread = threading.Thread(target=call)
    with nobody_running():
        thread.start()
        assert not done.wait(0.05)
    assert done.wait(10)
    thread.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_forked_processes_can_call_and_compile() -> None:
    f = sl.compile(lambda x: (x @ x).sum())
    x = numbers(64, 64)
    expected = f(x).item()
    child = os.fork()
    if child == 0:
        fine = f(x).item() == expected and f(x[:3, :3]).shape == ()
        os._exit(0 if fine else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert f(x).item() == expected
