"""The options that several commands share, each written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Seed = Annotated[
    int | None, typer.Option(help="Start of all random numbers (0 if not given).", min=0)
]
Epochs = Annotated[
    int | None, typer.Option(help="How often to go through the training data.", min=1)
]
Out = Annotated[
    Path | None, typer.Option(help="Folder for the results; a new one in runs/ if not given.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Resume = Annotated[
    Path | None, typer.Option(metavar="RUN", help="Go on with the interrupted run in this folder.")
]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="Folder that a training run has left.")]
