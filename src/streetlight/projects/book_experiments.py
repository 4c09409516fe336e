"""The networks of the book's chapters 8 to 10, and how each is trained on 1,000 images of MNIST.

The networks are the book's: no biases, weights drawn evenly around zero, the squared error in
chapter 8. Its code has faults that are mended here: a batch makes one update and not a hundred;
the images come in a new order in each epoch; the factor of dropout takes part in the gradient; and
when to stop is decided by 5,000 other training images, never by those of the test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import streetlight as sl
from streetlight import functional as F
from streetlight import nn, optim
from streetlight.augment import Compose, ElasticTransform, RandomAffine
from streetlight.projects.image_network import ImageNetwork
from streetlight.tensor import Tensor
from streetlight.train import Trainer

LEARNT, WATCHED = range(1_000), range(1_000, 6_000)


def squared_error(outputs: Tensor, classes: Tensor) -> Tensor:
    """Half of the squared distance to 1 for the right class and 0 for the others, batch mean."""
    wanted = F.one_hot(classes, outputs.shape[1]).to(outputs.dtype)
    return 0.5 * F.mse_loss(outputs, wanted, reduction="sum") / len(outputs)


@dataclass(frozen=True)
class Experiment:
    """One of the book's networks, and how it is trained.

    Attributes:
        title: what it is called in tables and pictures.
        network: its layers.
        loss: what is made small.
        batch, rate: images to an update, and the learning rate.
        reach: the first layer's weights are drawn from ±reach; the second's from ±0.1.
        epochs: how long it is trained.
        changes: what is done to images before each look; None shows them as they are.
        every: epochs between two looks at the accuracy on what is learnt and on the test.
    """

    title: str
    network: ImageNetwork
    loss: Callable[[Tensor, Tensor], Tensor]
    batch: int
    rate: float
    reach: float
    epochs: int
    changes: Compose | None = None
    every: int = 1


SMALL = ImageNetwork("mnist", side=28, box=20, hidden=(40,), bias=False)
WIDE = replace(SMALL, hidden=(100,))
DROPOUT = replace(WIDE, dropout=0.5)
TANH = replace(DROPOUT, activation="tanh", pixel_dropout=0.4)
SEEING = replace(DROPOUT, hidden=(), activation="tanh", kernels=(16,))
VARIED = Compose([
    RandomAffine(10, translate=(0.025, 0.025), scale=(0.92, 1.08), shear=6),
    ElasticTransform(alpha=30.0, sigma=4.0),
])  # fmt: skip
EXPERIMENTS = {
    "plain": Experiment("plain network", SMALL, squared_error, 1, 0.005, 0.1, 350),
    "wide": Experiment("wider, no dropout", WIDE, squared_error, 1, 0.005, 0.1, 200),
    "dropout": Experiment("with dropout", DROPOUT, squared_error, 1, 0.005, 0.1, 200),
    "mini-batch": Experiment("in mini-batches", DROPOUT, squared_error, 100, 0.1, 0.1, 300),
    "tanh-softmax": Experiment(
        "tanh and softmax", TANH, nn.CrossEntropyLoss(), 100, 0.1, 0.01, 300
    ),
    "convolution": Experiment(
        "convolution", SEEING, nn.CrossEntropyLoss(), 128, 0.2, 2.0, 80, VARIED, every=5
    ),
}


def prepare(experiment: Experiment, seed: int) -> Trainer:
    """Draw the network's weights, and give the trainer that will move them."""
    sl.manual_seed(seed)
    model = experiment.network.build()
    for weight, reach in zip(model.parameters(), (experiment.reach, 0.1), strict=True):
        nn.init.uniform_(weight, -reach, reach)
    optimizer = optim.SGD(model.parameters(), lr=experiment.rate)
    return Trainer(model, optimizer, experiment.loss, ["accuracy"], compile="auto")
