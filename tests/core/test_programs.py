"""Random programs of operations, views and changes in place: PyTorch's numbers and gradients.

A program is a list of steps on a growing list of tensors. Where PyTorch refuses to walk back,
because a value it needs was changed, Streetlight refuses too or gives the measured slope.
"""

from __future__ import annotations

import random
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from tests.core.parity import torch

import streetlight as sl
from streetlight.errors import InPlaceError

Step = tuple[Any, int, int]  # what to do, and with which two tensors
SHAPES = [(2, 3), (3,), (2,), (1, 3), (2, 1), ()]
NEW = [
    lambda T, x, y: x.tanh(), lambda T, x, y: (x * 0.3).exp(), lambda T, x, y: x.sigmoid(),
    lambda T, x, y: x**2, lambda T, x, y: (x * x + 1).sqrt(), lambda T, x, y: x.clamp(-1, 1),
    lambda T, x, y: 1 / (x * x + 2), lambda T, x, y: x + y, lambda T, x, y: x * y,
    lambda T, x, y: x / (y * y + 1), lambda T, x, y: x.sum(0), lambda T, x, y: x.mean(-1),
    lambda T, x, y: x.prod(), lambda T, x, y: x.softmax(-1), lambda T, x, y: x.cumsum(0),
    lambda T, x, y: x.norm(), lambda T, x, y: x.clone(), lambda T, x, y: T.stack([x, x * y]),
    lambda T, x, y: T.cat([x, y]), lambda T, x, y: x.flip(0), lambda T, x, y: x.relu(),
]  # fmt: skip
VIEWS = [
    lambda T, x, y: x[0], lambda T, x, y: x[-1:], lambda T, x, y: x.transpose(0, -1),
    lambda T, x, y: x[..., 0],
    lambda T, x, y: x.reshape(-1), lambda T, x, y: x.unsqueeze(0), lambda T, x, y: x.squeeze(),
    lambda T, x, y: x[:, 1:], lambda T, x, y: x.narrow(0, 0, 1), lambda T, x, y: x[None, ..., 0],
    lambda T, x, y: x.expand(2, *x.shape), lambda T, x, y: x.permute(*range(x.ndim)[::-1]),
]  # fmt: skip
CHANGES = [
    lambda T, x, y: x.add_(y), lambda T, x, y: x.mul_(y), lambda T, x, y: x.sub_(y, alpha=0.5),
    lambda T, x, y: x.copy_(y), lambda T, x, y: x.div_(y * y + 1), lambda T, x, y: x.tanh_(),
    lambda T, x, y: x.mul_(0.7), lambda T, x, y: x.sigmoid_(), lambda T, x, y: x.pow_(2),
    lambda T, x, y: x.zero_(), lambda T, x, y: x.fill_(0.3), lambda T, x, y: x.clamp_(-0.5, 0.5),
    lambda T, x, y: x.abs_(), lambda T, x, y: x.__setitem__(0, y),
    lambda T, x, y: x.__setitem__(slice(1, None), 0.25), lambda T, x, y: x.__setitem__(-1, y),
    lambda T, x, y: x.__setitem__((..., 0), y), lambda T, x, y: x.__setitem__(T.tensor([0]), y),
    lambda T, x, y: x.__setitem__(x.detach() > 0, 0.5), lambda T, x, y: x[0].mul_(y.sum()),
]  # fmt: skip


def carry_out(T: ModuleType, tensors: list[Any], step: Step) -> None:
    action, first, second = step
    result = action(T, tensors[first], tensors[second])
    if action not in CHANGES:
        tensors.append(result)


def run(T: ModuleType, arrays: list[np.ndarray], program: list[Step]) -> tuple[list[Any], Any]:
    """The leaves, and the sum of all tensors of the program with random weights."""
    leaves = [T.tensor(array, requires_grad=True) for array in arrays]
    tensors = [leaf * 1 for leaf in leaves]
    for step in program:
        carry_out(T, tensors, step)
    generator = np.random.default_rng(0)
    weights = [T.tensor(generator.normal(size=tuple(t.shape))) for t in tensors]
    return leaves, sum((t * w).sum() for t, w in zip(tensors, weights, strict=True))


def invent(seed: int) -> tuple[list[np.ndarray], list[Step]]:
    """A program that PyTorch can carry out forwards."""
    rng = random.Random(seed)
    arrays = [np.random.default_rng(seed).normal(size=s) for s in rng.sample(SHAPES, 3)]
    tensors = [torch.tensor(array, requires_grad=True) * 1 for array in arrays]
    program: list[Step] = []
    for _ in range(rng.randrange(3, 14)):
        action = rng.choice(rng.choice([NEW, VIEWS, VIEWS, CHANGES, CHANGES]))
        step = (action, rng.randrange(len(tensors)), rng.randrange(len(tensors)))
        try:
            carry_out(torch, tensors, step)
        except (RuntimeError, IndexError, TypeError):
            if action in CHANGES:
                break
            continue
        if not 0 < tensors[-1].numel() <= 64 or tensors[-1].ndim > 4:
            break
        program.append(step)
    return arrays, program


def slope(arrays: list[np.ndarray], program: list[Step], direction: list[np.ndarray]) -> float:
    """The measured change of the sum along a direction."""
    ends = []
    for distance in (1e-6, -1e-6):
        moved = [a + distance * d for a, d in zip(arrays, direction, strict=True)]
        ends.append(run(sl, moved, program)[1].item())
    return (ends[0] - ends[1]) / 2e-6


@pytest.mark.parametrize("block", range(10))
def test_random_programs(block: int) -> None:
    refused = 0
    for seed in range(block * 100, block * 100 + 100):
        arrays, program = invent(seed)
        theirs, their_sum = run(torch, arrays, program)
        try:
            ours, our_sum = run(sl, arrays, program)
        except InPlaceError as error:
            assert "lie in one place of memory" in error.what  # noqa: PT017  PyTorch writes once
            continue
        np.testing.assert_allclose(our_sum.item(), their_sum.item(), rtol=1e-9, err_msg=f"{seed}")
        try:
            expected = torch.autograd.grad(their_sum, theirs, materialize_grads=True)
        except RuntimeError:
            expected = None
        try:
            found = sl.autograd.grad(our_sum, ours, allow_unused=True)
        except InPlaceError:
            assert expected is None, f"{seed}: PyTorch sees no danger"
            refused += 1
            continue
        gradients = [sl.zeros_like(x) if g is None else g for x, g in zip(ours, found, strict=True)]
        if expected is not None:
            for g, e in zip(gradients, expected, strict=True):
                np.testing.assert_allclose(g.numpy(), e.numpy(), rtol=1e-8, atol=1e-8,
                                           err_msg=f"{seed}")  # fmt: skip
        else:
            direction = [
                np.random.default_rng(i).normal(size=a.shape) for i, a in enumerate(arrays)
            ]
            along = sum((g.numpy() * d).sum() for g, d in zip(gradients, direction, strict=True))
            assert along == pytest.approx(slope(arrays, program, direction), rel=1e-4, abs=1e-4)
    assert refused < 40
