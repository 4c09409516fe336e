"""The convolutional network for pictures of one's own: chosen by their size, built again later."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streetlight import augment, nn
from streetlight.projects.saved_network import load_saved

SMALL_MAP, LARGE_SIDE, WIDEST = 8, 48, 128


class Normalize(augment.Transform):
    """Give each channel of images (N, C, H, W) mean 0 and standard deviation 1: (x − mean) / std.

    Args:
        mean, std: of each channel, over the training pictures.

    >>> Normalize([0.5], [0.25])(np.ones((1, 1, 1, 1), np.float32)).tolist()
    [[[[2.0]]]]
    """

    def __init__(self, mean: list[float], std: list[float]) -> None:
        super().__init__()
        self.mean, self.std = (
            np.array(values, np.float32).reshape(-1, 1, 1) for values in (mean, std)
        )

    def change(self, images: augment.transform.Images) -> augment.transform.Images:
        """Give the images, normalised."""
        return (images - self.mean) / self.std


@dataclass(frozen=True)
class PictureNetwork:
    """A network that takes pictures of `side` × `side` pixels to the scores of named classes.

    Each block convolves with 3 × 3 kernels and halves the picture, until it is smaller than 8 × 8;
    the last one convolves alone. The mean of each of its maps goes into one linear layer.

    Attributes:
        classes: their names in order.
        side: height and width of a picture.
        channels: 1 or 3.
        width: the number of kernels of the first block; each further one has twice as many, at
            most 128.
        dropout: share of the last features that are left out while training.
        mean, std: of each channel over the training pictures, whose values lie in 0 to 1.
    """

    classes: list[str]
    side: int
    channels: int
    width: int
    dropout: float
    mean: list[float]
    std: list[float]

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """For each block its number of kernels, and the side of the maps that they make."""
        side = self.side // 2 if self.side > LARGE_SIDE else self.side
        found = [(self.width, side)]
        while side >= SMALL_MAP:
            side //= 2
            found.append((min(2 * found[-1][0], WIDEST), side))
        return found

    @property
    def work(self) -> int:
        """Multiplications of the convolutions for one picture."""
        before, total = self.channels, 0
        for kernels, side in self.blocks:
            total += 9 * before * kernels * side**2
            before = kernels
        return total

    def build(self) -> nn.Sequential:
        """Make the network, with new weights from the default generator."""
        layers: dict[str, nn.Module] = {}
        before, blocks = self.channels, self.blocks
        for number, (kernels, _) in enumerate(blocks, 1):
            stride = 2 if number == 1 and self.side > LARGE_SIDE else 1  # large ones start coarse
            layers[f"conv{number}"] = nn.Conv2d(before, kernels, 3, stride, padding=1, bias=False)
            layers[f"norm{number}"] = nn.BatchNorm2d(kernels)
            layers[f"relu{number}"] = nn.ReLU()
            if number < len(blocks):
                layers[f"pool{number}"] = nn.MaxPool2d(2)
            before = kernels
        layers |= {"mean": nn.AdaptiveAvgPool2d(1), "features": nn.Flatten()}
        layers |= {"dropout": nn.Dropout(self.dropout)}
        layers["output"] = nn.Linear(before, len(self.classes))
        return nn.Sequential(layers)

    def normalize(self) -> Normalize:
        """What is done to pictures in 0 to 1 before the network sees them."""
        return Normalize(self.mean, self.std)

    def metadata(self) -> dict[str, str]:
        """The settings as texts, to be kept with the weights."""
        return {"project": "images", "network": json.dumps(asdict(self))}


def load_network(path: Path) -> tuple[nn.Sequential, PictureNetwork]:
    """Build the network that a run has saved, with its weights, ready to be asked.

    Raises:
        FileAccessError: the file cannot be read.
        FileFormatError: it is damaged, or no network of this project.
        StateDictError: the weights are not those of the network it names.
    """

    def build(settings: Any) -> tuple[nn.Sequential, PictureNetwork]:
        network = PictureNetwork(**settings)
        return network.build(), network

    return load_saved(path, "network", "an images run", build)
