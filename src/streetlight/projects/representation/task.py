"""What an encoder is asked to do while it learns: a task makes batches, a head and a loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from streetlight import nn
from streetlight.tensor import Tensor
from streetlight.utils.data import Dataset
from streetlight.utils.data.collate import fetch_batch


class Task:
    """Base class of the tasks: a subclass gives `batch`, `head` and `loss`.

    Whatever is drawn at random comes from the default generator (`sl.rand`, `sl.randint`,
    `streetlight.augment`), so that a seeded run can be had again and resumed.

    Attributes:
        name: what the command line calls it, such as "rotation".
        uses_labels: whether the targets tell the encoder which digit a picture shows.
        epochs: how often the training pictures are gone through, if the user does not say.
        batch_size: pictures to a batch, before the task makes more or fewer of them.
        rate: the highest learning rate of the schedule, for Adam.

    >>> class Ink(Task):
    ...     "Guess how much ink a picture has."
    ...     name = "ink"
    ...     def batch(self, images, labels):
    ...         return images, images.mean((1, 2, 3)).unsqueeze(1)
    ...     def head(self, features):
    ...         return nn.Linear(features, 1)
    ...     def loss(self, outputs, targets):
    ...         return nn.functional.mse_loss(outputs, targets)
    """

    name: str
    uses_labels: bool = False
    epochs: int = 5
    batch_size: int = 256
    rate: float = 2e-3

    def batch(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Make what the network is given, and what it is measured by.

        Args:
            images: (N, 1, 28, 28) float32, 0 is paper and 1 is ink.
            labels: (N,) int64; a task whose `uses_labels` is False leaves them aside.

        Returns:
            Inputs (M, 1, 28, 28) and targets whose first dimension is M. M is the same for the
            same N, as a compiled step is made for one shape.
        """
        raise NotImplementedError

    def head(self, features: int) -> nn.Module:
        """Make the part that follows the encoder: from (M, features) to what `loss` takes."""
        raise NotImplementedError

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Measure the head's outputs: one number, by tensor operations alone."""
        raise NotImplementedError

    def network(self, encoder: nn.Module, features: int) -> nn.Sequential:
        """The whole network: the encoder, then the head. Its parts keep these two names."""
        return nn.Sequential({"encoder": encoder, "head": self.head(features)})


class TaskDataset(Dataset):
    """Labelled pictures (image, label) as a task's batches: each look at a picture is a new one."""

    def __init__(self, pictures: Any, task: Task) -> None:
        self.pictures, self.task = pictures, task

    def __len__(self) -> int:
        return len(self.pictures)

    def __getbatch__(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """The task's batch of the pictures at these indices."""
        images, labels = fetch_batch(self.pictures, indices)
        return self.task.batch(images, labels)
