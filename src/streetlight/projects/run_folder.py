"""A run folder: where a training run keeps its model, checkpoint, history and pictures."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from streetlight.errors import FileAccessError, FileFormatError, UnknownNameError, UsageError


@dataclass(frozen=True)
class RunOptions:
    """What every `streetlight train ...` command takes.

    Attributes:
        seed: the start of all random numbers; the same seed gives the same run.
        epochs: how often the training data are gone through; None is the project's own choice.
        out: the folder for the results; None is a new one in `runs/`.
        quiet: print nothing but errors.
        resume: the folder of an interrupted run that is to go on.
    """

    seed: int | None = None
    epochs: int | None = None
    out: Path | None = None
    quiet: bool = False
    resume: Path | None = None

    def say(self, text: str = "") -> None:
        """Print a line for the user, at once, unless the run is quiet."""
        if not self.quiet:
            print(text, flush=True)


class RunFolder:
    """The folder of one training run, with every file written whole or not at all.

    >>> RunFolder("runs/digits").model.as_posix()
    'runs/digits/model.safetensors'
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.model = self.path / "model.safetensors"
        self.checkpoint = self.path / "checkpoint.safetensors"
        self.settings_file = self.path / "run.json"

    @classmethod
    def begin(cls, project: str, options: RunOptions, settings: dict[str, Any]) -> RunFolder:
        """Make the folder of a new run, or open the one that `options.resume` names.

        Args:
            project: the first word of the folder's name, such as "digits".
            options: the user's options.
            settings: plain values that rebuild the run (seed, epochs, sizes); kept in `run.json`.

        Raises:
            UsageError: the run to resume is of another project, or its settings differ.
            FileAccessError: the folder cannot be made.
        """
        if options.resume is not None:
            return cls.open(options.resume).check_resumable(project, options)
        folder = cls(options.out or _new_path(project))
        _make(folder.path)
        if folder.settings_file.exists():
            raise UsageError(
                f"{folder.path} holds a run already",
                fix=f"choose another --out, or go on with it: --resume {folder.path}",
            )
        with folder.writing("run.json") as file:
            file.write_text(json.dumps({"project": project, **settings}, indent=2) + "\n")
        return folder

    @classmethod
    def open(cls, path: str | Path) -> RunFolder:
        """Open the folder of an earlier run.

        Raises:
            UnknownNameError: there is no such folder, or no run in it; near names are offered.
        """
        folder = cls(path)
        if not folder.settings_file.is_file():
            raise UnknownNameError(
                f"{folder.path} is not the folder of a run",
                expected="a folder that `streetlight train` has made",
                fix=_near_runs(folder.path),
            )
        return folder

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that the run began with, and its project."""
        try:
            settings = json.loads(self.settings_file.read_text())
        except OSError as error:
            raise access_error(f"{self.settings_file} cannot be read", error) from None
        except ValueError:
            settings = None
        if not isinstance(settings, dict) or not isinstance(settings.get("project"), str):
            raise FileFormatError(
                f"{self.settings_file} is not the record of a run",
                fix="train again; the file was changed or damaged",
            )
        return settings

    @property
    def project(self) -> str:
        """The project that made the run: "digits", "mnist" or "table"."""
        return str(self.settings["project"])

    def check_resumable(self, project: str, options: RunOptions) -> RunFolder:
        """Refuse to go on with a run under another project, seed, length or folder."""
        settings = self.settings
        if settings["project"] != project:
            raise UsageError(
                f"{self.path} is a run of {settings['project']}, not of {project}",
                fix=f"streetlight train {settings['project']} --resume {self.path}",
            )
        asked = {"seed": options.seed, "epochs": options.epochs}
        for name, value in asked.items():
            if value is not None and value != settings.get(name):
                raise UsageError(
                    f"a resumed run keeps its {name}",
                    got={f"--{name}": value, "the run's": settings.get(name)},
                    fix=f"leave --{name} out, or begin a new run",
                )
        if options.out is not None and options.out.resolve() != self.path.resolve():
            raise UsageError("a resumed run stays in its folder", fix="leave --out out")
        return self

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Lend a temporary path; what is written there becomes `name` when all went well.

        Raises:
            FileAccessError: no permission, no space, or a folder stands where the file belongs.
        """
        target = self.path / name
        temporary = target.with_name(f".{secrets.token_hex(4)}-{name}")
        try:
            yield temporary
            os.replace(temporary, target)
        except OSError as error:
            raise access_error(f"{target} cannot be written", error) from None
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def access_error(what: str, error: OSError) -> FileAccessError:
    """Say in plain words why the operating system refused a file."""
    fixes = {
        "PermissionError": "choose another folder, or ask for the right to use this one",
        "IsADirectoryError": "a folder stands where a file belongs; move it away",
        "NotADirectoryError": "a file stands where a folder belongs; move it away",
        "FileExistsError": "a file stands where a folder belongs; choose another name",
        "FileNotFoundError": "check the spelling of the path",
    }
    fix = fixes.get(type(error).__name__, "make room on the disk, or choose another folder")
    return FileAccessError(f"{what}: {(error.strerror or str(error)).lower()}", fix=fix)


def _new_path(project: str) -> Path:
    """A path in `runs/` that is not taken yet."""
    path = Path("runs") / f"{project}-{time.strftime('%Y-%m-%d-%H%M%S')}"
    number = 2
    while path.exists():
        path = path.with_name(f"{path.name.removesuffix(f'-{number - 1}')}-{number}")
        number += 1
    return path


def _make(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise access_error(f"the folder {path} cannot be made", error) from None


def _near_runs(path: Path) -> str:
    """Name the runs that the user may have meant."""
    parent = path.parent if path.parent.is_dir() else Path("runs")
    if parent == Path(".") and Path("runs").is_dir():
        parent = Path("runs")
    names = sorted(p.parent.as_posix() for p in parent.glob("*/run.json"))
    near = get_close_matches(path.as_posix(), names, n=3, cutoff=0.4) or names[-3:]
    return "did you mean " + " or ".join(near) + "?" if near else "train first: streetlight train"
