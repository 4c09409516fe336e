"""Save and load tensors as safetensors files: numbers and names only, so loading runs no code."""

from __future__ import annotations

import os
from collections.abc import Mapping

from streetlight.tensor import Tensor


def save(
    tensors: Mapping[str, Tensor],
    path: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write named tensors to one safetensors file, whole or not at all.

    Args:
        tensors: name to tensor, for example `model.state_dict()`; any shapes, any mix of dtypes.
        path: the file to write; by habit it ends in `.safetensors`.
        metadata: short texts to keep with them, str to str.

    Raises:
        ArgumentError: `tensors` is no mapping from names to tensors, or `metadata` is not str to
            str.
        FileAccessError: the file cannot be written; an older file of that name stays whole.
    """
    raise NotImplementedError


def load(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Read all tensors of a safetensors file, by name.

    Args:
        path: a file written by `save`, or by any other program that writes safetensors.

    Raises:
        FileAccessError: the file is missing, protected or a folder.
        FileFormatError: it is truncated, foreign (a pickle, a zip), or its header lies.
    """
    raise NotImplementedError


def load_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read the texts that `save` was given as `metadata`; an empty dict if there are none.

    Raises what `load` raises.
    """
    raise NotImplementedError
