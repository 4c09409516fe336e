"""summary() and repr(): what a learner sees of a network."""

from __future__ import annotations

import pytest

import streetlight as sl
from streetlight import nn


def network():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 100), nn.BatchNorm1d(100), nn.Dropout(0.5), nn.Linear(100, 10)
    )


def test_summary_of_a_network():
    assert str(network().summary((32, 1, 28, 28))) == (
        "name   layer        output shape  parameters\n"
        "--------------------------------------------\n"
        "model  Sequential   (32, 10)\n"
        "0      Flatten      (32, 784)\n"
        "1      Linear       (32, 100)         78,500\n"
        "2      BatchNorm1d  (32, 100)            200\n"
        "3      Dropout      (32, 100)\n"
        "4      Linear       (32, 10)           1,010\n"
        "--------------------------------------------\n"
        "79,710 parameters, all trainable, 319 kB"
    )


def test_summary_counts_shared_parameters_once_and_tells_what_is_frozen_and_unused():
    class Odd(nn.Module):
        def __init__(self):
            self.scale = nn.Parameter(sl.ones(3))
            self.first = nn.Linear(3, 3).requires_grad_(False)
            self.again = nn.Linear(3, 3)
            self.again.weight = self.first.weight
            self.unused = nn.ModuleList([nn.Linear(1, 1)])

        def forward(self, x, y):
            return self.again(self.first(x)) * self.scale, [y]

    summary = Odd().summary((2, 3), sl.zeros(4))
    assert repr(summary) == (
        "name      layer       output shape  parameters\n"
        "----------------------------------------------\n"
        "model     Odd         (2, 3), (4,)           3\n"
        "first     Linear      (2, 3)                12\n"
        "again     Linear      (2, 3)                 3\n"
        "unused    ModuleList\n"
        "unused.0  Linear      not used               2\n"
        "----------------------------------------------\n"
        "20 parameters, 12 of them frozen, 80 bytes"
    )


def test_summary_leaves_the_module_as_it_was():
    model = network()
    model[2].eval()
    before = {name: value.tolist() for name, value in model.state_dict().items()}
    model.summary(sl.ones(2, 784))
    assert [layer.training for layer in model] == [True, True, False, True, True]
    assert {name: value.tolist() for name, value in model.state_dict().items()} == before
    assert not any(layer._hooks_after for layer in model.modules())


def test_summary_leaves_no_hooks_behind_when_the_input_does_not_fit():
    model = network()
    with pytest.raises(ValueError, match="linear"):
        model.summary((2, 3))
    assert not any(layer._hooks_after for layer in model.modules())
    assert all(layer.training for layer in model.modules())


def test_summary_without_input_and_in_other_dtypes():
    text = str(nn.Linear(2, 1).summary())
    assert "model  Linear" in text
    assert "3 parameters, all trainable, 12 bytes" in text
    assert "24 bytes" in str(nn.Linear(2, 1).double().summary((3, 2)))
    assert "(3, 5, 2)" in str(nn.Embedding(4, 2).summary(sl.zeros(3, 5, dtype=sl.int64)))
    assert "0 parameters, all trainable, 0 bytes" in str(nn.ReLU().summary((1,)))


def test_repr_of_modules_in_plain_containers():
    class Net(nn.Module):
        def __init__(self):
            self.layers = [nn.Linear(1, 2), nn.Sequential(nn.ReLU())]

        def extra_repr(self):
            return "size=2"

    assert repr(Net()) == (
        "Net(\n"
        "  size=2\n"
        "  (layers.0): Linear(in_features=1, out_features=2, bias=True)\n"
        "  (layers.1): Sequential(\n"
        "    (0): ReLU()\n"
        "  )\n"
        ")"
    )


def test_repr_of_parameters_and_buffers():
    assert repr(nn.Parameter(sl.ones(2))).startswith("Parameter containing:\ntensor([1., 1.]")
    assert repr(nn.Buffer(sl.ones(2))).startswith("tensor([1., 1.]")
