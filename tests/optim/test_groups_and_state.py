"""Parameter groups, zero_grad, saving and loading, and what is said about wrong use."""

import copy

import numpy as np
import pytest

import streetlight as sl
from streetlight import optim
from streetlight.errors import ArgumentError, StateDictError


def parameter(*values):
    return sl.tensor(list(values), requires_grad=True)


def test_groups_have_options_of_their_own():
    first, second, third = parameter(0.0), parameter(0.0), parameter(0.0)
    groups = [{"params": [first]}, {"params": second, "lr": 0.5, "name": "head"}]
    optimizer = optim.SGD(groups, lr=0.25)
    optimizer.add_param_group({"params": (third,), "lr": 0.125})
    for weight in (first, second, third):
        weight.grad = sl.tensor([1.0])
    optimizer.step()
    assert [weight.item() for weight in (first, second, third)] == [-0.25, -0.5, -0.125]
    assert optimizer.param_groups[1]["params"] == [second]
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.5, 0.125]
    assert groups[1] == {"params": second, "lr": 0.5, "name": "head"}  # not written to


def test_parameters_may_come_from_a_generator():
    weights = [parameter(1.0), parameter(2.0)]
    assert optim.Adam(weight for weight in weights).param_groups[0]["params"] == weights


def test_zero_grad_forgets_or_zeroes():
    weight, unused = parameter(1.0, 2.0), parameter(1.0)
    optimizer = optim.SGD([weight, unused])
    weight.grad = sl.tensor([3.0, 4.0])
    optimizer.zero_grad(set_to_none=False)
    assert weight.grad.tolist() == [0.0, 0.0]
    assert unused.grad is None
    optimizer.zero_grad()
    assert weight.grad is None


def test_zeroed_gradients_leave_the_old_graph():
    weight = parameter(3.0)
    optimizer = optim.SGD([weight])
    (weight**3).sum().backward(create_graph=True)
    optimizer.zero_grad(set_to_none=False)
    assert not weight.grad.requires_grad
    assert weight.grad.tolist() == [0.0]


def test_the_state_dict_is_plain_and_numbered():
    first, second = parameter(1.0), parameter(2.0, 3.0)
    optimizer = optim.Adam([{"params": [first]}, {"params": [second], "lr": 0.5}])
    second.grad = sl.tensor([1.0, 1.0])
    optimizer.step()
    state = optimizer.state_dict()
    assert [group["params"] for group in state["param_groups"]] == [[0], [1]]
    assert state["param_groups"][1]["lr"] == 0.5
    assert list(state["state"]) == [1]
    assert state["state"][1]["step"] == 1
    np.testing.assert_allclose(state["state"][1]["exp_avg"].numpy(), [0.1, 0.1], rtol=1e-6)


def test_the_state_names_are_those_of_pytorch():
    torch = pytest.importorskip("torch", reason="parity tests need torch==2.13.0")
    for name, options in [
        ("SGD", {"momentum": 0.9}),
        ("Adam", {"amsgrad": True}),
        ("RMSprop", {"momentum": 0.9, "centered": True}),
        ("Adagrad", {}),
    ]:
        names = []
        for library in (sl, torch):
            weight = library.ones(2).requires_grad_()
            weight.grad = library.ones(2)
            optimizer = getattr(library.optim, name)([weight], **options)
            optimizer.step()
            names.append(set(optimizer.state_dict()["state"][0]))
        assert names[0] | {"step"} == names[1] | {"step"}  # only PyTorch counts where none needs it


def test_a_step_count_kept_as_a_tensor_is_understood():
    weight, scalar = parameter(1.0, 2.0), sl.tensor(1.0, requires_grad=True)
    optimizer = optim.Adam([weight, scalar])
    weight.grad, scalar.grad = sl.tensor([1.0, 1.0]), sl.tensor(1.0)
    optimizer.step()
    state = copy.deepcopy(optimizer.state_dict())
    for values in state["state"].values():
        values["step"] = sl.tensor(float(values["step"]))
    optimizer.load_state_dict(state)
    assert [values["step"] for values in optimizer.state_dict()["state"].values()] == [1, 1]
    assert optimizer.state[scalar]["exp_avg"].shape == ()


def test_loaded_state_has_the_dtype_of_its_parameter():
    saved = parameter(1.0)
    saved.grad = sl.tensor([1.0])
    source = optim.SGD([saved], momentum=0.5)
    source.step()
    weight = sl.tensor([1.0], dtype=sl.float64, requires_grad=True)
    target = optim.SGD([weight])
    target.load_state_dict(source.state_dict())
    assert target.state[weight]["momentum_buffer"].dtype == sl.float64
    assert target.param_groups[0]["params"] == [weight]
    assert target.param_groups[0]["momentum"] == 0.5


def test_the_repr_lists_the_options():
    groups = [{"params": [parameter(1.0)]}, {"params": [parameter(1.0)], "lr": 0.5}]
    lines = repr(optim.Adagrad(groups)).splitlines()
    assert lines[:2] == ["Adagrad (", "Parameter Group 0"]
    assert "    lr: 0.5" in lines[lines.index("Parameter Group 1") :]
    assert lines[-1] == ")"


WRONG_OPTIONS = [
    ("SGD", {"lr": -0.1}, "SGD: lr cannot be"),
    ("SGD", {"lr": float("nan")}, "a finite number, 0 or larger"),
    ("SGD", {"lr": float("inf")}, "a finite number, 0 or larger"),
    ("SGD", {"lr": "fast"}, "lr cannot be 'fast'"),
    ("SGD", {"momentum": -1}, "momentum cannot be"),
    ("SGD", {"weight_decay": -1}, "weight_decay cannot be"),
    ("Adam", {"betas": (0.9, 1.0)}, "two numbers, each at least 0 and below 1"),
    ("Adam", {"betas": (-0.1, 0.9)}, "betas cannot be"),
    ("AdamW", {"betas": 0.9}, "betas cannot be"),
    ("Adam", {"betas": (0.9,)}, "betas cannot be"),
    ("Adam", {"eps": -1e-8}, "eps cannot be"),
    ("RMSprop", {"alpha": -0.1}, "alpha cannot be"),
    ("Adagrad", {"lr_decay": -0.1}, "lr_decay cannot be"),
    ("Adagrad", {"initial_accumulator_value": -1}, "initial_accumulator_value cannot be"),
    ("SGD", {"nesterov": True}, "nesterov cannot be.*a momentum above 0"),
    ("SGD", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, "dampening 0"),
]


@pytest.mark.parametrize(("name", "options", "words"), WRONG_OPTIONS)
def test_wrong_options_are_named(name, options, words):
    with pytest.raises(ArgumentError, match=f"(?s){words}"):
        getattr(optim, name)([parameter(1.0)], **options)


def test_wrong_options_of_a_group_are_named():
    with pytest.raises(ArgumentError, match="lr cannot be"):
        optim.SGD([{"params": [parameter(1.0)], "lr": -1}])
    with pytest.raises(ArgumentError, match=r"(?s)momentun.*only options among lr, momentum"):
        optim.SGD([{"params": [parameter(1.0)], "momentun": 0.9}])
    with pytest.raises(ArgumentError, match=r"(?s)betas cannot be.*only options among"):
        optim.SGD([{"params": [parameter(1.0)], "betas": (0.9, 0.99)}])


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ([], "params cannot be.*a list with parameters in it"),
        (iter([]), "can be read only once"),
        (parameter(1.0), "params cannot be.*a list with parameters in it"),
        ({"params": [parameter(1.0)]}, "number 0 of its group.*a tensor"),
        ([1.0], "number 0 of its group.*a tensor"),
        ([("weight", parameter(1.0))], "without its name"),
        ([parameter(1.0), parameter(1.0) * 2], "number 1 of its group.*a leaf"),
    ],
)
def test_wrong_parameters_are_named(params, words):
    with pytest.raises(ArgumentError, match=f"(?s){words}"):
        optim.SGD(params)


def test_a_parameter_may_come_only_once():
    weight, other = parameter(1.0), parameter(1.0)
    with pytest.raises(ArgumentError, match=r"(?s)number 1 of its group.*each only once"):
        optim.SGD([weight, weight])
    with pytest.raises(ArgumentError, match="move twice"):
        optim.SGD([{"params": [weight]}, {"params": [other, weight]}])
    optimizer = optim.SGD([weight])
    with pytest.raises(ArgumentError, match="each only once"):
        optimizer.add_param_group({"params": [weight]})
    assert len(optimizer.param_groups) == 1


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (dict, "other parameter groups"),
        (lambda: optim.Adam([parameter(1.0)]).state_dict(), "other parameter groups"),
        (lambda: optim.SGD([parameter(1.0), parameter(1.0)]).state_dict(), "lacks options"),
        (lambda: stepped(optim.Adam, (2,), (2,)).state_dict(), "exp_avg of another shape"),
    ],
)
def test_state_that_does_not_fit_is_refused(make, words):
    optimizer = stepped(optim.Adam, (2,), (3,))
    before = repr(optimizer)
    with pytest.raises(StateDictError, match=words):
        optimizer.load_state_dict(make())
    assert repr(optimizer) == before
    assert optimizer.state_dict()["state"][1]["exp_avg"].shape == (3,)


def stepped(kind, *shapes):
    weights = [sl.ones(*shape).requires_grad_() for shape in shapes]
    for weight in weights:
        weight.grad = sl.ones(*weight.shape)
    optimizer = kind(weights)
    optimizer.step()
    return optimizer


def test_an_optimizer_needs_a_rule():
    optimizer = optim.Optimizer([parameter(1.0)], {})
    optimizer.param_groups[0]["params"][0].grad = sl.ones(1)
    with pytest.raises(NotImplementedError):
        optimizer.step()
