"""Real digits that are there without a download, in the size of MNIST's."""

from __future__ import annotations

import numpy as np
import pytest

from streetlight import datasets
from streetlight.datasets import LabelledImages


@pytest.fixture(scope="session")
def large_digits():
    """Give so many of the package's own digits to learn from and to test, 28×28."""

    def enlarge(part, count):
        pixels = part.images.numpy()[:count, 0] * 255
        large = np.pad(np.kron(pixels, np.ones((3, 3))), ((0, 0), (2, 2), (2, 2)))
        return LabelledImages(large.astype(np.uint8), part.labels.numpy()[:count], 255)

    def draw(learnt, tested):
        train, test = datasets.digits()
        return enlarge(train, learnt), enlarge(test, tested)

    return draw
