"""The ways to train a workload: op by op, in compiled parts, or as one compiled step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

Step = Callable[[int], Any]
Compiler = Callable[[Callable[..., Any]], Callable[..., Any]]
Weights = dict[str, np.ndarray]
Batch = tuple[Any, ...]


@dataclass
class Training:
    """A network ready to be trained: the loss of a batch, what lowers it, and batches in turn."""

    loss: Callable[..., Any]
    optimizer: Any
    batches: list[Batch]


class Workload(Protocol):
    """A dataclass of sizes, which says in its docstring what one step does."""

    def training(self, torch: Any) -> Training:
        """Build it with PyTorch's names, in PyTorch or in Streetlight."""

    def jax_step(self, jax: Any) -> Step:
        """Build it in JAX: the step trains on the batch of that number and returns the loss."""


def load(torch: Any, model: Any, weights: Weights) -> Any:
    """Give a model the weights that all frameworks start from."""
    model.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})
    return model


def fastest(torch: Any) -> dict[str, Any]:
    """Return what makes Adam fastest in PyTorch; Streetlight has no such choice."""
    return {"fused": True} if torch.__name__ == "torch" else {}


def as_it_is(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile nothing: what an eager framework does."""
    return function


def in_parts(training: Training, compiler: Compiler = as_it_is) -> Step:
    """Return a step whose loss is compiled, with its gradient, and whose update is not."""
    optimizer, batches = training.optimizer, training.batches
    loss_of = compiler(training.loss)

    def step(number: int) -> Any:
        optimizer.zero_grad()
        loss = loss_of(*batches[number % len(batches)])
        loss.backward()
        optimizer.step()
        return loss

    return step


def whole(training: Training, compiler: Compiler) -> Callable[..., Any]:
    """Return the compiled function of a batch that does the whole step and returns the loss."""
    loss_of, optimizer = training.loss, training.optimizer

    @compiler
    def train(*batch: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_of(*batch)
        loss.backward()
        optimizer.step()
        return loss

    return train


def in_turn(train: Callable[..., Any], batches: list[Batch]) -> Step:
    """Return a step that trains on one batch after the other."""
    return lambda number: train(*batches[number % len(batches)])


# ---- the frameworks: each makes a step from a workload and its package ----


def eager(workload: Workload, torch: Any) -> Step:
    """Run op by op, in Streetlight or in PyTorch."""
    return in_parts(workload.training(torch))


def compiled(workload: Workload, streetlight: Any) -> Step:
    """Compile the whole step by `sl.compile`."""
    training = workload.training(streetlight)
    return in_turn(whole(training, streetlight.compile), training.batches)


def torch_compile(workload: Workload, torch: Any) -> Step:
    """Compile forward with backward by `torch.compile`; the update is fastest as PyTorch has it."""
    return in_parts(workload.training(torch), torch.compile)


def jax_jit(workload: Workload, jax: Any) -> Step:
    """Compile the whole step by `jax.jit`."""
    return workload.jax_step(jax)


# ---- JAX: its update rules, and the step that they make ----


def jax_training(
    jax: Any,
    loss_of: Callable[..., Any],
    weights: Weights,
    batches: list[Batch],
    rule: Mapping[str, Any],
    randomly: bool = False,
) -> Step:
    """Compile loss, gradient and update; `randomly` gives a fresh random key to the loss."""
    np_ = jax.numpy
    parameters = {name: np_.asarray(array) for name, array in weights.items()}
    state = {"parameters": parameters} | ({"key": jax.random.key(0)} if randomly else {})
    if "betas" in rule:
        zeros = jax.tree.map(np_.zeros_like, parameters)
        state |= {"count": np_.zeros(()), "mean": zeros, "square": jax.tree.map(np_.copy, zeros)}
    update = adam if "betas" in rule else sgd

    def train(state: Any, *batch: Any) -> Any:
        keys = jax.random.split(state["key"]) if randomly else ()
        gradient = jax.value_and_grad(loss_of)
        loss, gradients = gradient(state["parameters"], *keys[1:], *batch)
        state = update(jax, state, gradients, **rule)
        return loss, state | ({"key": keys[0]} if randomly else {})

    train = jax.jit(train, donate_argnums=0)
    arrays = [tuple(map(np_.asarray, batch)) for batch in batches]

    def step(number: int) -> Any:
        nonlocal state
        loss, state = train(state, *arrays[number % len(arrays)])
        return loss

    return step


def sgd(jax: Any, state: Any, gradients: Any, lr: float) -> Any:
    """Move the parameters down their gradients."""
    return {"parameters": jax.tree.map(lambda p, g: p - lr * g, state["parameters"], gradients)}


def adam(
    jax: Any,
    state: Any,
    gradients: Any,
    lr: float,
    betas: tuple[float, float],
    weight_decay: float = 0.0,
) -> Any:
    """Move the parameters by Adam, or by AdamW where there is weight decay."""
    (beta1, beta2), count = betas, state["count"] + 1
    mean = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, state["mean"], gradients)
    square = jax.tree.map(lambda s, g: beta2 * s + (1 - beta2) * g * g, state["square"], gradients)
    rate, fade = lr / (1 - beta1**count), 1 - beta2**count

    def move(p: Any, m: Any, s: Any) -> Any:
        return p * (1 - lr * weight_decay) - rate * m / ((s / fade) ** 0.5 + 1e-8)

    moved = jax.tree.map(move, state["parameters"], mean, square)
    return {"parameters": moved, "count": count, "mean": mean, "square": square}
