"""Compiled programs on disk: made once, found again by any process, never believed when damaged.

An entry is a folder that is named by a digest of all that its content depends on: for a program its
C, the flags, the compiler and the CPU. It holds a checksum, is written under another name and
renamed when it is whole. Where the cache cannot be written, programs last as long as the process.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import json
import os
import platform
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

from streetlight.compile import toolchain
from streetlight.compile.toolchain import FLAGS, Compiler, CompilerFailed

MOST_ENTRIES, MOST_BYTES = 1_000, 500_000_000
"""What the cache may hold; beyond it, what has not been used for longest is removed."""

HALF_WRITTEN, HALF_WRITTEN_SECONDS = "half-written-", 3_600
"""The beginning of names of folders that are not whole yet, and when they are given up."""


def load(text: str, flags: tuple[str, ...] = FLAGS) -> ctypes.CDLL:
    """Compile C unless that has been done before, and load it into this process.

    Raises:
        CompileError: if there is no compiler that can do it, or the result cannot be loaded.
    """
    tried = {}
    for command in toolchain.candidates():
        try:
            compiler = _examined(_identity(command))
            digest = _digest(text, flags, _identity(command), compiler.version, cpu())
            return _loaded(digest) or _built(digest, compiler, text, flags)
        except (CompilerFailed, OSError) as failure:  # OSError: no room for its files
            tried[command] = str(failure)
    raise toolchain.failed(tried)


def usable_compilers() -> Iterator[Compiler]:
    """The compilers of this machine that work, best first."""
    for command in toolchain.candidates():
        with contextlib.suppress(CompilerFailed, OSError):
            yield _examined(_identity(command))


def _loaded(digest: str) -> ctypes.CDLL | None:
    """The program of that name, if there is one and it is whole."""
    folder = _find(digest, "program.so")
    if folder is None:
        return None
    try:
        return ctypes.CDLL(str(folder / "program.so"))
    except OSError:
        return None


def _built(digest: str, compiler: Compiler, text: str, flags: tuple[str, ...]) -> ctypes.CDLL:
    with tempfile.TemporaryDirectory(prefix="streetlight-") as place:
        source, target = Path(place) / "program.c", Path(place) / "program.so"
        source.write_text(text, "utf-8")
        compiler.build(source, target, flags)
        _keep(digest, {"program.so": target.read_bytes(), "program.c": text.encode()})
        try:
            return _loaded(digest) or ctypes.CDLL(str(target))
        except OSError as error:
            raise CompilerFailed(f"made what cannot be loaded: {error}") from error


# ---- what a program depends on ----


def _digest(*parts: object) -> str:
    """A name for what these parts give; our version is none of them, for the C has all headers."""
    text = json.dumps([str(part) for part in parts])
    return hashlib.sha256(text.encode()).hexdigest()[:40]


@functools.cache
def cpu() -> str:
    """Model and features of this CPU; a folder of programs may be shared by several machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").partition("\n\n")[0].splitlines()
    except OSError:
        return platform.processor()
    changing = ("processor", "cpu MHz", "bogomips", "BogoMIPS", "core id", "apicid", "initial")
    return "\n".join(line for line in lines if not line.startswith(changing))


def _identity(command: tuple[str, ...]) -> tuple[str | int, ...]:
    """A compiler's command, and what changes when another one is put in its place."""
    stat = os.stat(command[0])
    return (stat.st_mtime_ns, stat.st_size, os.path.realpath(command[0]), *command)


@functools.cache
def _examined(identity: tuple[str | int, ...]) -> Compiler:
    """The compiler, as it was found to be by this or an earlier process.

    Raises:
        CompilerFailed: if it does not work.
    """
    command = tuple(map(str, identity[3:]))
    digest = _digest("compiler", FLAGS, *identity)
    if folder := _find(digest, "compiler.json"):
        version, refused = json.loads((folder / "compiler.json").read_bytes())
        return Compiler(command, version, frozenset(refused))
    compiler = toolchain.examine(command)
    known = json.dumps([compiler.version, sorted(compiler.refused)])
    _keep(digest, {"compiler.json": known.encode()})
    return compiler


# ---- folders ----


def _root() -> Path:
    """The folder of all entries."""
    named = os.environ.get("STREETLIGHT_CACHE")
    return (Path(named) if named else Path("~/.cache/streetlight").expanduser()) / "compiled"


def _find(digest: str, name: str) -> Path | None:
    """The folder of an entry whose file `name` is there and whole."""
    folder = _root() / digest
    if not _is_whole(folder, name):
        return None
    with contextlib.suppress(OSError):
        os.utime(folder)  # it has been used now
    return folder


def _is_whole(folder: Path, name: str) -> bool:
    try:
        content, checksum = (folder / name).read_bytes(), (folder / "sha256").read_bytes()
    except OSError:
        return False
    return hashlib.sha256(content).hexdigest().encode() == checksum


def _keep(digest: str, files: Mapping[str, bytes]) -> None:
    """Write an entry, if that is possible; the first of its files is the one with a checksum."""
    root = _root()
    try:
        root.mkdir(parents=True, exist_ok=True)
        _write(root / digest, files)
        _make_room(root)
    except OSError as error:
        _warn(root, error.strerror or str(error))


@functools.cache
def _warn(root: Path, reason: str) -> None:
    """Say it once."""
    warnings.warn(
        f"compiled programs cannot be kept in {root} ({reason}), so each process makes them "
        "again; STREETLIGHT_CACHE can name another folder",
        stacklevel=2,
    )


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Have an entry at its place, whole, by this process or by another."""
    name = next(iter(files))
    checksum = hashlib.sha256(files[name]).hexdigest().encode()
    half = Path(tempfile.mkdtemp(prefix=HALF_WRITTEN, dir=folder.parent))
    try:
        for file, content in {**files, "sha256": checksum}.items():
            with open(half / file, "wb") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
        if not _is_whole(folder, name):
            shutil.rmtree(folder, ignore_errors=True)  # it is damaged, or not there
            with contextlib.suppress(OSError):  # another process was faster
                half.rename(folder)
    finally:
        shutil.rmtree(half, ignore_errors=True)


def _make_room(root: Path) -> None:
    """Remove what has not been used for longest while there is too much."""
    entries = sorted(root.iterdir(), key=_last_used, reverse=True)
    total = 0
    for count, folder in enumerate(entries):
        total += _size(folder)
        given_up = time.time() - _last_used(folder) > HALF_WRITTEN_SECONDS
        half = folder.name.startswith(HALF_WRITTEN)
        if (half and given_up) or (not half and (count >= MOST_ENTRIES or total > MOST_BYTES)):
            shutil.rmtree(folder, ignore_errors=True)


def _last_used(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:  # another process has removed it
        return 0.0


def _size(folder: Path) -> int:
    try:
        return sum(file.stat().st_size for file in folder.iterdir())
    except OSError:
        return 0
