"""Wobble: a layer that moves, slants and stretches pictures a little while a network trains."""

from __future__ import annotations

import numpy as np

from streetlight import nn
from streetlight.creation import from_numpy, rand
from streetlight.tensor import Tensor


class Wobble(nn.Module):
    """Gives each picture a new place and slant at every look, as no two hands write alike.

    Output pixel p shows the input at (1 + A)·(p − centre) + centre + t, between pixels a mixture
    of the four around it; A is drawn from ±`slant`, t from ±`shift`. In evaluation mode, and for
    strengths of 0, pictures pass as they are. No gradients flow through it: it belongs in front.

    Args:
        shift: how far a picture moves at most, in pixels.
        slant: how far it is stretched, sheared and turned at most, as a share of its size.

    >>> import streetlight as sl
    >>> Wobble(1.0).eval()(sl.ones(2, 1, 8, 8)).shape
    (2, 1, 8, 8)
    """

    def __init__(self, shift: float, slant: float = 0.0) -> None:
        self.shift, self.slant = shift, slant

    def forward(self, images: Tensor) -> Tensor:
        """Wobble images (N, 1, H, W) while training."""
        if not self.training or not (self.shift or self.slant):
            return images
        draws = rand(len(images), 2, 3).numpy() * 2 - 1
        draws *= np.array([self.slant, self.slant, self.shift], np.float32)
        return from_numpy(_look_through(images.numpy(), draws))

    def extra_repr(self) -> str:
        """Name the strengths."""
        return f"shift={self.shift}, slant={self.slant}"


def _look_through(images: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Resample images (N, 1, H, W), each by its own change (N, 2, 3) of the coordinates."""
    count, _, height, width = images.shape
    padded = np.pad(images[:, 0], ((0, 0), (1, 2), (1, 2))).reshape(count, -1)
    place = np.indices((height, width), np.float32).reshape(2, -1)
    middle = np.array([[height - 1], [width - 1]], np.float32) / 2
    seen = place + draws[:, :, :2] @ (place - middle) + draws[:, :, 2:] + 1
    seen = np.clip(seen, 0, np.array([[height], [width]], np.float32) + 1)
    corner = np.floor(seen)
    down, right = np.moveaxis(seen - corner, 1, 0)
    start = np.arange(count)[:, None] * padded.shape[1]
    first = start + (corner[:, 0] * (width + 3) + corner[:, 1]).astype(np.intp)
    pixels = padded.ravel()
    above, below = (
        pixels[first + row] * (1 - right) + pixels[first + row + 1] * right
        for row in (0, width + 3)
    )
    return (above * (1 - down) + below * down).reshape(images.shape)
