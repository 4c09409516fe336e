"""The tasks that compare pictures: with another view of the same one, or with those of a digit."""

from __future__ import annotations

import numpy as np

from streetlight import functional as F
from streetlight import nn
from streetlight.augment import Compose, ElasticTransform, RandomAffine, RandomErasing, TwoViews
from streetlight.creation import arange
from streetlight.ops import cat
from streetlight.projects.representation.task import Task
from streetlight.random import default_generator
from streetlight.tensor import Tensor

EMBEDDING = 64


def view() -> Compose:
    """How a picture is changed: all that leaves a digit what it is."""
    return Compose(
        [
            RandomAffine(20, translate=(0.1, 0.1), scale=(0.75, 1.25), shear=20),
            ElasticTransform(alpha=60.0, sigma=4.0),
            RandomErasing(p=0.5, scale=(0.05, 0.2)),
        ]
    )


class Comparison(Task):
    """What these tasks share: two views of each picture, and a projection head."""

    epochs = 4

    def __init__(self) -> None:
        self.views = TwoViews(view())

    def batch(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Two views of each picture, the second ones behind the first, and both with its label."""
        return cat(self.views(images)), cat([labels, labels])

    def head(self, features: int) -> nn.Module:
        """Make the projection head, which is thrown away after training."""
        return nn.Sequential(
            nn.Linear(features, features), nn.ReLU(), nn.Linear(features, EMBEDDING)
        )


class NTXent(Comparison):
    """Find the other view of the same picture among a batch; see `functional.nt_xent_loss`.

    >>> NTXent().uses_labels
    False
    """

    name = "ntxent"
    epochs = 8
    temperature = 0.3

    def batch(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Two views of each picture, both with its place in the batch: no label goes in."""
        return super().batch(images, arange(len(images)))

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """NT-Xent of the two halves; the targets say no more than their order does."""
        half = len(outputs) // 2
        return F.nt_xent_loss(outputs[:half], outputs[half:], self.temperature)


class SupCon(Comparison):
    """Find all pictures of the same digit; see `functional.supervised_contrastive_loss`."""

    name = "supcon"
    uses_labels = True
    temperature = 0.1

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Supervised contrastive loss."""
        return F.supervised_contrastive_loss(outputs, targets, self.temperature)


class Triplet(Comparison):
    """Bring two of a digit nearer than one of another; see `functional.semi_hard_triplet_loss`."""

    name = "triplet"
    uses_labels = True
    epochs = 3
    batch_size = 64  # the choice of the negatives weighs (2 · 64)³ triplets

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Semi-hard triplets of embeddings of length 1."""
        return F.semi_hard_triplet_loss(F.normalize(outputs), targets)


class Contrastive(Comparison):
    """Pull pairs of a digit together and push others apart; see `functional.contrastive_loss`."""

    name = "contrastive"
    uses_labels = True

    def batch(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """A view of each picture and of its partner, of the same digit for about half of them."""
        order = partners(labels.numpy(), default_generator.uniform((len(labels), 2)))
        first, second = self.views(images)
        both = cat([labels, labels[order]])
        return cat([first, second[order]]), both

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Margin loss of the pairs (first half, second half)."""
        half, unit = len(outputs) // 2, F.normalize(outputs)
        together = targets[:half] == targets[half:]
        return F.contrastive_loss(unit[:half], unit[half:], together)


def partners(labels: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """For each sample the place of another: in half of the cases of its class, else of any.

    >>> partners(np.array([0, 1, 0, 1]), np.array([[0.1, 0.9], [0.1, 0.0], [0.9, 0.9], [0.9, 0]]))
    array([2, 1, 3, 0])
    """
    order = np.argsort(labels, kind="stable")
    first = np.searchsorted(labels[order], labels)
    count = np.bincount(labels)[labels]
    alike = order[first + (draws[:, 1] * count).astype(np.intp)]
    anyone = (draws[:, 1] * len(labels)).astype(np.intp)
    return np.where(draws[:, 0] < 0.5, alike, anyone)
