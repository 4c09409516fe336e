"""Tasks that pictures set themselves: something is hidden of a picture, and the encoder finds it.

Nobody names a digit. What is hidden is how the picture was turned, how its pieces were shuffled,
what stood in a hole, or which colours its strokes had; to find it out, the encoder has to learn
how digits are made.
"""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streetlight import functional as F
from streetlight import nn
from streetlight.creation import from_numpy
from streetlight.projects.representation.pretext_colours import stroke_colours
from streetlight.projects.representation.task import Task
from streetlight.random import default_generator
from streetlight.tensor import Tensor

Pictures = NDArray[np.float32]  # (M, 1, 28, 28), or (M, 3, 28, 28) in colour


class Pretext(Task):
    """A task that makes its targets of the pictures alone, and can show what is answered."""

    def batch(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Hide something: the pictures that are given, and what was hidden. No label is used."""
        inputs, targets = self.hide(images.numpy())
        return from_numpy(np.ascontiguousarray(inputs)), from_numpy(targets)

    def hide(self, images: Pictures) -> tuple[Pictures, NDArray[Any]]:
        """Draw what to hide; give the inputs and the targets, as arrays."""
        raise NotImplementedError

    def reveal(
        self, inputs: Pictures, targets: NDArray[Any], outputs: NDArray[np.float32]
    ) -> Pictures:
        """What the pictures are if the head's outputs are believed."""
        raise NotImplementedError

    def truth(self, images: Pictures, targets: NDArray[Any]) -> Pictures:
        """What `reveal` would give if all answers were right; the pictures, unless said."""
        return images

    def score(self, targets: NDArray[Any], outputs: NDArray[np.float32]) -> str:
        """How well the task is solved, in words."""
        raise NotImplementedError


class Choice(Pretext):
    """A task with a few possible answers, of which one is right."""

    answers: int

    def head(self, features: int) -> nn.Module:
        """One score for each answer."""
        return nn.Linear(features, self.answers)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy."""
        return F.cross_entropy(outputs, targets)

    def hide(self, images: Pictures) -> tuple[Pictures, NDArray[Any]]:
        """Draw an answer for each picture and change the picture by it."""
        drawn = default_generator.integers(0, self.answers, (len(images),))
        return self.change(images, drawn), drawn

    def change(self, images: Pictures, answers: NDArray[np.int64]) -> Pictures:
        """Change each picture by its answer."""
        raise NotImplementedError

    def score(self, targets: NDArray[Any], outputs: NDArray[np.float32]) -> str:
        """The share of right answers."""
        right = float((outputs.argmax(axis=1) == targets).mean())
        return f"{100 * right:.1f} % of {self.answers} answers right"


class Rotation(Choice):
    """How was the picture turned: not at all, a quarter, a half or three quarters to the left?

    Source: Gidaris, Singh and Komodakis, Unsupervised representation learning by predicting image
    rotations, 2018, arXiv:1803.07728.

    >>> up = np.zeros((1, 1, 2, 2), np.float32); up[0, 0, 0] = 1
    >>> Rotation().change(up, np.array([1]))[0, 0].tolist()
    [[1.0, 0.0], [1.0, 0.0]]
    """

    name, answers = "rotation", 4

    def change(self, images: Pictures, answers: NDArray[np.int64]) -> Pictures:
        """Turn each picture by so many quarters to the left."""
        turns = np.stack([np.rot90(images, quarters, (2, 3)) for quarters in range(4)])
        return turns[answers, np.arange(len(images))]

    def reveal(
        self, inputs: Pictures, targets: NDArray[Any], outputs: NDArray[np.float32]
    ) -> Pictures:
        """The pictures turned back by what was answered."""
        return self.change(inputs, -outputs.argmax(axis=1) % 4)


class Jigsaw(Choice):
    """In which of the 24 orders do the picture's four quarters lie?

    Source: Noroozi and Favaro, Unsupervised learning of visual representations by solving jigsaw
    puzzles, 2016, arXiv:1603.09246 (there with nine pieces and 1,000 of their orders).

    >>> pieces = np.arange(4, dtype=np.float32).reshape(1, 1, 2, 2)
    >>> Jigsaw().change(pieces, np.array([23]))[0, 0].tolist()
    [[3.0, 2.0], [1.0, 0.0]]
    """

    name = "jigsaw"
    orders = np.array(list(permutations(range(4))))
    answers = len(orders)

    def change(self, images: Pictures, answers: NDArray[np.int64]) -> Pictures:
        """Lay the quarters of each picture in the order that its answer stands for."""
        return _lay(images, self.orders[answers])

    def reveal(
        self, inputs: Pictures, targets: NDArray[Any], outputs: NDArray[np.float32]
    ) -> Pictures:
        """The pictures with their quarters where they belong, if the answers are right."""
        return _lay(inputs, self.orders[outputs.argmax(axis=1)].argsort(axis=1))


def _lay(images: Pictures, orders: NDArray[np.int64]) -> Pictures:
    """Place i of each picture (N, 1, 2h, 2w) gets the quarter `orders[:, i]`, row by row."""
    count, _, height, width = images.shape
    halves = images.reshape(count, 2, height // 2, 2, width // 2)
    quarters = halves.transpose(0, 1, 3, 2, 4).reshape(count, 4, height // 2, width // 2)
    laid = quarters[np.arange(count)[:, None], orders].reshape(count, 2, 2, height // 2, -1)
    return laid.transpose(0, 1, 3, 2, 4).reshape(images.shape)


class Painting(Pretext):
    """A task whose answer is a picture."""

    channels: int
    hidden = 256

    def head(self, features: int) -> nn.Module:
        """A small decoder: a dense layer, then a score for each pixel of each channel."""
        pixels = nn.Linear(self.hidden, self.channels * 28 * 28)
        return nn.Sequential(nn.Linear(features, self.hidden), nn.ReLU(), pixels)

    def paint(self, outputs: NDArray[np.float32]) -> Pictures:
        """The picture that the decoder's scores stand for, (M, channels, 28, 28)."""
        scores = outputs.reshape(-1, self.channels, 28, 28)
        return np.asarray(1 / (1 + np.exp(-scores)), np.float32)


class Inpaint(Painting):
    """What stood in the hole of 14 × 14 pixels that was cut into the picture and filled with grey?

    The targets (M, 2, 28, 28) are the whole picture and where the hole is (1, elsewhere 0).

    Source: Pathak et al., Context encoders: feature learning by inpainting, 2016,
    arXiv:1604.07379.
    """

    name, channels = "inpaint", 1
    size, nearest, farthest = 14, 3, 11  # of the hole; its distance from the upper and left edge

    def hide(self, images: Pictures) -> tuple[Pictures, NDArray[Any]]:
        """Cut a hole into each picture, not far from its middle."""
        corners = default_generator.integers(self.nearest, self.farthest + 1, (2, len(images), 1))
        near = np.arange(28) - corners  # (2, N, 28) rows and columns from the hole's corner
        rows, columns = (near >= 0) & (near < self.size)
        hole = (rows[:, None, :, None] & columns[:, None, None, :]).astype(np.float32)
        return images * (1 - hole) + 0.5 * hole, np.concatenate([images, hole], axis=1)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of ink and paper, mean over the pixels of the holes."""
        picture, hole = targets[:, :1].flatten(1), targets[:, 1:].flatten(1)
        wrong = F.binary_cross_entropy_with_logits(outputs, picture, reduction="none")
        return (wrong * hole).sum() / hole.sum()

    def reveal(
        self, inputs: Pictures, targets: NDArray[Any], outputs: NDArray[np.float32]
    ) -> Pictures:
        """The pictures with their holes filled."""
        hole = targets[:, 1:]
        return inputs * (1 - hole) + self.paint(outputs) * hole

    def score(self, targets: NDArray[Any], outputs: NDArray[np.float32]) -> str:
        """The mean error of a pixel in the hole, beside that of filling in the mean picture."""
        picture, hole = targets[:, :1], targets[:, 1:]
        mean = picture.mean(axis=0)
        return _errors([self.paint(outputs) - picture, mean - picture], hole)


class Colour(Painting):
    """Which colours did the strokes have, before the picture was made grey?

    The colour of a stroke is its direction (`stroke_colours`), so that it can be found in the grey
    picture, and whoever finds it knows which strokes make up the digit. The targets are
    (M, 3, 28, 28).

    Source: Zhang, Isola and Efros, Colorful image colorization, 2016, arXiv:1603.08511.
    """

    name, channels = "colour", 3

    def hide(self, images: Pictures) -> tuple[Pictures, NDArray[Any]]:
        """Keep the grey picture; the coloured one is hidden."""
        return images, stroke_colours(images[:, 0])

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of each channel, mean over pixels."""
        return F.binary_cross_entropy_with_logits(outputs, targets.flatten(1))

    def reveal(
        self, inputs: Pictures, targets: NDArray[Any], outputs: NDArray[np.float32]
    ) -> Pictures:
        """The coloured pictures."""
        return self.paint(outputs)

    def truth(self, images: Pictures, targets: NDArray[Any]) -> Pictures:
        """The coloured pictures as they were."""
        return targets

    def score(self, targets: NDArray[Any], outputs: NDArray[np.float32]) -> str:
        """The mean error of a channel where there is ink, beside that of staying grey."""
        ink = (targets.max(axis=1, keepdims=True) > 0.5).astype(np.float32)
        grey = targets.mean(axis=1, keepdims=True)
        return _errors([self.paint(outputs) - targets, grey - targets], ink)


def _errors(differences: list[Pictures], where: Pictures) -> str:
    """Say the mean absolute values of two differences, where `where` is 1."""
    own, plain = (
        float(np.average(np.abs(d).mean(axis=1), weights=where[:, 0])) for d in differences
    )
    return f"a pixel is off by {own:.3f}, without the network by {plain:.3f}"
