"""Mixup: images, and their labels with them, as mixtures of two."""

from __future__ import annotations

from typing import Any

import numpy as np

from streetlight.augment.transform import Images, Transform, bad_option, like, pixels_of
from streetlight.creation import from_numpy
from streetlight.errors import IndexOutOfRangeError, ShapeError
from streetlight.random import Generator
from streetlight.tensor import Tensor


class MixUp(Transform):
    """Mix each image, and its label, with the one before it in the batch.

    x' = λ·x + (1 − λ)·x₋₁ and y' = λ·y + (1 − λ)·y₋₁, with y as a row of probabilities (N,
    classes), as `cross_entropy` takes them, and a λ drawn for each image from Beta(alpha, alpha).

    Args:
        alpha: 1 draws all mixtures alike; small values mostly keep one of the two.
        num_classes: how many there are; may be left out for labels that are rows already.
        generator: where the draws come from.

    Raises:
        ArgumentError: alpha is not above 0, or num_classes is missing where it is needed.
        ShapeError: when called, if the labels are not (N,) or (N, classes).
        IndexOutOfRangeError: when called, if a label is no class.

    Source: Zhang et al., 2017, arXiv:1710.09412.

    >>> images, labels = MixUp(num_classes=3)(np.ones((4, 1, 2, 2)), np.array([0, 1, 2, 2]))
    >>> labels.shape, labels.sum(1).tolist()
    ((4, 3), [1.0, 1.0, 1.0, 1.0])
    """

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        num_classes: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(generator=generator)
        if not 0 < alpha < np.inf:
            raise bad_option("MixUp", "alpha", alpha, "a number above 0")
        self.alpha, self.num_classes = float(alpha), num_classes

    def __call__(self, images: Any, *others: Any) -> Any:
        """Give (mixed images, mixed labels) of images and labels."""
        pixels = pixels_of("MixUp", images)
        rows = self._rows(others[0] if len(others) == 1 else None, len(pixels))
        # NumPy knows how to draw from Beta; its numbers follow from the generator's here.
        source = np.random.Generator(np.random.SFC64(self.generator.words(4)))
        kept = source.beta(self.alpha, self.alpha, len(pixels)).astype(np.float32)
        labels = _mixed(rows, kept[:, None])
        mixed = _mixed(pixels, kept[:, None, None, None])
        return like(images, mixed), from_numpy(labels) if isinstance(images, Tensor) else labels

    def _rows(self, labels: Any, count: int) -> Images:
        """Labels as rows of probabilities, (N, classes)."""
        known = labels.numpy() if isinstance(labels, Tensor) else labels
        whole = isinstance(known, np.ndarray) and known.dtype.kind in "iu"
        if (
            not isinstance(known, np.ndarray)
            or known.shape[:1] != (count,)
            or (known.ndim != (1 if whole else 2))
        ):
            raise ShapeError(
                "MixUp: these labels do not belong to the images",
                expected="a class for each image (N,), or rows of probabilities (N, classes)",
                got={"images": count, "labels": labels},
                fix="call it with images and labels: MixUp(num_classes=10)(images, labels)",
            )
        return self._one_hot(known) if whole else known.astype(np.float32, copy=False)

    def _one_hot(self, labels: Images) -> Images:
        if self.num_classes is None:
            raise bad_option("MixUp", "num_classes", None, "the number of classes")
        wrong = labels[(labels < 0) | (labels >= self.num_classes)]
        if wrong.size:
            raise IndexOutOfRangeError(
                "MixUp: a label is not among the classes",
                expected=f"classes from 0 to {self.num_classes - 1}",
                got={"label": int(wrong[0])},
                fix="number the classes from 0, and choose num_classes to fit",
            )
        return np.eye(self.num_classes, dtype=np.float32)[labels]


def _mixed(batch: Images, kept: Images) -> Images:
    """Keep this share of each entry, and take the rest from the one before it."""
    return batch * kept + np.roll(batch, 1, axis=0) * (1 - kept)
