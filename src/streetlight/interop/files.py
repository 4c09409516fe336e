"""Write files whole or not at all: what is found under the final name is never half-written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from streetlight.errors import FileAccessError


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a binary file that takes the place of `path` only when the block ends without an error.

    The bytes go to a hidden file in the same folder, are flushed to the disk, and then the file
    is renamed over `path` in one step. An error, Ctrl-C, a full disk or a killed process leaves
    the old file (or none) as it was.

    Args:
        path: where the file belongs; its folder must exist.

    Raises:
        FileAccessError: the folder is missing or protected, `path` is a folder, the disk is full.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "note.txt"
    >>> with atomic_write(target) as file:
    ...     _ = file.write("42 kg".encode())
    >>> target.read_text()
    '42 kg'
    """
    target = Path(path)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        if target.is_dir():
            raise IsADirectoryError
        _remove_stale_parts(target)
        with open(part, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, target)
    except OSError as error:
        raise access_error("written", target, error) from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
