"""Products of a program: matrices that many of them share are copied once, and the text is read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.compile.test_build import assert_equals_numpy, run
from tests.graph.building import Builder

from streetlight.graph import Graph


def recurrence(batch: int, steps: int) -> tuple[Graph, dict[str, Any]]:
    """h = tanh(x + h Wᵀ), some times, and an update of W that reads the last h."""
    b = Builder("recurrence")
    w, x, h = (
        b.input("w", 40, 40, kind="parameter"),
        b.input("x", batch, 40),
        b.input("h", batch, 40),
    )
    state = h
    for _ in range(steps):
        state = b.op("tanh", b.op("add", x, b.op("linear", state, w)))
    b.graph.outputs.append(state)
    b.graph.updates[w] = b.op("matmul", b.op("permute", state, dims=(1, 0)), state)
    draw = np.random.default_rng(0)
    arrays = {
        given.value.name: draw.uniform(-0.2, 0.2, given.value.shape).astype(np.float32)
        for given in b.graph.inputs
    }
    return b.graph, arrays


def test_a_shared_matrix_is_packed_once_before_its_uses() -> None:
    graph, arrays = recurrence(batch=32, steps=3)
    assert_equals_numpy(graph, arrays, rounding=1e-5)
    source = run(graph, arrays)[0]
    assert source.text.count("sl_pack_f32(") == 1
    assert "w_panels" in source.text
    calls = source.text.partition("static int64_t step(")[2]
    assert calls.index("(w, w_panels)") < calls.index("v_h, w_panels)")


@pytest.mark.parametrize(("batch", "steps"), [(32, 1), (2, 3)])
def test_nothing_is_packed_where_it_does_not_pay(batch: int, steps: int) -> None:
    graph, arrays = recurrence(batch, steps)
    assert_equals_numpy(graph, arrays, rounding=1e-5)
    assert "sl_pack" not in run(graph, arrays)[0].text
