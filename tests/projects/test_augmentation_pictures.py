"""The sheet of augmentation samples: what it shows, and that a seed decides it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from streetlight import datasets
from streetlight.projects.augmentation_pictures import augmentation_samples
from streetlight.projects.pictures import save_figure


def test_a_row_for_each_picture_and_a_column_for_each_kind(tmp_path: Path) -> None:
    images = datasets.digits()[0].images[:3].numpy()
    figure = augmentation_samples(images, seed=1)
    shown = [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images]
    assert len(shown) == 3 * 9
    np.testing.assert_array_equal(shown[::9], images[:, 0])
    assert all(not np.array_equal(shown[0], other) for other in shown[2:9])
    again = augmentation_samples(images, seed=1)
    same = [np.asarray(axes.images[0].get_array()) for axes in again.axes if axes.images]
    np.testing.assert_array_equal(shown, same)
    names = [axes.get_title().strip() for axes in figure.axes if axes.get_title()]
    assert names == [
        "original", "shift", "rotation", "scale, slant", "crop", "flip", "erasing", "noise",
        "elastic",
    ]  # fmt: skip
    save_figure(figure, tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 10_000
