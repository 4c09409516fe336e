"""`streetlight train images FOLDER`: a convolutional network that learns pictures of your own.

Read this file from top to bottom: the pictures and their split, the network, the training, and the
questions that can be asked later. What a run says and draws is in `picture_folder_report`, the
reading of pictures in `datasets.ImageFolder`.
"""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import streetlight as sl
from streetlight import nn, optim
from streetlight.augment import Compose, RandomAffine, RandomHorizontalFlip, TransformedDataset
from streetlight.datasets import ImageFolder
from streetlight.datasets.folder import read_picture
from streetlight.errors import DataError, UsageError
from streetlight.projects import picture_folder_report as report
from streetlight.projects.images import bars, tell_each
from streetlight.projects.judgement import ask
from streetlight.projects.picture_folder_network import PictureNetwork, load_network
from streetlight.projects.pictures import save_figure
from streetlight.projects.run_folder import RunFolder, RunOptions
from streetlight.projects.training import drawing, finish_run, learn
from streetlight.projects.words import percent
from streetlight.train import Trainer
from streetlight.utils.data import DataLoader, Subset

LEAST_PICTURES, HELD_OUT = 5, 0.15  # of a class; share for each of watching and testing
STEPS, LEAST_EPOCHS, MOST_EPOCHS, PEAK_RATE = 3_000, 15, 60, 5e-3
AT_ONCE, UNEQUAL, FEW = 100, 1.5, 1_000
BATCHES = {128: 20_000, 64: 2_000, 32: 200, 8: 0}  # pictures of a step: from so many pictures on


@dataclass(frozen=True)
class Split:
    """Numbers of the pictures to learn from, to know when to stop, and to test with."""

    train: NDArray[np.int64]
    watch: NDArray[np.int64]
    test: NDArray[np.int64]


def train_images(folder: Path, options: RunOptions) -> RunFolder:
    """Learn the classes of the pictures in a folder, and leave a run folder.

    Args:
        folder: has a folder for each class, with its pictures.
        options: of the run.

    Raises:
        FileAccessError, DataError: the pictures cannot be read, or cannot be learnt from.
        UsageError: the run cannot be resumed like this.
        DivergenceError: the training ran away.
    """
    resumed = RunFolder.open(options.resume).settings if options.resume else {}
    options.say(f"Reading the pictures of {folder}.")
    pictures = ImageFolder(folder)
    if resumed.get("folder") == str(folder.resolve()):
        _require_same(pictures, resumed, "the run cannot go on: ", "begin a new run, no --resume")
    split = split_by_class(pictures, resumed.get("seed", options.seed or 0))
    network = design(pictures, split.train)
    batch = batch_size(len(split.train))
    batches = max(1, len(split.train) // batch)
    command = f"streetlight train images {shlex.quote(str(folder))}"
    run = RunFolder.begin(
        "images", resumed.get("command", command), options,
        min(max(STEPS // batches, LEAST_EPOCHS), MOST_EPOCHS),
        folder=str(folder.resolve()), pictures_sha256=digest(pictures),
    )  # fmt: skip
    weights = class_weights(pictures, split.train)
    sizes = [len(part) for part in (split.train, split.watch, split.test)]
    report.announce(run, pictures, sizes, network, weights, options)

    sl.manual_seed(run.settings["seed"])
    epochs = run.settings["epochs"]
    trainer = new_trainer(network, weights, epochs * batches)
    changing = TransformedDataset(Subset(pictures, split.train), changes(pictures, network))
    kept = learn(
        run,
        trainer,
        DataLoader(changing, batch, shuffle=True, drop_last=len(split.train) >= batch),
        batches_of(pictures, split.watch, network),
        network.metadata(),
        options,
        patience=max(epochs // 3, 5),
    )
    with drawing(run):
        outcome = judge(trainer.model, network, pictures, split.test)
        title = f"{percent(outcome.accuracy)} of {len(split.test):,} held-out pictures are right"
        shape = (1, network.channels, network.side, network.side)
        finish_run(run, trainer, kept, title, ["loss", "accuracy"], shape)
        report.leave_pictures(run, pictures, split.test, outcome)
        draw_seen(run, pictures, split.train, network)
        report.tell(run, outcome, options)
    return run


def new_trainer(network: PictureNetwork, weights: sl.Tensor | None, steps: int) -> Trainer:
    """A fresh network with what it learns by, for so many steps."""
    model = network.build()
    optimizer = optim.AdamW(model.parameters(), lr=PEAK_RATE, weight_decay=1e-2)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, steps)
    loss = nn.CrossEntropyLoss(weight=weights)
    return Trainer(model, optimizer, loss, ["accuracy"], schedule, compile="auto")


def split_by_class(pictures: ImageFolder, seed: int) -> Split:
    """Set 15 % of each class aside to know when to stop, and as many to test with.

    Raises:
        DataError: a class has fewer than five pictures.
    """
    random = np.random.default_rng(seed)
    targets = np.asarray(pictures.targets, np.int64)
    parts: list[list[NDArray[np.int64]]] = [[], [], []]
    for label, name in enumerate(pictures.classes):
        places = random.permutation(np.flatnonzero(targets == label))
        if len(places) < LEAST_PICTURES:
            raise DataError(
                f"{pictures.root / name} has too few pictures to learn from and to test with",
                expected=f"at least {LEAST_PICTURES} in each class; hundreds are better",
                got={"pictures": len(places)},
                fix="add pictures of this class, or move its folder elsewhere",
            )
        aside = max(1, round(HELD_OUT * len(places)))
        for part, chosen in zip(parts, np.split(places, [-2 * aside, -aside]), strict=True):
            part.append(chosen)
    return Split(*(np.concatenate(part) for part in parts))


def batch_size(count: int) -> int:
    """How many of so many pictures make one step: few where there are few, for enough steps."""
    return next(size for size, least in BATCHES.items() if count >= least)


def design(pictures: ImageFolder, train: NDArray[np.int64]) -> PictureNetwork:
    """Choose the network for these pictures; it is normalised for those that are learnt from."""
    values = np.stack([_moments(pictures.pixels[place]) for place in train]).mean(axis=0)
    mean, square = values
    std = np.sqrt(np.maximum(square - mean**2, 1e-4))
    width = 16 if len(train) < FEW or pictures.side > 40 else 32
    return PictureNetwork(
        pictures.classes, pictures.side, pictures.channels, width, 0.3,
        mean.round(4).tolist(), std.round(4).tolist(),
    )  # fmt: skip


def _moments(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean and mean square of each channel of a picture: (2, channels)."""
    values = pixels.reshape(len(pixels), -1) / 255
    return np.stack([values.mean(axis=1), (values**2).mean(axis=1)])


def class_weights(pictures: ImageFolder, train: NDArray[np.int64]) -> sl.Tensor | None:
    """Weights that make all classes count alike in the loss; None if they are about equal."""
    counts = np.bincount(np.asarray(pictures.targets)[train], minlength=len(pictures.classes))
    if counts.max() <= UNEQUAL * counts.min():
        return None
    return sl.tensor((len(train) / (len(counts) * counts)).astype(np.float32))


def changes(pictures: ImageFolder, network: PictureNetwork) -> Compose:
    """What is done to a picture at each look: turned, moved, resized; in colour also mirrored."""
    border = float(np.median(network.normalize()(pictures.pixels[:200] / np.float32(255))))
    steps = [
        network.normalize(),
        RandomAffine(10, translate=(0.08, 0.08), scale=(0.9, 1.1), fill=border),
    ]
    return Compose([*steps, RandomHorizontalFlip()] if pictures.channels == 3 else steps)


def batches_of(
    pictures: ImageFolder, part: NDArray[np.int64], network: PictureNetwork
) -> DataLoader:
    """Some of the pictures in order, as the network sees them."""
    return DataLoader(TransformedDataset(Subset(pictures, part), network.normalize()), AT_ONCE)


def judge(
    model: nn.Module, network: PictureNetwork, pictures: ImageFolder, part: NDArray[np.int64]
) -> report.PictureJudgement:
    """Ask a network about some of the pictures, whose classes are known."""
    shares = ask(model, batches_of(pictures, part, network))
    return report.PictureJudgement(shares, np.asarray(pictures.targets)[part], network.classes)


def draw_seen(
    run: RunFolder, pictures: ImageFolder, train: NDArray[np.int64], network: PictureNetwork
) -> None:
    """Leave seen.png: some pictures of each class, before and after what is done to them."""
    labels = np.asarray(pictures.targets)[train]
    names = pictures.classes[: report.CLASSES_SEEN]
    looks = min(report.LOOKS, int(np.bincount(labels).min()))
    chosen = [train[labels == label][:looks] for label in range(len(names))]
    as_read = pictures.pixels[np.concatenate(chosen)] / np.float32(255)
    normalize = network.normalize()
    changed = changes(pictures, network)(as_read) * normalize.std + normalize.mean
    shape = (len(names), looks, *as_read.shape[1:])
    more = len(pictures.classes) - len(names)
    figure = report.seen(as_read.reshape(shape), changed.reshape(shape), names, more)
    save_figure(figure, run.path / "seen.png")


def evaluate(path: Path) -> None:
    """Measure the model of a run again on the pictures that were held out.

    Raises:
        UsageError: the pictures have changed since, so that they are not the same.
    """
    run = RunFolder.open(path)
    model, network = load_network(run.model)
    pictures = ImageFolder(run.settings["folder"], network.side, network.channels)
    _require_same(pictures, run.settings, "", f"streetlight predict {path} PICTURES...")
    test = split_by_class(pictures, run.settings["seed"]).test
    print(judge(model, network, pictures, test))


def digest(pictures: ImageFolder) -> str:
    """SHA-256 of the names and the reduced pixels of all pictures."""
    names = [str(path.relative_to(pictures.root)) for path, _ in pictures.samples]
    listed = repr((names, pictures.pixels.shape)).encode("utf-8", "surrogateescape")
    return hashlib.sha256(listed + np.ascontiguousarray(pictures.pixels).tobytes()).hexdigest()


def _require_same(pictures: ImageFolder, settings: dict[str, object], so: str, fix: str) -> None:
    """Refuse pictures that are not those of a run: its split would be another one."""
    if digest(pictures) != settings["pictures_sha256"]:
        raise UsageError(
            f"{so}the pictures in {pictures.root} have changed since the run began",
            expected="the same files with the same pictures",
            fix=f"bring them back as they were, or {fix}",
        )


def predict(path: Path, files: list[Path]) -> None:
    """Say which class each picture belongs to, with the probabilities of the likeliest ones.

    Raises:
        ImageError: pictures cannot be read; the others are told first.
        FileAccessError: the same, for files that are not there.
    """
    model, network = load_network(RunFolder.open(path).model)

    def tell(file: Path) -> None:
        picture = read_picture(file, network.side, network.channels).numpy()
        shares = ask(model, network.normalize()(picture[None]))[0]
        said = network.classes[int(shares.argmax())]
        print(f"{file}: {said}\n" + "\n".join(bars(shares, network.classes)))

    tell_each(files, tell)
