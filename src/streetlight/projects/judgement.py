"""How good a network of digits is: what it says of pictures it has never seen, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streetlight import functional as F
from streetlight import nn
from streetlight.autograd import no_grad
from streetlight.projects.words import TIMES, percent, times

if TYPE_CHECKING:
    from streetlight.datasets import LabelledImages
    from streetlight.utils.data import DataLoader


@dataclass(frozen=True)
class Judgement:
    """What a network said of n pictures.

    Attributes:
        shares: (n, classes) the probability of each class.
        true: (n,) the right classes.
    """

    shares: NDArray[np.float32]
    true: NDArray[np.int64]

    @property
    def said(self) -> NDArray[np.int64]:
        """The likeliest class of each picture, (n,)."""
        return self.shares.argmax(axis=1)

    @property
    def right(self) -> int:
        """How many pictures were named rightly."""
        return int((self.said == self.true).sum())

    @property
    def accuracy(self) -> float:
        """The share of pictures that were named rightly."""
        return self.right / len(self.true)

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Counts (true class, said class)."""
        counts = np.zeros(2 * self.shares.shape[1:], np.int64)
        np.add.at(counts, (self.true, self.said), 1)
        return counts

    @property
    def sureness(self) -> NDArray[np.float32]:
        """The probability that the network gave to what it said, (n,)."""
        return self.shares.max(axis=1)

    def worst(self, most: int) -> NDArray[np.int64]:
        """The mistakes, the surest first; if there are none, the pictures it was least sure of."""
        wrong = np.flatnonzero(self.said != self.true)
        if not len(wrong):
            return self.sureness.argsort(kind="stable")[:most]
        return wrong[(-self.sureness[wrong]).argsort(kind="stable")][:most]

    def confused(self, most: int = 3) -> list[tuple[int, int, int]]:
        """The pairs (true, said, how often) that are mixed up most."""
        wrong = self.confusion * (1 - np.eye(self.shares.shape[1], dtype=np.int64))
        order = (-wrong).argsort(axis=None, kind="stable")[:most]
        pairs = [divmod(int(place), len(wrong)) for place in order]
        return [(true, said, int(wrong[true, said])) for true, said in pairs if wrong[true, said]]

    def point(self) -> str:
        """What the confusion matrix shows, in a headline."""
        for true, said, count in self.confused(1):
            if count > 1:
                comma = "," if count >= len(TIMES) else ""
                return f"{true} is taken for {said}{comma} {times(count)}"
            return "No digit is taken for the same other one twice"
        return "No digit is taken for another one"

    def __str__(self) -> str:
        score = f"{percent(self.accuracy)} right: {self.right:,} of {len(self.true):,} test digits"
        pairs = [f"{a} taken for {b} ({times(count)})" for a, b, count in self.confused()]
        worst = "most confused: " + ", ".join(pairs) if pairs else "nothing was confused"
        return f"{score}, which it had never seen\n{worst}"


def judge(model: nn.Module, images: LabelledImages) -> Judgement:
    """Ask a network about pictures whose classes are known."""
    return Judgement(ask(model, images.images.numpy()), images.labels.numpy())


def ask(model: nn.Module, images: NDArray[np.float32] | DataLoader) -> NDArray[np.float32]:
    """Give the probability of each class for images (n, channels, height, width), or batches."""
    from streetlight.train.evaluate import predict

    with no_grad():
        return F.softmax(predict(model, images), dim=1).numpy()
