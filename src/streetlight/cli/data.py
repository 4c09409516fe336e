"""`streetlight data list | get NAME | verify NAME`: the data sets and their files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from streetlight.datasets import DatasetInfo

app = typer.Typer(help="List, fetch and check the data sets.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A name that `data list` shows.")]


@app.command("list")
def list_all() -> None:
    """Show every data set: what it is, its licence, and whether it is here."""
    from streetlight import datasets

    if problem := missing_folder():
        typer.echo(f"note: STREETLIGHT_DATA {problem}; it is passed over\n", err=True)
    for info in datasets.available():
        files = datasets.status(info.name)
        typer.echo(f"{info.name:<12}{info.description}")
        typer.echo(f"{'':<12}{_size(info.size)}, {info.licence}")
        typer.echo(f"{'':<12}{whereabouts(info, files)}\n")


@app.command("get")
def get(name: Name) -> None:
    """Download what is missing of a data set, and check all of it."""
    from streetlight import datasets

    for path in datasets.get(name):
        typer.echo(f"here and whole: {path}")


@app.command("verify")
def verify(name: Name) -> None:
    """Check the files of a data set, byte by byte."""
    from streetlight import datasets

    for path in datasets.verify(name):
        typer.echo(f"whole: {path}")


def whereabouts(info: DatasetInfo, files: dict[str, Path | None]) -> str:
    """Where the files of a data set lie, or the command that gets them."""
    present = [path for path in files.values() if path is not None]
    if len(present) < len(files):
        some = f"{len(present)} of {len(files)} files here; " if present else "not here; "
        return f"{some}get it: streetlight data get {info.name}"
    folders = " and ".join(sorted({str(path.parent) for path in present}))
    return f"found in {folders}, not verified" if info.homes else "comes with the package"


def missing_folder() -> str:
    """What is wrong with the folder in STREETLIGHT_DATA; "" if nothing is."""
    folder = os.environ.get("STREETLIGHT_DATA")
    return f"names {folder}, which is no folder" if folder and not Path(folder).is_dir() else ""


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(count // 1000, 1)} kB"
