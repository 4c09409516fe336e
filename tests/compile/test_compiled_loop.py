"""`step.loop(loader)` is a Python loop of calls: the same batches, numbers, state and errors."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.compile.programs import numbers

import streetlight as sl
from streetlight import nn, optim
from streetlight.compile import loop as loops
from streetlight.errors import (
    CompileError,
    DataError,
    GradientError,
    IndexOutOfRangeError,
    ShapeError,
)
from streetlight.utils.data import (
    DataLoader,
    RandomSampler,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
)

ROWS = 23


def training(
    optimizer: Any = optim.SGD, result: Callable[[Any, Any], Any] = lambda loss, logits: loss
) -> tuple[Any, Any, Any]:
    """A model with dropout, its optimiser, and a step that is not compiled."""
    sl.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Dropout(0.3), nn.Linear(4, 1))
    descent = optimizer(model.parameters(), lr=0.05)

    def step(x: Any, y: Any) -> Any:
        descent.zero_grad()
        logits = model(x)
        loss = ((logits - y) ** 2).mean()
        loss.backward()
        descent.step()
        return result(loss, logits)

    return model, descent, step


def table() -> TensorDataset:
    return TensorDataset(numbers(ROWS, 3), numbers(ROWS, 1, seed=1))


def shared(dataset: Any) -> DataLoader:
    """Order and dropout are drawn from one generator."""
    return DataLoader(dataset, 4, shuffle=True, generator=sl.random.default_generator)


LOADERS = {
    "one row": lambda: DataLoader(table(), shuffle=True),
    "batches": lambda: DataLoader(table(), 4, shuffle=True),
    "in order": lambda: DataLoader(table(), 4),
    "whole batches": lambda: DataLoader(table(), 4, drop_last=True),
    "one batch": lambda: DataLoader(table(), 100),
    "one generator": lambda: shared(table()),
    "subset": lambda: DataLoader(Subset(table(), range(3, 17)), 4, shuffle=True),
    "rounds": lambda: DataLoader(table(), 4, sampler=RandomSampler(table(), num_samples=50)),
    "weighted": lambda: DataLoader(
        table(), 4, sampler=WeightedRandomSampler(np.arange(ROWS), num_samples=30)
    ),
    "sampler": lambda: DataLoader(table(), 2, sampler=[3, 1, 4, 1, 5]),
    "workers": lambda: DataLoader(table(), 4, shuffle=True, num_workers=2),
    "list": lambda: list(DataLoader(table(), 4)),
    "generator": lambda: (tuple(batch) for batch in list(DataLoader(table(), 4, shuffle=True))),
    "samples": lambda: DataLoader([table()[i] for i in range(ROWS)], 4),
}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several blocks to a pass."""
    monkeypatch.setattr(loops, "LARGEST_BLOCK", 200)


def same(first: Any, second: Any) -> None:
    np.testing.assert_array_equal(first.detach().numpy(), second.detach().numpy())


@pytest.mark.parametrize("optimizer", [optim.SGD, optim.Adam])
@pytest.mark.parametrize("name", LOADERS)
def test_a_loop_is_a_loop_of_calls(name: str, optimizer: Any) -> None:
    outcomes = []
    for whole in (True, False):
        model, descent, step = training(optimizer)
        compiled = sl.compile(step)
        losses = []
        for _ in range(2):
            loader = LOADERS[name]()
            if whole:
                losses.append(compiled.loop(loader))
            else:
                losses.append(sl.stack([compiled(*batch).detach() for batch in loader]))
        state = [t for s in descent.state.values() for t in s.values() if isinstance(t, sl.Tensor)]
        steps = [s["step"] for s in descent.state.values() if "step" in s]
        tensors = [*losses, *model.parameters(), *state, sl.rand(3)]
        outcomes.append((tensors, steps))
    (compiled, taken), (called, counted) = outcomes
    assert taken == counted
    for one, other in zip(compiled, called, strict=True):
        same(one, other)


def test_most_steps_run_without_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "LARGEST_BLOCK", 10**6)
    _, _, step = training()
    compiled = sl.compile(step)
    called = []
    monkeypatch.setattr(
        loops, "_called", lambda *given: called.append(given) or compiled(*given[1])
    )
    losses = compiled.loop(DataLoader(table(), 2))
    assert losses.shape == (12,)
    assert losses.dtype == sl.float32
    assert [number for _, _, number in called] == [0, 11]  # the first, and the shorter last
    assert sum(version.calls for version in compiled.explain().versions) == 12


def test_learning_rates_hold_for_a_loop() -> None:
    model, descent, step = training()
    compiled = sl.compile(step)
    compiled.loop(DataLoader(table(), 4))
    before = model[0].weight.detach().clone()
    descent.param_groups[0]["lr"] = 0.0
    compiled.loop(DataLoader(table(), 4))
    same(model[0].weight, before)
    assert len(compiled.explain().versions) == 2  # one more for the last batch


def test_the_last_gradient_is_left() -> None:
    outcomes = []
    for whole in (True, False):
        sl.manual_seed(0)
        model = nn.Linear(3, 1)

        @sl.compile
        def step(x: Any, y: Any, model: Any = model) -> Any:
            model.zero_grad()
            loss = ((model(x) - y) ** 2).mean()
            loss.backward()
            return loss

        loader = DataLoader(table(), 4, drop_last=True)
        if whole:
            step.loop(loader)
        else:
            for batch in loader:
                step(*batch)
        outcomes.append(model.weight.grad)
    same(*outcomes)


def test_gradients_add_up_over_a_loop() -> None:
    model = nn.Linear(3, 1)

    def step(x: Any, y: Any) -> None:
        ((model(x) - y) ** 2).mean().backward()

    compiled = sl.compile(step)
    assert compiled.loop(DataLoader(table(), 4)) is None
    found = model.weight.grad
    model.zero_grad()
    for batch in DataLoader(table(), 4):
        step(*batch)
    np.testing.assert_allclose(found.numpy(), model.weight.grad.numpy(), rtol=1e-5)


def test_results_of_any_form_are_stacked() -> None:
    @sl.compile
    def f(x: Any, y: Any) -> Any:
        return {"sum": x.sum(), "both": [x, (y * 2, None)], "word": "a"}

    batches = list(DataLoader(table(), 4, drop_last=True))
    found = f.loop(batches)
    x = np.stack([batch[0].numpy() for batch in batches])
    y = np.stack([batch[1].numpy() for batch in batches])
    assert list(found) == ["sum", "both", "word"]
    np.testing.assert_allclose(found["sum"].numpy(), x.sum((1, 2)), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found["both"][0].numpy(), x)
    np.testing.assert_array_equal(found["both"][1][0].numpy(), y * 2)
    assert found["both"][1][1] is None
    assert found["word"] == "a"


def test_numbers_that_are_returned_are_stacked() -> None:
    _, descent, step = training(optim.Adam)
    compiled = sl.compile(lambda x, y: (step(x, y), descent.param_groups[0]["lr"] * 2))
    _, rates = compiled.loop(DataLoader(table(), 4))
    np.testing.assert_allclose(rates.numpy(), [0.1] * 6, rtol=1e-6)


def test_state_that_is_returned_is_as_it_was_then() -> None:
    count = sl.zeros(1)

    @sl.compile
    def f(x: Any) -> Any:
        count.add_(x.sum())
        return count

    assert f.loop([sl.ones(1) * i for i in range(5)]).tolist() == [
        [0.0],
        [1.0],
        [3.0],
        [6.0],
        [10.0],
    ]


def test_batches_may_be_tensors_dicts_and_tuples_of_numbers() -> None:
    assert sl.compile(lambda x: x * 2).loop([sl.ones(2)] * 3).tolist() == [[2.0, 2.0]] * 3
    by_name = sl.compile(lambda batch: batch["x"] - batch["y"])
    batches = [{"x": sl.ones(1) * i, "y": sl.ones(1)} for i in range(4)]
    assert by_name.loop(batches).tolist() == [[-1.0], [0.0], [1.0], [2.0]]
    scaled = sl.compile(lambda x, scale: x * scale)
    assert scaled.loop([(sl.ones(1), float(i)) for i in range(4)]).tolist() == [[0], [1], [2], [3]]


def test_shapes_may_change_between_batches() -> None:
    f = sl.compile(lambda x: x.sum())
    batches = [sl.ones(size) for size in (2, 2, 2, 3, 3, 2, 2, 5)]
    assert f.loop(batches).tolist() == [2, 2, 2, 3, 3, 2, 2, 5]


def test_steps_that_draw_from_the_normal_distribution() -> None:
    f = sl.compile(lambda x: (x + sl.randn(2)).sum())
    outcomes = []
    for whole in (True, False):
        sl.manual_seed(3)
        batches = [numbers(2, seed=i) for i in range(5)]
        outcomes.append(f.loop(batches) if whole else sl.stack([f(x) for x in batches]))
    same(*outcomes)


# ---- errors ----


def test_a_loop_without_batches_is_refused() -> None:
    with pytest.raises(DataError, match="the loader gave no batch"):
        sl.compile(lambda x: x).loop([])


def test_results_of_several_shapes_are_refused() -> None:
    _, _, step = training(result=lambda loss, logits: logits)
    with pytest.raises(ShapeError, match="different shapes, which cannot be stacked") as caught:
        sl.compile(step).loop(DataLoader(table(), 4))
    assert "drop_last=True" in str(caught.value)


def test_results_of_several_forms_are_refused() -> None:
    f = sl.compile(lambda x: (x, x * 2) if len(x) == 1 else x)
    with pytest.raises(ShapeError, match="different numbers of things"):
        f.loop([sl.ones(2), sl.ones(1)])


@pytest.mark.parametrize("place", [0, 1, 4])
def test_errors_name_the_step(place: int) -> None:
    sl.manual_seed(0)
    layer = nn.Embedding(5, 2)
    descent = optim.SGD(layer.parameters(), lr=0.1)

    def step(i: Any) -> Any:
        descent.zero_grad()
        loss = layer(i).sum()
        loss.backward()
        descent.step()
        return loss

    batches = [sl.tensor([1, 2]) for _ in range(6)]
    batches[place] = sl.tensor([1, 9])
    with pytest.raises(IndexOutOfRangeError, match="index 9 does not exist") as caught:
        sl.compile(step).loop(batches)
    assert f"in step {place} of the loop, counted from 0" in caught.value.__notes__
    moved = 1 - (layer.weight.detach().numpy()[1] - nn_start()) / -0.1 / max(place, 1)
    np.testing.assert_allclose(moved, 1 - np.ones(2) * (place > 0), atol=1e-5)


def nn_start() -> Any:
    """Row 1 of the table above before it was moved."""
    sl.manual_seed(0)
    return nn.Embedding(5, 2).weight.detach().numpy()[1]


def test_errors_after_a_change_name_the_step() -> None:
    table_of_rows, count = numbers(10, 2), sl.zeros(1)

    @sl.compile
    def f(x: Any) -> Any:
        count.add_(x)
        return table_of_rows[(count * 3).long()]

    with pytest.raises(CompileError, match="an index is out of range") as caught:
        f.loop([sl.ones(1)] * 5)
    assert any("in step 3 of the loop" in note for note in caught.value.__notes__)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no such timers here")
def test_a_loop_that_is_interrupted_keeps_its_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "LARGEST_BLOCK", 2**30)
    weight, steps = nn.Parameter(sl.ones(64, 64)), sl.zeros(1, dtype=sl.int64)
    descent = optim.Adam([weight], lr=0.0)

    @sl.compile
    def step(x: Any) -> Any:
        steps.add_(1)
        descent.zero_grad()
        loss = (weight @ weight).sum() * x.sum()
        loss.backward()
        descent.step()
        return loss

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    rows = TensorDataset(sl.ones(1_000_000, 1))
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        step.loop(DataLoader(Subset(rows, range(3))))
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            step.loop(DataLoader(rows))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert 3 < steps.item() < 1_000_000
    assert descent.state[weight]["step"] == steps.item()
    step(sl.ones(1))
    assert descent.state[weight]["step"] == steps.item()


def test_results_of_a_loop_cannot_be_walked_back() -> None:
    weight = nn.Parameter(sl.ones(2))
    losses = sl.compile(lambda x: (x * weight).sum()).loop([numbers(2, seed=i) for i in range(4)])
    with pytest.raises(GradientError, match="result of a compiled function"):
        losses.sum().backward()
