"""MNIST in full: the best dense network that a few minutes on two cores give."""

from __future__ import annotations

import streetlight as sl
from streetlight import datasets, nn, optim
from streetlight.projects import images
from streetlight.projects.image_network import ImageNetwork
from streetlight.projects.judgement import Judgement
from streetlight.projects.run_folder import RunFolder, RunOptions
from streetlight.projects.training import learn
from streetlight.projects.words import plural
from streetlight.random import Generator
from streetlight.train import Trainer
from streetlight.utils.data import DataLoader, random_split

EPOCHS, BATCH, PEAK_RATE, WATCHED = 18, 200, 2e-3, 2_000
NETWORK = ImageNetwork(
    "mnist", side=28, box=20, hidden=(512, 512), dropout=0.2, shift=1.0, slant=0.1
)


def train_mnist(options: RunOptions) -> Judgement:
    """Train on the 60,000 training images, test on the 10,000 test images.

    2,000 of the training images are not learnt from: they show at each epoch how well what is
    learnt holds for others.

    Raises:
        UsageError, FileAccessError: the run's folder cannot be used.
        DownloadError, ChecksumError: the data cannot be had.
        KeyboardInterrupt: Ctrl-C was pressed; the best model is saved.
    """
    train, test = datasets.mnist()
    command = "streetlight train mnist --full"
    run = RunFolder.begin("mnist", command, options, EPOCHS, part="full")
    generator = Generator().manual_seed(run.settings["seed"])
    sl.manual_seed(run.settings["seed"])
    learnt, watched = random_split(train, [len(train) - WATCHED, WATCHED], generator)
    loader = DataLoader(NETWORK.wobbled(learnt), BATCH, shuffle=True, generator=generator)
    epochs = run.settings["epochs"]
    options.say(
        f"Learning {len(train):,} handwritten digits of 28×28 pixels with a 784-512-512-10 "
        f"network, {plural(epochs, 'epoch')}: "
        f"about {plural(max(1, round(epochs * 6 / 60)), 'minute')}."
    )
    model = NETWORK.build()
    optimizer = optim.Adam(model.parameters(), lr=PEAK_RATE)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, epochs * len(loader))
    trainer = Trainer(
        model, optimizer, nn.CrossEntropyLoss(), ["accuracy"], schedule, compile="auto"
    )
    kept = learn(run, trainer, loader, DataLoader(watched, WATCHED), NETWORK.metadata(), options)
    return images.finish(run, trainer, kept, NETWORK, test, options)
