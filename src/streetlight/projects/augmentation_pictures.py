"""What augmentation does to pictures, as one sheet: a row for each, a column for each change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from streetlight import augment
from streetlight.projects.pictures import GREY, INK, LINE, new_figure
from streetlight.random import Generator

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GAP = 0.35  # between the originals and the changed ones, as a share of a picture's width


def augmentation_samples(images: np.ndarray, seed: int = 0) -> Figure:
    """Draw pictures as they are, and beside each what eight kinds of augmentation make of it.

    Args:
        images: (n, 1, height, width), 0 is paper and 1 is ink.
        seed: decides the draws.
    """
    columns = {"original": ("", lambda same: same), **_changes(images, seed)}
    title = "The same digit, ever new: what a network sees in place of the original"
    note = "left: as it was written   ·   right: one draw of each kind for each picture"
    width, rows = len(columns) + GAP, len(images)
    figure = new_figure(title, note, (1.12 * width, 1.35 + 1.06 * rows))
    ratios = [1, GAP, *[1] * (len(columns) - 1)]
    grid = figure.subplots(rows, len(ratios), squeeze=False, width_ratios=ratios)
    for axes in grid[:, 1]:
        axes.set_visible(False)
    shown = np.delete(grid, 1, axis=1)
    for column, (name, (strength, change)) in zip(shown.T, columns.items(), strict=True):
        for axes, image in zip(column, change(images), strict=True):
            _picture(axes, image[0])
        column[0].set_title(f"{name}\n", size=11, weight="bold", color=INK)
        column[0].annotate(
            strength, (0.5, 1), xytext=(0, 6), xycoords="axes fraction",
            textcoords="offset points", size=9, color=GREY, ha="center",
        )  # fmt: skip
    return figure


def _changes(images: np.ndarray, seed: int) -> dict[str, tuple[str, Any]]:
    """The name of each kind, its strength in words, and the change itself."""
    height, width = images.shape[2:]
    side = max(height, width)
    generator = Generator().manual_seed(seed)
    most, bend = side // 7, side / 9
    options: Any = {"generator": generator}
    return {
        "shift": (
            f"up to {most} pixels", augment.RandomCrop((height, width), most, **options)
        ),
        "rotation": ("up to 30°", augment.RandomRotation(30, **options)),
        "scale, slant": (
            "0.7–1.2 ×, 20°", augment.RandomAffine(0, None, (0.7, 1.2), 20, **options)
        ),
        "crop": (
            "25–60 % of it", augment.RandomResizedCrop((height, width), (0.25, 0.6), **options)
        ),
        "flip": ("left to right", augment.RandomHorizontalFlip(1.0, **options)),
        "erasing": (
            "10–25 % of it",
            augment.RandomErasing(1.0, (0.1, 0.25), value=0.5, **options),
        ),
        "noise": ("σ = 0.2", augment.GaussianNoise(sigma=0.2, **options)),
        "elastic": (
            "as on rubber", augment.ElasticTransform(12 * bend, bend, **options)
        ),
    }  # fmt: skip


def _picture(axes: Axes, image: np.ndarray) -> None:
    axes.imshow(image, cmap="gray_r", vmin=0, vmax=1)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_color(LINE)
