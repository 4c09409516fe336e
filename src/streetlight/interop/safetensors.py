"""Save and load tensors as safetensors files: numbers and names only, so loading runs no code."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from streetlight.creation import from_numpy
from streetlight.errors import ArgumentError, FileFormatError
from streetlight.interop.files import access_error, atomic_write
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

    >>> import tempfile
    >>> import streetlight as sl
    >>> path = Path(tempfile.mkdtemp()) / "apples.safetensors"
    >>> save({"weight": sl.tensor([[1.5, 2.5]])}, path, {"unit": "gram"})
    >>> load(path)["weight"].tolist(), load_metadata(path)
    ([[1.5, 2.5]], {'unit': 'gram'})
    """
    arrays = {name: _array(name, tensor) for name, tensor in _mapping("tensors", tensors).items()}
    texts = dict(_mapping("metadata", metadata or {}))
    for name, text in texts.items():
        if not (isinstance(name, str) and isinstance(text, str)):
            raise ArgumentError(
                "save: metadata holds something else than texts",
                expected="str names and str values",
                got={"name": name, "value": text},
                fix="turn the value into a text with str() or json.dumps()",
            )
    from safetensors.numpy import save as serialize

    data = serialize(arrays, metadata=texts or None)  # it stumbles over an empty dict
    with atomic_write(path) as file:
        file.write(data)


def load(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Read all tensors of a safetensors file, by name.

    Args:
        path: a file written by `save`, or by any other program that writes safetensors.

    Raises:
        FileAccessError: the file is missing, protected or a folder.
        FileFormatError: it is truncated, foreign (a pickle, a zip), or its header lies.
    """
    with _open(path) as file:
        return {name: from_numpy(np.array(file.get_tensor(name))) for name in file.keys()}  # noqa: SIM118


def load_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read the texts that `save` was given as `metadata`; an empty dict if there are none.

    Raises what `load` raises.
    """
    with _open(path) as file:
        return dict(file.metadata() or {})


def _mapping(name: str, value: Any) -> Mapping[Any, Any]:
    if isinstance(value, Mapping):
        return value
    raise ArgumentError(
        f"save: {name} is no mapping",
        expected="a dict by names",
        got={name: value},
        fix="for a model pass model.state_dict()",
    )


def _array(name: Any, tensor: Any) -> np.ndarray[Any, Any]:
    """The tensor's numbers as the format wants them: dense, in rows, low byte first."""
    if not (isinstance(name, str) and isinstance(tensor, Tensor) and name != "__metadata__"):
        raise ArgumentError(
            f"save: the entry {name!r} is no named tensor",
            expected="str names (other than __metadata__) and Tensor values",
            got={"value": tensor},
            fix="make a tensor of it with sl.tensor(value), or put texts into metadata",
        )
    array = tensor.detach().cpu().numpy()
    return np.array(array, dtype=array.dtype.newbyteorder("<"), order="C", copy=None)


@contextmanager
def _open(path: str | os.PathLike[str]) -> Iterator[Any]:
    """Open a safetensors file, and turn whatever its bytes make the reader say into words."""
    from safetensors import SafetensorError, safe_open

    head = _first_bytes(Path(path))
    try:
        with safe_open(os.fspath(path), framework="np") as file:
            yield file
    except OSError as error:
        raise access_error("read", path, error) from None
    except (SafetensorError, TypeError, AttributeError, ValueError, MemoryError) as error:
        raise FileFormatError(
            f"{os.fspath(path)} is not a sound safetensors file: {_reason(head, error)}",
            expected="the whole of a file written by sl.save or another safetensors program",
            fix="get or save the file again; weights from a pickle must first be converted "
            "where they came from",
        ) from None


def _first_bytes(path: Path) -> bytes:
    """The file's first bytes; a path that is no readable file is refused here."""
    try:
        if path.exists() and not path.is_file():
            raise IsADirectoryError(0, "it is a folder or device")
        with open(path, "rb") as file:
            return file.read(16)
    except OSError as error:
        raise access_error("read", path, error) from None


def _reason(head: bytes, error: Exception) -> str:
    """What is wrong with the file: known by its first bytes, or in the reader's own words."""
    if head.startswith(b"PK\x03\x04"):
        return "it is a zip archive, as torch.save writes"
    if head[:1] == b"\x80" and head[1:2] <= b"\x05" and any(head[3:8]):
        return "it is a pickle"
    if isinstance(error, TypeError | AttributeError):
        return "it holds a kind of number that NumPy does not have, such as bfloat16"
    return str(error).removeprefix("Error while deserializing header: ")
