"""What frozen features are worth: asked by a linear layer, by their neighbours, and in pairs."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

import numpy as np
from numpy.typing import NDArray

from streetlight import nn, optim
from streetlight.compile import compile
from streetlight.creation import from_numpy
from streetlight.errors import CompileError, TraceError
from streetlight.projects.training import fitting_threads
from streetlight.random import Generator
from streetlight.tensor import Tensor
from streetlight.train import Trainer
from streetlight.train.evaluate import evaluating
from streetlight.utils.data import DataLoader, TensorDataset

Features = NDArray[np.float32]
Labels = NDArray[np.int64]
AT_ONCE = 1_000  # pictures of a forward pass, queries of a search for neighbours


def features(model: nn.Module, images: NDArray[np.float32]) -> Features:
    """What a model makes of images (N, 1, H, W) in evaluation mode, without gradients: (N, D).

    Whole thousands of images go through native code, if there is a C compiler.
    """
    whole = len(images) - len(images) % AT_ONCE
    forward = _native(model) if whole else model
    with evaluating(model):
        parts = [
            forward(from_numpy(images[start : start + AT_ONCE])).numpy()
            for start in range(0, whole, AT_ONCE)
        ]
        if whole < len(images):
            parts.append(model(from_numpy(images[whole:])).numpy())
    return np.concatenate(parts)


def _native(model: nn.Module) -> Callable[[Tensor], Tensor]:
    """The model as native code, or as it is where that cannot be had."""
    compiled = compile(lambda images: model(images))

    def forward(images: Tensor) -> Tensor:
        try:
            outputs = compiled(images)
        except (CompileError, TraceError):
            outputs = model(images)
        return outputs

    return forward


def linear_probe(
    train: Features,
    labels: Labels,
    asked: Features,
    updates: int,
    batch: int = 500,
    rate: float = 1e-2,
) -> Labels:
    """Train a linear layer (softmax regression) on features, and say what it takes others for.

    The features are brought to mean 0 and variance 1 first. The layer begins at zero, and its
    order of samples is fixed, so that the same features give the same answers.

    Args:
        train: (N, D) features.
        labels: (N,) their classes.
        asked: (M, D) features to name.
        updates, batch, rate: of the training with Adam, whose rate falls to zero along a cosine.

    Returns:
        The classes of those asked, (M,).

    Source: Alain and Bengio, Understanding intermediate layers using linear classifier probes,
    2016, arXiv:1610.01644.

    >>> x = np.repeat(np.eye(3, dtype=np.float32), 5, axis=0)
    >>> linear_probe(x, np.repeat(np.arange(3), 5), x[::5], 100).tolist()
    [0, 1, 2]
    """
    centre, spread = train.mean(0), train.std(0) + np.float32(1e-6)
    layer = nn.Linear(train.shape[1], int(labels.max()) + 1)
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    dataset = TensorDataset((train - centre) / spread, labels)
    loader = DataLoader(dataset, min(batch, len(train)), shuffle=True, generator=Generator())
    optimizer = optim.Adam(layer.parameters(), lr=rate, weight_decay=1e-4)
    epochs = ceil(updates / len(loader))
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(loader))
    trainer = Trainer(
        layer, optimizer, nn.CrossEntropyLoss(), scheduler=schedule, scheduler_step="batch"
    )
    with fitting_threads(layer):
        trainer.fit(loader, epochs=epochs, quiet=True)
    return np.asarray(trainer.predict((asked - centre) / spread).numpy().argmax(1))


def nearest(asked: Features, known: Features, count: int) -> tuple[NDArray[np.intp], Features]:
    """The nearest of the known features to each of those asked, by the cosine of their angle.

    Args:
        asked: (M, D).
        known: (N, D), at least `count` of them.
        count: how many are wanted, k.

    Returns:
        Their places among the known ones and their cosines, both (M, k), the nearest first.

    >>> places, cosines = nearest(np.float32([[2, 0]]), np.float32([[0, 1], [1, 1], [1, 0]]), 2)
    >>> places.tolist(), (cosines > [[0.99, 0.7]]).tolist()
    ([[2, 1]], [[True, True]])
    """
    asked, known = _unit(asked), _unit(known)
    places, cosines = [], []
    for start in range(0, len(asked), AT_ONCE):
        near = asked[start : start + AT_ONCE] @ known.T
        best = np.argpartition(-near, min(count, near.shape[1] - 1), axis=1)[:, :count]
        values = np.take_along_axis(near, best, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        places.append(np.take_along_axis(best, order, axis=1))
        cosines.append(np.take_along_axis(values, order, axis=1))
    return np.concatenate(places), np.concatenate(cosines)


def vote(labels: Labels, cosines: Features, sharpness: float = 10.0) -> Labels:
    """The class that most of the neighbours have, near ones counting more: e^(sharpness · cosine).

    Args:
        labels: (M, k) the neighbours' classes.
        cosines: (M, k) how near they are.
        sharpness: how much more the nearer ones count; 1 / temperature.

    Source: Wu et al., Unsupervised feature learning via non-parametric instance discrimination,
    2018, arXiv:1805.01978.

    >>> vote(np.array([[1, 2, 2]]), np.float32([[1.0, 0.99, 0.99]])).tolist()
    [2]
    """
    votes = np.zeros((len(labels), int(labels.max()) + 1))
    rows = np.arange(len(labels))[:, None]
    np.add.at(votes, (rows, labels), np.exp(sharpness * (cosines - cosines[:, :1])))
    return votes.argmax(1)


def verification_auc(
    embeddings: Features, labels: Labels, pairs: int = 200_000, seed: int = 0
) -> float:
    """How well nearness tells whether two pictures show the same class: the area under the ROC.

    It is the share of cases in which a pair of one class is nearer than a pair of two classes
    (ties count half), over random pairs.

    Args:
        embeddings: (N, D).
        labels: (N,).
        pairs: how many pairs of two different pictures are drawn.
        seed: of the draw.

    >>> verification_auc(np.float32([[1, 0], [1, 0.1], [0, 1], [0.1, 1]]), np.array([0, 0, 1, 1]))
    1.0
    """
    draw = np.random.default_rng(seed)
    first = draw.integers(len(labels), size=pairs)
    second = (first + draw.integers(1, len(labels), size=pairs)) % len(labels)
    unit = _unit(embeddings)
    return roc_auc((unit[first] * unit[second]).sum(1), labels[first] == labels[second])


def roc_auc(scores: NDArray[np.floating], truth: NDArray[np.bool_]) -> float:
    """The share of (true, false) pairs in which the true one has the higher score; ties half.

    Source: Fawcett, An introduction to ROC analysis, Pattern Recognition Letters 27, 2006.

    >>> roc_auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
    0.75
    """
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (count.cumsum() - (count - 1) / 2)[place]
    positive = int(truth.sum())
    above = ranks[truth].sum() - positive * (positive + 1) / 2
    return float(above / (positive * (len(truth) - positive)))


def _unit(rows: Features) -> Features:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-12))
