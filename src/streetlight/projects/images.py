"""Runs of the digit projects: what they print and draw at the end, and how they are asked later."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streetlight import datasets, nn
from streetlight.errors import ImageError
from streetlight.projects import pictures, seeing_pictures
from streetlight.projects.image_network import ImageNetwork, load_network
from streetlight.projects.judgement import Judgement, ask, judge
from streetlight.projects.photo import read_digit
from streetlight.projects.run_folder import RunFolder, RunOptions
from streetlight.projects.training import drawing, finish_run
from streetlight.projects.words import percent

if TYPE_CHECKING:
    from streetlight.datasets import LabelledImages
    from streetlight.train import Trainer

MOST_MISTAKES, MOST_UNITS, BAR = 18, 60, 24


def finish(
    run: RunFolder, trainer: Trainer, kept: int, network: ImageNetwork, test: LabelledImages,
    options: RunOptions,
) -> Judgement:  # fmt: skip
    """Test a trained network, leave its pictures and files, and say how it did."""
    with drawing(run):
        outcome = judge(trainer.model, test)
        title = f"{percent(outcome.accuracy)} of {len(test):,} test digits are right"
        shape = (1, 1, network.side, network.side)
        finish_run(run, trainer, kept, title, ["loss", "accuracy"], shape)
        draw(run.path, trainer.model, test.images.numpy()[:, 0], outcome)
    options.say(f"\n{outcome}")
    options.say(f"model, curves, mistakes and more: {run.path}")
    options.say(f"try it: streetlight predict {run.path} PHOTO.png")
    return outcome


def draw(folder: Path, model: nn.Module, images: NDArray[np.float32], outcome: Judgement) -> None:
    """Leave confusion.png and mistakes.png in a folder, and what the layers look for."""
    names = [str(digit) for digit in range(10)]
    figure = pictures.confusion(outcome.confusion, names, outcome.point())
    pictures.save_figure(figure, folder / "confusion.png")
    worst = outcome.worst(MOST_MISTAKES)
    figure = pictures.mistakes(
        images[worst], outcome.said[worst], outcome.true[worst], outcome.sureness[worst],
        _mistakes_title(len(outcome.true) - outcome.right),
    )  # fmt: skip
    pictures.save_figure(figure, folder / "mistakes.png")
    if any(isinstance(layer, nn.Conv2d) for layer in model.children()):
        seeing_pictures.draw(folder, model, images, outcome)
    else:
        draw_units(folder, model, images.shape[1])


def draw_units(folder: Path, model: nn.Module, side: int) -> None:
    """Leave weights.png: what the units of a dense first layer look for."""
    weights = next(model.parameters()).detach().numpy().reshape(-1, side, side)
    strongest = (-np.abs(weights).sum(axis=(1, 2))).argsort(kind="stable")[:MOST_UNITS]
    units = (
        f"{MOST_UNITS} of the {len(weights)}" if len(weights) > MOST_UNITS else f"{len(weights)}"
    )
    figure = pictures.unit_pictures(
        weights[strongest], f"What the first layer looks for: {units} units, the strongest first"
    )
    pictures.save_figure(figure, folder / "weights.png")


def _mistakes_title(wrong: int) -> str:
    if not wrong:
        return "No mistakes; these it was least sure of"
    if wrong > MOST_MISTAKES:
        return f"The {MOST_MISTAKES} mistakes of {wrong:,} that it was surest of"
    few = {1: "The one mistake", 2: "Both mistakes, the surer one first"}
    return few.get(wrong, f"All {wrong} mistakes, the surest first")


def evaluate(path: Path) -> None:
    """Test the model of a run again, on its project's test digits."""
    model, network = load_network(RunFolder.open(path).model)
    print(judge(model, held_out(network.project)))


def held_out(project: str) -> LabelledImages:
    """The digits that no run of the project learns from."""
    return {"digits": datasets.digits, "mnist": datasets.mnist}[project]()[1]


def predict(path: Path, files: list[Path]) -> None:
    """Say which digit each picture shows, with the probabilities of the likeliest ones.

    Raises:
        ImageError: pictures cannot be read; the others are told first.
        FileAccessError: the same, for files that are not there.
    """
    model, network = load_network(RunFolder.open(path).model)

    def tell(file: Path) -> None:
        digit = read_digit(file, network.side, network.box)
        shares = ask(model, digit[None, None])[0]
        print(f"{file}: {shares.argmax()}\n" + "\n".join(bars(shares)))

    tell_each(files, tell)


def tell_each(files: list[Path], tell: Callable[[Path], None]) -> None:
    """Tell about each file; what went wrong with some is told after all others.

    Raises:
        ImageError, FileAccessError: what went wrong last.
    """
    trouble: list[Exception] = []
    for file in files:
        try:
            tell(file)
        except (ImageError, OSError) as error:
            trouble.append(error)
    for earlier in trouble[:-1]:
        print(earlier, file=sys.stderr)
    if trouble:
        raise trouble[-1]


def bars(shares: NDArray[np.float32], names: Sequence[str] = "0123456789") -> list[str]:
    """Draw the three likeliest classes, and any other above one percent, as bars of text."""
    order = [int(label) for label in (-shares).argsort(kind="stable")]
    shown = [label for place, label in enumerate(order) if place < 3 or shares[label] >= 0.01]
    width = max(len(names[label]) for label in shown)
    return [
        f"  {names[label]:<{width}}  {'█' * round(BAR * float(shares[label])):<{BAR}}  "
        f"{100 * float(shares[label]):>5.1f} %"
        for label in shown
    ]
