"""What is seen: noise over images, and pieces that are wiped out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streetlight.augment.geometric import boxes
from streetlight.augment.transform import Images, Transform, limits, within
from streetlight.random import Generator


class GaussianNoise(Transform):
    """Add to each pixel a number from the normal distribution.

    Args:
        mean: its mean.
        sigma: its standard deviation.
        clip: whether the results are kept in 0 to 1.
        generator: where the draws come from.

    Raises:
        ArgumentError: sigma is negative.

    >>> GaussianNoise(sigma=0.0)(np.full((1, 1, 1, 2), 0.5)).tolist()
    [[[[0.5, 0.5]]]]
    """

    def __init__(
        self,
        mean: float = 0.0,
        sigma: float = 0.1,
        clip: bool = True,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(generator=generator)
        self.mean, self.sigma = mean, within("GaussianNoise", "sigma", sigma)
        self.clip = clip

    def change(self, images: Images) -> Images:
        """Give the images with noise."""
        noisy = images + self.mean + self.sigma * self.generator.normal(images.shape)
        return noisy.clip(0, 1) if self.clip else noisy


class RandomErasing(Transform):
    """Wipe a rectangle out of each image, with probability `p`.

    Args:
        p: how likely an image is to lose one.
        scale: range of the share of the area that is lost.
        ratio: range of width / height, drawn on a logarithmic scale; sides longer than the
            image's are cut to it.
        value: what the rectangle is filled with.
        generator: where the draws come from.

    Raises:
        ArgumentError: p is not from 0 to 1, or a range not in order or below 0 (ratio: 0.001).

    Source: Zhong et al., 2017, arXiv:1708.04896.

    >>> RandomErasing(p=1.0, scale=(1.0, 1.0), ratio=(1.0, 1.0))(np.ones((1, 1, 2, 2))).sum()
    np.float64(0.0)
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: float = 0.0,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(generator=generator)
        self.p = within("RandomErasing", "p", p, 1)
        self.scale = limits("RandomErasing", "scale", scale, low=0.0)
        self.ratio = limits("RandomErasing", "ratio", ratio, low=1e-3)
        self.value = value

    def change(self, images: Images) -> Images:
        """Give the images, some of them with a hole."""
        size = images.shape[2:]
        draws = self.uniform(len(images), 4)
        top, left, tall, wide = boxes(draws, size, self.scale, self.ratio)[..., None, None, None]
        row, column = np.ogrid[: size[0], : size[1]]
        hole = (row >= top) & (row < top + tall) & (column >= left) & (column < left + wide)
        wiped = hole & self.chosen(len(images), self.p)
        return np.where(wiped, images.dtype.type(self.value), images)
