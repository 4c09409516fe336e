"""The encoder that all tasks share: a small convolutional network from a digit to features."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from typing import Any

from streetlight import nn
from streetlight.projects.representation.catalogue import find_task
from streetlight.projects.saved_network import load_saved

SIDE = 28  # pixels of a picture


@dataclass(frozen=True)
class EncoderNetwork:
    """Three 3×3 convolutions with normalisation that halve the picture, and a dense layer.

    From 28×28 pixels over 14×14 and 7×7 to 4×4 places: 2.4 million multiplications for a picture.

    Attributes:
        task: what the encoder was asked to do while it learnt, such as "ntxent" or "rotation".
        widths: channels after each convolution.
        features: how many numbers the encoder gives for a picture.

    >>> EncoderNetwork("ntxent").features
    128
    """

    task: str
    widths: tuple[int, ...] = (32, 64, 128)
    features: int = 128

    def build(self) -> nn.Sequential:
        """Make the encoder, from (N, 1, 28, 28) to (N, features), with new weights."""
        layers: dict[str, nn.Module] = {}
        channels, side = 1, SIDE
        for number, width in enumerate(self.widths, 1):
            layers[f"conv{number}"] = nn.Conv2d(channels, width, 3, 2, padding=1, bias=False)
            layers[f"norm{number}"] = nn.BatchNorm2d(width)
            layers[f"relu{number}"] = nn.ReLU()
            channels, side = width, ceil(side / 2)
        dense = nn.Linear(channels * side * side, self.features)
        return nn.Sequential({**layers, "places": nn.Flatten(), "features": dense})

    def metadata(self) -> dict[str, str]:
        """The settings as texts, to be kept with the weights."""
        return {"project": "contrastive", "encoder": json.dumps(asdict(self))}


def load_network(path: Path) -> tuple[nn.Sequential, EncoderNetwork]:
    """Build the network that a run has saved, with its weights, ready to be asked.

    Returns:
        The network, whose parts are `encoder` and `head`, and its settings.

    Raises:
        FileAccessError: the file cannot be read.
        FileFormatError: it is damaged, or no encoder.
        StateDictError: the weights are not those of the encoder it names.
    """

    def build(settings: Any) -> tuple[nn.Sequential, EncoderNetwork]:
        network = EncoderNetwork(**{**settings, "widths": tuple(settings["widths"])})
        return find_task(network.task).network(network.build(), network.features), network

    return load_saved(path, "encoder", "a contrastive run", build)
