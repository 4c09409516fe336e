"""Write files whole or not at all: what is found under the final name is never half-written."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
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
        FileAccessError: the folder is missing or protected, `path` is a folder or device, or the
            disk is full.

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
            raise IsADirectoryError(0, "it is a folder")
        if target.exists() and not target.is_file():  # a rename would put an end to it
            raise IsADirectoryError(0, "it is a device, not a file")
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


def access_error(done: str, path: str | os.PathLike[str], error: OSError) -> FileAccessError:
    """Put an error of the operating system into words: `path` cannot be `done` ("read").

    >>> access_error("read", "x.csv", FileNotFoundError(2, "No such file or directory")).what
    'x.csv cannot be read: no such file or directory'
    """
    fixes: dict[type[OSError], str] = {
        FileNotFoundError: "check the spelling of the path; the folder must exist",
        IsADirectoryError: "name a file",
        NotADirectoryError: "a file stands where a folder belongs; choose another path",
        PermissionError: "choose another folder, or ask for the right to use this one",
    }
    room = "" if error.errno == errno.EROFS else "make room on the disk, or "
    reason = (error.strerror or str(error) or "the system refuses").lower()
    return FileAccessError(
        f"{os.fspath(path)} cannot be {done}: {reason}",
        fix=fixes.get(type(error), f"{room}choose another folder"),
    )


def _remove_stale_parts(target: Path) -> None:
    """Remove what writers of this file left that were killed before they could tidy up."""
    for part in target.parent.glob(f".{escape(target.name)}.*.part"):
        process = part.suffixes[-2].removeprefix(".")
        if process.isdecimal() and not _is_running(int(process)):
            with suppress(OSError):
                part.unlink()


def _is_running(process: int) -> bool:
    """Whether a process lives; on Windows always yes, as asking would send it a signal."""
    if os.name == "nt":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
