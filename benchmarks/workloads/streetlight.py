"""Workload `streetlight`: 3-4-1 with ReLU, one row a step, squared error, SGD.

Three lights at a crossing, walk or stop: four rows, 16 weights. Arithmetic takes next to no time
here; what is measured is what a framework costs per step.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.workloads import Compiler, Step, as_it_is

LEARNING_RATE = 0.05
LIGHTS = np.array([[1, 0, 1], [0, 1, 1], [0, 0, 1], [1, 1, 1]], np.float32)
WALK = np.array([[1], [1], [0], [0]], np.float32)


def weights() -> list[np.ndarray]:
    """Return the two weight matrices, (4, 3) and (1, 4), the same for every framework."""
    random = np.random.default_rng(1)
    return [random.uniform(-1, 1, shape).astype(np.float32) for shape in ((4, 3), (1, 4))]


def network(torch: Any) -> tuple[Any, Any]:
    """Build model and optimiser with PyTorch's names, in PyTorch or in Streetlight."""
    nn = torch.nn
    model = nn.Sequential(nn.Linear(3, 4, bias=False), nn.ReLU(), nn.Linear(4, 1, bias=False))
    with torch.no_grad():
        for parameter, start in zip(model.parameters(), weights(), strict=True):
            parameter.copy_(torch.tensor(start))
    return model, torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)


def rows(torch: Any) -> list[tuple[Any, Any]]:
    """Return the four rows as tensors of shapes (1, 3) and (1, 1)."""
    return [
        (torch.tensor(LIGHTS[row : row + 1]), torch.tensor(WALK[row : row + 1])) for row in range(4)
    ]


def eager(torch: Any, compiled: Compiler = as_it_is) -> Step:
    """Run op by op, in Streetlight or in PyTorch."""
    model, optimizer = network(torch)
    data = rows(torch)
    loss_of = compiled(lambda lights, walk: ((model(lights) - walk) ** 2).sum())
    update = compiled(optimizer.step)

    def step(number: int) -> Any:
        lights, walk = data[number % 4]
        optimizer.zero_grad()
        loss = loss_of(lights, walk)
        loss.backward()
        update()
        return loss

    return step


def torch_compile(torch: Any) -> Step:
    """Compile forward with backward, and the update, by `torch.compile`."""
    return eager(torch, torch.compile)


def jax_jit(jax: Any) -> Step:
    """Compile the whole step by `jax.jit`."""
    np_ = jax.numpy
    parameters = [np_.asarray(weight) for weight in weights()]
    data = [
        (np_.asarray(LIGHTS[row : row + 1]), np_.asarray(WALK[row : row + 1])) for row in range(4)
    ]

    def loss_of(parameters: Any, lights: Any, walk: Any) -> Any:
        hidden = jax.nn.relu(lights @ parameters[0].T)
        return ((hidden @ parameters[1].T - walk) ** 2).sum()

    @jax.jit
    def train(parameters: Any, lights: Any, walk: Any) -> Any:
        loss, gradients = jax.value_and_grad(loss_of)(parameters, lights, walk)
        return loss, jax.tree.map(lambda p, g: p - LEARNING_RATE * g, parameters, gradients)

    def step(number: int) -> Any:
        nonlocal parameters
        loss, parameters = train(parameters, *data[number % 4])
        return loss

    return step
