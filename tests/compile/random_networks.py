"""Networks drawn at random from a seed: layers, sizes, losses and optimisers of every kind."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

import streetlight as sl
from streetlight import nn, optim
from streetlight.nn import functional as F
from streetlight.optim import lr_scheduler as schedules

ACTIVATIONS: list[Callable[[Any], Any]] = [
    F.relu, F.gelu, F.silu, F.elu, F.softplus, sl.tanh, sl.sigmoid,
    lambda x: F.leaky_relu(x, 0.1), lambda x: F.gelu(x, "tanh"), lambda x: F.softmax(x, -1),
]  # fmt: skip
NORMS: list[Callable[[int], Any]] = [
    nn.LayerNorm, nn.RMSNorm, nn.BatchNorm1d, lambda width: nn.Identity(),
]  # fmt: skip
OPTIMIZERS: list[Callable[[Any], Any]] = [
    lambda p: optim.SGD(p, lr=0.05),
    lambda p: optim.SGD(p, lr=0.02, momentum=0.9, nesterov=True, weight_decay=0.01),
    lambda p: optim.Adam(p, lr=0.01, eps=1e-4),
    lambda p: optim.Adam(p, lr=0.01, eps=1e-4, amsgrad=True, weight_decay=0.01),
    lambda p: optim.AdamW(p, lr=0.01, eps=1e-4),
    lambda p: optim.RMSprop(p, lr=0.005, eps=1e-4, momentum=0.5, centered=True),
    lambda p: optim.Adagrad(p, lr=0.02, eps=1e-4, lr_decay=0.1),
]


class Block(nn.Module):
    """Norm, linear map, activation and dropout, with the input added if it fits."""

    def __init__(self, draw: Any, width: int, out: int) -> None:
        self.norm = NORMS[draw.integers(len(NORMS))](width)
        self.linear = nn.Linear(width, out, bias=bool(draw.integers(2)))
        self.activation = ACTIVATIONS[draw.integers(len(ACTIVATIONS))]
        self.dropout = nn.Dropout(float(draw.choice([0.0, 0.2, 0.5])))
        self.residual = width == out and bool(draw.integers(2))

    def forward(self, x: Any) -> Any:
        """Apply the block to rows (N, width)."""
        y = self.dropout(self.activation(self.linear(self.norm(x))))
        return x + y if self.residual else y


class Dense(nn.Module):
    """Some blocks one after the other, on rows of numbers."""

    def __init__(self, draw: Any, classes: int) -> None:
        self.width = int(draw.integers(1, 9))
        widths = [self.width, *map(int, draw.integers(2, 17, draw.integers(1, 5)))]
        widths += [widths[-1]] * int(draw.integers(2))
        self.blocks = [Block(draw, a, b) for a, b in itertools.pairwise(widths)]
        self.head = nn.Linear(widths[-1], classes)

    def inputs(self, draw: Any, count: int) -> Any:
        """A batch of rows."""
        return sl.tensor(draw.normal(size=(count, self.width)), dtype=sl.get_default_dtype())

    def forward(self, x: Any) -> Any:
        """Give scores (N, classes)."""
        for block in self.blocks:
            x = block(x)
        return self.head(x)


class Words(nn.Module):
    """What the networks for sequences share: a table of words, which the output may share."""

    def __init__(self, draw: Any, classes: int) -> None:
        self.words = int(draw.integers(classes, 12))
        self.length = int(draw.integers(1, 6))
        self.width = int(draw.choice([4, 6, 8]))
        self.table = nn.Embedding(self.words, self.width)
        self.head = nn.Linear(self.width, classes, bias=False)
        if classes == self.words:
            self.head.weight = self.table.weight

    def inputs(self, draw: Any, count: int) -> Any:
        """A batch of sequences of word numbers."""
        return sl.tensor(draw.integers(0, self.words, (count, self.length)))


class Recurrent(Words):
    """A recurrence written by hand: plain, or with the gates of a GRU or an LSTM."""

    def __init__(self, draw: Any, classes: int) -> None:
        super().__init__(draw, classes)
        self.kind = str(draw.choice(["plain", "gru", "lstm"]))
        parts = {"plain": 1, "gru": 3, "lstm": 4}[self.kind]
        self.take = nn.Linear(self.width, parts * self.width)
        self.keep = nn.Linear(self.width, parts * self.width, bias=False)

    def forward(self, x: Any) -> Any:
        """Give scores after the last word."""
        hidden = sl.zeros(x.shape[0], self.width)
        cell = sl.zeros(x.shape[0], self.width)
        for t in range(self.length):
            hidden, cell = getattr(self, self.kind)(self.table(x[:, t]), hidden, cell)
        return self.head(hidden)

    def plain(self, x: Any, hidden: Any, cell: Any) -> Any:
        """One step of a plain recurrence."""
        return sl.tanh(self.take(x) + self.keep(hidden)), cell

    def gru(self, x: Any, hidden: Any, cell: Any) -> Any:
        """One step of a GRU."""
        reset, update, new = self.take(x).chunk(3, 1)
        old_reset, old_update, old_new = self.keep(hidden).chunk(3, 1)
        gate = sl.sigmoid(update + old_update)
        candidate = sl.tanh(new + sl.sigmoid(reset + old_reset) * old_new)
        return gate * hidden + (1 - gate) * candidate, cell

    def lstm(self, x: Any, hidden: Any, cell: Any) -> Any:
        """One step of an LSTM."""
        into, forget, new, out = (self.take(x) + self.keep(hidden)).chunk(4, 1)
        cell = sl.sigmoid(forget) * cell + sl.sigmoid(into) * sl.tanh(new)
        return sl.sigmoid(out) * sl.tanh(cell), cell


class Attentive(Words):
    """Self-attention over the words, and the mean over them."""

    def __init__(self, draw: Any, classes: int) -> None:
        super().__init__(draw, classes)
        self.heads = int(draw.choice([1, 2]))
        self.causal = bool(draw.integers(2))
        self.share = float(draw.choice([0.0, 0.2]))
        self.places = nn.Parameter(
            sl.tensor(draw.normal(size=(self.length, self.width)), dtype=sl.get_default_dtype())
        )
        self.norms = [nn.LayerNorm(self.width), nn.LayerNorm(self.width)]
        self.triples = nn.Linear(self.width, 3 * self.width)
        self.wide = nn.Linear(self.width, 2 * self.width)
        self.narrow = nn.Linear(2 * self.width, self.width)

    def forward(self, x: Any) -> Any:
        """Give scores (N, classes)."""
        x = self.table(x) + self.places
        batch, length, width = x.shape
        parts = self.triples(self.norms[0](x)).chunk(3, -1)
        split = [
            p.reshape(batch, length, self.heads, width // self.heads).transpose(1, 2) for p in parts
        ]
        dropped = self.share if self.training else 0.0
        mixed = F.scaled_dot_product_attention(*split, dropout_p=dropped, is_causal=self.causal)
        x = x + mixed.transpose(1, 2).reshape(batch, length, width)
        x = x + self.narrow(F.gelu(self.wide(self.norms[1](x))))
        return self.head(x.mean(1))


LOSSES: list[tuple[Callable[[Any, Any], Any], str]] = [
    (F.cross_entropy, "labels"),
    (lambda x, y: F.cross_entropy(x, y, label_smoothing=0.1), "labels"),
    (F.mse_loss, "numbers"),
    (F.smooth_l1_loss, "numbers"),
    (lambda x, y: F.binary_cross_entropy_with_logits(x, y.sigmoid()), "numbers"),
]


class Experiment:
    """A network, its loss, optimiser and batches, all drawn from one seed."""

    def __init__(self, seed: int) -> None:
        draw = np.random.default_rng(seed)
        self.classes = int(draw.integers(2, 6))
        kind = [Dense, Dense, Recurrent, Attentive][seed % 4]
        self.model = kind(draw, self.classes)
        self.loss, self.target = LOSSES[draw.integers(len(LOSSES))]
        self.optimizer = OPTIMIZERS[draw.integers(len(OPTIMIZERS))](self.model.parameters())
        self.schedule = schedules.ExponentialLR(self.optimizer, 0.95) if draw.integers(2) else None
        self.clips = bool(draw.integers(2))
        batchnorm = any(isinstance(m, nn.BatchNorm1d) for m in self.model.modules())
        self.sizes = [int(draw.choice([2, 3, 7, 8] if batchnorm else [1, 2, 5, 8]))]
        self.sizes += [3] * int(draw.integers(2))  # with a smaller batch now and then
        self.draw = draw

    def batch(self, number: int) -> tuple[Any, Any]:
        """The inputs and targets of a step."""
        count = self.sizes[-1] if number % 7 == 6 else self.sizes[0]
        x = self.model.inputs(self.draw, count)
        if self.target == "labels":
            return x, sl.tensor(self.draw.integers(0, self.classes, count))
        y = self.draw.normal(size=(count, self.classes))
        return x, sl.tensor(y, dtype=sl.get_default_dtype())

    def step(self, x: Any, y: Any) -> Any:
        """One step of training."""
        self.optimizer.zero_grad()
        loss = self.loss(self.model(x), y)
        loss.backward()
        if self.clips:
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return loss
