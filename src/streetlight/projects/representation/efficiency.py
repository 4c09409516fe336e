"""How many labels it takes: with a learnt encoder, and with the same network from scratch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray

import streetlight as sl
from streetlight import nn, optim
from streetlight.augment import TransformedDataset
from streetlight.datasets import LabelledImages
from streetlight.projects.representation.findings import Frozen
from streetlight.projects.representation.objectives import view
from streetlight.projects.representation.probes import Features, Labels, features, linear_probe
from streetlight.train import Trainer
from streetlight.utils.data import DataLoader, Subset

COUNTS, DRAWS = (10, 30, 100, 300, 1_000), 2
PROBED, TUNED, SCRATCH, VARIED = (
    "linear probe, encoder frozen",
    "encoder fine-tuned",
    "from scratch",
    "from scratch, varied pictures",
)
UPDATES, BATCH, RATE = 300, 50, 2e-3


def label_efficiency(
    encoder: nn.Module,
    fresh: Callable[[], nn.Module],
    frozen: Frozen,
    train: LabelledImages,
    test: LabelledImages,
    counts: Sequence[int] = COUNTS,
    draws: int = DRAWS,
) -> dict[str, NDArray[np.float64]]:
    """The test accuracy that so many labels give, for each way to use them.

    Each draw takes as many pictures of each digit, the same ones for all ways. Whole networks
    (the encoder and a linear layer) make 300 updates with Adam in every case.

    Args:
        encoder: the learnt one; it is not changed.
        fresh: makes the same network with new weights.
        frozen: the learnt one's features of the same pictures.
        train, test: where the labels come from, and what is asked.
        counts: how many labels, multiples of 10.
        draws: how often pictures are drawn; the results are means over the draws.

    Returns:
        For each way the accuracies (draws, counts).
    """
    known, labels = frozen.known, frozen.labels
    found = {way: np.zeros((draws, len(counts))) for way in (PROBED, TUNED, SCRATCH, VARIED)}
    for draw in range(draws):
        sl.manual_seed(draw)
        for place, count in enumerate(counts):
            chosen = balanced(labels, count, draw)
            said = {
                PROBED: linear_probe(known[chosen], labels[chosen], frozen.asked, UPDATES),
                TUNED: _learn(copy.deepcopy(encoder), train, test, chosen, False),
                SCRATCH: _learn(fresh(), train, test, chosen, False),
                VARIED: _learn(fresh(), train, test, chosen, True),
            }
            for way, answers in said.items():
                found[way][draw, place] = np.mean(answers == frozen.true)
    return found


def balanced(labels: Labels, count: int, draw: int) -> NDArray[np.intp]:
    """Choose as many samples of each class, `count` in all; each draw chooses others.

    >>> balanced(np.array([0, 1, 0, 1, 1]), 2, draw=0).tolist()
    [0, 4]
    """
    generator = np.random.default_rng(draw)
    classes = np.unique(labels)
    each = [np.flatnonzero(labels == one) for one in classes]
    return np.concatenate(
        [generator.permutation(places)[: count // len(classes)] for places in each]
    )


def _learn(
    encoder: nn.Module,
    train: LabelledImages,
    test: LabelledImages,
    chosen: NDArray[np.intp],
    varied: bool,
) -> Labels:
    """Train the encoder with a linear layer on the chosen samples, and name the test samples."""
    width = features(encoder, test.images.numpy()[:1]).shape[1]
    model = nn.Sequential(encoder, nn.Linear(width, 10))
    dataset = Subset(train, chosen)
    samples = TransformedDataset(dataset, view()) if varied else dataset
    loader = DataLoader(samples, min(BATCH, len(chosen)), shuffle=True, drop_last=True)
    epochs = ceil(UPDATES / len(loader))
    optimizer = optim.Adam(model.parameters(), lr=RATE)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, RATE, epochs * len(loader))
    trainer = Trainer(model, optimizer, nn.CrossEntropyLoss(), scheduler=schedule, compile="auto")
    trainer.fit(loader, epochs=epochs, quiet=True)
    scores: Features = features(model, test.images.numpy())
    return scores.argmax(1)
