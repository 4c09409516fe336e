"""Data sets: anything with a length and samples by index; tensors, parts, and several in a row."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streetlight.creation import from_numpy
from streetlight.errors import ArgumentError, DataError, IndexOutOfRangeError
from streetlight.random import Generator, default_generator
from streetlight.tensor import Tensor
from streetlight.utils.data.collate import fetch_batch


class Dataset:
    """Base class of data sets: give a subclass `__getitem__(index)` and `__len__()`.

    A data set that can fetch many samples faster than one by one may add
    `__getbatch__(indices)`: it returns what `default_collate` makes of these samples. A subclass
    that changes `__getitem__` alone does not inherit it, so that no sample slips past its change.

    >>> class Squares(Dataset):
    ...     def __getitem__(self, index):
    ...         return index**2
    ...     def __len__(self):
    ...         return 10
    >>> (Squares() + Squares())[13]
    9
    """

    __getbatch__: Any = None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "__getitem__" in vars(cls) and "__getbatch__" not in vars(cls):
            cls.__getbatch__ = None

    def __getitem__(self, index: Any) -> Any:
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError

    def __add__(self, other: Dataset) -> ConcatDataset:
        return ConcatDataset([self, other])


class TensorDataset(Dataset):
    """Samples that lie in tensors or arrays of shape (N, ...): sample i is entry i of each.

    `dataset[i]` is a tuple of these entries; a slice or an array of indices gives many at once.

    Raises:
        DataError: there are none, one has no dimension, or their lengths differ.

    >>> dataset = TensorDataset(np.arange(6.0).reshape(3, 2), np.array([0, 1, 0]))
    >>> row, label = dataset[1]
    >>> row.tolist(), label.item()
    ([2.0, 3.0], 1)
    """

    def __init__(self, *tensors: Any) -> None:
        self.tensors = tuple(t if isinstance(t, Tensor) else from_numpy(t) for t in tensors)
        lengths = {tuple(t.shape[:1]) for t in self.tensors}
        if len(lengths) != 1 or lengths == {()}:
            raise DataError(
                "TensorDataset: the tensors do not have one entry for each sample",
                expected="one or more tensors of the same length",
                got={f"tensor {index}": t for index, t in enumerate(self.tensors)},
            )

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(t[index] for t in self.tensors)

    def __getbatch__(self, indices: Sequence[int]) -> list[Tensor]:
        chosen = np.asarray(indices, dtype=np.int64)
        return [t[chosen] for t in self.tensors]

    def __len__(self) -> int:
        return int(self.tensors[0].shape[0])


class Subset(Dataset):
    """The part of a data set that some indices choose: `subset[i]` is sample `indices[i]`.

    A slice or an array of places gives a batch.

    Raises:
        DataError: the indices are not whole numbers; they may be a mask.

    >>> Subset("abcdef", [5, 0])[0]
    'f'
    """

    def __init__(self, dataset: Any, indices: Sequence[int] | NDArray[np.integer]) -> None:
        self.dataset = dataset
        self.indices = np.asarray(indices) if len(indices) else np.empty(0, np.int64)
        if self.indices.dtype.kind not in "iu":
            raise DataError("Subset: these are not indices", expected="a list of whole numbers")

    def __getitem__(self, index: Any) -> Any:
        try:
            chosen = self.indices[index if isinstance(index, slice) else np.asarray(index)]
        except IndexError as error:
            raise _no_sample(index, len(self)) from error
        return fetch_batch(self.dataset, chosen) if chosen.ndim else self.dataset[int(chosen)]

    __getbatch__ = __getitem__

    def __len__(self) -> int:
        return len(self.indices)


class ConcatDataset(Dataset):
    """Several data sets one after the other.

    >>> ConcatDataset(["ab", "cde"])[3]
    'd'
    """

    def __init__(self, datasets: Sequence[Any]) -> None:
        self.datasets = list(datasets)
        self.cumulative_sizes = list(itertools.accumulate(map(len, self.datasets)))

    def __getitem__(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise _no_sample(index, len(self))
        index %= len(self)
        part = bisect_right(self.cumulative_sizes, index)
        start = self.cumulative_sizes[part] - len(self.datasets[part])
        return self.datasets[part][index - start]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]


def _no_sample(index: Any, size: int) -> IndexOutOfRangeError:
    return IndexOutOfRangeError(
        f"the data set has no sample {index}", expected=f"from 0 to {size - 1}"
    )


def random_split(
    dataset: Any, lengths: Sequence[float], generator: Generator = default_generator
) -> list[Subset]:
    """Split a data set at random into parts that do not overlap.

    The lengths of the parts add up to that of the data set, or they are fractions that add up to 1;
    then samples left over by rounding go one each to the first parts.

    Raises:
        ArgumentError: the lengths are negative or do not add up.

    >>> [len(part) for part in random_split(range(10), [0.5, 0.3, 0.2])]
    [5, 3, 2]
    """
    size, sizes = len(dataset), list(lengths)
    if math.isclose(sum(lengths), 1) and min(lengths) >= 0:
        sizes = [math.floor(size * share) for share in lengths]
        for part in range(size - int(sum(sizes))):
            sizes[part % len(sizes)] += 1
    if sum(sizes) != size or any(part < 0 or part != int(part) for part in sizes):
        raise ArgumentError(
            "random_split: the lengths do not add up to the data set",
            expected=f"whole numbers with the sum {size}, or fractions with the sum 1",
            got={"lengths": lengths},
        )
    ends = np.cumsum(sizes, dtype=np.int64)
    return [Subset(dataset, part) for part in np.split(generator.permutation(size), ends[:-1])]
