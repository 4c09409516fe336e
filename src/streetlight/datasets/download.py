"""Fetch one file over the network so that it is either there, whole and checked, or not there.

The bytes go into `NAME.part`, which a later call goes on with (an HTTP Range request) where this
one stopped. Only a part whose unpacked bytes have the right SHA-256 is renamed to `NAME`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from streetlight.errors import ChecksumError, DownloadError, FileAccessError

_CONNECT_SECONDS, _SILENCE_SECONDS = 10, 60
_WRONG = "sent another file (wrong checksum)"


@dataclass(frozen=True)
class RemoteFile:
    """A file to download: its name, the SHA-256 of its unpacked bytes, its packed size."""

    name: str
    sha256: str
    size: int


def verified(path: Path, sha256: str, fix: str = "") -> bytes:
    """Read a file, unpack it if it is gzip, and return its bytes if their SHA-256 is right.

    Raises:
        FileAccessError: it is not a file, or cannot be read.
        ChecksumError: it is damaged or something else.
    """
    import gzip
    import hashlib
    import zlib

    try:
        content = path.read_bytes()
    except OSError as error:
        raise _no_access("read", path, error) from error
    try:
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error):
        content = b""
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ChecksumError(
            f"{path} is damaged, cut short or another file"
            + ": it cannot be unpacked" * (not content),
            expected=f"SHA-256 {sha256} of its unpacked bytes",
            got={"found": found} if content else None,
            fix=fix,
        )
    return content


def download(file: RemoteFile, homes: tuple[str, ...], path: Path) -> None:
    """Fetch a file from the first of its homes that has it, check it, and put it at `path`.

    Homes are addresses that end in `/`.

    Raises:
        DownloadError: no home sent it to the end; what came is kept to go on with.
        ChecksumError: each home sent something else; nothing is kept.
        FileAccessError: the folder or file cannot be written.
    """
    import requests

    part = path.with_name(path.name + ".part")
    failures: dict[str, str] = {}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A part that an earlier run left may be no good: then the first home is asked once more.
        for home in homes + homes[: part.exists()]:
            try:
                _receive(home + file.name, part, file.size)
                verified(part, file.sha256)
                os.replace(part, path)
                return
            except requests.RequestException as error:
                failures[home] = _reason(error)
            except ChecksumError:
                part.unlink()
                failures[home] = _WRONG
    except FileAccessError:
        raise
    except OSError as error:
        raise _no_access("write", part, error) from error
    kind = ChecksumError if set(failures.values()) == {_WRONG} else DownloadError
    raise kind(
        f"{file.name} could not be fetched from any of its homes",
        got=failures,
        fix="run the same again: it goes on where it stopped; or set STREETLIGHT_DATA to a folder "
        "that has it",
    )


def _receive(url: str, part: Path, size: int) -> None:
    """Add to `part` what is still missing of the file at `url`."""
    import requests

    done = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
    timeout = (_CONNECT_SECONDS, _SILENCE_SECONDS)
    with requests.get(url, headers=headers, stream=True, timeout=timeout) as response:
        if done and response.status_code == requests.codes.requested_range_not_satisfiable:
            return  # the part is already as long as the file: its checksum decides
        response.raise_for_status()
        resumed = response.status_code == requests.codes.partial_content
        with (
            open(part, "ab" if resumed else "wb") as out,
            _progress(part.stem, done * resumed, size) as advance,
        ):
            for chunk in response.iter_content(1 << 16):
                out.write(chunk)
                advance(len(chunk))


@contextmanager
def _progress(name: str, done: int, size: int) -> Iterator[Callable[[int], None]]:
    """A bar on the terminal, if there is one; yields what is called with each count of bytes."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn(name), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(name, total=size, completed=done)
        yield lambda count: bar.advance(task, count)


def _reason(error: Exception) -> str:
    """Why a home sent nothing, in few words."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"answered {response.status_code} {response.reason}"
    return {
        "ConnectTimeout": "did not answer in time",
        "ConnectionError": "could not be reached, or fell silent",
        "ChunkedEncodingError": "broke off in the middle",
        "SSLError": "has no certificate that this machine trusts",
        "ProxyError": "could not be reached through the proxy",
    }.get(type(error).__name__, str(error))


def _no_access(verb: str, path: Path, error: OSError) -> FileAccessError:
    return FileAccessError(
        f"cannot {verb} {path}: {(error.strerror or str(error)).lower()}",
        fix="free the disk or mend the permissions, or name another folder in STREETLIGHT_CACHE",
    )
