"""Every loss module against PyTorch: values and gradients."""

from __future__ import annotations

import numpy as np
import pytest

import streetlight as sl
from streetlight import nn

torch = pytest.importorskip("torch", reason="parity tests need torch==2.13.0")

REDUCTIONS = ["mean", "sum", "none"]
ELEMENTWISE = {
    "mse": lambda n, **more: n.MSELoss(**more),
    "l1": lambda n, **more: n.L1Loss(**more),
    "smooth l1": lambda n, **more: n.SmoothL1Loss(beta=0.5, **more),
    "huber": lambda n, **more: n.HuberLoss(delta=0.7, **more),
    "bce": lambda n, **more: n.BCELoss(**more),
    "bce with logits": lambda n, **more: n.BCEWithLogitsLoss(**more),
    "kl": lambda n, **more: n.KLDivLoss(**more),
    "kl of logarithms": lambda n, **more: n.KLDivLoss(log_target=True, **more),
}


def compare(build, values, target, weights=()):
    """Compare the loss of values and its gradient, with weights as keyword arguments."""
    ours = build(nn, **{name: sl.tensor(w) for name, w in dict(weights).items()})
    theirs = build(torch.nn, **{name: torch.tensor(w) for name, w in dict(weights).items()})
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x, y = sl.tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
    out, expected = ours(x, sl.tensor(target)), theirs(y, torch.tensor(target))
    assert out.shape == tuple(expected.shape)
    np.testing.assert_allclose(out.detach().numpy(), expected.detach().numpy(), rtol=1e-9)
    (out * out).sum().backward()
    (expected * expected).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning:torch")
@pytest.mark.parametrize("shape", [(), (1,), (5,), (3, 4), (2, 1, 3)])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_loss_agrees_with_pytorch(name, reduction, shape):
    rng = np.random.default_rng(1)
    low = 0.05 if name == "bce" else -2.0
    values = rng.uniform(low, 0.95, size=shape)
    target = rng.uniform(0.05, 0.95, size=shape)
    compare(
        lambda n, **more: ELEMENTWISE[name](n, reduction=reduction, **more),
        np.asarray(values),
        np.asarray(target),
    )


def test_kl_batchmean():
    rng = np.random.default_rng(2)
    compare(
        lambda n: n.KLDivLoss(reduction="batchmean"), rng.normal(size=(4, 3)), rng.random((4, 3))
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_weights_of_binary_losses(reduction):
    rng = np.random.default_rng(3)
    values, target = rng.uniform(0.1, 0.9, size=(5, 3)), rng.integers(0, 2, size=(5, 3)) * 1.0
    weights = {"weight": rng.random(3)}
    compare(lambda n, **w: n.BCELoss(reduction=reduction, **w), values, target, weights)
    weights["pos_weight"] = rng.random(3)
    compare(lambda n, **w: n.BCEWithLogitsLoss(reduction=reduction, **w), values, target, weights)


@pytest.mark.parametrize(
    ("shape", "labels"), [((5, 4), (5,)), ((1, 3), (1,)), ((4,), ()), ((2, 3, 5), (2, 5))]
)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", ["CrossEntropyLoss", "NLLLoss"])
def test_label_losses(name, reduction, shape, labels):
    rng = np.random.default_rng(4)
    classes = shape[1] if len(shape) > 1 else shape[0]
    target = np.asarray(rng.integers(0, classes, size=labels))
    values = rng.normal(size=shape)
    build = lambda n, **w: getattr(n, name)(reduction=reduction, **w)  # noqa: E731
    compare(build, values, target)
    compare(build, values, target, {"weight": rng.random(classes)})
    if target.size > 1:
        target.flat[0] = -7
        compare(
            lambda n, **w: getattr(n, name)(reduction=reduction, ignore_index=-7, **w),
            values,
            target,
            {"weight": rng.random(classes)},
        )


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_label_smoothing_and_probabilities(reduction):
    rng = np.random.default_rng(5)
    values = rng.normal(size=(6, 4))
    smooth = lambda n, **w: n.CrossEntropyLoss(label_smoothing=0.2, reduction=reduction, **w)  # noqa: E731
    compare(smooth, values, rng.integers(0, 4, size=6), {"weight": rng.random(4)})
    compare(smooth, values, rng.dirichlet(np.ones(4), size=6), {"weight": rng.random(4)})
