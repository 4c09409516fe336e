"""Resampling: images seen at other places, between pixels a mixture of the four around them."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
AT_ONCE = 2**15  # numbers of places


def look_through(images: Array, changes: Array, fill: float = 0.0) -> Array:
    """See each image through its own affine change of the coordinates.

    Pixel p of the result shows the image at (1 + A)·(p − centre) + centre + t.

    Args:
        images: (N, C, H, W).
        changes: (N, 2, 3): A beside t, row before column, in pixels.
        fill: what lies outside the images.
    """
    height, width = images.shape[2:]
    place = np.indices((height, width), np.float32).reshape(2, -1)
    middle = np.array([[height - 1], [width - 1]], np.float32) / 2
    places = place + changes[:, :, :2] @ (place - middle) + changes[:, :, 2:]
    return resample(images, places.reshape(len(images), 2, height, width), fill)


def resample(images: Array, places: Array, fill: float = 0.0) -> Array:
    """See each image at its own places; beyond its pixels everything has the value `fill`.

    Args:
        images: (N, C, H, W).
        places: (N, 2, H', W'), float32: row and column of the image, in pixels, for each result.
        fill: what lies outside the images.

    Returns:
        The mixtures Σ (1 − |Δrow|)(1 − |Δcolumn|) · pixel over the four pixels, (N, C, H', W').
    """
    # A few images at a time, whose numbers stay in the processor's cache: twice as fast.
    parts = max(1, min(len(images), places.size // AT_ONCE))
    pairs = zip(np.array_split(images, parts), np.array_split(places, parts), strict=True)
    return np.concatenate([_mixtures(some, where, fill) for some, where in pairs])


def _mixtures(images: Array, places: Array, fill: float) -> Array:
    """What `resample` gives, all at once."""
    count, channels, height, width = images.shape
    padded = np.full((count, channels, height + 3, width + 3), fill, images.dtype)
    padded[:, :, 1:-2, 1:-2] = images
    seen = places + np.float32(1)
    for axis, most in enumerate((height, width)):
        np.clip(seen[:, axis], 0, most + 1, out=seen[:, axis])
    corner = np.floor(seen)
    down, right = (seen - corner)[:, None].transpose(2, 0, 1, 3, 4)
    corner = corner.astype(np.intp)
    start = np.arange(count * channels).reshape(count, channels, 1, 1) * (height + 3) * (width + 3)
    first = start + (corner[:, 0] * (width + 3) + corner[:, 1])[:, None]
    pixels = padded.ravel()
    above, below = (
        pixels[first + row] * (1 - right) + pixels[first + row + 1] * right
        for row in (0, width + 3)
    )
    mixed: Array = above * (1 - down) + below * down
    return mixed
