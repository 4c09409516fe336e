"""A run folder: where a training run keeps its model, checkpoint, history and pictures."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from streetlight.errors import FileAccessError, FileFormatError, UnknownNameError, UsageError
from streetlight.interop.files import access_error, atomic_write


@dataclass(frozen=True)
class RunOptions:
    """What every `streetlight train ...` command takes.

    Attributes:
        seed: the start of all random numbers; the same seed gives the same run. None is 0.
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
    """The folder of one training run, and the settings that it began with (kept in `run.json`).

    Attributes:
        path: the folder.
        settings: plain values: `project`, `seed`, `epochs` and what else the project needs to
            build the same run again.
        top: the folder that `--resume` takes; another one than `path` for a part of a run.

    >>> RunFolder(Path("runs/digits"), {"project": "digits"}).model.as_posix()
    'runs/digits/model.safetensors'
    """

    def __init__(self, path: Path, settings: dict[str, Any], top: Path | None = None) -> None:
        self.path, self.settings, self.top = path, settings, top or path
        self.model = path / "model.safetensors"
        self.checkpoint = path / "checkpoint.safetensors"

    @property
    def project(self) -> str:
        """The project that made the run: "digits", "mnist" or "table"."""
        return str(self.settings["project"])

    @classmethod
    def begin(
        cls, project: str, command: str, options: RunOptions, epochs: int | None, **settings: Any
    ) -> RunFolder:
        """Make the folder of a new run, or open the one that `options.resume` names.

        Args:
            project: the first word of the folder's name, such as "digits".
            command: what to type to go on with the run, before `--resume`.
            options: the user's options.
            epochs: how many epochs the project chooses if the user does not; None if each part
                of the run has its own number.
            settings: further plain values that make the run what it is.

        Raises:
            UsageError: the folder holds a run or other files already; or the run to resume is of
                another project, or had other settings.
            FileAccessError: the folder cannot be made.
        """
        asked = {"seed": options.seed, "epochs": options.epochs}
        settings = {"project": project, "command": command, **asked, **settings}
        if options.resume is not None:
            folder = cls.open(options.resume)
            folder._check_resume(settings, options.out)
            return folder
        settings |= {"seed": options.seed or 0, "epochs": options.epochs or epochs}
        folder = cls(options.out or _new_path(project), settings)
        folder._make()
        if (folder.path / "run.json").exists():
            raise UsageError(
                f"{folder.path} holds a run already",
                fix=f"choose another --out, or go on with that run: --resume {folder.path}",
            )
        if any(folder.path.iterdir()):
            raise UsageError(
                f"{folder.path} holds other files, which a run could overwrite",
                expected="a new or an empty folder",
                fix=f"choose another one, such as --out {folder.path / project}",
            )
        with atomic_write(folder.path / "run.json") as file:
            file.write(f"{json.dumps(settings, indent=2)}\n".encode())
        return folder

    @classmethod
    def open(cls, path: str | Path) -> RunFolder:
        """Open the folder of an earlier run.

        Raises:
            UnknownNameError: there is no such folder, or no run in it; near names are offered.
            FileAccessError, FileFormatError: its `run.json` cannot be read, or is damaged.
        """
        record = Path(path) / "run.json"
        if not record.is_file():
            raise UnknownNameError(
                f"{path} is not the folder of a run",
                expected="a folder that `streetlight train` has made",
                fix=_near_runs(Path(path)),
            )
        try:
            settings = json.loads(record.read_bytes())
        except OSError as error:
            raise access_error("read", record, error) from None
        except ValueError:
            settings = None
        if not isinstance(settings, dict) or not isinstance(settings.get("project"), str):
            raise FileFormatError(
                f"{record} is not the record of a run",
                fix="train again: the file was changed or damaged",
            )
        return cls(Path(path), settings)

    def part(self, name: str, epochs: int) -> RunFolder:
        """Make a folder in this one for a part of the run, with its own model and checkpoint."""
        part = RunFolder(self.path / name, {**self.settings, "epochs": epochs}, self.top)
        part._make()
        return part

    def check_trained(self) -> None:
        """Make sure that there is a model to ask.

        Raises:
            FileAccessError: the run was ended before its model was written.
        """
        if not self.model.exists():
            command = self.settings.get("command", f"streetlight train {self.project} ...")
            raise FileAccessError(
                f"{self.path} has no model yet: its training was interrupted",
                fix=f"go on with it: {command} --resume {self.path}",
            )

    def _make(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            told = access_error("made", self.path, error).what
            raise FileAccessError(told, fix="choose another folder") from None

    def _check_resume(self, asked: dict[str, Any], out: Path | None) -> None:
        """Refuse to go on under another project, seed, number of epochs, ... or folder."""
        if asked["project"] != self.project:
            raise UsageError(
                f"{self.path} is a run of {self.project}, not of {asked['project']}",
                fix=f"streetlight train {self.project} ... --resume {self.path}",
            )
        for name, value in asked.items():
            if value is not None and value != self.settings.get(name):
                raise UsageError(
                    f"a resumed run keeps its {name}",
                    got={"asked for": value, "the run has": self.settings.get(name)},
                    fix="give the command that began the run, or begin a new one",
                )
        if out is not None and out.resolve() != self.path.resolve():
            raise UsageError("a resumed run stays in its folder", fix="leave --out away")


def _new_path(project: str) -> Path:
    """A path in `runs/` that is not taken yet."""
    first = Path("runs") / f"{project}-{time.strftime('%Y-%m-%d-%H%M%S')}"
    path, number = first, 1
    while path.exists():
        number += 1
        path = first.with_name(f"{first.name}-{number}")
    return path


def _near_runs(path: Path) -> str:
    """Name the runs that the user may have meant."""
    folders = {path.parent, Path("runs")}
    runs = sorted(record.parent for top in folders for record in top.glob("*/run.json"))
    names = {run.name: run.as_posix() for run in runs}
    near = [names[name] for name in get_close_matches(path.name, names, cutoff=0.75)]
    if near:
        return f"did you mean {' or '.join(near)}?"
    some = ", ".join(list(names.values())[-3:])
    return f"name a run, such as {some}" if some else "begin with `streetlight train digits`"
