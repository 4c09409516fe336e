"""The options that several commands share, each written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def _folder(name: str) -> Path:
    if not name:
        raise typer.BadParameter("a folder must have a name")
    return Path(name)


def epochs_option(default: str) -> Any:
    """The option --epochs of a command whose own choice is `default`."""
    text = f"How often to go through the training data; {default} if not given."
    return typer.Option("--epochs", help=text, min=1)


Seed = Annotated[
    int | None, typer.Option(help="Start of all random numbers (0 if not given).", min=0)
]
Out = Annotated[
    Path | None,
    typer.Option(
        parser=_folder,
        metavar="FOLDER",
        help="Folder for the results; a new one in runs/ if not given.",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Resume = Annotated[
    Path | None, typer.Option(metavar="RUN", help="Go on with the interrupted run in this folder.")
]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="Folder that a training run has left.")]
