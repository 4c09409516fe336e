"""How well a network does on rows of a table, beside the best that one can do without looking.

Guessing means: always saying the most frequent class, or the mean, of the training rows. A network
that does no better has learnt nothing, and that is said.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import floor, log10

import numpy as np
from numpy.typing import NDArray

from streetlight.projects.table_data import Encoding
from streetlight.projects.words import percent, plural

Floats = NDArray[np.float64]
SHUFFLES, MOST_ROWS = 10, 2_000
LEAST_R2, LEAST_LOSS = 0.05, 0.001


@dataclass(frozen=True)
class Outcome:
    """What a network says about rows whose target is known.

    Attributes:
        encoding: of the table.
        outputs: (rows, classes) logits, or (rows, 1) standardised numbers.
        true: (rows,) class numbers, or numbers as they stand in the table.
    """

    encoding: Encoding
    outputs: Floats
    true: Floats

    @property
    def chances(self) -> Floats:
        """(rows, classes) probabilities: softmax of the logits."""
        return softmax(self.outputs)

    @property
    def said(self) -> Floats:
        """(rows,) class numbers or numbers."""
        return answers(self.encoding, self.outputs)

    @property
    def score(self) -> float:
        """Share of right classes, or R² = 1 − Σ(true − said)² / Σ(true − mean)²."""
        if self.encoding.target.classes:
            return float(np.mean(self.said == self.true))
        around = float(np.sum((self.true - self.true.mean()) ** 2))
        return 1 - float(np.sum((self.true - self.said) ** 2)) / around if around else 0.0

    @property
    def error(self) -> float:
        """Mean of |true − said|, for numbers."""
        return float(np.mean(np.abs(self.true - self.said)))

    @property
    def margin(self) -> float:
        """Standard error of the share p of right classes: √(p (1 − p) / n).

        One right and one wrong row are added, so that a perfect score is not taken for certain.
        """
        rows = len(self.true) + 2
        share = (self.score * len(self.true) + 1) / rows
        return float(np.sqrt(share * (1 - share) / rows))

    @property
    def hopeless(self) -> bool:
        """Whether it is not clearly better than guessing: within the noise of so many rows."""
        if not self.encoding.target.classes:
            return self.score < LEAST_R2
        luck = float(np.mean(self.true == self.encoding.guess))
        return self.score - luck <= float(np.sqrt(luck * (1 - luck) / len(self.true)))

    def tell(self, kind: str = "held-out row") -> list[str]:
        """The result on this kind of rows in words, beside what guessing gives."""
        target, guess = self.encoding.target, self.encoding.guess
        rows = plural(len(self.true), kind)
        if target.classes:
            name = target.classes[int(guess)]
            luck = float(np.mean(self.true == guess))
            lines = [
                f"right for {percent(self.score)} of {rows} (± {percent(self.margin)}); "
                f"always saying {name!r}: {percent(luck)}",
                *self.confused(),
            ]
        else:
            luck = float(np.mean(np.abs(self.true - guess)))
            lines = [
                f"R² {self.score:.3f} on {rows} (1 is perfect, 0 is guessing)",
                f"off by {brief(self.error)} on average; "
                f"always saying {brief(guess)}: {brief(luck)}",
            ]
        if self.hopeless:
            lines.append(
                f"That is no better than guessing: these columns do not tell {target.name!r}, "
                "or there are too few rows."
            )
        return lines

    def matrix(self) -> NDArray[np.int64]:
        """(classes, classes) counts, one row for each true class."""
        size = len(self.encoding.target.classes)
        pairs = (self.true * size + self.said).astype(np.int64)
        return np.bincount(pairs, minlength=size * size).reshape(size, size)

    def confused(self) -> list[str]:
        """The three most frequent mistakes in words."""
        wrong = self.matrix() * ~np.eye(len(self.encoding.target.classes), dtype=bool)
        names = self.encoding.target.classes
        order = np.argsort(-wrong, axis=None, kind="stable")[:3]
        pairs = [divmod(int(place), len(names)) for place in order]
        told = [
            f"{names[true]} taken for {names[said]} {wrong[true, said]}×"
            for true, said in pairs
            if wrong[true, said]
        ]
        return ["most confused: " + ", ".join(told)] if told else []

    def worst(self) -> NDArray[np.int64]:
        """The rows from the worst on: numbers that are farthest off; classes that are wrong.

        Of wrong classes the surest come first. If none is wrong, all rows, the least sure first.
        """
        if not self.encoding.target.classes:
            return np.argsort(-np.abs(self.true - self.said), kind="stable")
        sure = self.chances.max(axis=1)
        wrong = np.flatnonzero(self.said != self.true)
        if not len(wrong):
            return np.argsort(sure, kind="stable")
        return wrong[np.argsort(-sure[wrong], kind="stable")]


def brief(number: float) -> str:
    """A number with four digits that count, and without an exponent where it can be read so.

    >>> brief(32031.4), brief(-0.0256065714), brief(3.0), brief(1e-9)
    ('32,031', '−0.02561', '3', '1e−09')
    """
    text = f"{number:,.0f}" if 1e3 <= abs(number) < 1e12 else f"{number:.4g}"
    return text.replace("-", "−")


def decimals(spread: float, digits: int) -> int:
    """How many decimals of a predicted number count: so many digits of the target's spread.

    >>> decimals(250.0, 6), decimals(0.5, 6), decimals(4e7, 6)
    (3, 6, 0)
    """
    return max(0, digits - 1 - floor(log10(spread)))


def softmax(logits: Floats) -> Floats:
    """Probabilities from logits: exp(x) / Σ exp(x) along each row."""
    powers: Floats = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def answers(encoding: Encoding, outputs: Floats) -> Floats:
    """(rows,) class numbers, or numbers on the scale of the table."""
    if encoding.target.classes:
        return outputs.argmax(axis=1).astype(np.float64)
    numbers: Floats = outputs[:, 0] * encoding.spread + encoding.guess
    return numbers


def column_importance(
    network: Callable[[NDArray[np.float32]], Floats],
    outcome: Outcome,
    inputs: NDArray[np.float32],
    seed: int,
) -> tuple[dict[str, float], list[str]]:
    """How much the score falls when one column is shuffled among the rows; the largest first.

    A column that shares its information with another one seems to count little. Source:
    L. Breiman, Random forests, Machine Learning 45, 2001.

    Returns:
        The mean loss for each column, and those that count: whose loss is beyond the noise of the
        shuffling (three standard deviations), in a network that is better than guessing.

    Args:
        network: gives outputs for inputs.
        outcome: what it says about the rows.
        inputs: (rows, inputs) of the same rows.
        seed: of the shuffling.
    """
    generator = np.random.default_rng(seed)
    rows = generator.permutation(len(inputs))[:MOST_ROWS]
    encoding, true = outcome.encoding, outcome.true[rows]
    whole = Outcome(encoding, outcome.outputs[rows], true).score
    lost, noise = {}, {}
    for name, part in encoding.parts.items():
        scores = []
        for _ in range(SHUFFLES):
            shuffled = inputs[rows]
            shuffled[:, part] = shuffled[generator.permutation(len(rows)), part]
            scores.append(Outcome(encoding, network(shuffled), true).score)
        lost[name] = whole - float(np.mean(scores))
        noise[name] = max(3 * float(np.std(scores)), LEAST_LOSS)
    lost = dict(sorted(lost.items(), key=lambda item: -item[1]))
    counting = [name for name, loss in lost.items() if loss > noise[name]]
    return lost, [] if outcome.hopeless else counting
