"""Digits learnt without labels: an encoder by a task of its own, and what its features are worth.

The default task is NT-Xent: two changed views of a picture are to find each other among a batch.
"""

from __future__ import annotations

import copy
from math import ceil
from pathlib import Path

import streetlight as sl
from streetlight import datasets, nn, optim
from streetlight.datasets import LabelledImages
from streetlight.projects.images import tell_each
from streetlight.projects.photo import read_digit
from streetlight.projects.representation import report
from streetlight.projects.representation.catalogue import DEFAULT, choose_task, find_task
from streetlight.projects.representation.efficiency import COUNTS, DRAWS, label_efficiency
from streetlight.projects.representation.encoder import SIDE, EncoderNetwork, load_network
from streetlight.projects.representation.findings import NEIGHBOURS, Findings, Frozen, find, told
from streetlight.projects.representation.pretext import Pretext
from streetlight.projects.representation.pretext_pictures import leave_pretext
from streetlight.projects.representation.probes import Features, features, nearest, vote
from streetlight.projects.representation.task import Task, TaskDataset
from streetlight.projects.run_folder import RunFolder, RunOptions
from streetlight.projects.training import drawing, finish_run, learn
from streetlight.projects.words import plural
from streetlight.random import Generator
from streetlight.train import Trainer
from streetlight.utils.data import DataLoader, random_split

SECONDS = 25  # that an epoch of MNIST takes
BOX = 20  # pixels that a digit fills in a picture of MNIST
KNOWN = 10_000  # training digits that `predict` looks for neighbours among


def train_contrastive(
    options: RunOptions, loss: str | None = None, pretext: str | None = None
) -> Findings:
    """Train an encoder on MNIST's training pictures, and measure it on the test pictures.

    One in thirty of the training pictures is not learnt from; the loss is watched on those.

    Args:
        options: of the run.
        loss: "ntxent" (the default), "triplet", "contrastive" or "supcon".
        pretext: "rotation", "jigsaw", "inpaint" or "colour", in place of a loss.

    Raises:
        UsageError, UnknownNameError: the task is none, or the run's folder cannot be used.
        DownloadError, ChecksumError: the data cannot be had.
        KeyboardInterrupt: Ctrl-C was pressed; the best model is saved.
    """
    task = _asked(options, loss, pretext)
    train, test = datasets.mnist()
    kind = "pretext" if isinstance(task, Pretext) else "loss"
    command = f"streetlight train contrastive --{kind} {task.name}"
    run = RunFolder.begin("contrastive", command, options, task.epochs, task=task.name)
    _announce(task, run, train, options)
    sl.manual_seed(run.settings["seed"])
    network = EncoderNetwork(task.name)
    untrained = network.build()
    model = task.network(copy.deepcopy(untrained), network.features)
    trainer, loaders = prepare(task, model, train, run)
    kept = learn(run, trainer, *loaders, network.metadata(), options)
    with drawing(run):
        return _finish(run, task, trainer, kept, untrained, (train, test), options)


def prepare(
    task: Task, model: nn.Module, train: LabelledImages, run: RunFolder
) -> tuple[Trainer, tuple[DataLoader, DataLoader]]:
    """Make the trainer, and the loaders of the pictures to learn from and to watch."""
    generator = Generator().manual_seed(run.settings["seed"])
    watched = len(train) // 30
    parts = random_split(train, [len(train) - watched, watched], generator)
    learnt, seen = (TaskDataset(part, task) for part in parts)
    loader = DataLoader(
        learnt, min(task.batch_size, len(learnt)), True, drop_last=True, generator=generator
    )
    validation = DataLoader(seen, min(task.batch_size, watched), drop_last=True)
    optimizer = optim.Adam(model.parameters(), lr=task.rate)
    steps = run.settings["epochs"] * len(loader)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, task.rate, steps)
    trainer = Trainer(model, optimizer, task.loss, scheduler=schedule, compile="auto")
    return trainer, (loader, validation)


def evaluate(path: Path) -> None:
    """Measure the encoder of a run again: linear probe, neighbours and pairs of test digits."""
    model, network = load_network(RunFolder.open(path).model)
    task = find_task(network.task)
    train, test = datasets.mnist()
    found = find(Frozen.of(model[0], train, test), compared(task, model, test))
    print("\n".join([*found.rows(), told(task.uses_labels, found)]))


def compared(task: Task, model: nn.Module, test: LabelledImages) -> Features | None:
    """What tells whether two pictures show the same: a loss's embeddings, a pretext's features."""
    return None if isinstance(task, Pretext) else features(model, test.images.numpy())


def predict(path: Path, files: list[Path]) -> None:
    """Name the training digits that are most like each picture, and what most of them are.

    Raises:
        ImageError: pictures cannot be read; the others are told first.
        FileAccessError: the same, for files that are not there.
    """
    encoder = load_network(RunFolder.open(path).model)[0][0]
    images, labels = datasets.mnist()[0][:KNOWN]
    known = features(encoder, images.numpy())

    def tell(file: Path) -> None:
        digit = read_digit(file, SIDE, BOX)[None, None]
        places, cosines = nearest(features(encoder, digit), known, NEIGHBOURS)
        names = labels.numpy()[places]
        print(f"{file}: {vote(names, cosines)[0]}")
        print("  most like these training digits: " + ", ".join(map(str, names[0])))

    tell_each(files, tell)


def _asked(options: RunOptions, loss: str | None, pretext: str | None) -> Task:
    """The task that is asked for; that of the run which is resumed if none is."""
    if options.resume is not None and loss is None and pretext is None:
        return find_task(str(RunFolder.open(options.resume).settings.get("task", DEFAULT)))
    return choose_task(loss, pretext)


def _announce(task: Task, run: RunFolder, train: LabelledImages, options: RunOptions) -> None:
    """Say what is going to happen."""
    kind = "with their labels" if task.uses_labels else "without their labels"
    epochs = run.settings["epochs"]
    options.say(
        f"Learning {len(train):,} handwritten digits {kind} ({task.name}), "
        f"{plural(epochs, 'epoch')}: about {plural(ceil(epochs * SECONDS / 60), 'minute')}, "
        "then about as long for measuring and drawing."
    )


def _finish(
    run: RunFolder,
    task: Task,
    trainer: Trainer,
    kept: int,
    untrained: nn.Module,
    data: tuple[LabelledImages, LabelledImages],
    options: RunOptions,
) -> Findings:
    """Measure the encoder, leave its pictures and files, and say what it is worth."""
    model = trainer.model
    encoder = dict(model.named_children())["encoder"]
    finish_run(run, trainer, kept, f"How {task.name} was learnt", ["loss"], (1, 1, SIDE, SIDE))
    frozen = Frozen.of(encoder, *data)
    found = find(frozen, compared(task, model, data[1]))
    rows = found.rows(find(Frozen.of(untrained, *data)))
    options.say("\n".join(["", *rows, told(task.uses_labels, found)]))
    if isinstance(task, Pretext):
        options.say(leave_pretext(run.path, task, model, data[1]))
    report.leave_neighbours(run.path, frozen, *data)
    note = report.leave_map(run.path, frozen)
    curves = label_efficiency(
        encoder, EncoderNetwork(task.name).build, frozen, *data, COUNTS, DRAWS
    )
    options.say(report.leave_efficiency(run.path, COUNTS, curves))
    if note:
        options.say(note)
    options.say(f"model, map, neighbours, curves: {run.path}")
    options.say(f"try it: streetlight predict {run.path} PHOTO.png")
    return found
