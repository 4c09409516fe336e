"""The networks of the digit projects: built from a few settings, and built again later."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from streetlight import nn
from streetlight.augment import TransformedDataset, Wobble
from streetlight.projects.saved_network import load_saved

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}


@dataclass(frozen=True)
class ImageNetwork:
    """A network that takes pictures of `side` × `side` pixels to the scores of ten digits.

    Convolutions come first, if there are any, then dense layers.

    Attributes:
        project: "digits" or "mnist".
        side: height and width of a picture.
        box: height and width that a digit fills in it.
        hidden: the number of units in each hidden dense layer.
        activation: "relu" or "tanh".
        dropout: share of the units before each dense layer but the first that are left out while
            training; before the first one too, if convolutions feed it.
        pixel_dropout: share of pixels that are left out while training.
        bias: whether the layers have one.
        shift, slant: how far pictures are moved and slanted while training.
        kernels: the number of 3 × 3 kernels of each convolution.
        pooled: which convolutions, counted from 1, keep the largest of each 2 × 2 numbers alone.
        padding: rows and columns of zeros around what each convolution sees.
        norm: whether batch norm follows each convolution.
    """

    project: str
    side: int
    box: int
    hidden: tuple[int, ...]
    activation: str = "relu"
    dropout: float = 0.0
    pixel_dropout: float = 0.0
    bias: bool = True
    shift: float = 0.0
    slant: float = 0.0
    kernels: tuple[int, ...] = ()
    pooled: tuple[int, ...] = ()
    padding: int = 0
    norm: bool = False

    @property
    def maps(self) -> list[tuple[int, int]]:
        """For the picture and after each convolution: the number of channels, and their side."""
        found = [(1, self.side)]
        for number, kernels in enumerate(self.kernels, 1):
            side = found[-1][1] + 2 * self.padding - 2
            found.append((kernels, side // 2 if number in self.pooled else side))
        return found

    def build(self) -> nn.Sequential:
        """Make the network, with new weights from the default generator."""
        layers: dict[str, nn.Module] = {"pixel_dropout": nn.Dropout(self.pixel_dropout)}
        layers |= self._convolutions()
        layers |= {"features" if self.kernels else "pixels": nn.Flatten()}
        layers |= {"dropout": nn.Dropout(self.dropout if self.kernels else 0.0)}
        channels, side = self.maps[-1]
        size = channels * side**2
        for number, units in enumerate(self.hidden, len(self.kernels) + 1):
            layers[f"hidden{number}"] = nn.Linear(size, units, bias=self.bias)
            layers[f"{self.activation}{number}"] = ACTIVATIONS[self.activation]()
            layers[f"dropout{number}"] = nn.Dropout(self.dropout)
            size = units
        layers["output"] = nn.Linear(size, 10, bias=self.bias)
        idle = [name for name, layer in layers.items() if getattr(layer, "p", None) == 0]
        return nn.Sequential({name: layers[name] for name in layers if name not in idle})

    def _convolutions(self) -> dict[str, nn.Module]:
        """The first layers; a maximum taken before norm and activation saves three quarters."""
        layers: dict[str, nn.Module] = {}
        for number, kernels in enumerate(self.kernels, 1):
            layers[f"conv{number}"] = nn.Conv2d(
                self.maps[number - 1][0], kernels, 3, padding=self.padding,
                bias=self.bias and not self.norm,
            )  # fmt: skip
            if number in self.pooled:
                layers[f"pool{number}"] = nn.MaxPool2d(2)
            if self.norm:
                layers[f"norm{number}"] = nn.BatchNorm2d(kernels)
            layers[f"{self.activation}{number}"] = ACTIVATIONS[self.activation]()
        return layers

    def wobbled(self, dataset: Any) -> TransformedDataset:
        """The pictures to learn from, moved and slanted anew at each look."""
        return TransformedDataset(dataset, Wobble(self.shift, self.slant))

    def metadata(self) -> dict[str, str]:
        """The settings as texts, to be kept with the weights."""
        return {"project": self.project, "network": json.dumps(asdict(self))}


def load_network(path: Path) -> tuple[nn.Sequential, ImageNetwork]:
    """Build the network that a run has saved, with its weights, ready to be asked.

    Raises:
        FileAccessError: the file cannot be read.
        FileFormatError: it is damaged, or no network of this project.
        StateDictError: the weights are not those of the network it names.
    """

    def build(settings: Any) -> tuple[nn.Sequential, ImageNetwork]:
        given: dict[str, Any] = dict(settings)
        lists = {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
        network = ImageNetwork(**{**given, **lists})
        return network.build(), network

    return load_saved(path, "network", "a digits or mnist run", build)
