"""The two networks of handwritten digits as pictures: convolution, pooling, and a dense end.

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
SIDE = 28  # of a picture


def pictures(batch: int, classes: int) -> list[Batch]:
    """Return pictures in 0 to 1 and their labels, the same for every framework."""
    random = np.random.default_rng(4)
    images = random.random((BATCHES, batch, 1, SIDE, SIDE), dtype=np.float32)
    labels = random.integers(classes, size=(BATCHES, batch))
    return list(zip(images, labels, strict=True))


def uniform(shapes: dict[str, tuple[int, ...]]) -> Weights:
    """Return weights and biases of layers, each named by its place and the shape of its weight."""
    random = np.random.default_rng(5)
    result = {}
    for layer, shape in shapes.items():
        for name, size in (("weight", shape), ("bias", shape[:1])):
            drawn = random.uniform(-1, 1, size) / np.prod(shape[1:]) ** 0.5
            result[f"{layer}.{name}"] = drawn.astype(np.float32)
    return result


def convolve(jax: Any, parameters: Any, layer: str, x: Any) -> Any:
    """Convolve in JAX, and add the bias."""
    weight, bias = parameters[f"{layer}.weight"], parameters[f"{layer}.bias"]
    return jax.lax.conv(x, weight, (1, 1), "VALID") + bias[:, None, None]


def pool(jax: Any, x: Any) -> Any:
    """Take the largest of two by two in JAX."""
    tiles = (1, 1, 2, 2)
    return jax.lax.reduce_window(x, -np.inf, jax.lax.max, tiles, tiles, "VALID")


def cross_entropy(jax: Any, logits: Any, labels: Any) -> Any:
    """Return the loss in JAX."""
    logs = jax.nn.log_softmax(logits)
    return -jax.numpy.take_along_axis(logs, labels[:, None], 1).mean()


def classify(torch: Any, model: Any, optimizer: Any, batches: list[Batch]) -> Training:
    """Train a classifier with PyTorch's names."""
    loss = torch.nn.functional.cross_entropy
    return Training(
        lambda images, labels: loss(model(images), labels),
        optimizer,
        [(torch.tensor(images), torch.tensor(labels)) for images, labels in batches],
    )


@dataclass(frozen=True)
class CnnBook:
    """One convolution to 16 maps, tanh, dropout and 10,816-10, batches of 128, SGD."""

    batch: int = 128
    maps: int = 16
    classes: int = 10
    dropout: float = 0.5
    lr: float = 0.01

    def weights(self) -> Weights:
        """Return weight and bias of both layers, the same for every framework."""
        flat = self.maps * (SIDE - 2) ** 2
        return uniform({"0": (self.maps, 1, 3, 3), "4": (self.classes, flat)})

    def training(self, torch: Any) -> Training:
        """Build it with PyTorch's names."""
        nn, weights = torch.nn, self.weights()
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(1, self.maps, 3),
            nn.Tanh(),
            nn.Dropout(self.dropout),
            nn.Flatten(),
            nn.Linear(weights["4.weight"].shape[1], self.classes),
        )
        load(torch, model, weights)
        optimizer = torch.optim.SGD(model.parameters(), lr=self.lr)
        return classify(torch, model, optimizer, pictures(self.batch, self.classes))

    def jax_step(self, jax: Any) -> Step:
        """Build it in JAX; dropout's random numbers are drawn within the step."""

        def loss_of(parameters: Any, key: Any, images: Any, labels: Any) -> Any:
            hidden = jax.numpy.tanh(convolve(jax, parameters, "0", images))
            kept = jax.random.bernoulli(key, 1 - self.dropout, hidden.shape)
            hidden = jax.numpy.where(kept, hidden / (1 - self.dropout), 0)
            flat = hidden.reshape(len(hidden), -1)
            logits = flat @ parameters["4.weight"].T + parameters["4.bias"]
            return cross_entropy(jax, logits, labels)

        batches = pictures(self.batch, self.classes)
        return jax_training(jax, loss_of, self.weights(), batches, {"lr": self.lr}, randomly=True)


@dataclass(frozen=True)
class LeNet:
    """Two convolutions with ReLU and pooling, 16 and 32 maps, 800-128-10, batches of 128, Adam."""

    batch: int = 128
    maps: int = 16
    hidden: int = 128
    classes: int = 10
    lr: float = 1e-3

    def weights(self) -> Weights:
        """Return weight and bias of the four layers, the same for every framework."""
        side = ((SIDE - 2) // 2 - 2) // 2
        return uniform({
            "0": (self.maps, 1, 3, 3),
            "3": (2 * self.maps, self.maps, 3, 3),
            "7": (self.hidden, 2 * self.maps * side**2),
            "9": (self.classes, self.hidden),
        })  # fmt: skip

    def training(self, torch: Any) -> Training:
        """Build it with PyTorch's names."""
        nn, weights = torch.nn, self.weights()
        model = nn.Sequential(
            nn.Conv2d(1, self.maps, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(self.maps, 2 * self.maps, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(weights["7.weight"].shape[1], self.hidden),
            nn.ReLU(),
            nn.Linear(self.hidden, self.classes),
        )
        load(torch, model, weights)
        optimizer = torch.optim.Adam(model.parameters(), lr=self.lr, **fastest(torch))
        return classify(torch, model, optimizer, pictures(self.batch, self.classes))

    def jax_step(self, jax: Any) -> Step:
        """Build it in JAX."""
        relu = jax.nn.relu

        def loss_of(parameters: Any, images: Any, labels: Any) -> Any:
            maps = pool(jax, relu(convolve(jax, parameters, "0", images)))
            maps = pool(jax, relu(convolve(jax, parameters, "3", maps)))
            flat = maps.reshape(len(maps), -1)
            hidden = relu(flat @ parameters["7.weight"].T + parameters["7.bias"])
            logits = hidden @ parameters["9.weight"].T + parameters["9.bias"]
            return cross_entropy(jax, logits, labels)

        rule = {"lr": self.lr, "betas": (0.9, 0.999)}
        return jax_training(jax, loss_of, self.weights(), pictures(self.batch, self.classes), rule)
