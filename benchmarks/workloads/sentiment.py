"""A review, liked or not: the sum of its words' rows in a large table, and one output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.workloads.training import Batch, Step, Training, Weights, load

REVIEWS, LEARNING_RATE = 200, 0.1


@dataclass(frozen=True)
class Sentiment:
    """Sum of 130 rows of a 74,000x100 table, sigmoid, linear, BCE, one review a step, SGD.

    Only the rows of the review's words have a gradient, so only they may cost. In PyTorch that is
    `nn.Embedding(sparse=True)` with a sum (an `nn.EmbeddingBag(mode="sum", sparse=True)` is no
    faster, a dense gradient takes ten times as long and more). In JAX it is the gradient of the
    gathered rows, added to the table in place (`.at[words].add`); the plain gradient of the table
    takes a hundred times as long.
    """

    vocabulary: int = 74_000
    width: int = 100
    words: int = 130

    def batches(self) -> list[Batch]:
        """Return reviews of so many different words, and the labels 0 or 1."""
        random = np.random.default_rng(4)
        reviews = [random.choice(self.vocabulary, self.words, False) for _ in range(REVIEWS)]
        labels = random.integers(2, size=(REVIEWS, 1)).astype(np.float32)
        return list(zip(reviews, labels, strict=True))

    def weights(self) -> Weights:
        """Return table, weight and bias, the same for every framework."""
        random = np.random.default_rng(5)
        return {
            "table": random.uniform(-0.1, 0.1, (self.vocabulary, self.width)).astype(np.float32),
            "weight": random.uniform(-0.1, 0.1, (1, self.width)).astype(np.float32),
            "bias": np.zeros(1, np.float32),
        }

    def training(self, torch: Any) -> Training:
        """Build it with PyTorch's names."""
        nn, sizes = torch.nn, (self.vocabulary, self.width)
        sparse = {"sparse": True} if torch.__name__ == "torch" else {}
        rows, output = nn.Embedding(*sizes, **sparse), nn.Linear(self.width, 1)
        weights = self.weights()
        load(torch, rows, {"weight": weights.pop("table")})
        load(torch, output, weights)

        def loss_of(words: Any, liked: Any) -> Any:
            logit = output(torch.sigmoid(rows(words).sum(0)))
            return nn.functional.binary_cross_entropy_with_logits(logit, liked)

        parameters = [*rows.parameters(), *output.parameters()]
        optimizer = torch.optim.SGD(parameters, lr=LEARNING_RATE)
        batches = [(torch.tensor(words), torch.tensor(liked)) for words, liked in self.batches()]
        return Training(loss_of, optimizer, batches)

    def jax_step(self, jax: Any) -> Step:
        """Build it in JAX, with an update of the gathered rows alone."""
        np_ = jax.numpy
        parameters = {name: np_.asarray(array) for name, array in self.weights().items()}
        batches = [tuple(map(np_.asarray, batch)) for batch in self.batches()]

        def loss_of(parts: Any, liked: Any) -> Any:
            hidden = jax.nn.sigmoid(parts["rows"].sum(0))
            logit = parts["weight"] @ hidden + parts["bias"]
            return (np_.logaddexp(0, logit) - liked * logit).mean()

        def train(parameters: Any, words: Any, liked: Any) -> Any:
            table = parameters["table"]
            parts = {name: parameters[name] for name in ("weight", "bias")}
            parts["rows"] = table[words]
            loss, gradients = jax.value_and_grad(loss_of)(parts, liked)
            change = {name: -LEARNING_RATE * g for name, g in gradients.items()}
            moved = {name: parameters[name] + change[name] for name in ("weight", "bias")}
            return loss, moved | {"table": table.at[words].add(change["rows"])}

        train = jax.jit(train, donate_argnums=0)

        def step(number: int) -> Any:
            nonlocal parameters
            loss, parameters = train(parameters, *batches[number % REVIEWS])
            return loss

        return step
