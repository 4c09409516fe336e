"""The encoder that all tasks share: a small convolutional network from a digit to 128 features."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from streetlight import nn
from streetlight.errors import FileFormatError
from streetlight.interop import load, load_metadata
from streetlight.projects.representation.catalogue import find_task


@dataclass(frozen=True)
class EncoderNetwork:
    """Three 3×3 convolutions with normalisation, then the mean of each feature over the picture.

    The first two look at every second place, so that 28×28 pixels become 14×14 and 7×7 places:
    4.6 million multiplications for a picture.

    Attributes:
        task: what the encoder was asked to do while it learnt, such as "ntxent" or "rotation".
        widths: channels after each convolution; the last number is that of the features.
        strides: steps of each convolution.

    >>> EncoderNetwork("ntxent").features
    128
    """

    task: str
    widths: tuple[int, ...] = (32, 64, 128)
    strides: tuple[int, ...] = (2, 2, 1)

    @property
    def features(self) -> int:
        """How many numbers the encoder gives for a picture."""
        return self.widths[-1]

    def build(self) -> nn.Sequential:
        """Make the encoder, from (N, 1, 28, 28) to (N, features), with new weights."""
        layers: dict[str, nn.Module] = {}
        channels = 1
        for number, (width, stride) in enumerate(zip(self.widths, self.strides, strict=True), 1):
            layers[f"conv{number}"] = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
            layers[f"norm{number}"] = nn.BatchNorm2d(width)
            layers[f"relu{number}"] = nn.ReLU()
            channels = width
        return nn.Sequential({**layers, "mean": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten()})

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
    try:
        settings: dict[str, Any] = json.loads(load_metadata(path)["encoder"])
        lists = {name: tuple(settings[name]) for name in ("widths", "strides")}
        network = EncoderNetwork(**{**settings, **lists})
        model = find_task(network.task).network(network.build(), network.features)
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(
            f"{path} does not say which encoder it holds",
            expected="the model.safetensors of a contrastive run",
            fix="train again",
        ) from None
    model.load_state_dict(load(path))
    return model.eval(), network
