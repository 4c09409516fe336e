"""The dense networks of the digit projects: built from a few settings, and built again later."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from streetlight import nn
from streetlight.errors import FileFormatError
from streetlight.interop import load, load_metadata
from streetlight.projects.wobble import Wobble

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}


@dataclass(frozen=True)
class ImageNetwork:
    """A network that takes pictures of `side` × `side` pixels to the scores of ten digits.

    Attributes:
        project: "digits" or "mnist".
        side: height and width of a picture.
        box: height and width that a digit fills in it.
        hidden: the number of units in each hidden layer.
        activation: "relu" or "tanh".
        dropout: share of hidden units that are left out while training.
        pixel_dropout: share of pixels that are left out while training.
        bias: whether the layers have one.
        shift, slant: how far pictures are moved and slanted while training.
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

    def build(self) -> nn.Sequential:
        """Make the network, with new weights from the default generator."""
        layers: dict[str, nn.Module] = {"wobble": Wobble(self.shift, self.slant)}
        layers |= {"pixels": nn.Flatten(), "pixel_dropout": nn.Dropout(self.pixel_dropout)}
        size = self.side**2
        for number, units in enumerate(self.hidden, 1):
            layers[f"hidden{number}"] = nn.Linear(size, units, bias=self.bias)
            layers[f"{self.activation}{number}"] = ACTIVATIONS[self.activation]()
            layers[f"dropout{number}"] = nn.Dropout(self.dropout)
            size = units
        layers["output"] = nn.Linear(size, 10, bias=self.bias)
        idle = ["wobble"] * (not (self.shift or self.slant))
        idle += [name for name, layer in layers.items() if getattr(layer, "p", None) == 0]
        return nn.Sequential({name: layers[name] for name in layers if name not in idle})

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
    try:
        settings: dict[str, Any] = json.loads(load_metadata(path)["network"])
        network = ImageNetwork(**{**settings, "hidden": tuple(settings["hidden"])})
        model = network.build()
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(
            f"{path} does not say which network it holds",
            expected="the model.safetensors of a digits or mnist run",
            fix="train again",
        ) from None
    model.load_state_dict(load(path))
    model.eval()
    return model, network
