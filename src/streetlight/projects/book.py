"""The experiments of the book's chapters 8 and 9, on the first 1,000 images of MNIST.

The networks are the book's: no biases, weights drawn evenly around zero, the squared error in
chapter 8. Its code has faults that are mended here: a batch makes one update and not a hundred;
the images come in a new order in each epoch; the factor of dropout takes part in the gradient; and
when to stop is decided by 5,000 other training images, never by those of the test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import streetlight as sl
from streetlight import datasets, nn, optim
from streetlight import functional as F
from streetlight.datasets import LabelledImages
from streetlight.interop import atomic_write, save
from streetlight.projects import images, pictures
from streetlight.projects.image_network import ImageNetwork
from streetlight.projects.judgement import judge
from streetlight.projects.run_folder import RunFolder, RunOptions
from streetlight.projects.training import drawing, finish_run, learn
from streetlight.projects.words import percent
from streetlight.random import Generator
from streetlight.tensor import Tensor
from streetlight.train import Trainer
from streetlight.utils.data import DataLoader, Subset

LEARNT, WATCHED = range(1_000), range(1_000, 6_000)


def squared_error(outputs: Tensor, classes: Tensor) -> Tensor:
    """Half of the squared distance to 1 for the right class and 0 for the others, batch mean."""
    wanted = F.one_hot(classes, outputs.shape[1]).to(outputs.dtype)
    return 0.5 * F.mse_loss(outputs, wanted, reduction="sum") / len(outputs)


@dataclass(frozen=True)
class Experiment:
    """One of the book's networks, and how it is trained.

    Attributes:
        network: its layers.
        loss: what is made small.
        batch, rate: images to an update, and the learning rate.
        reach: the first layer's weights are drawn from ±reach; the second's from ±0.1.
        epochs, patience: the longest run, and how long it goes on without getting better; None
            for always to the end.
    """

    network: ImageNetwork
    loss: Callable[[Tensor, Tensor], Tensor]
    batch: int
    rate: float
    reach: float
    epochs: int
    patience: int | None


SMALL = ImageNetwork("mnist", side=28, box=20, hidden=(40,), bias=False)
WIDE = replace(SMALL, hidden=(100,), dropout=0.5)
TANH = replace(WIDE, activation="tanh", pixel_dropout=0.4)
EXPERIMENTS = {
    "plain": Experiment(SMALL, squared_error, 1, 0.005, 0.1, 100, None),
    "dropout": Experiment(WIDE, squared_error, 1, 0.005, 0.1, 100, 10),
    "mini-batch": Experiment(WIDE, squared_error, 100, 0.1, 0.1, 300, 30),
    "tanh-softmax": Experiment(TANH, nn.CrossEntropyLoss(), 100, 0.1, 0.01, 300, 30),
}
ADDED = "pixel dropout of 0.4 added (the book's own recipe, without it, gives 86.6 % here)"
BOOK = {
    "plain network to the end": 0.707,
    "the same stopped in time": 0.811,
    "with dropout": 0.819,
    "in mini-batches": 0.807,
    "tanh and softmax": 0.870,
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
    options.say("Four networks learn the first 1,000 images of MNIST: one to two minutes.")
    found: list[float | None] = []
    for number, (name, experiment) in enumerate(EXPERIMENTS.items(), 1):
        options.say(f"\n{number} of {len(EXPERIMENTS)}: {name}")
        part = run.part(name, run.settings["epochs"] or experiment.epochs)
        trainer = prepare(experiment, run.settings["seed"])
        kept = _learn(part, trainer, experiment, train, options)
        with drawing(run):
            found += _test(part, trainer, kept, experiment, test)
    save(trainer.model.state_dict(), run.model, experiment.network.metadata())
    images.finish(run, trainer, kept, experiment.network, test, options)
    results = {name: here for name, here in zip(BOOK, found, strict=True) if here is not None}
    compare(run, results, options)
    return results


def prepare(experiment: Experiment, seed: int) -> Trainer:
    """Draw the network's weights, and give the trainer that will move them."""
    sl.manual_seed(seed)
    model = experiment.network.build()
    for weight, reach in zip(model.parameters(), (experiment.reach, 0.1), strict=True):
        nn.init.uniform_(weight, -reach, reach)
    optimizer = optim.SGD(model.parameters(), lr=experiment.rate)
    return Trainer(model, optimizer, experiment.loss, ["accuracy"], compile="auto")


def _learn(
    part: RunFolder, trainer: Trainer, experiment: Experiment, train: LabelledImages,
    options: RunOptions,
) -> int:  # fmt: skip
    order = Generator().manual_seed(part.settings["seed"])
    loader = DataLoader(Subset(train, LEARNT), experiment.batch, shuffle=True, generator=order)
    watched = DataLoader(Subset(train, WATCHED), 1_000)
    metadata = experiment.network.metadata()
    return learn(part, trainer, loader, watched, metadata, options, experiment.patience)


def _test(
    part: RunFolder, trainer: Trainer, kept: int, experiment: Experiment, test: LabelledImages
) -> list[float | None]:
    """Leave the files of an experiment; give its test accuracy, or None if it was cut short.

    One that has no patience gives a second figure, that of its best model.
    """
    found = [judge(trainer.model, test).accuracy]
    title = f"{part.path.name}: {percent(found[0])} of 10,000 test images are right"
    finish_run(part, trainer, kept, title, ["loss", "accuracy"], (1, 1, 28, 28))
    if experiment.patience is None:
        trainer.restore_best()
        found.append(judge(trainer.model, test).accuracy)
    whole = trainer.stopping or trainer.epoch >= experiment.epochs
    return [accuracy if whole else None for accuracy in found]


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
    if "tanh and softmax" in results:
        options.say(f"The tanh network has {ADDED}.")
    with atomic_write(run.path / "book.csv") as file:
        file.write("\n".join([*lines, ""]).encode())
    better = sum(here >= BOOK[name] for name, here in results.items())
    title = f"{better} of {len(results)} networks do at least as well as the book's"
    note = "grey: the book   ·   purple: here"
    note += f"; tanh with {ADDED}" if "tanh and softmax" in results else ""
    figure = pictures.comparison(results, BOOK, title, note)
    pictures.save_figure(figure, run.path / "book.png")
