"""Coloured digits: each stroke in the colour of its direction."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

REACH = 2  # pixels at each side that decide together in which direction a stroke runs


def stroke_colours(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Colour grey pictures by the direction of their strokes: the colour is local, and no label.

    With the slopes of the ink gx and gy, and ⟨·⟩ the sum over the 5 × 5 pixels around, the stroke
    runs at the angle φ = ½ atan2(2⟨gx·gy⟩, ⟨gx²⟩ − ⟨gy²⟩) to the upright. The colours go once
    around the circle in half a turn: channel c is ink · (½ + ½ cos(2φ − 2πc/3)). So upright
    strokes are red, lying ones cyan, and the two diagonals green and violet.

    Args:
        images: (N, H, W), 0 is paper and 1 is ink.

    Returns:
        (N, 3, H, W), red, green and blue in 0 to 1; paper is black.

    Source: Bigün and Granlund, Optimal orientation detection of linear symmetry, 1987 (φ).

    >>> stroke = np.zeros((1, 5, 5), np.float32); stroke[0, :, 2] = 1
    >>> stroke_colours(stroke)[0, :, 2, 2].round(2).tolist()
    [1.0, 0.25, 0.25]
    """
    down, right = np.gradient(images, axis=(1, 2))
    twice = np.arctan2(2 * _around(right * down), _around(right**2) - _around(down**2))
    shifts = (2 * np.pi / 3 * np.arange(3))[:, None, None]
    colours = images[:, None] * (0.5 + 0.5 * np.cos(twice[:, None] - shifts))
    return colours.astype(np.float32)


def _around(values: Any) -> NDArray[Any]:
    """The sum over the 5 × 5 pixels around each one."""
    for axis in (1, 2):
        room = [(REACH, REACH) if place == axis else (0, 0) for place in range(3)]
        windows = np.lib.stride_tricks.sliding_window_view(
            np.pad(values, room), 2 * REACH + 1, axis
        )
        values = windows.sum(axis=-1)
    return values
