"""Handwritten digits as data sets: the small one of the package and MNIST."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from streetlight.creation import from_numpy
from streetlight.datasets.registry import read
from streetlight.tensor import Tensor
from streetlight.utils.data import TensorDataset


class LabelledImages(TensorDataset):
    """Images and the class of each: `images` float32 in 0 to 1 (N, 1, H, W), `labels` int64 (N,).

    `dataset[i]` is one (image, label), `dataset[:1000]` or `dataset[indices]` that many at once.
    """

    def __init__(self, pixels: NDArray[np.uint8], labels: NDArray[np.uint8], brightest: int):
        scaled = pixels[:, None] / np.float32(brightest)
        super().__init__(from_numpy(scaled), from_numpy(labels.astype(np.int64)))

    @property
    def images(self) -> Tensor:
        """All images, (N, 1, H, W)."""
        return self.tensors[0]

    @property
    def labels(self) -> Tensor:
        """The class of each image, (N,)."""
        return self.tensors[1]


def digits() -> tuple[LabelledImages, LabelledImages]:
    """The 1,797 handwritten digits, 8×8, that come with the package: 1,198 to train, 599 to test.

    Held out are the second, fifth, eighth... image of each digit in the order of the source, so
    that the split is the same everywhere and for ever, and has a third of each digit. The pixels,
    0 to 16 in the source, are divided by 16.

    Raises:
        ChecksumError: the installed data file is damaged.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits (test part), UCI
    Machine Learning Repository, 1998, https://doi.org/10.24432/C50P49, CC BY 4.0.

    >>> train, test = digits()
    >>> tuple(train.images.shape), tuple(test.images.shape)
    ((1198, 1, 8, 8), (599, 1, 8, 8))
    """
    with np.load(io.BytesIO(read("digits")["digits.npz"]), allow_pickle=False) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    held_out = np.zeros(len(labels), dtype=bool)
    for digit in range(10):
        held_out[np.flatnonzero(labels == digit)[1::3]] = True
    train, test = (
        LabelledImages(images[part], labels[part], brightest=16) for part in (~held_out, held_out)
    )
    return train, test


def mnist() -> tuple[LabelledImages, LabelledImages]:
    """MNIST: 60,000 handwritten digits to train and 10,000 to test, 28×28, pixels in 0 to 1.

    Taken from the folder named in STREETLIGHT_DATA if it has them, from the cache otherwise, and
    downloaded into the cache (12 MB) the first time. Checked each time.

    Raises:
        DownloadError: no home sent the files.
        ChecksumError: a file is not the one that its home publishes.
        FileAccessError: a folder or file cannot be read or written.

    Source: Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, Gradient-based learning applied to
    document recognition, Proceedings of the IEEE, 1998.

    >>> train, test = mnist()                          # doctest: +SKIP
    >>> tuple(train.images.shape)                      # doctest: +SKIP
    (60000, 1, 28, 28)
    """
    files = {name.partition("-ubyte")[0]: content for name, content in read("mnist").items()}
    return _idx_pair(files, "train"), _idx_pair(files, "t10k")


def _idx_pair(files: dict[str, bytes], part: str) -> LabelledImages:
    """Images and labels in the IDX format, whose headers take 16 and 8 bytes."""
    pixels = np.frombuffer(files[f"{part}-images-idx3"], np.uint8, offset=16)
    labels = np.frombuffer(files[f"{part}-labels-idx1"], np.uint8, offset=8)
    return LabelledImages(pixels.reshape(-1, 28, 28), labels, brightest=255)
