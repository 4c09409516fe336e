"""What data sets there are, where their files lie, and how to get and check them.

A file is looked for in the folder that STREETLIGHT_DATA names, then in the cache (the folder in
STREETLIGHT_CACHE, or ~/.cache/streetlight), then at its homes. Wherever it lies, its bytes are
checked each time before they are used.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from streetlight.datasets.download import RemoteFile, download, verified
from streetlight.errors import ChecksumError, FileAccessError, UnknownNameError


@dataclass(frozen=True)
class DatasetInfo:
    """What is known of a data set; one without `homes` comes with the package."""

    name: str
    description: str
    licence: str
    files: tuple[RemoteFile, ...]
    homes: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all its files, packed."""
        return sum(file.size for file in self.files)


def _files(table: str) -> tuple[RemoteFile, ...]:
    """The files of a table with one in each line: SHA-256, size, name."""
    rows = [line.split() for line in table.strip().splitlines()]
    return tuple(RemoteFile(name, sha256, int(size)) for sha256, size, name in rows)


_DIGITS = """
b2dab7b501728c22e9119ad76740b2e17c77a231e42d1e592380d90886f1a05e   45394 digits.npz
"""
_MNIST = """
ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db 9912422 train-images-idx3-ubyte.gz
65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5   28881 train-labels-idx1-ubyte.gz
0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7 1648877 t10k-images-idx3-ubyte.gz
ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2    4542 t10k-labels-idx1-ubyte.gz
"""
DATASETS = {
    "digits": DatasetInfo(
        "digits",
        "1,797 handwritten digits, 8×8, from the UCI optical recognition test set",
        "CC BY 4.0 (E. Alpaydin, C. Kaynak, 1998, https://doi.org/10.24432/C50P49)",
        _files(_DIGITS),
    ),
    "mnist": DatasetInfo(
        "mnist",
        "60,000 + 10,000 handwritten digits, 28×28",
        "public (Y. LeCun, C. Cortes, C. Burges, 1998)",
        _files(_MNIST),
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
    ),
}


def available() -> tuple[DatasetInfo, ...]:
    """All data sets, for a listing.

    >>> [info.name for info in available()]
    ['digits', 'mnist']
    """
    return tuple(DATASETS.values())


def lookup(name: str) -> DatasetInfo:
    """The data set of that name.

    Raises:
        UnknownNameError: there is none; near matches are offered.

    >>> lookup("digits").licence[:9]
    'CC BY 4.0'
    """
    if name not in DATASETS:
        import difflib

        near = difflib.get_close_matches(name.lower(), DATASETS, n=3, cutoff=0.5)
        raise UnknownNameError(
            f"there is no data set named {name!r}",
            expected="one of " + ", ".join(DATASETS),
            fix=f"did you mean {' or '.join(near)}?" if near else "streetlight data list",
        )
    return DATASETS[name]


def status(name: str) -> dict[str, Path | None]:
    """Where each file of a data set lies, None for one that is still to be had (not checked).

    A STREETLIGHT_DATA that names no folder is passed over.

    >>> [(file, path is not None) for file, path in status("digits").items()]
    [('digits.npz', True)]
    """
    info = lookup(name)
    return {file.name: _locate(info, file, strict=False) for file in info.files}


def get(name: str) -> list[Path]:
    """Have all files of a data set here, downloading what is missing or damaged in the cache.

    Raises:
        DownloadError: no home sent a file.
        ChecksumError: a file, offline or sent, is not the one that its home publishes.
        FileAccessError: a folder or file cannot be read or written.
    """
    info = lookup(name)
    return [_fetch(info, file)[0] for file in info.files]


def read(name: str) -> dict[str, bytes]:
    """The checked and unpacked bytes of each file of a data set; raises what `get` raises."""
    info = lookup(name)
    return {file.name: _fetch(info, file)[1] for file in info.files}


def verify(name: str) -> list[Path]:
    """Check all files of a data set that are here, byte by byte, and say where they lie.

    Raises:
        ChecksumError: a file is not the one that its home publishes.
        FileAccessError: a file is not here, or cannot be read.
    """
    info, troubles = lookup(name), list[ChecksumError | FileAccessError]()
    paths = {file: _locate(info, file) for file in info.files}
    for file, path in paths.items():
        try:
            if path is None:
                raise FileAccessError(f"{file.name} of the data set {name} is not here")
            verified(path, file.sha256)
        except (ChecksumError, FileAccessError) as error:
            troubles.append(error)
    if troubles:
        told = "".join(f"\n  {error.what}" for error in troubles)
        what = f"of the {len(paths)} files of {name} these are not right:{told}"
        if any(isinstance(error, ChecksumError) for error in troubles):
            raise ChecksumError(what, fix=_mend(info))
        raise FileAccessError(what, fix=f"streetlight data get {name}")
    return [path for path in paths.values() if path is not None]


def _mend(info: DatasetInfo) -> str:
    again = f"remove what is damaged, then `streetlight data get {info.name}`"
    return again if info.homes else "install Streetlight again"


def _folders(info: DatasetInfo, strict: bool = True) -> list[Path]:
    """Where the files may lie; for those that are downloaded, the last is the cache."""
    if not info.homes:
        return [Path(__file__).parent / "files"]
    offline, cache = os.environ.get("STREETLIGHT_DATA"), os.environ.get("STREETLIGHT_CACHE")
    if offline and strict and not Path(offline).is_dir():
        raise FileAccessError(
            "STREETLIGHT_DATA does not name a folder",
            expected="a folder with one folder in it for each data set, such as mnist/",
            got={"STREETLIGHT_DATA": offline},
            fix="mend the path, or unset the variable to download instead",
        )
    roots = [Path(offline)] if offline else []
    roots.append(Path(cache) if cache else Path.home() / ".cache" / "streetlight")
    return [root / info.name for root in roots]


def _locate(info: DatasetInfo, file: RemoteFile, strict: bool = True) -> Path | None:
    paths = [folder / file.name for folder in _folders(info, strict)]
    return next((path for path in paths if os.path.lexists(path)), None)


def _fetch(info: DatasetInfo, file: RemoteFile) -> tuple[Path, bytes]:
    """The file's place and unpacked bytes; a damaged one in the cache is downloaded again."""
    path, cached = _locate(info, file), _folders(info)[-1] / file.name
    if path is not None:
        try:
            return path, verified(path, file.sha256, _mend(info))
        except ChecksumError:
            if path != cached or not info.homes:
                raise
    download(file, info.homes, cached)
    return cached, verified(cached, file.sha256)
