"""Averaged weights: the same as PyTorch's over many steps, buffers with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.optim import swa_utils as torch_utils

import streetlight as sl
from streetlight import nn
from streetlight.errors import ArgumentError
from streetlight.optim import swa_utils

RULES = {
    "plain": lambda m: {},
    "ema": lambda m: {"avg_fn": m.get_ema_avg_fn(0.9)},
    "ema, many": lambda m: {"multi_avg_fn": m.get_ema_multi_avg_fn(0.9)},
    "swa": lambda m: {"avg_fn": m.get_swa_avg_fn()},
    "swa, many": lambda m: {"multi_avg_fn": m.get_swa_multi_avg_fn()},
}


def network(n: Any) -> Any:
    return n.Sequential(n.Linear(3, 5), n.BatchNorm1d(5), n.ReLU(), n.Linear(5, 2))


def pair() -> tuple[Any, Any]:
    ours, theirs = network(nn), network(torch.nn)
    copy_over(theirs, {name: value.numpy() for name, value in ours.state_dict().items()})
    return ours, theirs


def copy_over(theirs: Any, values: dict[str, Any]) -> None:
    theirs.load_state_dict({name: torch.tensor(value) for name, value in values.items()})


def assert_alike(ours: Any, theirs: Any) -> None:
    found, expected = ours.state_dict(), theirs.state_dict()
    assert sorted(found) == sorted(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name].numpy(), value.numpy(), rtol=3e-6, atol=1e-7)


CASES = [(rule, buffers) for rule in RULES for buffers in (False, True)]
CASES.remove(("swa, many", True))  # PyTorch cannot take the mean of counts in this way


@pytest.mark.parametrize(("rule", "use_buffers"), CASES)
def test_fifty_steps_as_in_pytorch(rule: str, use_buffers: bool) -> None:
    ours, theirs = pair()
    mine = swa_utils.AveragedModel(ours, use_buffers=use_buffers, **RULES[rule](swa_utils))
    other = torch_utils.AveragedModel(theirs, use_buffers=use_buffers, **RULES[rule](torch_utils))
    random = np.random.default_rng(1)
    for step in range(50):
        values = {
            name: np.asarray(random.normal(size=value.shape), np.float32)
            if value.dtype.kind == "f"
            else np.asarray(step)
            for name, value in ours.state_dict().items()
        }
        ours.load_state_dict(values)
        copy_over(theirs, values)
        mine.update_parameters(ours)
        other.update_parameters(theirs)
        if step in (0, 1, 49):
            assert_alike(mine, other)
    assert mine.n_averaged.item() == 50


def test_the_copy_is_one_and_computes_like_the_model() -> None:
    model = network(nn).eval()
    average = swa_utils.AveragedModel(model)
    x = sl.randn(4, 3)
    assert sl.equal(average(x), model(x))
    average.update_parameters(model)
    nn.init.zeros_(model[0].weight)
    assert average.module[0].weight.abs().sum().item() > 0
    assert all(p.requires_grad for p in model.parameters())


def test_saved_averages_go_on() -> None:
    model = network(nn)
    first = swa_utils.AveragedModel(model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.5))
    first.update_parameters(model)
    second = swa_utils.AveragedModel(network(nn), multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.5))
    second.load_state_dict(first.state_dict())
    nn.init.ones_(model[0].weight)
    for average in (first, second):
        average.update_parameters(model)
    for name, value in first.state_dict().items():
        assert sl.equal(value, second.state_dict()[name])


@pytest.mark.parametrize("training", [False, True])
def test_update_bn_as_in_pytorch(training: bool) -> None:
    ours, theirs = pair()
    ours.train(training)
    theirs.train(training)
    batches = np.random.default_rng(2).normal(2, 3, (4, 6, 3)).astype(np.float32)
    swa_utils.update_bn([(sl.tensor(x), None) for x in batches], ours)
    torch_utils.update_bn([torch.tensor(x) for x in batches], theirs)
    assert_alike(ours, theirs)
    assert ours.training is training
    assert ours[1].momentum == 0.1


def test_update_bn_passes_by_norms_without_statistics() -> None:
    model = nn.Sequential(nn.BatchNorm1d(3, track_running_stats=False))
    swa_utils.update_bn([sl.randn(4, 3)], model)


@pytest.mark.parametrize("decay", [-0.1, 1.1, float("nan")])
@pytest.mark.parametrize("make", ["get_ema_avg_fn", "get_ema_multi_avg_fn"])
def test_wrong_decays(make: str, decay: float) -> None:
    with pytest.raises(ArgumentError, match=f"moving average: decay cannot be {decay}"):
        getattr(swa_utils, make)(decay)


def test_one_rule_only() -> None:
    rules = {"avg_fn": swa_utils.get_ema_avg_fn(), "multi_avg_fn": swa_utils.get_ema_multi_avg_fn()}
    with pytest.raises(ArgumentError, match="two functions say how to average"):
        swa_utils.AveragedModel(nn.Linear(1, 1), **rules)
