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
from streetlight.augment import Compose, RandomAffine, RandomErasing
from streetlight.creation import from_numpy
from streetlight.projects.representation.pretext_colours import stroke_colours
from streetlight.projects.representation.task import Task
from streetlight.projects.words import percent
from streetlight.random import default_generator
from streetlight.tensor import Tensor

Pictures = NDArray[np.float32]  # (M, 1, 28, 28), or (M, 3, 28, 28) in colour
HIDDEN = 256  # units of the head


def moved() -> RandomAffine:
    """A change of place, size and slant: what is learnt must not hang on a few pixels."""
    return RandomAffine(20, translate=(0.1, 0.1), scale=(0.75, 1.25), shear=20)


class Pretext(Task):
    """A task that makes its targets of the pictures alone, and can show what is answered.

    Attributes:
        outputs: how many numbers the head gives for a picture.
    """

    epochs, batch_size, rate = 5, 128, 3e-3
    outputs: int

    def batch(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Hide something: the pictures that are given, and what was hidden. No label is used."""
        inputs, targets = self.hide(images.numpy())
        return from_numpy(np.ascontiguousarray(inputs)), from_numpy(targets)

    def head(self, features: int) -> nn.Module:
        """Two dense layers, so that the features need not be the answer itself."""
        layers = nn.Linear(features, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, self.outputs)
        return nn.Sequential(nn.ReLU(), *layers)

    def hide(self, images: Pictures) -> tuple[Pictures, NDArray[Any]]:
        """Draw what to hide; give the inputs and the targets, as arrays."""
        raise NotImplementedError

    def reveal(
        self, inputs: Pictures, targets: NDArray[Any], outputs: NDArray[np.float32]
    ) -> Pictures:
        """What the pictures are if the head's outputs are believed."""
        raise NotImplementedError

    def truth(self, inputs: Pictures, targets: NDArray[Any]) -> Pictures:
        """What the pictures are."""
        raise NotImplementedError

    def score(self, inputs: Pictures, targets: NDArray[Any], outputs: NDArray[np.float32]) -> str:
        """How well the task is solved, in words."""
        raise NotImplementedError


class Rotation(Pretext):
    """How was the picture turned: not at all, a quarter, a half or three quarters to the left?

    Before that it is moved, sized and slanted a little, and sometimes a part of it erased, so that
    no detail of a few pixels gives the answer away. The targets are the quarters (M,).

    Source: Gidaris, Singh and Komodakis, Unsupervised representation learning by predicting image
    rotations, 2018, arXiv:1803.07728.

    >>> up = np.zeros((1, 1, 2, 2), np.float32); up[0, 0, 0] = 1
    >>> Rotation().turn(up, np.array([1]))[0, 0].tolist()
    [[1.0, 0.0], [1.0, 0.0]]
    """

    name, outputs = "rotation", 4

    def __init__(self) -> None:
        self.vary = Compose([moved(), RandomErasing(p=0.5, scale=(0.05, 0.2))])

    def hide(self, images: Pictures) -> tuple[Pictures, NDArray[Any]]:
        """Vary each picture and turn it by quarters that are drawn."""
        quarters = default_generator.integers(0, self.outputs, (len(images),))
        return self.turn(self.vary(images), quarters), quarters

    def turn(self, images: Pictures, quarters: NDArray[np.int64]) -> Pictures:
        """Turn each picture by its number of quarters to the left."""
        turns = np.stack([np.rot90(images, number, (2, 3)) for number in range(self.outputs)])
        return turns[quarters % self.outputs, np.arange(len(images))]

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of the four answers."""
        return F.cross_entropy(outputs, targets)

    def reveal(
        self, inputs: Pictures, targets: NDArray[Any], outputs: NDArray[np.float32]
    ) -> Pictures:
        """The pictures turned back by what was answered."""
        return self.truth(inputs, outputs.argmax(axis=1))

    def truth(self, inputs: Pictures, targets: NDArray[Any]) -> Pictures:
        """The pictures turned back."""
        return self.turn(inputs, -targets)

    def score(self, inputs: Pictures, targets: NDArray[Any], outputs: NDArray[np.float32]) -> str:
        """The share of right answers."""
        right = float((outputs.argmax(axis=1) == targets).mean())
        return f"{percent(right)} of the turns are told rightly"


class Painting(Pretext):
    """A task whose answer is a picture: the head is a small decoder with a score for each pixel.

    The targets are the right pictures (M, channels, 28, 28), unless a task says otherwise.
    """

    channels = 1

    @property
    def outputs(self) -> int:  # type: ignore[override]
        """One number for each pixel of each channel."""
        return self.channels * 28 * 28

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of ink and paper, mean over pixels and channels."""
        return F.binary_cross_entropy_with_logits(outputs, targets.flatten(1))

    def paint(self, outputs: NDArray[np.float32]) -> Pictures:
        """The picture that the decoder's scores stand for, (M, channels, 28, 28)."""
        scores = outputs.reshape(-1, self.channels, 28, 28)
        return np.asarray(1 / (1 + np.exp(-scores)), np.float32)

    def reveal(
        self, inputs: Pictures, targets: NDArray[Any], outputs: NDArray[np.float32]
    ) -> Pictures:
        """The painted pictures."""
        return self.paint(outputs)

    def truth(self, inputs: Pictures, targets: NDArray[Any]) -> Pictures:
        """The right pictures."""
        return targets


class Jigsaw(Painting):
    """In which of the 24 orders do the picture's four quarters lie?

    The network paints the picture as it was before; the order is that in which the quarters come
    nearest to the painting. An encoder that is asked for the order alone (as in the source) knows
    a quarter of a digit by its blank border, and learns little about the digit.

    Source: Noroozi and Favaro, Unsupervised learning of visual representations by solving jigsaw
    puzzles, 2016, arXiv:1603.09246 (with nine pieces, and scores for 64 to 1,000 orders).
    """

    name = "jigsaw"
    orders = np.array(list(permutations(range(4))))  # (24, 4): place i gets quarter orders[:, i]

    def hide(self, images: Pictures) -> tuple[Pictures, NDArray[Any]]:
        """Lay the quarters of each picture in an order that is drawn."""
        drawn = default_generator.integers(0, len(self.orders), (len(images),))
        return _laid(_quarters(images), self.orders[drawn]), images

    def reveal(
        self, inputs: Pictures, targets: NDArray[Any], outputs: NDArray[np.float32]
    ) -> Pictures:
        """The quarters in the order that comes nearest to the painting."""
        pieces, places = _quarters(inputs), _quarters(self.paint(outputs))
        off = ((places[:, :, None] - pieces[:, None]) ** 2).sum(axis=(3, 4))  # (M, place, piece)
        order = off[:, np.arange(4), self.orders].sum(axis=2).argmin(axis=1)
        return _laid(pieces, self.orders[order])

    def score(self, inputs: Pictures, targets: NDArray[Any], outputs: NDArray[np.float32]) -> str:
        """The share of pictures that are put together as they were."""
        same = self.reveal(inputs, targets, outputs) == targets
        return f"{percent(float(same.all(axis=(1, 2, 3)).mean()))} are put together rightly"


def _quarters(images: Pictures) -> Pictures:
    """Cut pictures (M, 1, 2h, 2w) into their quarters (M, 4, h, w), row by row."""
    count, _, height, width = images.shape
    halves = images.reshape(count, 2, height // 2, 2, width // 2)
    return halves.transpose(0, 1, 3, 2, 4).reshape(count, 4, height // 2, width // 2)


def _laid(quarters: Pictures, orders: NDArray[np.int64]) -> Pictures:
    """Lay quarters (M, 4, h, w) in orders (M, 4) and join them, (M, 1, 2h, 2w)."""
    count, _, height, width = quarters.shape
    laid = quarters[np.arange(count)[:, None], orders].reshape(count, 2, 2, height, width)
    return laid.transpose(0, 1, 3, 2, 4).reshape(count, 1, 2 * height, 2 * width)


class Inpaint(Painting):
    """What stood in the hole of 14 × 14 pixels that was cut into the picture and filled with grey?

    The targets (M, 2, 28, 28) are the whole picture and where the hole is (1, elsewhere 0).

    Source: Pathak et al., Context encoders: feature learning by inpainting, 2016,
    arXiv:1604.07379.
    """

    name = "inpaint"
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

    def truth(self, inputs: Pictures, targets: NDArray[Any]) -> Pictures:
        """The whole pictures."""
        return targets[:, :1]

    def score(self, inputs: Pictures, targets: NDArray[Any], outputs: NDArray[np.float32]) -> str:
        """The mean error of a pixel in the hole, beside that of filling in the mean picture."""
        picture, hole = targets[:, :1], targets[:, 1:]
        mean = picture.mean(axis=0)
        return _errors([self.paint(outputs) - picture, mean - picture], hole)


class Colour(Painting):
    """Which colours did the strokes have, before the picture was made grey?

    The colour of a stroke is its direction (`stroke_colours`), so that it can be found in the grey
    picture, and whoever finds it knows which strokes make up the digit. Pictures are moved a little
    before. The targets are (M, 3, 28, 28).

    Source: Zhang, Isola and Efros, Colorful image colorization, 2016, arXiv:1603.08511.
    """

    name, channels = "colour", 3

    def __init__(self) -> None:
        self.vary = moved()

    def hide(self, images: Pictures) -> tuple[Pictures, NDArray[Any]]:
        """Move each picture and keep it grey; the coloured one is hidden."""
        grey = self.vary(images)
        return grey, stroke_colours(grey[:, 0])

    def reveal(
        self, inputs: Pictures, targets: NDArray[Any], outputs: NDArray[np.float32]
    ) -> Pictures:
        """The grey pictures in the painted colours: how light a pixel is need not be guessed."""
        painted = self.paint(outputs)
        shares = painted / painted.sum(axis=1, keepdims=True)
        return np.clip(1.5 * inputs * shares, 0, 1)

    def score(self, inputs: Pictures, targets: NDArray[Any], outputs: NDArray[np.float32]) -> str:
        """The mean error of a channel where there is ink, beside that of staying grey."""
        ink = (inputs > 0.5).astype(np.float32)
        grey = targets.mean(axis=1, keepdims=True)
        return _errors([self.reveal(inputs, targets, outputs) - targets, grey - targets], ink)


def _errors(differences: list[Pictures], where: Pictures) -> str:
    """Say the mean absolute values of two differences, where `where` is 1."""
    own, plain = (
        float(np.average(np.abs(d).mean(axis=1), weights=where[:, 0])) for d in differences
    )
    return f"a pixel is off by {own:.3f}, without the network by {plain:.3f}"
