"""State dicts: to PyTorch and back, strict and not, and never half-loaded."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import streetlight as sl
from streetlight import nn
from streetlight.errors import StateDictError


def network(n=nn):
    return n.Sequential(n.Linear(3, 4), n.BatchNorm1d(4), n.ReLU(), n.Linear(4, 2, bias=False))


def values(model) -> dict[str, list]:
    return {name: tensor.tolist() for name, tensor in model.state_dict().items()}


def test_state_goes_to_pytorch_and_back():
    torch = pytest.importorskip("torch", reason="parity tests need torch==2.13.0")
    ours, theirs = network(), network(torch.nn)
    x = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    ours(sl.tensor(x))  # moves the running statistics
    theirs.load_state_dict(
        {name: torch.tensor(tensor.numpy()) for name, tensor in ours.state_dict().items()}
    )
    ours.eval(), theirs.eval()
    expected = theirs(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(ours(sl.tensor(x)).detach().numpy(), expected, rtol=1e-5, atol=1e-6)
    back = network()
    result = back.load_state_dict(theirs.state_dict())
    assert result == ([], [])
    assert values(back) == values(ours)


def test_a_state_dict_shares_memory_and_a_deep_copy_does_not():
    model = nn.Linear(2, 2)
    state, snapshot = model.state_dict(), copy.deepcopy(model.state_dict())
    with sl.no_grad():
        model.weight.fill_(5.0)
    assert state["weight"].tolist() == [[5.0, 5.0], [5.0, 5.0]]
    assert snapshot["weight"].tolist() != state["weight"].tolist()
    assert not state["weight"].requires_grad


def test_loading_copies_in_place_and_converts():
    model = nn.Linear(2, 1)
    weight = model.weight
    given = {"weight": np.array([[1, 2]], dtype="int32"), "bias": sl.ones(1, dtype=sl.float64)}
    model.load_state_dict(given)
    assert model.weight is weight
    assert weight.tolist() == [[1.0, 2.0]]
    assert weight.dtype == sl.float32
    assert weight.requires_grad
    given["weight"][0, 0] = 9
    assert weight.tolist() == [[1.0, 2.0]]


def test_values_that_require_gradients_are_taken():
    source, target = nn.Linear(2, 2), nn.Linear(2, 2)
    target.load_state_dict(dict(source.named_parameters()))
    assert target.weight.tolist() == source.weight.tolist()


def test_all_wrong_names_and_shapes_are_listed_at_once():
    model, before = network(), None
    state = copy.deepcopy(model.state_dict())
    before = values(model)
    del state["0.weight"], state["1.running_var"]
    state["0.bias"] = sl.zeros(5)
    state["3.weight"] = sl.zeros(2, 4, 1)
    state["3.bias"] = sl.zeros(2)
    state["head.weight"] = sl.zeros(2)
    state["1.weight"] = sl.full((4,), 7.0)
    with pytest.raises(StateDictError) as caught:
        model.load_state_dict(state)
    text = str(caught.value)
    assert "Sequential.load_state_dict" in text
    assert "missing: 0.weight, 1.running_var\n" in text
    assert "unexpected: 3.bias, head.weight\n" in text
    assert "0.bias is (5,), not (4,)" in text
    assert "3.weight is (2, 4, 1), not (2, 4)" in text
    assert values(model) == before


def test_not_strict_loads_what_fits_by_name():
    model = network()
    result = model.load_state_dict({"0.bias": sl.ones(4), "other": sl.ones(1)}, strict=False)
    assert model[0].bias.tolist() == [1.0] * 4
    assert result.unexpected_keys == ["other"]
    assert result.missing_keys == [name for name in model.state_dict() if name != "0.bias"]


def test_not_strict_still_refuses_wrong_shapes():
    model = network()
    before = values(model)
    with pytest.raises(StateDictError, match=r"do not fit: 0\.bias is \(1,\), not \(4,"):
        model.load_state_dict({"0.bias": sl.ones(1), "3.weight": sl.ones(2, 4)}, strict=False)
    assert values(model) == before


def test_a_strict_error_names_the_way_out():
    with pytest.raises(StateDictError, match="load what fits with strict=False"):
        nn.Linear(1, 1).load_state_dict({})


@pytest.mark.parametrize("value", ["text", None, [[1.0, 2.0], [3.0]], {"a": 1}, np.array([[1j]])])
def test_values_that_are_no_numbers_are_refused(value):
    with pytest.raises(StateDictError, match="weight is not an array of numbers"):
        nn.Linear(1, 1, bias=False).load_state_dict({"weight": value})


@pytest.mark.parametrize("given", [None, [1, 2], "weights.safetensors"])
def test_what_is_no_state_dict_is_refused(given):
    with pytest.raises(StateDictError, match="this is not a state dict"):
        nn.Linear(1, 1).load_state_dict(given)


def test_shared_parameters_load_under_both_names():
    layer = nn.Linear(1, 1, bias=False)
    model = nn.Sequential(layer, layer)
    model.load_state_dict({"0.weight": sl.ones(1, 1), "1.weight": sl.ones(1, 1)})
    assert layer.weight.item() == 1


def test_a_loaded_weight_makes_an_old_graph_refuse():
    layer = nn.Linear(2, 2)
    out = layer(layer(sl.ones(1, 2, requires_grad=True))).sum()
    layer.load_state_dict({"weight": sl.ones(2, 2), "bias": sl.ones(2)})
    with pytest.raises(RuntimeError, match="in place"):
        out.backward()
