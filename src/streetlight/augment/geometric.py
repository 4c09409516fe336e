"""Where things are: shifts, rotations, crops, flips and bends of images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from streetlight.augment.resample import look_through, resample
from streetlight.augment.transform import (
    Images,
    Range,
    Transform,
    bad_option,
    limits,
    pair_of_shares,
    sides,
    within,
)
from streetlight.errors import ShapeError
from streetlight.random import Generator


class Wobble(Transform):
    """Move each image a little, and slant and stretch it, as no two hands write alike.

    Output pixel p shows the image at (1 + A)·(p − centre) + centre + t; each element of A is
    drawn from ±`slant`, t from ±`shift`. This turns, shears and stretches at once.

    Args:
        shift: how far an image moves at most, in pixels.
        slant: how far it is stretched, sheared and turned at most, as a share of its size.
        generator: where the draws come from.

    >>> Wobble(1.0, 0.2)(np.ones((2, 1, 8, 8))).shape
    (2, 1, 8, 8)
    """

    def __init__(
        self, shift: float, slant: float = 0.0, *, generator: Generator | None = None
    ) -> None:
        super().__init__(generator=generator)
        self.shift = within("Wobble", "shift", shift)
        self.slant = within("Wobble", "slant", slant)

    def change(self, images: Images) -> Images:
        """Give the images, wobbled."""
        strengths = np.array([self.slant, self.slant, self.shift], np.float32)
        return look_through(images, self.uniform(len(images), 2, 3, low=-1.0) * strengths)


class RandomAffine(Transform):
    """Turn, move, scale and shear each image about its centre, in one resampling.

    Pixel p of the image goes to centre + s·R(θ)·S(σ)·(p − centre) + t, with mixtures of pixels
    in between (never the nearest one alone). A random shift by itself is
    `RandomAffine(0, translate=(x, y))`.

    Args:
        degrees: range of the angle θ, clockwise; a number stands for (−number, number).
        translate: how far it moves at most, as shares of width and height; not by whole pixels.
        scale: range of the factor s.
        shear: range of the angle σ by which upright lines lean, in degrees.
        fill: what comes in from outside.
        generator: where the draws come from.

    Raises:
        ArgumentError: a range is not in order, a share not in 0 to 1, a scale not above 0.

    >>> RandomAffine(15, translate=(0.1, 0.1), scale=(0.9, 1.1))(np.ones((2, 1, 8, 8))).shape
    (2, 1, 8, 8)
    """

    def __init__(
        self,
        degrees: Range,
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: Range | None = None,
        fill: float = 0.0,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(generator=generator)
        name = type(self).__name__
        self.degrees = limits(name, "degrees", degrees)
        self.translate = pair_of_shares(name, "translate", translate or (0.0, 0.0))
        self.scale = limits(name, "scale", scale or (1.0, 1.0), low=1e-3)
        self.shear = limits(name, "shear", shear or 0.0)
        self.fill = fill

    def change(self, images: Images) -> Images:
        """Give the images, changed."""
        count, _, height, width = images.shape
        across, down = self.translate[0] * width, self.translate[1] * height
        ranges = (self.degrees, self.scale, self.shear, (-down, down), (-across, across))
        low, high = np.array(ranges).T
        draws = self.uniform(count, 5) * (high - low) + low
        changes = _changes(_inverse(*draws[:, :3].T), draws[:, 3:])
        return look_through(images, changes, self.fill)


class RandomRotation(Transform):
    """Turn each image about its centre.

    Args:
        degrees: range of the angle, counter-clockwise; a number stands for (−number, number).
        fill: what comes in from outside.
        generator: where the draws come from.

    Raises:
        ArgumentError: the range is not in order.

    >>> RandomRotation((90, 90))(np.eye(2)[None, None]).round().tolist()
    [[[[0.0, 1.0], [1.0, 0.0]]]]
    """

    def __init__(
        self, degrees: Range, fill: float = 0.0, *, generator: Generator | None = None
    ) -> None:
        super().__init__(generator=generator)
        self.degrees = limits("RandomRotation", "degrees", degrees)
        self.fill = fill

    def change(self, images: Images) -> Images:
        """Give the images, turned."""
        angle = self.uniform(len(images), low=self.degrees[0], high=self.degrees[1])
        changes = _changes(_inverse(-angle), np.zeros((len(images), 2)))
        return look_through(images, changes, self.fill)


def _inverse(angle: Images, scale: Images | float = 1.0, shear: Images | float = 0.0) -> Images:
    """What undoes turning by an angle (N,), scaling and shearing: (N, 2, 2), row before column."""
    angle, lean = np.radians(angle), np.tan(np.radians(shear))
    sin, cos = np.sin(angle) / scale, np.cos(angle) / scale
    matrices: Images = np.array([[cos, -sin], [sin + lean * cos, cos - lean * sin]])
    return matrices.transpose(2, 0, 1)


def _changes(inverse: Images, moved: Images) -> Images:
    """Where each result looks, for `look_through`: first move back by (N, 2), then undo."""
    back = -inverse @ moved[:, :, None]
    changes: Images = np.concatenate([inverse - np.eye(2), back], axis=2).astype(np.float32)
    return changes


class RandomCrop(Transform):
    """Cut a piece at a random place out of each image, by whole pixels.

    With the images' own size and a padding of n, it moves them by up to n pixels.

    Args:
        size: height and width of the piece, or one number for both.
        padding: rows and columns that are added on each side first: one number, or a pair
            (left and right, top and bottom).
        fill: what they are filled with.
        generator: where the draws come from.

    Raises:
        ArgumentError: size or padding are no whole numbers.
        ShapeError: when called, if the padded images are smaller than the piece.

    >>> RandomCrop(4)(np.ones((2, 3, 8, 6))).shape
    (2, 3, 4, 4)
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] = 0,
        fill: float = 0.0,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(generator=generator)
        self.size = sides("RandomCrop", "size", size)
        self.padding = sides("RandomCrop", "padding", padding, least=0)
        self.fill = fill

    def change(self, images: Images) -> Images:
        """Give the pieces."""
        across, down = self.padding
        around = ((0, 0), (0, 0), (down, down), (across, across))
        padded = np.pad(images, around, constant_values=self.fill)
        room = np.subtract(padded.shape[2:], self.size) + 1
        if room.min() < 1:
            raise ShapeError(
                "RandomCrop: the piece is larger than the image",
                expected=f"images of at least {self.size[0]}×{self.size[1]} pixels with padding",
                got={"images": images, "size": self.size, "padding": self.padding},
                fix="choose a smaller size, or more padding",
            )
        top, left = (self.uniform(2, len(images)) * room[:, None]).astype(np.intp)
        pieces = sliding_window_view(padded, self.size, axis=(2, 3))
        return pieces[np.arange(len(images)), :, top, left]


class RandomResizedCrop(Transform):
    """Cut a piece of random size and shape out of each image, and bring it to one size.

    The piece has a share of the image's area drawn from `scale`, and sides whose ratio is drawn
    evenly on a logarithmic scale from `ratio`; one longer than the image's is cut to it. Pixels
    are mixed from the four around them; nothing is smoothed where a piece is made smaller.

    Args:
        size: height and width of the result, or one number for both.
        scale: range of the share of the area.
        ratio: range of width / height.
        generator: where the draws come from.

    Raises:
        ArgumentError: a range is not in order, or goes below 0 (ratio: 0.001).

    >>> RandomResizedCrop(4)(np.ones((2, 3, 8, 6))).shape
    (2, 3, 4, 4)
    """

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3 / 4, 4 / 3),
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(generator=generator)
        self.size = sides("RandomResizedCrop", "size", size)
        self.scale = limits("RandomResizedCrop", "scale", scale, low=0.0)
        self.ratio = limits("RandomResizedCrop", "ratio", ratio, low=1e-3)

    def change(self, images: Images) -> Images:
        """Give the pieces."""
        draws = self.uniform(len(images), 4)
        pieces = boxes(draws, images.shape[2:], self.scale, self.ratio)
        top, left, tall, wide = pieces[..., None]
        places = np.empty((len(images), 2, *self.size), np.float32)
        places[:, 0] = _spread(top, tall, self.size[0])[:, :, None]
        places[:, 1] = _spread(left, wide, self.size[1])[:, None, :]
        return resample(images, places)


def _spread(start: Images, length: Images, count: int) -> Images:
    """The middles of `count` equal parts of lines of pixels (N, 1), not beyond their ends."""
    middles = start + (np.arange(count) + 0.5) / count * length - 0.5
    return np.clip(middles, start, start + length - 1)


def boxes(
    draws: Images,
    size: tuple[int, int],
    scale: tuple[float, float],
    ratio: tuple[float, float],
) -> Images:
    """Make rectangles of random area, shape and place, by whole pixels.

    Args:
        draws: (N, 4) numbers from 0 to 1, for area, shape, and place down and across.
        size: height and width that the rectangles lie in.
        scale: range of their share of its area.
        ratio: range of their width / height, drawn on a logarithmic scale.

    Returns:
        Top, left, height and width, (4, N), each side at least one pixel.
    """
    area, shape, down, across = draws.T.astype(np.float64)
    height, width = size
    pixels = (scale[0] + area * (scale[1] - scale[0])) * height * width
    low, high = np.log(ratio)
    slim = np.exp(low + shape * (high - low))
    tall = np.clip(np.sqrt(pixels / slim).round(), 1, height)
    wide = np.clip(np.sqrt(pixels * slim).round(), 1, width)
    top, left = np.floor(down * (height - tall + 1)), np.floor(across * (width - wide + 1))
    return np.stack([top, left, tall, wide])


class _Flip(Transform):
    """Mirror each image with probability `p`."""

    axis: int

    def __init__(self, p: float = 0.5, *, generator: Generator | None = None) -> None:
        super().__init__(generator=generator)
        self.p = within(type(self).__name__, "p", p, 1)

    def change(self, images: Images) -> Images:
        """Give the images, some of them mirrored."""
        flipped: Images = np.flip(images, self.axis)
        return np.where(self.chosen(len(images), self.p), flipped, images)


class RandomHorizontalFlip(_Flip):
    """Mirror each image left to right with probability `p`.

    Raises:
        ArgumentError: p is not from 0 to 1.

    >>> RandomHorizontalFlip(p=1.0)(np.array([[[[1.0, 2.0]]]])).tolist()
    [[[[2.0, 1.0]]]]
    """

    axis = 3


class RandomVerticalFlip(_Flip):
    """Mirror each image top to bottom with probability `p`.

    Raises:
        ArgumentError: p is not from 0 to 1.

    >>> RandomVerticalFlip(p=1.0)(np.array([[[[1.0], [2.0]]]])).tolist()
    [[[[2.0], [1.0]]]]
    """

    axis = 2


class ElasticTransform(Transform):
    """Bend each image smoothly, as if it were drawn on rubber.

    Each pixel shows the image at a place displaced by alpha / 2 · G(u) pixels, u drawn evenly from
    ±1 for each pixel and direction, G a Gaussian mean with standard deviation `sigma`.

    Args:
        alpha: the strength.
        sigma: the smoothness, in pixels; small values crumple, large ones bend.
        fill: what comes in from outside.
        generator: where the draws come from.

    Raises:
        ArgumentError: alpha is negative, or sigma not above 0.

    Source: Simard, Steinkraus and Platt, 2003, "Best practices for convolutional neural networks
    applied to visual document analysis".

    >>> ElasticTransform(alpha=20.0, sigma=3.0)(np.ones((2, 1, 8, 8))).shape
    (2, 1, 8, 8)
    """

    def __init__(
        self,
        alpha: float = 50.0,
        sigma: float = 5.0,
        fill: float = 0.0,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(generator=generator)
        self.alpha = within("ElasticTransform", "alpha", alpha)
        if not sigma > 0:
            raise bad_option("ElasticTransform", "sigma", sigma, "a number above 0")
        self.sigma, self.fill = sigma, fill

    def change(self, images: Images) -> Images:
        """Give the images, bent."""
        count, _, height, width = images.shape
        noise = self.uniform(count, 2, height, width, low=-1.0)
        smooth = _gaussian_mean(height, self.sigma) @ noise @ _gaussian_mean(width, self.sigma).T
        places = np.indices((height, width), np.float32) + np.float32(self.alpha / 2) * smooth
        return resample(images, places, self.fill)


def _gaussian_mean(size: int, sigma: float) -> Images:
    """The matrix (size, size) that takes a line to its means, each row with sum 1."""
    distance = np.subtract.outer(np.arange(size), np.arange(size))
    weights = np.exp(-(distance**2) / (2 * sigma**2))
    mean: Images = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return mean
