"""The passes on traced training steps: the same numbers, and as few products as algebra allows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.compile.passes_text import counts

import streetlight as sl
from streetlight import nn, optim
from streetlight.compile.passes import simplify
from streetlight.graph import Graph, evaluate, trace
from streetlight.nn import functional as F
from streetlight.random import Generator

BATCH, WIDTH, LETTERS = 8, 12, 5


class Recurrent(nn.Module):
    """An embedding, a tanh network or an LSTM over time, and a linear layer."""

    def __init__(self, gates: int, batch_first: bool, stacked: bool) -> None:
        self.embedding = nn.Embedding(LETTERS, WIDTH)
        self.input, self.hidden = (nn.Linear(WIDTH, gates * WIDTH) for _ in range(2))
        self.output = nn.Linear(WIDTH, LETTERS)
        self.gates, self.batch_first, self.stacked = gates, batch_first, stacked

    def step(self, x: Any, hidden: Any, cell: Any) -> tuple[Any, Any]:
        """Return the next hidden state and cell."""
        total = self.input(x) + self.hidden(hidden)
        if self.gates == 1:
            return total.tanh(), cell
        enter, keep, new, show = total.chunk(4, dim=1)
        cell = keep.sigmoid() * cell + enter.sigmoid() * new.tanh()
        return show.sigmoid() * cell.tanh(), cell

    def forward(self, letters: Any) -> Any:
        """Return logits (…, LETTERS) for each letter, with steps first or second."""
        hidden = cell = sl.zeros(BATCH, WIDTH)
        dim = 1 if self.batch_first else 0
        states = []
        for now in self.embedding(letters).unbind(dim):
            hidden, cell = self.step(now, hidden, cell)
            states.append(hidden)
        if self.stacked:
            return self.output(sl.stack(states, dim))
        return sl.stack([self.output(state) for state in states], dim)


class Attentive(nn.Module):
    """One block of causal attention with learnt positions."""

    def __init__(self, steps: int) -> None:
        self.letters, self.positions = nn.Embedding(LETTERS, WIDTH), nn.Embedding(steps, WIDTH)
        self.norm, self.attend = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 3 * WIDTH)
        self.project, self.output = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, LETTERS)

    def forward(self, letters: Any) -> Any:
        """Return logits (batch, steps, LETTERS)."""
        batch, steps = letters.shape
        x = self.letters(letters) + self.positions(sl.arange(steps))
        parts = self.attend(self.norm(x)).chunk(3, dim=-1)
        heads = [part.reshape(batch, steps, 3, -1).transpose(1, 2) for part in parts]
        found = F.scaled_dot_product_attention(*heads, is_causal=True)
        return self.output(x + self.project(found.transpose(1, 2).reshape(batch, steps, WIDTH)))


def training_step(model: Any, optimizer: Any, *shape: int) -> Graph:
    """Trace a whole step that guesses the next letter."""
    letters = sl.randint(0, LETTERS, shape)

    def train(letters: Any, truth: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(letters).reshape(-1, LETTERS), truth.reshape(-1))
        loss.backward()
        optimizer.step()
        return loss

    train(letters, letters)
    return trace(train, letters, letters)


def arrays(graph: Graph) -> dict[str, Any]:
    """Numbers for the inputs of a graph."""
    random = np.random.default_rng(8)
    found: dict[str, Any] = {}
    for given in graph.inputs:
        value = given.value
        if given.kind == "constant":
            continue
        if value.number:
            found[value.name] = {"step": 3.0}.get(given.path.rsplit(".", 1)[-1], 0.01)
        elif value.dtype.kind == "i":
            found[value.name] = random.integers(0, LETTERS, value.shape)
        else:
            found[value.name] = random.uniform(0.1, 0.6, value.shape).astype(value.dtype)
    return found


def assert_same(before: Graph, after: Graph) -> None:
    given = arrays(before)
    outputs, updates = evaluate(before, given, [Generator().manual_seed(1)])
    new_outputs, new_updates = evaluate(after, given, [Generator().manual_seed(1)])
    assert new_updates.keys() == updates.keys()
    pairs = [*zip(new_outputs, outputs, strict=True)]
    for new, old in [*pairs, *[(new_updates[name], updates[name]) for name in updates]]:
        np.testing.assert_allclose(new, old, rtol=2e-5, atol=2e-6)


OPTIMIZERS: list[Callable[[Any], Any]] = [
    lambda p: optim.SGD(p, lr=0.1),
    lambda p: optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
    lambda p: optim.AdamW(p, lr=0.01),
]


@pytest.mark.parametrize("make_optimizer", OPTIMIZERS)
@pytest.mark.parametrize("gates", [1, 4])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("stacked", [True, False])
def test_time_costs_two_products_a_step(
    make_optimizer: Any, gates: int, batch_first: bool, stacked: bool
) -> None:
    found = []
    for steps in (3, 6):
        model = Recurrent(gates, batch_first, stacked)
        optimizer = make_optimizer(list(model.parameters()))
        shape = (BATCH, steps) if batch_first else (steps, BATCH)
        graph = training_step(model, optimizer, *shape)
        after = simplify(graph)
        assert_same(graph, after)
        found.append(counts(after))
    assert found[1]["matmul"] - found[0]["matmul"] == 6  # 3 steps forward, 3 back
    for joined in ("unpick", "unslice", "sum"):
        assert found[1][joined] == found[0][joined], joined
    assert found[0]["unpick"] == 1


@pytest.mark.parametrize("make_optimizer", OPTIMIZERS)
def test_attention_keeps_its_products(make_optimizer: Any) -> None:
    model = Attentive(6)
    graph = training_step(model, make_optimizer(list(model.parameters())), 4, 6)
    after = simplify(graph)
    assert_same(graph, after)
    found, before = counts(after), counts(graph)
    assert found["matmul"] == before["matmul"] + before["linear"]
    assert found["copy"] == found["linear"] == found["matrix_transpose"] == found["unslice"] == 0
    assert found["pick"] == found["unpick"] == 1  # the positions are read in order
    assert found["cat"] == 1


def test_only_touched_rows_of_a_large_table_are_scaled() -> None:
    table, layer = nn.Embedding(300, 4), nn.Linear(4, 1)
    optimizer = optim.SGD([*table.parameters(), *layer.parameters()], lr=0.1)

    def train(words: Any, truth: Any) -> Any:
        optimizer.zero_grad()
        guess = layer(table(words).sum(0).sigmoid())
        loss = F.binary_cross_entropy_with_logits(guess, truth)
        loss.backward()
        optimizer.step()
        return loss

    words, truth = sl.arange(7), sl.ones(1)
    train(words, truth)
    graph = trace(train, words, truth)
    after = simplify(graph)
    assert_same(graph, after)
    dense = [node.op.name for node in after.nodes if node.output.shape == (300, 4)]
    assert dense == ["unpick", "sub"]


def test_dropout_draws_as_before() -> None:
    model = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Dropout(0.5), nn.Linear(5, 3))
    optimizer = optim.Adam(model.parameters(), lr=0.01)

    def train(x: Any) -> Any:
        optimizer.zero_grad()
        loss = (model(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    train(sl.ones(4, 6))
    graph = trace(train, sl.ones(4, 6))
    assert_same(graph, simplify(graph))
    assert counts(simplify(graph))["bernoulli"] == 1
