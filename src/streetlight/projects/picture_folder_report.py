"""What a run on pictures of one's own says, and what it leaves for its user to look at."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streetlight.interop import atomic_write
from streetlight.projects import pictures as drawings
from streetlight.projects.judgement import Judgement
from streetlight.projects.table_pictures import shorten
from streetlight.projects.words import percent, plural, times

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from streetlight.datasets import ImageFolder
    from streetlight.projects.picture_folder_network import PictureNetwork
    from streetlight.projects.run_folder import RunFolder, RunOptions
    from streetlight.tensor import Tensor

LISTED, CLASSES_NAMED, CLASSES_DRAWN, MISTAKES_DRAWN = 5, 12, 25, 18
CLASSES_SEEN, LOOKS = 8, 4
# Seconds that it takes to learn from a picture once: for each multiplication of the network
# forward, and for each value that is changed before.
PER_MULTIPLICATION, PER_VALUE = 3e-10, 2e-7


@dataclass(frozen=True)
class PictureJudgement(Judgement):
    """What a network said of n pictures of named classes."""

    classes: list[str]

    @property
    def recalls(self) -> NDArray[np.float64]:
        """For each class the share of its pictures that were named rightly."""
        counts = self.confusion
        return np.diag(counts) / counts.sum(axis=1)

    def point(self) -> str:
        """What the confusion matrix shows, in a headline."""
        for true, said, count in self.confused(1):
            names = [_drawn(self.classes[label], 20) for label in (true, said)]
            return f"{names[0]} is taken for {names[1]} {times(count)}"
        return "No class is taken for another one"

    def __str__(self) -> str:
        score = f"{percent(self.accuracy)} right: {self.right:,} of {len(self.true):,}"
        largest = int(np.bincount(self.true).argmax())
        luck = percent(float(np.mean(self.true == largest)))
        always = f"always saying {self.classes[largest]!r}: {luck}"
        worst = int(self.recalls.argmin())
        lines = [f"{score} held-out pictures, which it had never seen ({always})"]
        if self.right < len(self.true):
            lines.append(f"hardest: {self.classes[worst]}, {percent(self.recalls[worst])} right")
        pairs = [
            f"{self.classes[true]} taken for {self.classes[said]} ({times(count)})"
            for true, said, count in self.confused()
        ]
        lines.append("most confused: " + ", ".join(pairs) if pairs else "nothing was confused")
        return "\n".join(lines)


# ---- before the training ----


def announce(
    run: RunFolder,
    pictures: ImageFolder,
    sizes: list[int],
    network: PictureNetwork,
    weights: Tensor | None,
    options: RunOptions,
) -> None:
    """Say what was found in the folder and what is going to happen; list what is left out.

    Args:
        run: its folder gets `left-out.txt`.
        pictures: all of them.
        sizes: how many are learnt from, watched and held out.
        network: that is going to learn.
        weights: of the classes, if they are unequal.
        options: of the run.
    """
    epochs = run.settings["epochs"]
    values = network.channels * network.side**2
    seconds = epochs * sizes[0] * (network.work * PER_MULTIPLICATION + values * PER_VALUE)
    options.say(
        f"Learning {len(pictures.classes)} classes from {plural(len(pictures), 'picture')} on the "
        f"CPU, {plural(epochs, 'epoch')}: at most about {plural(ceil(seconds / 60), 'minute')}."
    )
    told = {
        "classes": _classes(pictures),
        "pictures": f"{sizes[0]:,} to learn from, {sizes[1]:,} to know when to stop, "
        f"{sizes[2]:,} held out",
        "size": _sizes(pictures),
        "balance": _balance(pictures, weights),
        "network": f"{len(network.blocks)} convolutions of 3×3, {network.width} to "
        f"{network.blocks[-1][0]} kernels",
        "each look": "turned, moved and resized a little"
        + ", or mirrored" * (pictures.channels == 3),
    }
    for name, text in told.items():
        options.say(f"  {name:<12} {text}")
    for name, text in _remarks(run, pictures):
        options.say(f"  {name:<12} {text}")


def _classes(pictures: ImageFolder) -> str:
    counts = Counter(pictures.targets)
    named = [
        f"{name}: {counts[label]:,}" for label, name in enumerate(pictures.classes[:CLASSES_NAMED])
    ]
    more = len(pictures.classes) - len(named)
    return ", ".join(named) + f" and {more:,} more" * (more > 0)


def _sizes(pictures: ImageFolder) -> str:
    """The sizes in the files, and the one that all are brought to."""
    several = Counter(pictures.sizes)
    colour = "grey" if pictures.channels == 1 else "in colour"
    square = f"{pictures.side}×{pictures.side}"
    if set(several) == {(pictures.side, pictures.side)}:
        return f"all {square}, {colour}"
    if len(several) == 1:
        found = "all {}×{}".format(*pictures.sizes[0])
    else:
        ends = [f(pictures.sizes, key=lambda size: size[0] * size[1]) for f in (min, max)]
        longer = round(median(max(size) for size in pictures.sizes))
        found = "{}×{} to {}×{}".format(*ends[0], *ends[1])
        found += f" ({len(several):,} sizes, median of the longer sides {longer:,})"
    return (
        f"{found}, {colour}; brought to {square}, nothing cut off, "
        "margins in the colour of the edge"
    )


def _balance(pictures: ImageFolder, weights: Tensor | None) -> str:
    if weights is None:
        return "the classes are about equal in number"
    values = weights.numpy()
    least, most = int(values.argmin()), int(values.argmax())
    return (
        f"unequal, so a mistake in {pictures.classes[most]!r} weighs {values[most]:.2g} times, "
        f"one in {pictures.classes[least]!r} {values[least]:.2g} times"
    )


def _remarks(run: RunFolder, pictures: ImageFolder) -> list[tuple[str, str]]:
    """What was changed, passed over, left out or looks like a mistake."""
    told = [
        ("changed", f"{plural(count, 'picture')} with {what}")
        for what, count in pictures.remarks.most_common()
    ]
    endings = [f"{name} {count:,}" for name, count in pictures.others.most_common(LISTED)]
    passed = [f"{plural(pictures.others.total(), 'file')} of other kinds ({', '.join(endings)})"]
    passed = passed * bool(endings)
    passed += [f"{pictures.hidden:,} hidden"] * bool(pictures.hidden)
    told += [("passed over", " and ".join(passed))] * bool(passed)
    for first, second in pictures.twins[:LISTED]:
        names = [path.relative_to(pictures.root) for path in (second, first)]
        told.append(("warning", f"{names[0]} is the same picture as {names[1]}"))
    told += _and_more("warning", len(pictures.twins), "pictures in two classes")
    left_out = [
        f"{path.relative_to(pictures.root)}: {why}" for path, why in pictures.left_out.items()
    ]
    if not left_out:
        return told
    file = run.path / "left-out.txt"
    _write(file, "".join(f"{line}\n" for line in left_out))
    told.append(("left out", f"{plural(len(left_out), 'file')}, listed in {file}"))
    told += [("", line) for line in left_out[:LISTED]]
    return told + _and_more("", len(left_out), "")


def _and_more(name: str, count: int, what: str) -> list[tuple[str, str]]:
    return [(name, f"and {count - LISTED:,} more {what}".rstrip())] if count > LISTED else []


# ---- after the training ----


def tell(run: RunFolder, outcome: PictureJudgement, options: RunOptions) -> None:
    """Say how well it went and where all of it lies."""
    options.say(f"\n{outcome}")
    options.say(f"model, curves, mistakes and more: {run.path}")
    options.say(f"try it: streetlight predict {run.path} PICTURE.jpg")


def leave_pictures(
    run: RunFolder, pictures: ImageFolder, test: NDArray[np.int64], outcome: PictureJudgement
) -> None:
    """Write confusion.png, mistakes.png and mistakes.csv.

    Args:
        run: the folder.
        pictures: all of them.
        test: which of them were held out.
        outcome: what the network said of those.
    """
    drawings.save_figure(_confusion(outcome), run.path / "confusion.png")
    worst = outcome.worst(len(test))
    names = [str(pictures.samples[test[place]][0].relative_to(pictures.root)) for place in worst]
    rows = [
        [name, outcome.classes[outcome.said[place]], outcome.classes[outcome.true[place]],
         f"{outcome.sureness[place]:.4f}"]
        for name, place in zip(names, worst, strict=True)
    ]  # fmt: skip
    text = io.StringIO(newline="")
    wrong = len(test) - outcome.right
    csv.writer(text).writerows([["file", "said", "true", "chance"], *rows[:wrong]])
    _write(run.path / "mistakes.csv", text.getvalue())
    shown = pictures.pixels[test[worst[:MISTAKES_DRAWN]]]
    figure = mistakes(shown, rows[:MISTAKES_DRAWN], _mistakes_title(wrong))
    drawings.save_figure(figure, run.path / "mistakes.png")


def _confusion(outcome: PictureJudgement) -> Figure:
    """The confusion matrix; of many classes those that have most mistakes."""
    matrix, title = outcome.confusion, outcome.point()
    wrong = matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * np.diag(matrix)
    shown = np.sort(np.argsort(-wrong, kind="stable")[:CLASSES_DRAWN])
    if len(shown) < len(matrix):
        title += f" (the {len(shown)} hardest of {len(matrix)} classes)"
    labels = [_drawn(outcome.classes[label], 14) for label in shown]
    figure = drawings.confusion(matrix[np.ix_(shown, shown)], labels, title)
    figure.set_figwidth(max(figure.get_figwidth(), 7.4))
    figure.axes[0].set_aspect("auto")
    if max(map(len, labels)) * len(labels) > 45:
        figure.axes[0].tick_params(axis="x", rotation=90)
    return figure


def _mistakes_title(wrong: int) -> str:
    if not wrong:
        return "No mistakes; these it was least sure of"
    few = {1: "The one mistake", 2: "Both mistakes, the surer one first"}
    if wrong > MISTAKES_DRAWN:
        return f"The {MISTAKES_DRAWN} mistakes of {wrong:,} that it was surest of"
    return few.get(wrong, f"All {wrong} mistakes, the surest first")


def mistakes(images: NDArray[np.uint8], rows: list[list[str]], title: str) -> Figure:
    """Draw pictures that were taken for something else, with what was said, what is true, the file.

    Args:
        images: (n, channels, height, width) in 0 to 255, worst first.
        rows: for each its file, what was said, what is true, and the probability of what was said.
        title: the headline.
    """
    lines = ceil(len(images) / 6)
    columns = ceil(len(images) / lines)
    note = "bold: what the network said, and how sure it was   ·   below: what it is, and the file"
    width = max(1.9 * columns, 7.0)
    cell = min(width / columns, 2.4)
    figure = drawings.new_figure(title, note, (width, 0.95 + lines * (cell + 0.8)))
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in grid[len(images) :]:
        axes.set_visible(False)
    for axes, image, row in zip(grid, images, rows, strict=False):
        _picture(axes, image)
        file, said, true, chance = row
        sure = f"{_drawn(said, 13)} ({int(100 * float(chance))} %)"
        axes.set_title(sure, size=11, weight="bold", color=drawings.INK)
        below = f"is {_drawn(true, 20)}\n{_drawn(Path(file).name, 22)}"
        axes.set_xlabel(below, size=9, color=drawings.GREY)
    return figure


def seen(
    as_read: NDArray[np.float32], changed: NDArray[np.float32], classes: list[str], more: int
) -> Figure:
    """Draw what the network sees of some pictures: as they are read, and as they are changed.

    Args:
        as_read: (classes, looks, channels, height, width) in 0 to 1.
        changed: the same pictures as the network may see them while it learns.
        classes: the names of the classes.
        more: how many classes are not shown.
    """
    side = as_read.shape[-1]
    title = f"What the network sees: pictures of {side}×{side} pixels"
    note = "left: as they are read   ·   right: the same as they may look while it learns"
    note += f"   ·   {more:,} more not shown" if more else ""
    looks = [1.0] * as_read.shape[1]
    figure = drawings.new_figure(title, note, (10, 1.1 + 4.8 / len(looks) * len(classes)))
    widths = [*looks, 0.2, *looks]
    grid = figure.subplots(len(classes), len(widths), squeeze=False, width_ratios=widths)
    for row, name, before, after in zip(grid, classes, as_read, changed, strict=True):
        row[len(before)].set_visible(False)
        row[0].set_ylabel(_drawn(name, 14), color=drawings.INK)
        for axes, image in zip(np.delete(row, len(before)), [*before, *after], strict=True):
            _picture(axes, (image.clip(0, 1) * 255).round().astype(np.uint8))
    return figure


def _picture(axes: Axes, image: NDArray[np.uint8]) -> None:
    """Show a picture (channels, height, width) as it is."""
    shown = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
    axes.imshow(shown, cmap="gray", vmin=0, vmax=255)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_color(drawings.LINE)


def _drawn(name: str, longest: int) -> str:
    """A name as it can be drawn: short, whatever its bytes are, and never taken for a formula."""
    text = name.encode("utf-8", "replace").decode()
    return shorten(text, longest).replace("$", r"\$")


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as file:
        file.write(text.encode("utf-8", "surrogateescape"))
