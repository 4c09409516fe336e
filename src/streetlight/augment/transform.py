"""What all augmentations share: one call for arrays and tensors, and their random draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from streetlight.creation import from_numpy
from streetlight.errors import ArgumentError, DTypeError, ShapeError
from streetlight.random import Generator, default_generator
from streetlight.tensor import Tensor

Images = np.ndarray[Any, Any]  # (N, C, H, W)
Range = float | tuple[float, float]


class Transform:
    """Base class: a random change of a batch of images (N, C, H, W), each by a draw of its own.

    Called with an array it gives an array, with a tensor a tensor, of the same dtype. What is
    given besides the images (their labels, say) comes back as it is, behind them. No gradients
    flow through: a change belongs before the step, see `TransformedDataset`.

    Args:
        generator: where the draws come from; the default one unless given.

    Raises:
        ShapeError: when called, if the images are not (N, C, H, W).
        DTypeError: when called, if they are not floating-point arrays or tensors.

    >>> class Brighten(Transform):
    ...     def change(self, images):
    ...         return images + self.uniform(len(images), 1, 1, 1)
    >>> Brighten()(np.zeros((2, 1, 3, 3), np.float32)).shape
    (2, 1, 3, 3)
    """

    def __init__(self, *, generator: Generator | None = None) -> None:
        self.generator = generator or default_generator

    def __call__(self, images: Any, *others: Any) -> Any:
        """Change the images; with `others` the result is a tuple of the images and them."""
        changed = like(images, self.change(pixels_of(type(self).__name__, images)))
        return (changed, *others) if others else changed

    def change(self, images: Images) -> Images:
        """Give the changed images, and leave those given as they are; every subclass says how."""
        raise NotImplementedError

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Images:
        """Draw float32 numbers that are spread evenly over [low, high)."""
        return self.generator.uniform(shape) * np.float32(high - low) + np.float32(low)

    def chosen(self, count: int, p: float) -> Images:
        """Draw for each of so many images whether it is changed, as booleans (N, 1, 1, 1)."""
        return self.uniform(count, 1, 1, 1) < p

    def __repr__(self) -> str:
        options = [f"{k}={v!r}" for k, v in vars(self).items() if k != "generator"]
        return f"{type(self).__name__}({', '.join(options)})"


class Compose:
    """Several changes, one after the other.

    >>> from streetlight.augment import GaussianNoise, RandomCrop
    >>> Compose([RandomCrop(28, padding=2), GaussianNoise()])(np.zeros((5, 1, 28, 28))).shape
    (5, 1, 28, 28)
    """

    def __init__(self, transforms: Sequence[Callable[..., Any]]) -> None:
        self.transforms = list(transforms)

    def __call__(self, images: Any, *others: Any) -> Any:
        """Change the images, and what is given besides them, by each in turn."""
        batch = (images, *others)
        for transform in self.transforms:
            changed = transform(*batch)
            batch = changed if isinstance(changed, tuple) else (changed,)
        return batch if len(batch) > 1 else batch[0]

    def __repr__(self) -> str:
        return f"Compose({self.transforms!r})"


class TwoViews:
    """Two independent changes of each image: the pairs that self-supervised learning compares.

    Returns (first views, second views, *others): row i of both shows image i.

    Source: Chen et al., 2020, arXiv:2002.05709 (SimCLR).

    >>> from streetlight.augment import GaussianNoise
    >>> first, second = TwoViews(GaussianNoise())(np.zeros((5, 1, 8, 8)))
    >>> bool((first == second).all())
    False
    """

    def __init__(self, transform: Callable[..., Any]) -> None:
        self.transform = transform

    def __call__(self, images: Any, *others: Any) -> tuple[Any, ...]:
        """Give both views, and behind them what is given besides the images."""
        return (self.transform(images), self.transform(images), *others)

    def __repr__(self) -> str:
        return f"TwoViews({self.transform!r})"


def pixels_of(owner: str, images: Any) -> Images:
    """Return images as an array, without a copy.

    Raises:
        ShapeError, DTypeError: they are no batch of floating-point images.
    """
    pixels = images.numpy() if isinstance(images, Tensor) else images
    if not isinstance(pixels, np.ndarray) or pixels.dtype.kind != "f":
        raise DTypeError(
            f"{owner}: these are no floating-point images",
            expected="an array or a tensor of floats",
            got={"images": images},
            fix="images.astype(np.float32) / 255 for bytes",
        )
    if pixels.ndim != 4 or 0 in pixels.shape[1:]:
        raise ShapeError(
            f"{owner}: these are no batch of images",
            expected="(N, C, H, W)",
            got={"images": images},
            fix="images[:, None] adds the channel of grey images, image[None] the batch",
        )
    return pixels


def like(given: Any, result: Images) -> Any:
    """Return a result as what was given: a tensor or an array, of the same dtype."""
    array = np.ascontiguousarray(result, dtype=given.dtype)
    return from_numpy(array) if isinstance(given, Tensor) else array


def limits(owner: str, name: str, value: Any, low: float = -np.inf) -> tuple[float, float]:
    """Read a range (low, high), or a number that stands for (−number, number).

    Raises:
        ArgumentError: it is neither, is not in order, or begins below `low`.
    """
    numbers = value if isinstance(value, tuple | list) else (0 - value, value)
    if len(numbers) != 2 or not low <= numbers[0] <= numbers[1] < np.inf:
        raise bad_option(owner, name, value, f"a range (from, to), from {low:g} on")
    return float(numbers[0]), float(numbers[1])


def within(owner: str, name: str, value: float, most: float = np.inf) -> float:
    """Return a finite number from 0 to `most`.

    Raises:
        ArgumentError: it is none.
    """
    if not 0 <= value <= most or value == np.inf:
        raise bad_option(owner, name, value, f"a finite number from 0 to {most:g}")
    return float(value)


def pair_of_shares(owner: str, name: str, value: Any) -> tuple[float, float]:
    """Return two values from 0 to 1.

    Raises:
        ArgumentError: they are no pair, or one lies outside.
    """
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise bad_option(owner, name, value, "a pair of numbers from 0 to 1")
    return within(owner, name, value[0], 1), within(owner, name, value[1], 1)


def sides(owner: str, name: str, value: int | Sequence[int], least: int = 1) -> tuple[int, int]:
    """Read a height and a width, or one number for both.

    Raises:
        ArgumentError: they are no whole numbers of at least `least`.
    """
    pair = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(pair) != 2 or not all(isinstance(side, int) and side >= least for side in pair):
        raise bad_option(owner, name, value, f"a whole number from {least} on, or a pair of them")
    return pair[0], pair[1]


def bad_option(owner: str, name: str, value: object, expected: str) -> ArgumentError:
    """The error for an option with a value that it cannot have."""
    return ArgumentError(
        f"{owner}: {name} cannot be {value!r}", expected=expected, fix=f"change {name}"
    )
