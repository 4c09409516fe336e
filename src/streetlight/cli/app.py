"""The commands of `streetlight`, and what becomes of their errors.

A command only reads its options and hands over to a project; what is heavy to import is imported
inside of it, so that `streetlight --help` stays quick.
"""

from __future__ import annotations

import sys
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any

import typer

from streetlight.cli.data import app as data
from streetlight.cli.doctor import doctor
from streetlight.cli.explain import explain
from streetlight.cli.options import Out, Quiet, Resume, Run, Seed, epochs_option
from streetlight.errors import StreetlightError, UnknownNameError, UsageError

app = typer.Typer(
    name="streetlight",
    help="Deep learning you can see through.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
train = typer.Typer(help="Train a network and leave a folder of results.", no_args_is_help=True)


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"streetlight {version('streetlight')}")
        raise typer.Exit


@app.callback()
def options(
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Show where in the code an error arose.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version)
    ] = False,
) -> None:
    """Deep learning you can see through."""


@train.command("digits")
def train_digits(
    seed: Seed = None,
    epochs: Annotated[int | None, epochs_option("80")] = None,
    out: Out = None,
    quiet: Quiet = False,
    resume: Resume = None,
) -> None:
    """Learn the 1,797 handwritten digits that come with the package (seconds)."""
    from streetlight.projects import digits
    from streetlight.projects.run_folder import RunOptions

    digits.train_digits(RunOptions(seed, epochs, out, quiet, resume))


@train.command("mnist")
def train_mnist(
    book: Annotated[
        bool, typer.Option("--book", help="Chapters 8 to 10 on the first 1,000 images.")
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="The best dense network on all 60,000.")
    ] = False,
    cnn: Annotated[
        bool, typer.Option("--cnn", help="The best small convolutional network on all 60,000.")
    ] = False,
    seed: Seed = None,
    epochs: Annotated[int | None, epochs_option("18 (--cnn: 10; --book: 80 to 350)")] = None,
    out: Out = None,
    quiet: Quiet = False,
    resume: Resume = None,
) -> None:
    """Learn MNIST: the whole set (--full, unless told otherwise) or the book's experiments."""
    from streetlight.projects.book import train_book
    from streetlight.projects.mnist import train_mnist as train_full
    from streetlight.projects.mnist_cnn import train_cnn
    from streetlight.projects.run_folder import RunOptions

    if book + full + cnn > 1:
        raise UsageError("--book, --full and --cnn are different runs", fix="give one of them")
    run = train_book if book else train_cnn if cnn else train_full
    run(RunOptions(seed, epochs, out, quiet, resume))


@train.command("images")
def train_images(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Has a folder of pictures for each class.")
    ],
    seed: Seed = None,
    epochs: Annotated[int | None, epochs_option("15 to 60, by the number of pictures,")] = None,
    out: Out = None,
    quiet: Quiet = False,
    resume: Resume = None,
) -> None:
    """Learn the classes of your own pictures (PNG, JPEG), in a folder for each class."""
    from streetlight.projects import picture_folder
    from streetlight.projects.run_folder import RunOptions

    picture_folder.train_images(folder, RunOptions(seed, epochs, out, quiet, resume))


@train.command("table")
def train_table(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="Table with a header line.")],
    target: Annotated[str, typer.Option(help="Column to learn.")],
    seed: Seed = None,
    epochs: Annotated[int | None, epochs_option("20 to 200, by the number of rows,")] = None,
    out: Out = None,
    quiet: Quiet = False,
    resume: Resume = None,
) -> None:
    """Learn a column of your own table from its other columns."""
    from streetlight.projects import table
    from streetlight.projects.run_folder import RunOptions

    table.train_table(file, target, RunOptions(seed, epochs, out, quiet, resume))


@train.command("contrastive")
def train_contrastive(
    loss: Annotated[
        str | None,
        typer.Option(help="ntxent (without labels, if not given), triplet, contrastive or supcon."),
    ] = None,
    pretext: Annotated[
        str | None,
        typer.Option(help="In place of a loss: rotation, jigsaw, inpaint or colour; no labels."),
    ] = None,
    seed: Seed = None,
    epochs: Annotated[int | None, epochs_option("as many as the task needs")] = None,
    out: Out = None,
    quiet: Quiet = False,
    resume: Resume = None,
) -> None:
    """Learn MNIST without its labels, and see what was learnt."""
    from streetlight.projects.representation import contrastive
    from streetlight.projects.run_folder import RunOptions

    options = RunOptions(seed, epochs, out, quiet, resume)
    contrastive.train_contrastive(options, loss, pretext)


@app.command()
def evaluate(run: Run) -> None:
    """Measure a trained model again on the data that it has never seen."""
    project_of(run).evaluate(run)


@app.command()
def predict(
    run: Run,
    files: Annotated[
        list[Path], typer.Argument(metavar="IMAGE_OR_CSV...", help="Pictures or tables.")
    ],
) -> None:
    """Ask a trained model about your own pictures (PNG, JPEG) or rows (CSV)."""
    project_of(run).predict(run, files)


@app.command()
def compare(run: Run) -> None:
    """Set a network of digits beside clusters, counts and neighbours, which are no networks."""
    from streetlight.projects import comparison

    comparison.compare(run)


def project_of(run: Path) -> Any:
    """The module that can evaluate a run and predict with it."""
    from streetlight.projects.run_folder import RunFolder

    folder = RunFolder.open(run)
    name = folder.project
    modules = {
        "digits": "images",
        "mnist": "images",
        "images": "picture_folder",
        "table": "table",
        "contrastive": "representation.contrastive",
    }
    if name not in modules:
        raise UnknownNameError(
            f"{run} is a run of {name!r}, which this version does not know",
            expected="a run of " + ", ".join(modules),
            fix="use the version of Streetlight that made it",
        )
    folder.check_trained()
    return import_module(f"streetlight.projects.{modules[name]}")


app.command("doctor")(doctor)
app.command("explain")(explain)
app.add_typer(train, name="train")
app.add_typer(data, name="data")


def run(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code; errors are told in words, not as a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # bars and × must not fail where they cannot be shown
            stream.reconfigure(errors="replace")
    words = list(sys.argv[1:] if arguments is None else arguments)
    show_traceback = "--traceback" in words
    words = [word for word in words if word != "--traceback"]
    try:
        code = app(words, prog_name="streetlight", standalone_mode=False)
    except Exception as error:
        if show_traceback:
            raise
        return tell(error)
    return code if isinstance(code, int) else 0


def tell(error: Exception) -> int:
    """Print an error for a human being and return the exit code that it stands for."""
    if type(error).__name__ == "NoArgsIsHelpError":  # the help has just been shown
        return 2
    if getattr(error, "exit_code", 0) == 2 and hasattr(error, "format_message"):
        error = _misuse(error)
    if isinstance(error, StreetlightError):
        typer.echo(str(error), err=True)
        return 2 if isinstance(error, UsageError | UnknownNameError) else 1
    typer.echo(
        f"streetlight has failed in a way it should not: {type(error).__name__}: {error}\n"
        "  fix: run the same command with --traceback and report what it prints",
        err=True,
    )
    return 1


def _misuse(error: Any) -> UsageError:
    """The error for words that typer does not understand, whose own error is `error`."""
    command = error.ctx.command_path if error.ctx else "streetlight"
    return UsageError(error.format_message().rstrip("."), fix=f"see {command} --help")
