"""Workload `mlp`: 784-100-10, tanh, dropout 0.5, cross-entropy, batches of 100, SGD.

The network of handwritten digits. The data are random numbers of that shape (ten batches in turn),
which is the same work as real digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.workloads import Compiler, Step, as_it_is

BATCHES, BATCH, INPUTS, HIDDEN, CLASSES = 10, 100, 784, 100, 10
DROPOUT = 0.5
LEARNING_RATES = {"SGD": 0.1, "Adam": 1e-3}


def arrays() -> tuple[np.ndarray, np.ndarray]:
    """Return images (10, 100, 784) in 0 to 1 and labels (10, 100), the same for every framework."""
    random = np.random.default_rng(2)
    images = random.random((BATCHES, BATCH, INPUTS), dtype=np.float32)
    return images, random.integers(CLASSES, size=(BATCHES, BATCH))


def weights() -> list[np.ndarray]:
    """Return weight and bias of both layers, the same for every framework."""
    random = np.random.default_rng(3)
    shapes = (((HIDDEN, INPUTS), INPUTS), ((HIDDEN,), INPUTS))
    shapes += (((CLASSES, HIDDEN), HIDDEN), ((CLASSES,), HIDDEN))
    return [random.uniform(-1, 1, s).astype(np.float32) / np.float32(n) ** 0.5 for s, n in shapes]


def network(torch: Any, rule: str) -> tuple[Any, Any, list[tuple[Any, Any]]]:
    """Build model, optimiser and batches with PyTorch's names, in PyTorch or in Streetlight."""
    nn = torch.nn
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(INPUTS, HIDDEN), nn.Tanh(), nn.Dropout(DROPOUT), nn.Linear(HIDDEN, CLASSES)
    )
    with torch.no_grad():
        for parameter, start in zip(model.parameters(), weights(), strict=True):
            parameter.copy_(torch.tensor(start))
    optimizer = getattr(torch.optim, rule)(model.parameters(), lr=LEARNING_RATES[rule])
    batches = [(torch.tensor(x), torch.tensor(y)) for x, y in zip(*arrays(), strict=True)]
    return model, optimizer, batches


def eager(torch: Any, rule: str = "SGD", compiled: Compiler = as_it_is) -> Step:
    """Run op by op, in Streetlight or in PyTorch."""
    model, optimizer, batches = network(torch, rule)
    cross_entropy = torch.nn.functional.cross_entropy
    loss_of = compiled(lambda images, labels: cross_entropy(model(images), labels))
    update = compiled(optimizer.step)

    def step(number: int) -> Any:
        images, labels = batches[number % BATCHES]
        optimizer.zero_grad()
        loss = loss_of(images, labels)
        loss.backward()
        update()
        return loss

    return step


def torch_compile(torch: Any, rule: str = "SGD") -> Step:
    """Compile forward with backward, and the update, by `torch.compile`."""
    return eager(torch, rule, torch.compile)


def jax_jit(jax: Any, rule: str = "SGD") -> Step:
    """Compile the whole step, dropout's random numbers included, by `jax.jit`."""
    np_ = jax.numpy
    batches = [(np_.asarray(x), np_.asarray(y)) for x, y in zip(*arrays(), strict=True)]
    parameters = [np_.asarray(weight) for weight in weights()]
    state = {"key": jax.random.key(0), "parameters": parameters}
    if rule == "Adam":
        state |= {"count": np_.zeros(()), "mean": [p * 0 for p in parameters]}
        state |= {"square": [p * 0 for p in parameters]}
    update = {"SGD": sgd, "Adam": adam}[rule](jax)

    def loss_of(parameters: Any, key: Any, images: Any, labels: Any) -> Any:
        hidden = np_.tanh(images @ parameters[0].T + parameters[1])
        kept = jax.random.bernoulli(key, 1 - DROPOUT, hidden.shape)
        hidden = np_.where(kept, hidden / (1 - DROPOUT), 0)
        logs = jax.nn.log_softmax(hidden @ parameters[2].T + parameters[3])
        return -np_.take_along_axis(logs, labels[:, None], 1).mean()

    def train(state: Any, images: Any, labels: Any) -> Any:
        key, now = jax.random.split(state["key"])
        loss, gradients = jax.value_and_grad(loss_of)(state["parameters"], now, images, labels)
        return loss, update(state, gradients) | {"key": key}

    train = jax.jit(train, donate_argnums=0)

    def step(number: int) -> Any:
        nonlocal state
        loss, state = train(state, *batches[number % BATCHES])
        return loss

    return step


def sgd(jax: Any) -> Any:
    """Return plain gradient descent on the parameters of a state."""

    def update(state: Any, gradients: Any) -> Any:
        rate = LEARNING_RATES["SGD"]
        moved = jax.tree.map(lambda p, g: p - rate * g, state["parameters"], gradients)
        return {"parameters": moved}

    return update


def adam(jax: Any) -> Any:
    """Return Adam on a state that holds its step count and both moments."""

    def update(state: Any, gradients: Any) -> Any:
        count = state["count"] + 1
        mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, state["mean"], gradients)
        square = jax.tree.map(lambda s, g: 0.999 * s + 0.001 * g * g, state["square"], gradients)
        rate, fade = LEARNING_RATES["Adam"] / (1 - 0.9**count), 1 - 0.999**count

        def move(p: Any, m: Any, s: Any) -> Any:
            return p - rate * m / ((s / fade) ** 0.5 + 1e-8)

        moved = jax.tree.map(move, state["parameters"], mean, square)
        return {"parameters": moved, "count": count, "mean": mean, "square": square}

    return update
