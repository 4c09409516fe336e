"""What `sl.compile` gives: versions and the reasons for them, warnings, methods, copies, errors."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from tests.compile.programs import numbers

import streetlight as sl
from streetlight import nn, optim
from streetlight.compile.explain import MISSES_IN_A_ROW, RetraceWarning
from streetlight.errors import CompileError
from streetlight.graph import Graph
from streetlight.utils.data import DataLoader, TensorDataset


def training(momentum: float = 0.0) -> tuple[Any, Any, Any]:
    """A model, its optimiser, and a compiled step."""
    sl.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 1))
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=momentum)

    @sl.compile
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = ((model(x) - y) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    return model, optimizer, step


@sl.compile
def doubled(x: Any, flag: bool = True) -> Any:
    """Double or halve."""
    return x * 2 if flag else x / 2


def versions(step: Any) -> list[tuple[dict[str, str], str, int]]:
    return [(v.arguments, v.reason.words, v.calls) for v in step.explain().versions]


# ---- versions ----


def test_a_version_is_used_again() -> None:
    _, _, step = training()
    for _ in range(5):
        step(numbers(8, 3), numbers(8, 1))
    arguments = {"x": "float32 (8, 3)", "y": "float32 (8, 1)"}
    assert versions(step) == [(arguments, "the first call", 5)]


def test_both_versions_are_kept() -> None:
    _, _, step = training()
    for rows in (8, 5, 8, 5, 5):
        step(numbers(rows, 3), numbers(rows, 1))
    (_, _, first), (arguments, why, second) = versions(step)
    assert (first, second) == (2, 3)
    assert arguments == {"x": "float32 (5, 3)", "y": "float32 (5, 1)"}
    assert why == "x is float32 (5, 3), it was float32 (8, 3)"


def test_numbers_may_change_freely() -> None:
    _, optimizer, step = training(momentum=0.9)
    schedule = optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    for _ in range(5):
        step(numbers(8, 3), numbers(8, 1))
        schedule.step()
    assert len(versions(step)) == 1


@pytest.mark.parametrize("kind", [float, int, np.float64, np.float32, np.int64, sl.tensor])
def test_a_learning_rate_may_be_a_number_of_any_kind(kind: Any) -> None:
    weight = nn.Parameter(sl.zeros(1))
    optimizer = optim.SGD([weight], lr=1.0)

    @sl.compile
    def step() -> None:
        optimizer.zero_grad()
        weight.sum().backward()
        optimizer.step()

    for rate in (1, 2, 3):
        optimizer.param_groups[0]["lr"] = kind(rate)
        step()
    assert weight.item() == -6.0
    assert len(versions(step)) == (3 if kind is sl.tensor else 1)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda m, o: m.eval(), "it is no longer so that model.2.training is True"),
        (lambda m, o: m[0].bias.requires_grad_(False), "requires_grad of 0.bias is True"),
        (lambda m, o: o.param_groups[0].update(lr=1), "optimizer.lr is of type float"),
        (lambda m, o: setattr(m, "1", nn.ReLU()), "1 is the same Tanh"),
        (lambda m, o: o.param_groups[0].update(momentum=0.5), "optimizer.momentum is 0"),
        (lambda m, o: m.double(), "x is float64 (8, 3), it was float32 (8, 3)"),
    ],
)
def test_what_has_changed_is_told(change: Any, why: str) -> None:
    model, optimizer, step = training()
    x, y = numbers(8, 3), numbers(8, 1)
    step(x, y)
    change(model, optimizer)
    x, y = x.to(model[0].weight.dtype), y.to(model[0].weight.dtype)
    step(x, y)
    step(x, y)
    words = versions(step)[-1][1]
    assert words.endswith(why)


def test_a_parameter_of_another_shape_is_told() -> None:
    scale = nn.Parameter(sl.ones(3))
    f = sl.compile(lambda: scale * 2)
    f()
    scale.data = sl.ones(5)
    assert f().shape == (5,)
    assert versions(f)[1][1] == "a tensor has another shape or dtype"


def test_the_mode_is_part_of_it() -> None:
    scale = nn.Parameter(sl.ones(3))
    f = sl.compile(lambda x: x * scale)
    assert f(numbers(3)).requires_grad
    with sl.no_grad():
        assert not f(numbers(3)).requires_grad
    assert versions(f)[1][1] == "it is no longer so that recording of gradients is on"


def test_other_arguments_are_part_of_it() -> None:
    x = numbers(3)
    assert doubled(x).tolist() == (x * 2).tolist()
    assert doubled(x, False).tolist() == (x / 2).tolist()
    assert doubled(x, flag=False).tolist() == (x / 2).tolist()
    assert [why for _, why, _ in versions(doubled)][-2:] == [
        "flag is False, it was not given",
        "the arguments are passed in another way",
    ]


def test_state_that_is_made_at_first_is_made_eagerly() -> None:
    _, _, step = training(momentum=0.9)
    for _ in range(3):
        step(numbers(8, 3), numbers(8, 1))
    explanation = step.explain()
    assert [version.calls for version in explanation.versions] == [2]
    ((why, calls),) = explanation.eager_calls.items()
    assert calls == 1
    assert why.startswith("it makes state that later calls use: SGD.state")


def test_the_explanation_is_a_page() -> None:
    _, _, step = training(momentum=0.9)
    for rows in (8, 8, 8, 5):
        step(numbers(rows, 3), numbers(rows, 1))
    page = str(step.explain())
    assert page == repr(step.explain())
    lines = page.splitlines()
    assert lines[0] == "step: 2 versions"
    assert lines[1] == "1. x: float32 (8, 3), y: float32 (8, 1)"
    assert lines[2] == "   made because: the first call"
    assert lines[3].startswith("   2 calls, ")
    assert " kernels; traced in 0." in lines[3]
    assert lines[5] == "   made because: x is float32 (5, 3), it was float32 (8, 3)"
    assert lines[-1].startswith("1 call ran eagerly: it makes state")


def test_graph_and_c_of_the_last_version() -> None:
    _, _, step = training()
    with pytest.raises(CompileError, match="step was not compiled yet"):
        step.graph()
    step(numbers(8, 3), numbers(8, 1))
    step(numbers(5, 3), numbers(5, 1))
    assert isinstance(step.graph(), Graph)
    assert step.graph().inputs[0].value.shape == (5, 3)
    assert "static int64_t step(sl_call *call)" in step.c_source()
    step(numbers(8, 3), numbers(8, 1))
    assert step.graph().inputs[0].value.shape == (8, 3)


def test_the_c_is_shown_on_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STREETLIGHT_SHOW_C", "1")
    f = sl.compile(lambda x: x + 1)
    f(numbers(3))
    assert capsys.readouterr().out == f.c_source() + "\n"
    f(numbers(3))
    assert capsys.readouterr().out == ""


# ---- warnings ----


def test_a_version_for_every_call_is_warned_about_once() -> None:
    f = sl.compile(lambda x: x.sum())
    for size in range(1, MISSES_IN_A_ROW + 1):
        f(numbers(size))
    with pytest.warns(RetraceWarning) as caught:
        f(numbers(20))
    (warning,) = caught
    words = str(warning.message)
    assert words.startswith(f"<lambda> was traced and compiled {MISSES_IN_A_ROW + 1} times")
    assert "x is float32 (20,), it was float32 (8,)" in words
    assert "pad them" in words
    assert warning.filename == __file__
    for size in range(30, 33):
        f(numbers(size))  # a second warning would be an error


def test_a_hit_in_between_is_no_reason_to_warn() -> None:
    f = sl.compile(lambda x: x.sum())
    for size in range(1, 2 * MISSES_IN_A_ROW):
        f(numbers(size))
        f(numbers(1))


def test_a_number_that_is_an_argument_is_warned_about() -> None:
    f = sl.compile(lambda x, epoch: x * epoch)
    for epoch in range(MISSES_IN_A_ROW):
        f(numbers(2), epoch)
    with pytest.warns(RetraceWarning, match="epoch is 99, it was 7.*as a float or as a tensor"):
        f(numbers(2), 99)


def test_the_generated_text_is_python_that_can_be_read() -> None:
    _, _, step = training()
    step(numbers(8, 3), numbers(8, 1))
    text = step.explain().versions[0].text
    for line in (
        "def step(args, kwargs):",
        "isinstance(x := args[0], Tensor)",
        "and (x_array := x._data).shape == (8, 3)",
        "numbers[0] = optimizer_numbers['lr']",
        "_0_weight.grad = _0_weight_spent",
    ):
        assert line in text
    assert max(map(len, text.splitlines())) < 200


def test_warnings_are_not_raised_for_ordinary_use() -> None:
    _, _, step = training()
    loader = DataLoader(TensorDataset(numbers(10, 3), numbers(10, 1)), 4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            for batch in loader:
                step(*batch)
    assert [calls for _, _, calls in versions(step)] == [6, 3]
