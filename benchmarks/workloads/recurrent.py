"""The next letter of a text: an embedding, a recurrent layer over the time steps, an output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.workloads.training import Batch, Step, Training, Weights, jax_training, load

BATCHES, LEARNING_RATE = 10, 0.1
GATES = {"RNN": 1, "LSTM": 4}


@dataclass(frozen=True)
class Recurrent:
    """Embedding, tanh RNN or LSTM, linear, cross-entropy over all time steps, SGD.

    Letters are (time, batch). In PyTorch the layer is its own `nn.RNN` or `nn.LSTM`; in Streetlight
    it is composed of operations, as a reader of the formulas would write it.
    """

    kind: str
    width: int = 512
    batch: int = 32
    steps: int = 16
    vocabulary: int = 62

    def batches(self) -> list[Batch]:
        """Return letters and the letters that follow them, the same for every framework."""
        random = np.random.default_rng(6)
        texts = random.integers(self.vocabulary, size=(BATCHES, self.steps + 1, self.batch))
        return [(text[:-1].copy(), text[1:].copy()) for text in texts]

    def weights(self) -> Weights:
        """Return all weights, the same for every framework."""
        random = np.random.default_rng(7)
        width, gates, letters = self.width, GATES[self.kind] * self.width, self.vocabulary
        shapes: dict[str, tuple[int, ...]] = {"embedding.weight": (letters, width)}
        shapes |= {"input.weight": (gates, width), "input.bias": (gates,)}
        shapes |= {"hidden.weight": (gates, width), "hidden.bias": (gates,)}
        shapes |= {"output.weight": (letters, width), "output.bias": (letters,)}
        return {
            name: (random.uniform(-1, 1, shape) / width**0.5).astype(np.float32)
            for name, shape in shapes.items()
        }

    def training(self, torch: Any) -> Training:
        """Build it with PyTorch's names; the recurrent layer as the framework has it."""
        model = (layered if hasattr(torch.nn, self.kind) else composed)(torch, self)
        cross_entropy = torch.nn.functional.cross_entropy
        return Training(
            lambda letters, after: cross_entropy(model(letters).flatten(0, 1), after.flatten()),
            torch.optim.SGD(model.parameters(), lr=LEARNING_RATE),
            [(torch.tensor(letters), torch.tensor(after)) for letters, after in self.batches()],
        )

    def jax_step(self, jax: Any) -> Step:
        """Build it in JAX by `lax.scan` (unrolling it makes it no faster).

        The inputs of all time steps are weighed at once, which the scan could not see to.
        """
        np_ = jax.numpy
        cell = jax_lstm if self.kind == "LSTM" else jax_rnn
        begin = np_.zeros((2 if self.kind == "LSTM" else 1, self.batch, self.width))

        def loss_of(p: Any, letters: Any, after: Any) -> Any:
            bias = p["input.bias"] + p["hidden.bias"]
            inputs = p["embedding.weight"][letters] @ p["input.weight"].T + bias

            def advance(state: Any, now: Any) -> Any:
                state = cell(jax, now + state[0] @ p["hidden.weight"].T, *state)
                return state, state[0]

            _, hidden = jax.lax.scan(advance, tuple(begin), inputs)
            logs = jax.nn.log_softmax(hidden @ p["output.weight"].T + p["output.bias"])
            return -np_.take_along_axis(logs, after[..., None], 2).mean()

        return jax_training(jax, loss_of, self.weights(), self.batches(), {"lr": LEARNING_RATE})


def jax_rnn(jax: Any, weighed: Any, hidden: Any) -> tuple[Any]:
    """Return the next hidden state of a tanh RNN."""
    return (jax.numpy.tanh(weighed),)


def jax_lstm(jax: Any, weighed: Any, hidden: Any, cell: Any) -> tuple[Any, Any]:
    """Return the next hidden state and the next cell of an LSTM."""
    sigmoid, tanh = jax.nn.sigmoid, jax.numpy.tanh
    enter, keep, new, show = jax.numpy.split(weighed, 4, axis=-1)
    cell = sigmoid(keep) * cell + sigmoid(enter) * tanh(new)
    return sigmoid(show) * tanh(cell), cell


def layered(torch: Any, sizes: Recurrent) -> Any:
    """Return the network with the framework's own recurrent layer."""
    nn = torch.nn

    class Letters(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(sizes.vocabulary, sizes.width)
            self.recurrent = getattr(nn, sizes.kind)(sizes.width, sizes.width)
            self.output = nn.Linear(sizes.width, sizes.vocabulary)

        def forward(self, letters: Any) -> Any:
            hidden, _ = self.recurrent(self.embedding(letters))
            return self.output(hidden)

    weights = sizes.weights()
    for own, part in (("ih", "input"), ("hh", "hidden")):
        for name in ("weight", "bias"):
            weights[f"recurrent.{name}_{own}_l0"] = weights.pop(f"{part}.{name}")
    return load(torch, Letters(), weights)


def composed(torch: Any, sizes: Recurrent) -> Any:
    """Return the network with the recurrent layer written out."""
    nn, width = torch.nn, sizes.width

    class Letters(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(sizes.vocabulary, width)
            self.input = nn.Linear(width, GATES[sizes.kind] * width)
            self.hidden = nn.Linear(width, GATES[sizes.kind] * width)
            self.output = nn.Linear(width, sizes.vocabulary)

        def rnn(self, inputs: Any) -> list[Any]:
            hidden, states = torch.zeros(sizes.batch, width), []
            for now in inputs:
                hidden = torch.tanh(self.input(now) + self.hidden(hidden))
                states.append(hidden)
            return states

        def lstm(self, inputs: Any) -> list[Any]:
            hidden = cell = torch.zeros(sizes.batch, width)
            states = []
            for now in inputs:
                gates = self.input(now) + self.hidden(hidden)
                enter, keep, new, show = gates.chunk(4, dim=1)
                cell = torch.sigmoid(keep) * cell + torch.sigmoid(enter) * torch.tanh(new)
                hidden = torch.sigmoid(show) * torch.tanh(cell)
                states.append(hidden)
            return states

        def forward(self, letters: Any) -> Any:
            inputs = self.embedding(letters)
            states = self.lstm(inputs) if sizes.kind == "LSTM" else self.rnn(inputs)
            return self.output(torch.stack(states))

    return load(torch, Letters(), sizes.weights())
