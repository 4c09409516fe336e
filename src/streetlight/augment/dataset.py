"""A data set whose batches are changed as they are fetched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from streetlight.utils.data import Dataset
from streetlight.utils.data.collate import fetch_batch


class TransformedDataset(Dataset):
    """The samples of a data set, changed anew at each look.

    The batch is fetched, and changed whole, before the training step: that stays compiled. With a
    `DataLoader` it is the same as `collate_fn=lambda samples: transform(*default_collate(samples))`
    and faster, because no sample is handled alone. Draws come in the order of the batches if the
    loader has no workers.

    Args:
        dataset: samples (image (C, H, W), ...), most often with a label.
        transform: called with the fields of a batch, (N, C, H, W) first; gives them changed.

    >>> import numpy as np
    >>> from streetlight.augment import RandomCrop
    >>> from streetlight.utils.data import DataLoader, TensorDataset
    >>> digits = TensorDataset(np.zeros((6, 1, 8, 8), np.float32), np.arange(6))
    >>> moved = TransformedDataset(digits, RandomCrop(8, padding=1))
    >>> [images.shape for images, labels in DataLoader(moved, batch_size=4)]
    [(4, 1, 8, 8), (2, 1, 8, 8)]
    """

    def __init__(self, dataset: Any, transform: Callable[..., Any]) -> None:
        self.dataset, self.transform = dataset, transform

    def __getbatch__(self, indices: Sequence[int]) -> Any:
        batch = fetch_batch(self.dataset, indices)
        bare = not isinstance(batch, tuple | list)
        changed = self.transform(batch) if bare else self.transform(*batch)
        if isinstance(changed, tuple):
            return list(changed)
        return changed if bare else [changed]

    def __getitem__(self, index: int) -> Any:
        batch = self.__getbatch__([index])
        return tuple(field[0] for field in batch) if isinstance(batch, list) else batch[0]

    def __len__(self) -> int:
        return len(self.dataset)
