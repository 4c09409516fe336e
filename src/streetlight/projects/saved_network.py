"""Networks that runs have saved: built again from the settings beside their weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from streetlight import nn
from streetlight.errors import FileFormatError
from streetlight.interop import load, load_metadata

Settings = TypeVar("Settings")


def load_saved(
    path: Path, kind: str, runs: str, build: Callable[[Any], tuple[nn.Sequential, Settings]]
) -> tuple[nn.Sequential, Settings]:
    """Build the network that a run has saved, with its weights, ready to be asked.

    Args:
        path: the file.
        kind: "network" or "encoder", under which the file keeps its settings.
        runs: whose files have it, for the error.
        build: makes the network and its settings of what JSON has kept of these.

    Raises:
        FileAccessError: the file cannot be read.
        FileFormatError: it is damaged, or has no such settings.
        StateDictError: the weights are not those of the network it names.
    """
    try:
        model, settings = build(json.loads(load_metadata(path)[kind]))
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(
            f"{path} does not say which {kind} it holds",
            expected=f"the model.safetensors of {runs}",
            fix="train again",
        ) from None
    model.load_state_dict(load(path))
    model.eval()
    return model, settings
