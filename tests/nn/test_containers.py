"""Sequential, ModuleList and ModuleDict: lists and dicts whose modules are found."""

from __future__ import annotations

from collections import OrderedDict

import pytest

import streetlight as sl
from streetlight import nn
from streetlight.errors import IndexOutOfRangeError, ModuleError, UnknownNameError


def test_sequential_runs_in_order():
    double, add = nn.Linear(1, 1), nn.Linear(1, 1)
    double.load_state_dict({"weight": sl.tensor([[2.0]]), "bias": sl.zeros(1)})
    add.load_state_dict({"weight": sl.tensor([[1.0]]), "bias": sl.tensor([5.0])})
    x = sl.tensor([[3.0]])
    assert nn.Sequential(double, add)(x).item() == 11
    assert nn.Sequential(add, double)(x).item() == 16
    assert nn.Sequential()(x) is x


def test_sequential_with_names():
    model = nn.Sequential(OrderedDict([("hidden", nn.Linear(2, 3)), ("bend", nn.Tanh())]))
    assert list(model.state_dict()) == ["hidden.weight", "hidden.bias"]
    assert model.bend is model[1]
    assert repr(model) == (
        "Sequential(\n"
        "  (hidden): Linear(in_features=2, out_features=3, bias=True)\n"
        "  (bend): Tanh()\n"
        ")"
    )


def test_indexing_slicing_and_replacing():
    model = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 3))
    assert len(model) == 3
    assert [type(layer).__name__ for layer in model] == ["Linear", "ReLU", "Linear"]
    assert model[-1] is model[2]
    tail = model[1:]
    assert isinstance(tail, nn.Sequential)
    assert tail[1] is model[2]
    assert list(tail.state_dict()) == ["2.weight", "2.bias"]  # as PyTorch names them
    tail.append(nn.Tanh())
    assert [type(layer).__name__ for layer in tail] == ["ReLU", "Linear", "Tanh"]
    model[1] = nn.Tanh()
    assert isinstance(model[1], nn.Tanh)
    assert [type(layer).__name__ for layer in model] == ["Linear", "Tanh", "Linear"]
    model.append(nn.Sigmoid()).append(nn.Sigmoid())
    assert model(sl.ones(1, 1)).shape == (1, 3)
    assert len(model) == 5


@pytest.mark.parametrize("index", [2, -3])
@pytest.mark.parametrize("kind", ["Sequential", "ModuleList"])
def test_an_index_too_far_is_refused(kind, index):
    pair = [nn.ReLU(), nn.ReLU()]
    model = nn.Sequential(*pair) if kind == "Sequential" else nn.ModuleList(pair)
    with pytest.raises(IndexOutOfRangeError, match=f"{kind} has no module {index}, it holds 2"):
        model[index]
    with pytest.raises(IndexOutOfRangeError, match=f"{kind} has no module {index}"):
        model[index] = nn.ReLU()


@pytest.mark.parametrize("wrong", [nn.ReLU, len, 3, None, "ReLU"])
def test_what_is_no_module_is_refused(wrong):
    with pytest.raises(ModuleError, match=r"Sequential holds modules only, '1' is none"):
        nn.Sequential(nn.Linear(1, 1), wrong)
    with pytest.raises(ModuleError, match="ModuleList holds modules only, '0' is none"):
        nn.ModuleList([wrong])
    with pytest.raises(ModuleError, match="ModuleDict holds modules only, 'a' is none"):
        nn.ModuleDict({"a": wrong})


def test_module_list():
    layers = nn.ModuleList([nn.Linear(1, 2)])
    layers.append(nn.Sigmoid()).extend([nn.Linear(2, 3), nn.ReLU(), nn.Tanh()])
    assert [type(m).__name__ for m in layers] == ["Linear", "Sigmoid", "Linear", "ReLU", "Tanh"]
    assert list(layers.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert list(layers[2:].state_dict()) == ["0.weight", "0.bias"]
    layers.eval()
    assert len(layers) == 5
    with pytest.raises(ModuleError, match="ModuleList has no forward"):
        layers(1)


def test_extending_a_list_by_itself_ends():
    layers = nn.ModuleList([nn.ReLU(), nn.Tanh()])
    assert len(layers.extend(layers)) == 4


def test_module_dict():
    choices = nn.ModuleDict([("flat", nn.Flatten()), ("line", nn.Linear(2, 1))])
    choices["bend"] = nn.ReLU()
    choices.update({"flat": nn.Identity()})
    assert list(choices) == list(choices.keys()) == ["flat", "line", "bend"]
    assert [name for name, _ in choices.items()] == ["flat", "line", "bend"]
    assert type(next(iter(choices.values()))) is nn.Identity
    assert "bend" in choices
    assert "training" not in choices
    assert list(choices.state_dict()) == ["line.weight", "line.bias"]
    del choices["line"]
    assert len(choices) == 2
    with pytest.raises(UnknownNameError, match=r"ModuleDict has no module 'blend'(.|\n)*'bend'"):
        choices["blend"]
    with pytest.raises(UnknownNameError, match="ModuleDict has no module 'line'"):
        del choices["line"]
    assert choices.eval()["bend"].training is False
    with pytest.raises(ModuleError, match="it already has an attribute of that name"):
        choices["training"] = nn.ReLU()
    with pytest.raises(UnknownNameError, match="there is none to choose from"):
        nn.ModuleDict()["flat"]
