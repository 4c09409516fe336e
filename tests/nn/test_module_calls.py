"""Calling a module: hooks before and after, and how an error tells where it arose."""

from __future__ import annotations

import pytest

import streetlight as sl
from streetlight import nn
from streetlight.errors import ModuleError


def test_forward_hooks_see_and_change():
    layer, seen = nn.Identity(), []
    first = layer.register_forward_hook(lambda module, args, output: seen.append((module, output)))
    second = layer.register_forward_hook(lambda module, args, output: output * 3)
    assert layer(sl.tensor([2.0])).item() == 6
    assert seen[0][0] is layer
    assert seen[0][1].item() == 2
    first.remove()
    first.remove()
    second.remove()
    assert layer(sl.tensor([2.0])).item() == 2
    assert len(seen) == 1


def test_forward_pre_hooks_see_and_change():
    layer = nn.Identity()
    with layer.register_forward_pre_hook(lambda module, args: args[0] + 1):
        assert layer(sl.tensor([2.0, 5.0])).tolist() == [3, 6]
    with layer.register_forward_pre_hook(lambda module, args: (args[0] + 2,)):
        assert layer(sl.tensor([2.0])).item() == 4
    with layer.register_forward_pre_hook(lambda module, args: None):
        assert layer(sl.tensor([2.0])).item() == 2


def test_hooks_run_with_keyword_arguments_and_are_no_members():
    class Scaled(nn.Module):
        def forward(self, x, *, by):
            return x * by

    watcher, model = nn.Linear(1, 1), Scaled()
    model.register_forward_hook(lambda module, args, output: watcher(output))
    model.register_forward_pre_hook(watcher)
    assert list(model.parameters()) == []


def test_a_module_without_forward_says_so():
    with pytest.raises(ModuleError, match="Module has no forward"):
        nn.Module()(1)


def test_an_error_tells_the_path_to_the_failing_module():
    model = nn.Module()
    model.forward = lambda x: model.layers[1](x)
    model.layers = [nn.ReLU(), nn.Sequential(nn.Tanh(), nn.Linear(3, 2))]
    with pytest.raises(ValueError, match="linear") as caught:
        model(sl.ones(1, 4))
    assert caught.value.__notes__ == [
        "in: Module.layers.1.1 (Linear(in_features=3, out_features=2, bias=True))"
    ]


def test_an_error_of_a_single_module_has_one_note():
    with pytest.raises(ValueError, match="linear") as caught:
        nn.Linear(3, 2)(sl.ones(1, 4))
    assert caught.value.__notes__ == ["in: Linear(in_features=3, out_features=2, bias=True)"]


def test_the_note_survives_modules_that_are_not_members_and_errors_of_python():
    class Bad(nn.Module):
        def forward(self, x):
            raise KeyError("x")

    class Hidden(nn.Module):
        def forward(self, x):
            return Bad()(x)

    with pytest.raises(KeyError) as caught:
        nn.Sequential(Hidden())(1)
    assert caught.value.__notes__ == ["in: Sequential.0.? (Bad())"]
