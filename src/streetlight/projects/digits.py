"""The first job: a network that learns the 1,797 handwritten digits of the package."""

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

EPOCHS, BATCH, PEAK_RATE, WATCHED = 80, 32, 1e-2, 120
NETWORK = ImageNetwork("digits", side=8, box=8, hidden=(256,), dropout=0.3, shift=0.6, slant=0.25)


def train_digits(options: RunOptions) -> Judgement:
    """Train on two thirds of the digits, test on the third that is held out.

    120 of the 1,198 training digits are not learnt from either: they show at each epoch how well
    what is learnt holds for others.

    Raises:
        UsageError, FileAccessError: the run's folder cannot be used.
        KeyboardInterrupt: Ctrl-C was pressed; the best model is saved.
    """
    train, test = datasets.digits()
    run = RunFolder.begin("digits", "streetlight train digits", options, EPOCHS)
    generator = Generator().manual_seed(run.settings["seed"])
    sl.manual_seed(run.settings["seed"])
    learnt, watched = random_split(train, [len(train) - WATCHED, WATCHED], generator)
    loader = DataLoader(NETWORK.wobbled(learnt), BATCH, shuffle=True, generator=generator)
    epochs = run.settings["epochs"]
    options.say(
        f"Learning {len(train):,} handwritten digits of 8×8 pixels with a dense network, "
        f"{plural(epochs, 'epoch')}: about {plural(max(1, round(epochs * 0.05)), 'second')}."
    )
    model = NETWORK.build()
    optimizer = optim.Adam(model.parameters(), lr=PEAK_RATE)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, epochs * len(loader))
    trainer = Trainer(
        model, optimizer, nn.CrossEntropyLoss(), ["accuracy"], schedule, compile="auto"
    )
    kept = learn(run, trainer, loader, DataLoader(watched, WATCHED), NETWORK.metadata(), options)
    return images.finish(run, trainer, kept, NETWORK, test, options)
