"""The network of handwritten digits: one hidden layer with dropout.

The data are random numbers of that shape (ten batches in turn), which is the same work as real
digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.workloads.training import (
    Batch,
    Step,
    Training,
    Weights,
    fastest,
    jax_training,
    load,
)

BATCHES = 10
RULES = {"SGD": {"lr": 0.1}, "Adam": {"lr": 1e-3, "betas": (0.9, 0.999)}}


@dataclass(frozen=True)
class Mlp:
    """784-100-10, tanh, dropout, cross-entropy, batches of 100, SGD or Adam."""

    rule: str = "SGD"
    batch: int = 100
    inputs: int = 784
    hidden: int = 100
    classes: int = 10
    dropout: float = 0.5

    def batches(self) -> list[Batch]:
        """Return images in 0 to 1 and their labels, the same for every framework."""
        random = np.random.default_rng(2)
        images = random.random((BATCHES, self.batch, self.inputs), dtype=np.float32)
        labels = random.integers(self.classes, size=(BATCHES, self.batch))
        return list(zip(images, labels, strict=True))

    def weights(self) -> Weights:
        """Return weight and bias of both layers, the same for every framework."""
        random = np.random.default_rng(3)
        sizes = {"0": (self.hidden, self.inputs), "3": (self.classes, self.hidden)}
        result = {}
        for layer, (outputs, inputs) in sizes.items():
            for name, shape in (("weight", (outputs, inputs)), ("bias", (outputs,))):
                drawn = random.uniform(-1, 1, shape) / inputs**0.5
                result[f"{layer}.{name}"] = drawn.astype(np.float32)
        return result

    def training(self, torch: Any) -> Training:
        """Build it with PyTorch's names."""
        nn = torch.nn
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Linear(self.inputs, self.hidden),
            nn.Tanh(),
            nn.Dropout(self.dropout),
            nn.Linear(self.hidden, self.classes),
        )
        load(torch, model, self.weights())
        cross_entropy = nn.functional.cross_entropy
        return Training(
            lambda images, labels: cross_entropy(model(images), labels),
            self.optimizer(torch, model.parameters()),
            [(torch.tensor(images), torch.tensor(labels)) for images, labels in self.batches()],
        )

    def optimizer(self, torch: Any, parameters: Any) -> Any:
        """Build the optimiser of the rule."""
        more = fastest(torch) if self.rule == "Adam" else {}
        return getattr(torch.optim, self.rule)(parameters, **RULES[self.rule], **more)

    def jax_step(self, jax: Any) -> Step:
        """Build it in JAX; dropout's random numbers are drawn within the step."""
        np_ = jax.numpy

        def loss_of(parameters: Any, key: Any, images: Any, labels: Any) -> Any:
            hidden = np_.tanh(images @ parameters["0.weight"].T + parameters["0.bias"])
            kept = jax.random.bernoulli(key, 1 - self.dropout, hidden.shape)
            hidden = np_.where(kept, hidden / (1 - self.dropout), 0)
            logs = jax.nn.log_softmax(hidden @ parameters["3.weight"].T + parameters["3.bias"])
            return -np_.take_along_axis(logs, labels[:, None], 1).mean()

        rule = RULES[self.rule]
        return jax_training(jax, loss_of, self.weights(), self.batches(), rule, randomly=True)
