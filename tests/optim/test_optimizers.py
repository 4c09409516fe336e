"""Every optimiser against PyTorch: the same trajectory for 50 steps, with every option."""

import numpy as np
import pytest

import streetlight as sl
from streetlight import optim

SHAPES = [(), (1,), (5,), (3, 4), (2, 1, 7), (0, 3)]
CASES = [
    ("SGD", {"lr": 0.05}),
    ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3}),
    ("SGD", {"lr": 0.05, "momentum": 0.8, "nesterov": True, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.05, "weight_decay": 0.2, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.05, "betas": (0.7, 0.9), "eps": 1e-3}),
    ("Adam", {"lr": 0.05, "amsgrad": True, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.05, "betas": (0.0, 0.5), "maximize": True}),
    ("AdamW", {"lr": 0.05}),
    ("AdamW", {"lr": 0.05, "weight_decay": 0.3, "amsgrad": True}),
    ("AdamW", {"lr": 0.05, "weight_decay": 0, "maximize": True}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.02, "alpha": 0.8, "eps": 1e-3, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.02, "momentum": 0.7}),
    ("RMSprop", {"lr": 0.02, "centered": True, "eps": 1e-2}),
    ("RMSprop", {"lr": 0.02, "centered": True, "momentum": 0.5, "eps": 1e-2, "maximize": True}),
    ("Adagrad", {"lr": 0.1}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.05, "weight_decay": 0.1}),
    ("Adagrad", {"lr": 0.1, "initial_accumulator_value": 0.5, "eps": 1e-2, "maximize": True}),
]


def start_values(dtype):
    random = np.random.default_rng(3)
    return [random.standard_normal(shape).astype(dtype) for shape in SHAPES]


def gradient_at(value, index, step):
    """A gradient that depends on the parameter, so that an error would grow."""
    noise = np.random.default_rng([index, step]).standard_normal(value.shape)
    return np.asarray(np.sin(3 * value) + 0.3 * noise, value.dtype)


def train(optimizer, parameters, steps, make):
    """Do the steps; return the values of all parameters after each of them."""
    trajectory = []
    for step in steps:
        for index, parameter in enumerate(parameters):
            gradient = gradient_at(parameter.detach().numpy(), index, step)
            parameter.grad = make(gradient)
        optimizer.step()
        trajectory.append([parameter.detach().numpy().copy() for parameter in parameters])
    return trajectory


def parameters_from(values, make=sl.tensor):
    return [make(value).requires_grad_() for value in values]


def assert_same(ours, theirs, **tolerance):
    for step, (our_step, their_step) in enumerate(zip(ours, theirs, strict=True)):
        for index, (value, wanted) in enumerate(zip(our_step, their_step, strict=True)):
            assert value.dtype == wanted.dtype
            np.testing.assert_allclose(
                value, wanted, **tolerance, err_msg=f"step {step}, parameter {index}"
            )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_fifty_steps_are_those_of_pytorch(name, options, dtype):
    torch = pytest.importorskip("torch", reason="parity tests need torch==2.13.0")
    values = start_values(dtype)
    ours = parameters_from(values)
    theirs = parameters_from(values, lambda value: torch.tensor(value))
    our_steps = train(getattr(optim, name)(ours, **options), ours, range(50), sl.tensor)
    their_steps = train(
        getattr(torch.optim, name)(theirs, **options), theirs, range(50), torch.tensor
    )
    tolerance = {"rtol": 2e-4, "atol": 2e-5} if dtype == "float32" else {"rtol": 1e-9, "atol": 1e-9}
    assert_same(our_steps, their_steps, **tolerance)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"])
def test_names_order_and_defaults_are_those_of_pytorch(name):
    torch = pytest.importorskip("torch", reason="parity tests need torch==2.13.0")
    ours = getattr(optim, name)([sl.zeros(1)]).defaults
    theirs = getattr(torch.optim, name)([torch.zeros(1)]).defaults
    assert ours == {option: theirs[option] for option in ours}


def test_positional_arguments_are_in_the_order_of_pytorch():
    weights = [sl.zeros(1)]
    assert optim.SGD(weights, 1, 2, 0, 4, True).defaults == {
        "lr": 1, "momentum": 2, "dampening": 0, "weight_decay": 4, "nesterov": True,
        "maximize": False,
    }  # fmt: skip
    assert optim.Adam(weights, 1, (0, 0.5), 3, 4, True).defaults == {
        "lr": 1, "betas": (0, 0.5), "eps": 3, "weight_decay": 4, "amsgrad": True, "maximize": False,
    }  # fmt: skip
    assert optim.RMSprop(weights, 1, 2, 3, 4, 5, True).defaults == {
        "lr": 1, "alpha": 2, "eps": 3, "weight_decay": 4, "momentum": 5, "centered": True,
        "maximize": False,
    }  # fmt: skip
    assert optim.Adagrad(weights, 1, 2, 3, 4, 5).defaults == {
        "lr": 1, "lr_decay": 2, "weight_decay": 3, "initial_accumulator_value": 4, "eps": 5,
        "maximize": False,
    }  # fmt: skip


@pytest.mark.parametrize(("name", "options"), CASES)
def test_resumed_training_is_the_uninterrupted_one(name, options):
    values = start_values("float32")
    kind = getattr(optim, name)
    whole = parameters_from(values)
    wanted = train(kind(whole, **options), whole, range(20), sl.tensor)

    first = parameters_from(values)
    optimizer = kind(first, **options)
    train(optimizer, first, range(8), sl.tensor)
    state = optimizer.state_dict()
    second = parameters_from([parameter.detach().numpy() for parameter in first])
    resumed = kind(second, lr=1.0)
    resumed.load_state_dict(state)
    train(optimizer, first, range(8, 12), sl.tensor)  # must not reach the copies in `resumed`
    rest = train(resumed, second, range(8, 20), sl.tensor)
    assert_same(rest, wanted[8:], rtol=0, atol=0)


def test_a_small_network_learns_as_in_pytorch():
    torch = pytest.importorskip("torch", reason="parity tests need torch==2.13.0")
    random = np.random.default_rng(0)
    inputs, targets = random.standard_normal((7, 3)), random.standard_normal((7, 2))
    shapes = [(3, 4), (4,), (4, 2)]
    weights = [random.standard_normal(shape) for shape in shapes]

    def learn(library, make):
        hidden, bias, output = parameters_from(weights, make)
        optimizer = library.optim.Adam([hidden, bias, output], lr=0.05)
        losses = []
        for _ in range(50):
            optimizer.zero_grad()
            error = (make(inputs) @ hidden + bias).tanh() @ output - make(targets)
            loss = (error * error).mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    ours, theirs = learn(sl, sl.tensor), learn(torch, torch.tensor)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    assert ours[-1] < 0.5 * ours[0]


def test_a_parameter_without_gradient_stays():
    moved, still = sl.tensor([1.0], requires_grad=True), sl.tensor([1.0], requires_grad=True)
    optimizer = optim.AdamW([moved, still], lr=0.5, weight_decay=0.5)
    moved.grad = sl.tensor([1.0])
    optimizer.step()
    assert still.tolist() == [1.0]
    assert moved.tolist() != [1.0]
    assert list(optimizer.state_dict()["state"]) == [0]


def test_a_step_keeps_the_tensor_and_its_memory_and_the_gradient():
    weight = sl.tensor([[1.0, 2.0]], requires_grad=True)
    memory = weight.detach().numpy()
    weight.grad = sl.tensor([[1.0, 1.0]])
    for kind in (optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop, optim.Adagrad):
        before = memory.copy()
        kind([weight], lr=0.25).step()
        assert (memory < before).all()
        assert weight.is_leaf
        assert weight.requires_grad
        assert weight.grad.tolist() == [[1.0, 1.0]]


def test_a_step_is_not_recorded():
    weight = sl.tensor([2.0], requires_grad=True)
    optimizer = optim.SGD([weight], lr=0.5, momentum=0.9)
    weight.grad = sl.tensor([1.0])
    optimizer.step()
    assert not optimizer.state[weight]["momentum_buffer"].requires_grad
    (weight * weight).sum().backward()
    assert weight.grad.tolist() == [4.0]


def test_a_closure_computes_the_loss_with_gradients():
    weight = sl.tensor([2.0], requires_grad=True)
    optimizer = optim.SGD([weight], lr=0.25)

    def closure():
        optimizer.zero_grad()
        loss = (weight**2).sum()
        loss.backward()
        return loss

    with sl.no_grad():
        loss = optimizer.step(closure)
    assert loss.item() == 4.0
    assert weight.tolist() == [1.0]
    assert optimizer.step() is None


def test_changed_options_hold_from_the_next_step_on():
    weight = sl.tensor([0.0], requires_grad=True)
    optimizer = optim.SGD([weight], lr=1.0)
    weight.grad = sl.tensor([1.0])
    optimizer.step()
    optimizer.param_groups[0]["lr"] = 0.5
    optimizer.step()
    assert weight.tolist() == [-1.5]
    optimizer.param_groups[0]["momentum"] = 0.5
    optimizer.step()
    optimizer.step()
    assert weight.tolist() == [-1.5 - 0.5 - 0.5 * 1.5]


def test_rmsprop_momentum_can_be_switched_on_later():
    weight = sl.tensor([0.0], requires_grad=True)
    optimizer = optim.RMSprop([weight], lr=1.0, alpha=0.0, eps=0.0)
    weight.grad = sl.tensor([2.0])
    optimizer.step()
    optimizer.param_groups[0]["momentum"] = 0.5
    optimizer.step()
    optimizer.step()
    assert weight.tolist() == [-1 - 1 - 1.5]


@pytest.mark.parametrize("kind", [optim.SGD, optim.AdamW, optim.RMSprop, optim.Adagrad])
def test_options_may_be_numpy_numbers(kind):
    weights = [sl.tensor([1.0, 2.0], requires_grad=True) for _ in range(2)]
    for weight, number in zip(weights, (np.float64, float), strict=True):
        weight.grad = sl.tensor([1.0, -2.0])
        optimizer = kind([weight], lr=number(0.3), weight_decay=number(0.2))
        optimizer.step()
        optimizer.step()
    assert weights[0].dtype == sl.float32
    np.testing.assert_allclose(weights[0].tolist(), weights[1].tolist(), rtol=1e-6)


def test_options_and_step_counts_may_be_tensors_as_in_a_traced_step():
    for kind in (optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop, optim.Adagrad):
        weights = [sl.tensor([1.0, 2.0], requires_grad=True) for _ in range(2)]
        for weight in weights:
            weight.grad = sl.tensor([1.0, -2.0])
            optimizer = kind([weight], lr=0.25, weight_decay=0.5)
            optimizer.step()
            if weight is weights[1]:
                optimizer.param_groups[0]["lr"] = sl.tensor(0.25, dtype=sl.float64)
                if "step" in optimizer.state[weight]:
                    optimizer.state[weight]["step"] = sl.tensor(1.0, dtype=sl.float64)
            optimizer.step()
        np.testing.assert_allclose(weights[1].tolist(), weights[0].tolist(), rtol=1e-6)
