"""The experiments of the book's chapters 8 to 10, on the first 1,000 images of MNIST."""

from __future__ import annotations

from collections.abc import Mapping

from streetlight import datasets
from streetlight.augment import TransformedDataset
from streetlight.datasets import LabelledImages
from streetlight.interop import atomic_write, save
from streetlight.projects import book_story, images, pictures
from streetlight.projects.book_experiments import (
    EXPERIMENTS,
    LEARNT,
    WATCHED,
    Experiment,
    prepare,
)
from streetlight.projects.book_story import Outcome, Watch
from streetlight.projects.judgement import judge
from streetlight.projects.run_folder import RunFolder, RunOptions
from streetlight.projects.training import drawing, finish_run, learn
from streetlight.projects.words import percent
from streetlight.random import Generator
from streetlight.train import EarlyStopping, Trainer
from streetlight.utils.data import DataLoader, Dataset, Subset

ADDED = {
    "tanh and softmax": "pixel dropout of 0.4 (86.5 % without)",
    "convolution": "images that are turned, moved and bent (85.8 % without)",
}
PLAIN = ("plain network to the end", "the same stopped in time")
BOOK = {
    PLAIN[0]: 0.707,
    PLAIN[1]: 0.811,
    "with dropout": 0.819,
    "in mini-batches": 0.807,
    "tanh and softmax": 0.870,
    "convolution": 0.877,
}


def train_book(options: RunOptions) -> dict[str, float]:
    """Run all experiments, each in a folder of its own, and print them beside the book's figures.

    The run's own model and pictures are those of the last experiment, the book's best.

    Returns:
        The test accuracy of each that ran in full, under the names of `BOOK`.

    Raises:
        UsageError, FileAccessError: the run's folder cannot be used.
        DownloadError, ChecksumError: the data cannot be had.
        KeyboardInterrupt: Ctrl-C was pressed; what is done is saved.
    """
    train, test = datasets.mnist()
    run = RunFolder.begin("mnist", "streetlight train mnist --book", options, None, part="book")
    options.say("Six networks learn the first 1,000 images of MNIST: three to four minutes.")
    outcomes = {}
    for number, (name, experiment) in enumerate(EXPERIMENTS.items(), 1):
        options.say(f"\n{number} of {len(EXPERIMENTS)}: {name}")
        part = run.part(name, run.settings["epochs"] or experiment.epochs)
        trainer = prepare(experiment, run.settings["seed"])
        watch = Watch(train[: len(LEARNT)], test[:], experiment.every)
        kept = _learn(part, trainer, experiment, train, watch, options)
        with drawing(run):
            stopped = _test(part, trainer, kept, test)
        if trainer.epoch >= experiment.epochs:
            outcomes[name] = Outcome(experiment.title, watch.curves, kept, stopped)
    save(trainer.model.state_dict(), run.model, experiment.network.metadata())
    images.finish(run, trainer, kept, experiment.network, test, options)
    book_story.tell(run, outcomes, options)
    results = beside_the_book(outcomes)
    compare(run, results, options)
    return results


def _learn(
    part: RunFolder, trainer: Trainer, experiment: Experiment, train: LabelledImages,
    watch: Watch, options: RunOptions,
) -> int:  # fmt: skip
    """Train to the end, and go back to the epoch that does best on the images for watching."""
    order = Generator().manual_seed(part.settings["seed"])
    learnt: Dataset = Subset(train, LEARNT)
    if experiment.changes:
        learnt = TransformedDataset(learnt, experiment.changes)
    loader = DataLoader(learnt, experiment.batch, shuffle=True, generator=order)
    watched = DataLoader(Subset(train, WATCHED), 1_000)
    best = EarlyStopping("validation_accuracy", patience=experiment.epochs)
    metadata = experiment.network.metadata()
    last = learn(part, trainer, loader, watched, metadata, options, watchers=[best, watch])
    return trainer.best.epoch if trainer.best else last


def _test(part: RunFolder, trainer: Trainer, kept: int, test: LabelledImages) -> float:
    """Leave the files of an experiment, and give the test accuracy of the model that is kept."""
    accuracy = judge(trainer.model, test).accuracy
    title = f"{part.path.name}: {percent(accuracy)} of 10,000 test images are right"
    finish_run(part, trainer, kept, title, ["loss", "accuracy"], (1, 1, 28, 28))
    return accuracy


def beside_the_book(outcomes: Mapping[str, Outcome]) -> dict[str, float]:
    """Our figures under the names of `BOOK`; all but the first are of the models that are kept."""
    found = {outcome.title: outcome.stopped for outcome in outcomes.values()}
    if "plain" in outcomes:
        plain = outcomes["plain"]
        found |= {PLAIN[0]: plain.end, PLAIN[1]: plain.stopped}
    return {name: found[name] for name in BOOK if name in found}


def compare(run: RunFolder, results: dict[str, float], options: RunOptions) -> None:
    """Print, write and draw our figures beside the book's, for what ran in full."""
    if len(results) < len(BOOK):
        left = ", ".join(name for name in BOOK if name not in results)
        options.say(f"\nNot compared with the book, as --epochs cut it short: {left}")
    if not results:
        return
    options.say(f"\n{'test accuracy':<28}{'here':>8}{'the book':>10}")
    lines = ["experiment,here,the book"]
    for name, here in results.items():
        options.say(f"{name:<28}{percent(here):>8}{percent(BOOK[name]):>10}")
        lines.append(f"{name},{here:.4f},{BOOK[name]:.3f}")
    added = [f"{name} has {what}" for name, what in ADDED.items() if name in results]
    if added:
        options.say(f"Added to the book's recipes: {'; '.join(added)}.")
    with atomic_write(run.path / "book.csv") as file:
        file.write("\n".join([*lines, ""]).encode())
    better = sum(here >= BOOK[name] for name, here in results.items())
    title = f"{better} of {len(results)} networks do at least as well as the book's"
    note = "grey: the book   ·   purple: here" + "   ·   added: " * bool(added)
    note += ", ".join(ADDED[name].partition(" (")[0] for name in ADDED if name in results)
    figure = pictures.comparison(results, BOOK, title, note)
    pictures.save_figure(figure, run.path / "book.png")
