"""Losses for embeddings: PyTorch's numbers or those of plain loops, gradients, odd batches."""

from __future__ import annotations

import math

import numpy as np
import pytest

import streetlight as sl
import streetlight.nn.functional as F
from streetlight import nn
from streetlight.errors import ArgumentError, DTypeError, ShapeError

LABELS = np.array([0, 1, 0, 2, 1, 0, 3])


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


# ---- the same by loops over single samples ----


def semi_hard_by_loops(x, labels, margin):
    far = ((x[:, None] - x[None]) ** 2).sum(2)
    losses = []
    for a, p in np.ndindex(far.shape):
        others = [n for n in range(len(x)) if labels[n] != labels[a]]
        if a == p or labels[a] != labels[p] or not others:
            continue
        farther = [far[a, n] for n in others if far[a, n] > far[a, p]]
        chosen = min(farther) if farther else max(far[a, n] for n in others)
        losses.append(max(0.0, far[a, p] - chosen + margin))
    return np.mean(losses) if losses else 0.0


def contrastive_by_loops(x1, x2, together, margin):
    losses = []
    for a, b, same in zip(x1, x2, together, strict=True):
        distance = math.sqrt(sum((u - v + 1e-6) ** 2 for u, v in zip(a, b, strict=True)))
        losses.append(0.5 * (distance**2 if same else max(0.0, margin - distance) ** 2))
    return np.array(losses)


def nt_xent_by_loops(z1, z2, temperature):
    z = unit(np.concatenate([z1, z2]))
    losses = []
    for i in range(len(z)):
        other = (i + len(z1)) % len(z)
        total = sum(math.exp(z[i] @ z[k] / temperature) for k in range(len(z)) if k != i)
        losses.append(-math.log(math.exp(z[i] @ z[other] / temperature) / total))
    return np.mean(losses)


def supervised_contrastive_by_loops(x, labels, temperature):
    z, losses = unit(x), []
    for i in range(len(z)):
        total = sum(math.exp(z[i] @ z[k] / temperature) for k in range(len(z)) if k != i)
        alike = [p for p in range(len(z)) if p != i and labels[p] == labels[i]]
        if alike:
            parts = [math.log(math.exp(z[i] @ z[p] / temperature) / total) for p in alike]
            losses.append(-np.mean(parts))
    return np.mean(losses) if losses else 0.0


# ---- the same in PyTorch, to compare gradients ----


def their_semi_hard(T, x, labels, margin):
    """One anchor and positive after the other."""
    far = ((x[:, None] - x[None]) ** 2).sum(2)
    losses = []
    for a, p in np.ndindex(len(x), len(x)):
        if a != p and labels[a] == labels[p]:
            others = far[a][T.tensor(labels != labels[a])]
            farther = others[others > far[a, p]]
            chosen = farther.min() if len(farther) else others.max()
            losses.append(T.relu(far[a, p] - chosen + margin))
    return T.stack(losses).mean()


def their_supervised_contrastive(T, x, labels, temperature):
    z = T.nn.functional.normalize(x)
    losses = []
    for i in range(len(z)):
        others = T.tensor([k for k in range(len(z)) if k != i])
        chances = T.log_softmax(z[others] @ z[i] / temperature, 0)
        alike = T.tensor(labels)[others] == labels[i]
        if alike.any():
            losses.append(-chances[alike].mean())
    return T.stack(losses).mean()


# ---- triplets ----


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("options", [{}, {"swap": True}, {"p": 1.0, "margin": 3.0}, {"eps": 0.1}])
@pytest.mark.parametrize("shape", [(5, 3), (1, 4), (6,)])
def test_triplet_margin_loss_equals_pytorch(shape, options, reduction, against_torch, numbers):
    given = [numbers(*shape, seed=seed) for seed in range(3)]

    def loss(F, T, a, p, n):
        return F.triplet_margin_loss(a, p, n, reduction=reduction, **options)

    against_torch(loss, *given)


@pytest.mark.parametrize("margin", [0.1, 2.0, 30.0])
def test_semi_hard_triplets_equal_loops(margin, numbers):
    x = numbers(7, 3)
    found = F.semi_hard_triplet_loss(sl.tensor(x), sl.tensor(LABELS), margin)
    assert found.item() == pytest.approx(semi_hard_by_loops(x, LABELS, margin), rel=1e-9)


def test_gradients_of_semi_hard_triplets_equal_pytorch(against_torch, numbers):
    def loss(F, T, x):
        if T is sl:
            return F.semi_hard_triplet_loss(x, sl.tensor(LABELS), 4.0)
        return their_semi_hard(T, x, LABELS, 4.0)

    against_torch(loss, numbers(7, 3))


def test_the_negative_is_the_nearest_one_beyond_the_positive():
    # For anchor 0 the positive lies at 1; 1.2 is chosen, and neither 0.5, which is nearer, nor 3.
    x = sl.tensor([[0.0], [1.0], [0.5], [-1.2], [3.0]], dtype=sl.float64, requires_grad=True)
    labels = sl.tensor([0, 0, 1, 2, 3])
    far = [1 - 1.44 + 1, 1 - 4.0 + 1]  # anchors 0 and 1; the second one's is 3, at distance 2
    loss = F.semi_hard_triplet_loss(x, labels, margin=1.0)
    assert loss.item() == pytest.approx(np.mean(np.maximum(far, 0)))
    loss.backward()
    assert x.grad.reshape(-1).tolist()[2] == 0.0


# ---- pairs ----


@pytest.mark.parametrize("margin", [0.5, 4.0])
def test_contrastive_loss_equals_loops(margin, numbers):
    x1, x2, together = numbers(6, 3), numbers(6, 3, seed=1), np.array([1, 0, 0, 1, 0, 1])
    expected = contrastive_by_loops(x1, x2, together, margin)
    for target in (together, together > 0, together.astype(np.float64)):
        found = F.contrastive_loss(
            sl.tensor(x1), sl.tensor(x2), sl.tensor(target), margin, reduction="none"
        )
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9)


def test_gradients_of_contrastive_loss_equal_pytorch(against_torch, numbers):
    together = np.array([1.0, 0.0, 0.0, 1.0])

    def loss(F, T, x1, x2):
        target = T.tensor(together, dtype=x1.dtype)
        if T is sl:
            return F.contrastive_loss(x1, x2, target, 4.0)
        distance = T.pairwise_distance(x1, x2)
        apart = T.relu(4.0 - distance) ** 2
        return (target * distance**2 + (1 - target) * apart).mean() / 2

    against_torch(loss, numbers(4, 3), numbers(4, 3, seed=1))


def test_equal_pairs_have_finite_gradients():
    x = sl.ones(2, 3, requires_grad=True)
    F.contrastive_loss(x, sl.ones(2, 3), sl.tensor([0, 1])).backward()
    assert np.isfinite(x.grad.numpy()).all()


# ---- views and classes ----


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("count", [2, 5])
def test_nt_xent_equals_loops(count, temperature, numbers):
    z1, z2 = numbers(count, 3), numbers(count, 3, seed=1)
    found = F.nt_xent_loss(sl.tensor(z1), sl.tensor(z2), temperature).item()
    assert found == pytest.approx(nt_xent_by_loops(z1, z2, temperature), rel=1e-9)


def test_gradients_of_nt_xent_equal_pytorch(against_torch, numbers):
    def loss(F, T, z1, z2):
        if T is sl:
            return F.nt_xent_loss(z1, z2, 0.7)
        labels = np.concatenate([np.arange(4), np.arange(4)])
        return their_supervised_contrastive(T, T.cat([z1, z2]), labels, 0.7)

    against_torch(loss, numbers(4, 3), numbers(4, 3, seed=1))


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_supervised_contrastive_equals_loops(temperature, numbers):
    x = numbers(7, 3)
    found = F.supervised_contrastive_loss(sl.tensor(x), sl.tensor(LABELS), temperature).item()
    expected = supervised_contrastive_by_loops(x, LABELS, temperature)
    assert found == pytest.approx(expected, rel=1e-9)


def test_gradients_of_supervised_contrastive_equal_pytorch(against_torch, numbers):
    def loss(F, T, x):
        if T is sl:
            return F.supervised_contrastive_loss(x, sl.tensor(LABELS), 0.5)
        return their_supervised_contrastive(T, x, LABELS, 0.5)

    against_torch(loss, numbers(7, 3))


# ---- batches that have nothing to teach ----


@pytest.mark.parametrize(
    ("loss", "labels"),
    [
        (F.semi_hard_triplet_loss, [4, 4, 4]),  # no negative
        (F.semi_hard_triplet_loss, [0, 1, 2]),  # no positive
        (F.supervised_contrastive_loss, [0, 1, 2]),
    ],
)
def test_without_pairs_loss_and_gradient_are_zero(loss, labels):
    x = sl.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], requires_grad=True)
    value = loss(x, sl.tensor(labels))
    value.backward()
    assert value.item() == 0.0
    assert x.grad.tolist() == [[0.0, 0.0]] * 3


def test_one_class_alone_is_pulled_together():
    x = sl.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], requires_grad=True)
    loss = F.supervised_contrastive_loss(x, sl.tensor([4, 4, 4]))
    loss.backward()
    assert loss.item() > math.log(2)
    assert np.isfinite(x.grad.numpy()).all()


def test_a_single_view_of_each_has_nothing_to_be_told_from():
    z = sl.tensor([[1.0, 2.0]], requires_grad=True)
    loss = F.nt_xent_loss(z, sl.tensor([[0.0, 1.0]]))
    loss.backward()
    assert loss.item() == 0.0
    np.testing.assert_allclose(z.grad.numpy(), 0.0, atol=1e-7)


def test_equal_and_empty_vectors_have_finite_losses_and_gradients():
    x, labels = sl.zeros(4, 2, requires_grad=True), sl.tensor([0, 0, 1, 1])
    total = (
        F.semi_hard_triplet_loss(x, labels)
        + F.supervised_contrastive_loss(x, labels)
        + F.nt_xent_loss(x, x)
    )
    total.backward()
    assert total.item() == pytest.approx(0.2 + math.log(3) + math.log(7), rel=1e-5)
    assert np.isfinite(x.grad.numpy()).all()


# ---- words of errors, modules, native code ----

X = sl.ones(3, 2)
LOSSES = {
    "triplet_margin_loss": lambda x, y: F.triplet_margin_loss(x, x, y),
    "contrastive_loss": lambda x, y: F.contrastive_loss(x, y, sl.ones(3)),
    "nt_xent_loss": F.nt_xent_loss,
}
BY_LABEL = [F.semi_hard_triplet_loss, F.supervised_contrastive_loss]


@pytest.mark.parametrize("name", LOSSES)
def test_different_shapes_are_told(name):
    words = rf"{name}: .* \(3, 2\), .* \(3, 1\) are not of one shape"
    with pytest.raises(ShapeError, match=words):
        LOSSES[name](X, sl.ones(3, 1))
    with pytest.raises(DTypeError, match=f"{name}: Tensor and ndarray are not both tensors"):
        LOSSES[name](X, X.numpy())


def test_one_target_belongs_to_each_pair():
    with pytest.raises(ShapeError, match=r"distances \(3,\), target \(3, 1\) are not of one shape"):
        F.contrastive_loss(X, X, sl.ones(3, 1))


@pytest.mark.parametrize("loss", BY_LABEL)
def test_wrong_labels_are_told(loss):
    with pytest.raises(ShapeError, match=r"rows \(3,\), labels \(2,\) are not of one shape"):
        loss(X, sl.tensor([0, 1]))
    with pytest.raises(DTypeError, match="labels are integers, not float32"):
        loss(X, sl.ones(3))
    with pytest.raises(DTypeError, match="Tensor and list are not both tensors"):
        loss(X, [0, 1, 2])
    with pytest.raises(ShapeError, match=r"shape \(3,\) are not one row for each") as caught:
        loss(X[:, 0], sl.tensor([0, 1, 1]))
    assert "x.flatten(1)" in str(caught.value)


def test_views_are_rows():
    with pytest.raises(ShapeError, match=r"shape \(4,\) are not one row for each sample"):
        F.nt_xent_loss(sl.ones(2), sl.ones(2))


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan])
@pytest.mark.parametrize(
    ("argument", "loss"),
    [
        ("margin", lambda v: F.triplet_margin_loss(X, X, X, v)),
        ("margin", lambda v: F.semi_hard_triplet_loss(X, sl.tensor([0, 0, 1]), v)),
        ("margin", lambda v: F.contrastive_loss(X, X, sl.ones(3), v)),
        ("temperature", lambda v: F.nt_xent_loss(X, X, v)),
        ("temperature", lambda v: F.supervised_contrastive_loss(X, sl.tensor([0, 0, 1]), v)),
    ],
)
def test_margins_and_temperatures_are_positive(argument, loss, value):
    with pytest.raises(ArgumentError, match=f"{argument}={value!r} makes no sense") as caught:
        loss(value)
    assert "a number above 0" in str(caught.value)


def test_reductions_are_named():
    with pytest.raises(ArgumentError, match="reduction='average' makes no sense"):
        F.triplet_margin_loss(X, X, X, reduction="average")


def test_modules_call_the_functions(numbers):
    torch = pytest.importorskip("torch", reason="parity tests need torch==2.13.0")
    a, p, n = (numbers(4, 3, seed=seed) for seed in range(3))
    mine, theirs = nn.TripletMarginLoss(2.0, swap=True), torch.nn.TripletMarginLoss(2.0, swap=True)
    assert repr(mine) == repr(theirs)
    found, expected = (
        loss(*map(library.tensor, (a, p, n))).item()
        for loss, library in ((mine, sl), (theirs, torch))
    )
    assert found == pytest.approx(expected, rel=1e-9)
    x, y, labels = sl.tensor(a), sl.tensor(p), sl.tensor([0, 0, 1, 1])
    pairs = [
        (nn.SemiHardTripletLoss(0.4), F.semi_hard_triplet_loss(x, labels, 0.4), (x, labels)),
        (nn.ContrastiveLoss(2.0), F.contrastive_loss(x, y, labels // 1 > 0, 2.0), (x, y, labels)),
        (nn.NTXentLoss(0.3), F.nt_xent_loss(x, y, 0.3), (x, y)),
        (nn.SupConLoss(0.3), F.supervised_contrastive_loss(x, labels, 0.3), (x, labels)),
    ]
    for module, expected, given in pairs:
        assert module(*given).item() == expected.item()
    assert repr(pairs[1][0]) == "ContrastiveLoss(margin=2.0, reduction='mean')"


@pytest.mark.parametrize("name", ["semi_hard", "contrastive", "nt_xent", "supervised"])
def test_native_code_gives_the_same_loss_and_gradient(name, numbers):
    labels = sl.tensor(LABELS)
    loss = {
        "semi_hard": lambda x, y: F.semi_hard_triplet_loss(x, labels),
        "contrastive": lambda x, y: F.contrastive_loss(x, y, labels > 0),
        "nt_xent": F.nt_xent_loss,
        "supervised": lambda x, y: F.supervised_contrastive_loss(x, labels),
    }[name]

    def step(x, y):
        value = loss(x, y)
        value.backward()
        return value

    x, y = (numbers(7, 3, seed=seed) for seed in range(2))
    found = []
    for function in (step, sl.compile(step)):
        given = sl.tensor(x, requires_grad=True)
        found.append((function(given, sl.tensor(y)).item(), given.grad.numpy()))
    assert found[1][0] == pytest.approx(found[0][0], rel=1e-9)
    np.testing.assert_allclose(found[1][1], found[0][1], rtol=1e-9, atol=1e-12)
