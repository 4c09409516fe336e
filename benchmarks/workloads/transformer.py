"""The next letter of a text again, by a small GPT."""

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
RULE = {"lr": 1e-3, "betas": (0.9, 0.999), "weight_decay": 0.01}


@dataclass(frozen=True)
class Transformer:
    """Blocks of causal attention and GELU x4, norms before them, learnt positions, AdamW.

    There is no dropout. PyTorch and Streetlight use `scaled_dot_product_attention`.
    """

    layers: int = 4
    heads: int = 4
    width: int = 128
    context: int = 64
    batch: int = 12
    vocabulary: int = 65

    def batches(self) -> list[Batch]:
        """Return letters (batch, context) and those that follow, the same for every framework."""
        random = np.random.default_rng(8)
        texts = random.integers(self.vocabulary, size=(BATCHES, self.batch, self.context + 1))
        return [(text[:, :-1].copy(), text[:, 1:].copy()) for text in texts]

    def weights(self) -> Weights:
        """Return all weights, the same for every framework."""
        random = np.random.default_rng(9)
        width, letters = self.width, self.vocabulary
        shapes: dict[str, tuple[int, ...]] = {"letters.weight": (letters, width)}
        shapes |= {"positions.weight": (self.context, width)}
        for block in (f"blocks.{number}" for number in range(self.layers)):
            shapes |= pair(f"{block}.norm1", width)
            shapes |= pair(f"{block}.attend", 3 * width, width)
            shapes |= pair(f"{block}.project", width, width)
            shapes |= pair(f"{block}.norm2", width)
            shapes |= pair(f"{block}.expand", 4 * width, width)
            shapes |= pair(f"{block}.shrink", width, 4 * width)
        shapes |= pair("norm", width) | pair("output", letters, width)
        return {name: start(random, name, shape) for name, shape in shapes.items()}

    def training(self, torch: Any) -> Training:
        """Build it with PyTorch's names."""
        model = load(torch, network(torch, self), self.weights())
        cross_entropy = torch.nn.functional.cross_entropy
        return Training(
            lambda letters, after: cross_entropy(model(letters).flatten(0, 1), after.flatten()),
            torch.optim.AdamW(model.parameters(), **RULE, **fastest(torch)),
            [(torch.tensor(letters), torch.tensor(after)) for letters, after in self.batches()],
        )

    def jax_step(self, jax: Any) -> Step:
        """Build it in JAX."""
        loss_of = jax_loss(jax, self)
        return jax_training(jax, loss_of, self.weights(), self.batches(), RULE)


def pair(layer: str, *shape: int) -> dict[str, tuple[int, ...]]:
    """Name the shapes of a layer's weight and bias."""
    return {f"{layer}.weight": shape, f"{layer}.bias": shape[:1]}


def start(random: np.random.Generator, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Draw a matrix with a deviation of 0.02; norms begin with 1, biases with 0."""
    if len(shape) == 2:
        return random.normal(0, 0.02, shape).astype(np.float32)
    return np.full(shape, float(name.endswith("weight")), np.float32)


def network(torch: Any, sizes: Transformer) -> Any:
    """Write the network with PyTorch's names."""
    nn, width = torch.nn, sizes.width
    attention = nn.functional.scaled_dot_product_attention

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.attend = nn.Linear(width, 3 * width)
            self.project = nn.Linear(width, width)
            self.expand = nn.Linear(width, 4 * width)
            self.shrink = nn.Linear(4 * width, width)
            self.gelu = nn.GELU()

        def forward(self, x: Any) -> Any:
            x = x + self.look_around(self.norm1(x))
            return x + self.shrink(self.gelu(self.expand(self.norm2(x))))

        def look_around(self, x: Any) -> Any:
            batch, context, _ = x.shape
            parts = self.attend(x).chunk(3, dim=-1)
            heads = [
                part.reshape(batch, context, sizes.heads, -1).transpose(1, 2) for part in parts
            ]
            found = attention(*heads, is_causal=True)
            return self.project(found.transpose(1, 2).reshape(batch, context, width))

    class Gpt(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.letters = nn.Embedding(sizes.vocabulary, width)
            self.positions = nn.Embedding(sizes.context, width)
            self.blocks = nn.Sequential(*(Block() for _ in range(sizes.layers)))
            self.norm = nn.LayerNorm(width)
            self.output = nn.Linear(width, sizes.vocabulary)

        def forward(self, letters: Any) -> Any:
            x = self.letters(letters) + self.positions.weight
            return self.output(self.norm(self.blocks(x)))

    return Gpt()


def jax_loss(jax: Any, sizes: Transformer) -> Any:
    """Write the loss of a batch in JAX."""
    np_ = jax.numpy
    causal = np_.tril(np_.ones((sizes.context, sizes.context), bool))

    def linear(p: Any, layer: str, x: Any) -> Any:
        return x @ p[f"{layer}.weight"].T + p[f"{layer}.bias"]

    def norm(p: Any, layer: str, x: Any) -> Any:
        centred = x - x.mean(-1, keepdims=True)
        spread = (centred * centred).mean(-1, keepdims=True)
        return centred * jax.lax.rsqrt(spread + 1e-5) * p[f"{layer}.weight"] + p[f"{layer}.bias"]

    def attend(p: Any, block: str, x: Any) -> Any:
        batch, context, width = x.shape
        shape = batch, context, 3, sizes.heads, -1
        q, k, v = np_.moveaxis(linear(p, f"{block}.attend", x).reshape(shape), (2, 3), (0, 2))
        scores = q @ k.swapaxes(-2, -1) / q.shape[-1] ** 0.5
        found = jax.nn.softmax(np_.where(causal, scores, -np_.inf)) @ v
        return linear(p, f"{block}.project", found.swapaxes(1, 2).reshape(batch, context, width))

    def loss_of(p: Any, letters: Any, after: Any) -> Any:
        x = p["letters.weight"][letters] + p["positions.weight"]
        for block in (f"blocks.{number}" for number in range(sizes.layers)):
            x = x + attend(p, block, norm(p, f"{block}.norm1", x))
            wide = linear(p, f"{block}.expand", norm(p, f"{block}.norm2", x))
            x = x + linear(p, f"{block}.shrink", jax.nn.gelu(wide, approximate=False))
        logs = jax.nn.log_softmax(linear(p, "output", norm(p, "norm", x)))
        return -np_.take_along_axis(logs, after[..., None], 2).mean()

    return loss_of
