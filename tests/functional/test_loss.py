"""Losses of single elements: PyTorch's numbers and gradients, safe logs, words of errors."""

from __future__ import annotations

import numpy as np
import pytest

import streetlight as sl
import streetlight.nn.functional as F
from streetlight.errors import ArgumentError, DTypeError, ShapeError

SHAPES = [(), (1,), (6,), (3, 5), (2, 1, 4), (0, 3)]
REDUCTIONS = ["mean", "sum", "none"]
LOSSES = {
    "mse_loss": lambda F, x, y, how: F.mse_loss(x, y, reduction=how),
    "l1_loss": lambda F, x, y, how: F.l1_loss(x, y, reduction=how),
    "smooth_l1_loss": lambda F, x, y, how: F.smooth_l1_loss(x, y, reduction=how),
    "smooth_l1_loss wide": lambda F, x, y, how: F.smooth_l1_loss(x, y, reduction=how, beta=2.5),
    "smooth_l1_loss sharp": lambda F, x, y, how: F.smooth_l1_loss(x, y, reduction=how, beta=0.0),
    "huber_loss": lambda F, x, y, how: F.huber_loss(x, y, how),
    "huber_loss narrow": lambda F, x, y, how: F.huber_loss(x, y, reduction=how, delta=0.4),
}


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", LOSSES)
def test_distance_equals_pytorch(name, shape, reduction, against_torch, numbers):
    loss = LOSSES[name]
    against_torch(
        lambda F, T, x, y: loss(F, x, y, reduction), numbers(*shape), numbers(*shape, seed=1)
    )


@pytest.mark.parametrize("name", ["mse_loss", "smooth_l1_loss", "huber_loss"])
def test_distance_of_equal_values_has_its_curvature(name, against_torch):
    loss = LOSSES[name]
    truth = np.array([1.0, -2.0])
    against_torch(lambda F, T, x: loss(F, x, T.tensor(truth, dtype=x.dtype), "sum"), truth)


@pytest.mark.parametrize("name", LOSSES)
def test_distance_to_one_common_target(name):
    predictions, target = np.array([[1.0, 4.0], [0.5, -1.0]]), np.array([1.0, 2.0])
    loss = LOSSES[name]
    common = loss(F, sl.tensor(predictions), sl.tensor(target), "none")
    repeated = loss(F, sl.tensor(predictions), sl.tensor(np.stack([target, target])), "none")
    assert common.tolist() == repeated.tolist()


@pytest.mark.parametrize("name", LOSSES)
def test_distance_refuses_to_pair_all_with_all(name):
    with pytest.raises(ShapeError, match=r"input \(3, 1\) and target \(3,\) do not pair") as caught:
        LOSSES[name](F, sl.zeros(3, 1), sl.zeros(3), "mean")
    assert name.split()[0] in str(caught.value) or "sharp" in name
    assert "target.reshape(input.shape)" in str(caught.value)


@pytest.mark.parametrize("name", LOSSES)
def test_distance_names_sizes_that_do_not_fit(name):
    with pytest.raises(ShapeError, match="sizes 2 and 3 do not fit"):
        LOSSES[name](F, sl.zeros(4, 2), sl.zeros(4, 3), "mean")


def test_reductions_are_named():
    with pytest.raises(ArgumentError, match="reduction='average' makes no sense") as caught:
        F.mse_loss(sl.zeros(2), sl.zeros(2), reduction="average")
    assert '"mean", "sum" or "none"' in str(caught.value)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: F.smooth_l1_loss(x, x, beta=-1.0), r"beta=-1\.0 makes no sense"),
        (lambda x: F.huber_loss(x, x, delta=0.0), r"delta=0\.0 makes no sense"),
        (lambda x: F.huber_loss(x, x, delta=float("nan")), "delta=nan makes no sense"),
    ],
)
def test_distances_of_change_over_are_checked(call, words):
    with pytest.raises(ArgumentError, match=words):
        call(sl.zeros(2))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_binary_cross_entropy_equals_pytorch(shape, weighted, reduction, against_torch, numbers):
    probabilities = 1 / (1 + np.exp(-numbers(*shape)))
    truth = np.random.default_rng(1).random(shape)
    factors = np.random.default_rng(2).random(shape)

    def loss(F, T, x):
        weight = T.tensor(factors, dtype=x.dtype) if weighted else None
        target = T.tensor(truth, dtype=x.dtype)
        return F.binary_cross_entropy(x, target, weight, reduction=reduction)

    against_torch(loss, probabilities)


def test_binary_cross_entropy_of_certain_answers():
    probabilities = sl.tensor([0.0, 1.0, 0.0, 1.0, 1e-44], requires_grad=True)
    losses = F.binary_cross_entropy(probabilities, sl.tensor([0.0, 0, 1, 1, 1]), reduction="none")
    losses.sum().backward()
    assert losses.tolist() == [0.0, 100.0, 100.0, 0.0, 100.0]
    assert probabilities.grad.tolist() == [1.0, 0.0, 0.0, -1.0, 0.0]


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("options", ["", "weight", "pos_weight", "weight pos_weight"])
@pytest.mark.parametrize("shape", [(5,), (3, 4), (0, 4)])
def test_binary_cross_entropy_with_logits_equals_pytorch(
    shape, options, reduction, against_torch, numbers
):
    truth = np.random.default_rng(1).random(shape)
    factors = np.random.default_rng(2).random(shape[-1])

    def loss(F, T, x):
        chosen = {name: T.tensor(factors, dtype=x.dtype) for name in options.split()}
        target = T.tensor(truth, dtype=x.dtype)
        return F.binary_cross_entropy_with_logits(x, target, reduction=reduction, **chosen)

    against_torch(loss, numbers(*shape, scale=6.0))


@pytest.mark.parametrize("truth", [0.0, 1.0, 0.3])
def test_binary_cross_entropy_with_logits_at_the_edges(truth, against_torch):
    logits = np.array([-1e4, -50.0, -30.0, -10.0, 0.0, 10.0, 30.0, 50.0, 1e4])

    def loss(F, T, x):
        return F.binary_cross_entropy_with_logits(x, T.full_like(x, truth), reduction="none")

    against_torch(loss, logits, orders=1)


@pytest.mark.parametrize("loss", [F.binary_cross_entropy, F.binary_cross_entropy_with_logits])
def test_binary_cross_entropy_wants_equal_shapes(loss):
    with pytest.raises(ShapeError, match=r"input is \(3, 1\), but target is \(3,\)") as caught:
        loss(sl.full((3, 1), 0.5), sl.zeros(3))
    assert loss.__name__ in str(caught.value)


@pytest.mark.parametrize("reduction", [*REDUCTIONS, "batchmean"])
@pytest.mark.parametrize("log_target", [False, True])
@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 3, 4)])
@pytest.mark.filterwarnings("ignore:reduction")
def test_kl_div_equals_pytorch(shape, log_target, reduction, against_torch, numbers):
    def loss(F, T, x, y):
        target = F.log_softmax(y, -1) if log_target else F.softmax(y, -1)
        guess = F.log_softmax(x, -1)
        return F.kl_div(guess, target, reduction=reduction, log_target=log_target)

    against_torch(loss, numbers(*shape), numbers(*shape, seed=1))


def test_kl_div_of_impossible_events_is_nothing(against_torch):
    def loss(F, T, x):
        return F.kl_div(x, T.tensor([0.0, 1.0, 0.0], dtype=x.dtype), reduction="none")

    against_torch(loss, np.array([-1.0, -0.5, -1e4]))


def test_kl_div_batchmean_of_a_single_number():
    assert F.kl_div(sl.tensor(-1.0), sl.tensor(1.0), reduction="batchmean").item() == 1.0


def test_kl_div_names_shapes_that_do_not_pair():
    with pytest.raises(ShapeError, match=r"kl_div: input .* do not pair up"):
        F.kl_div(sl.zeros(3, 1), sl.zeros(3))


@pytest.mark.parametrize("target", [1.0, [1.0], np.ones(1, dtype=np.float32)])
@pytest.mark.parametrize(
    "loss",
    [F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss, F.kl_div, F.binary_cross_entropy,
     F.binary_cross_entropy_with_logits, F.cross_entropy, F.nll_loss],
)  # fmt: skip
def test_losses_want_tensors(loss, target):
    words = f"{loss.__name__}: Tensor and {type(target).__name__} are not both tensors"
    with pytest.raises(DTypeError, match=words) as caught:
        loss(sl.ones(1), target)
    assert "sl.tensor(data)" in str(caught.value)
