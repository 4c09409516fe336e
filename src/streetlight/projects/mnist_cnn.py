"""MNIST with convolutions: the best small network that ten minutes on two cores give."""

from __future__ import annotations

import numpy as np

import streetlight as sl
from streetlight import datasets, nn, optim
from streetlight.augment import Compose, ElasticTransform, RandomAffine, TransformedDataset
from streetlight.projects import images, seeing_pictures
from streetlight.projects.image_network import ImageNetwork
from streetlight.projects.judgement import Judgement
from streetlight.projects.pictures import save_figure
from streetlight.projects.run_folder import RunFolder, RunOptions
from streetlight.projects.training import drawing, learn
from streetlight.projects.words import plural
from streetlight.random import Generator
from streetlight.train import Callback, Trainer
from streetlight.utils.data import DataLoader, random_split

EPOCHS, BATCH, PEAK_RATE, WEIGHT_DECAY, SMOOTHING, WATCHED = 10, 128, 1e-2, 1e-2, 0.1, 2_000
NETWORK = ImageNetwork(
    "mnist", side=28, box=20, hidden=(), dropout=0.4,
    kernels=(24, 48, 96, 96), pooled=(1, 2, 4), padding=1, norm=True,
)  # fmt: skip
CHANGES = Compose([
    RandomAffine(10, translate=(0.06, 0.06), scale=(0.9, 1.1), shear=8),
    ElasticTransform(alpha=30.0, sigma=4.0),
])  # fmt: skip
UNCHANGED = 3  # last epochs
SAMPLES, LOOKS = 6, 10


class ShowUnchanged(Callback):
    """Shows the digits as they are in the last epochs, when the learning rate is low.

    Resampling makes strokes paler and wider than those that the network will be asked about; so
    the last epochs fit it, and the statistics of batch norm, to sharp ones.

    Args:
        dataset: what is learnt from.
        epochs: how many of the last ones.
    """

    def __init__(self, dataset: TransformedDataset, epochs: int) -> None:
        self.dataset, self.epochs = dataset, epochs

    def on_epoch_start(self, trainer: Trainer) -> None:
        """Leave the changes away from now on, if it is time."""
        if trainer.epoch >= trainer.epochs - self.epochs:
            self.dataset.transform = Compose([])


def train_cnn(options: RunOptions) -> Judgement:
    """Train on the 60,000 training images, test on the 10,000 others.

    Until the last epochs the images are changed anew at each look.

    2,000 of the training images are not learnt from: they show at each epoch how well what is
    learnt holds for others.

    Raises:
        UsageError, FileAccessError: the run's folder cannot be used.
        DownloadError, ChecksumError: the data cannot be had.
        KeyboardInterrupt: Ctrl-C was pressed; the best model is saved.
    """
    train, test = datasets.mnist()
    command = "streetlight train mnist --cnn"
    run = RunFolder.begin("mnist", command, options, EPOCHS, part="cnn")
    generator = Generator().manual_seed(run.settings["seed"])
    sl.manual_seed(run.settings["seed"])
    learnt, watched = random_split(train, [len(train) - WATCHED, WATCHED], generator)
    changed = TransformedDataset(learnt, CHANGES)
    loader = DataLoader(changed, BATCH, shuffle=True, drop_last=True, generator=generator)
    epochs = run.settings["epochs"]
    options.say(
        f"Learning {len(train):,} handwritten digits of 28×28 pixels with four convolutions, "
        f"{plural(epochs, 'epoch')}: about {plural(max(1, round(epochs * 25 / 60)), 'minute')}."
    )
    trainer = prepare(epochs * len(loader))
    metadata, last = NETWORK.metadata(), ShowUnchanged(changed, UNCHANGED)
    validation = DataLoader(watched, 500)
    kept = learn(run, trainer, loader, validation, metadata, options, watchers=[last])
    with drawing(run):
        draw_changes(run, train.images[:SAMPLES].numpy())
    return images.finish(run, trainer, kept, NETWORK, test, options)


def prepare(updates: int) -> Trainer:
    """Draw the network's weights, and give the trainer that will move them so many times."""
    model = NETWORK.build()
    optimizer = optim.AdamW(model.parameters(), lr=PEAK_RATE, weight_decay=WEIGHT_DECAY)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, updates)
    loss = nn.CrossEntropyLoss(label_smoothing=SMOOTHING)
    return Trainer(model, optimizer, loss, ["accuracy"], schedule, compile="auto")


def draw_changes(run: RunFolder, digits: np.ndarray) -> None:
    """Leave augmentation.png: some digits (n, 1, height, width) as the network sees them."""
    seen = np.concatenate([CHANGES(digits) for _ in range(LOOKS)], axis=1)
    title = "No digit is seen twice: each is turned, moved, scaled, slanted and bent anew"
    figure = seeing_pictures.augmented(digits[:, 0], seen, title)
    save_figure(figure, run.path / "augmentation.png")
