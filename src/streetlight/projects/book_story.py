"""What overfitting looks like: the accuracy on what is learnt and on the test, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streetlight.interop import atomic_write
from streetlight.projects.judgement import Judgement, ask
from streetlight.projects.pictures import (
    GREY,
    INK,
    LEARNT,
    UNSEEN,
    new_figure,
    plain,
    save_figure,
)
from streetlight.projects.words import percent
from streetlight.tensor import Tensor
from streetlight.train import Callback

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from streetlight.projects.run_folder import RunFolder, RunOptions
    from streetlight.train import Trainer

Set = tuple[Tensor, ...]  # images and labels
CHAPTER_8 = ("plain", "wide", "dropout", "mini-batch")
NOTE = (
    "grey: the 1,000 images learnt   ·   purple: 10,000 test images   ·   dot: stopped in time by "
    "5,000 others   ·   ring: highest, known afterwards   ·   dotted: where the plain one ends"
)


class Watch(Callback):
    """Follows the accuracy on what is learnt and on the test; nothing is decided by it.

    Args:
        learnt, test: the images and labels of the two sets.
        every: epochs between two looks.

    Attributes:
        curves: lists of the same length, "epoch", "training" and "test".
    """

    def __init__(self, learnt: Set, test: Set, every: int = 1) -> None:
        self.sets = {"training": learnt, "test": test}
        self.every = every
        self.curves: dict[str, list[float]] = {"epoch": [], "training": [], "test": []}

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Look, if it is time."""
        if trainer.epoch % self.every == 0:
            self.curves["epoch"].append(trainer.epoch)
            for name, (images, labels) in self.sets.items():
                judgement = Judgement(ask(trainer.model, images.numpy()), labels.numpy())
                self.curves[name].append(judgement.accuracy)

    def state_dict(self) -> dict[str, Any]:
        """Give the curves."""
        return {"curves": self.curves}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the curves back."""
        self.curves = state["curves"]


@dataclass(frozen=True)
class Outcome:
    """What came of an experiment that ran in full.

    Attributes:
        title: what it is called.
        curves: what `Watch` saw.
        kept: the epoch of the model that is kept, chosen by images outside of the test.
        stopped: the test accuracy of that model.
    """

    title: str
    curves: Mapping[str, Sequence[float]]
    kept: int
    stopped: float

    @property
    def learnt(self) -> float:
        """The accuracy at the end on what was learnt."""
        return self.curves["training"][-1]

    @property
    def end(self) -> float:
        """The test accuracy at the end."""
        return self.curves["test"][-1]

    @property
    def highest(self) -> tuple[float, float]:
        """The highest test accuracy that was seen, which is known only afterwards, and its epoch.

        >>> Outcome("", {"epoch": [5, 10], "training": [], "test": [0.8, 0.7]}, 7, 0.9).highest
        (0.9, 7)
        """
        seen = [*zip(self.curves["test"], self.curves["epoch"], strict=True)]
        return max([*seen, (self.stopped, self.kept)], key=lambda looked: looked[0])


def tell(run: RunFolder, outcomes: Mapping[str, Outcome], options: RunOptions) -> None:
    """Print and write the table of all that ran in full; draw chapter 8, if it did."""
    if not outcomes:
        return
    heads = f"{'learnt':>11}{'test':>9}{'stopped in time':>19}{'highest seen':>16}"
    options.say(f"\n{'at the end:':<20}{heads}")
    lines = ["experiment,learnt,test,kept epoch,stopped in time,highest epoch,highest seen"]
    for name, found in outcomes.items():
        options.say(
            f"{found.title:<20}{percent(found.learnt):>11}{percent(found.end):>9}"
            f"{percent(found.stopped):>19}{percent(found.highest[0]):>16}"
        )
        figures = f"{found.learnt:.4f},{found.end:.4f},{found.kept},{found.stopped:.4f}"
        lines.append(f"{name},{figures},{found.highest[1]},{found.highest[0]:.4f}")
    options.say(
        "When to stop is decided by 5,000 other images; the highest is known only afterwards."
    )
    with atomic_write(run.path / "overfitting.csv") as file:
        file.write("\n".join([*lines, ""]).encode())
    if all(name in outcomes for name in CHAPTER_8):
        figure = overfitting([outcomes[name] for name in CHAPTER_8])
        save_figure(figure, run.path / "overfitting.png")


def overfitting(outcomes: Sequence[Outcome]) -> Figure:
    """Draw the two curves of each experiment in a panel of its own; the first is the plain one."""
    first = outcomes[0]
    lost = 100 * (first.highest[0] - first.end)
    title = (
        f"What overfitting looks like: {percent(first.learnt)} of what was learnt is known by "
        f"heart, and {lost:.1f} points are lost on new images"
    )
    figure = new_figure(title, NOTE, (13, 4.4))
    panels = figure.subplots(1, len(outcomes), sharey=True)
    for axes, outcome in zip(panels, outcomes, strict=True):
        _draw(axes, outcome)
        axes.axhline(first.end, color=UNSEEN, linewidth=1, linestyle=":", zorder=0)
    panels[0].set_ylim(0.7, 1.01)
    panels[0].yaxis.set_major_formatter(lambda share, _: f"{100 * share:.4g} %")
    return figure


def _draw(axes: Axes, outcome: Outcome) -> None:
    """One panel: both curves, what stopping keeps, and the figures at the end."""
    plain(axes)
    axes.set_title(outcome.title, loc="left", size=11, color=INK)
    axes.set_xlabel("epoch", color=GREY)
    axes.grid(axis="y", color="#eeeeee")
    epochs = outcome.curves["epoch"]
    for name, colour in (("training", LEARNT), ("test", UNSEEN)):
        shares = outcome.curves[name]
        axes.plot(epochs, shares, color=colour, linewidth=1.6)
        axes.annotate(
            f"{percent(shares[-1])}", (epochs[-1], shares[-1]), xytext=(4, 0),
            textcoords="offset points", color=colour, va="center", annotation_clip=False,
        )  # fmt: skip
    highest, peak = outcome.highest
    axes.plot(peak, highest, "o", color=UNSEEN, fillstyle="none", markersize=9)
    axes.plot(outcome.kept, outcome.stopped, "o", color=UNSEEN, markersize=6)
    axes.annotate(
        percent(outcome.stopped), (outcome.kept, outcome.stopped), xytext=(4, 12),
        textcoords="offset points", color=UNSEEN, weight="bold",
    )  # fmt: skip
