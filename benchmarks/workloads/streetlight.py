"""Three lights at a crossing, walk or stop: a network of 16 weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.workloads.training import Step, Training, Weights, jax_training, load

LEARNING_RATE = 0.05
LIGHTS = np.array([[1, 0, 1], [0, 1, 1], [0, 0, 1], [1, 1, 1]], np.float32)
WALK = np.array([[1], [1], [0], [0]], np.float32)


def weights() -> Weights:
    """Return the two weight matrices, the same for every framework."""
    random = np.random.default_rng(1)
    shapes = {"0.weight": (4, 3), "2.weight": (1, 4)}
    return {name: random.uniform(-1, 1, size).astype(np.float32) for name, size in shapes.items()}


def rows() -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the four rows as pairs of shapes (1, 3) and (1, 1)."""
    return [(LIGHTS[row : row + 1], WALK[row : row + 1]) for row in range(len(LIGHTS))]


@dataclass(frozen=True)
class Streetlight:
    """3-4-1 with ReLU, one row a step, squared error, SGD.

    Arithmetic takes next to no time here; what is measured is what a framework costs per step.
    """

    def training(self, torch: Any) -> Training:
        """Build it with PyTorch's names."""
        nn = torch.nn
        model = nn.Sequential(nn.Linear(3, 4, bias=False), nn.ReLU(), nn.Linear(4, 1, bias=False))
        load(torch, model, weights())
        return Training(
            lambda lights, walk: ((model(lights) - walk) ** 2).sum(),
            torch.optim.SGD(model.parameters(), lr=LEARNING_RATE),
            [(torch.tensor(lights), torch.tensor(walk)) for lights, walk in rows()],
        )

    def jax_step(self, jax: Any) -> Step:
        """Build it in JAX."""

        def loss_of(parameters: Any, lights: Any, walk: Any) -> Any:
            hidden = jax.nn.relu(lights @ parameters["0.weight"].T)
            return ((hidden @ parameters["2.weight"].T - walk) ** 2).sum()

        return jax_training(jax, loss_of, weights(), rows(), {"lr": LEARNING_RATE})
