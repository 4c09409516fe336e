"""Samplers: the order in which the samples of a data set are gone through, singly or batched.

Random ones take a generator; unless given, it is one of their own, whose seed the default
generator draws when they are made.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any

import numpy as np

from streetlight.errors import ArgumentError, DataError
from streetlight.random import Generator, default_generator


class Sampler:
    """Base class of samplers: give a subclass `__iter__()` over indices and `__len__()`."""

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError


class SequentialSampler(Sampler):
    """All indices from first to last.

    >>> list(SequentialSampler("abc"))
    [0, 1, 2]
    """

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler):
    """All indices in a random order, a new one in each epoch.

    Args:
        data_source: the data set, of which only the length is asked.
        replacement: draw each index anew, so that some come twice and some never.
        num_samples: how many to draw; the length of the data set unless given.
        generator: where the order comes from.

    Raises:
        DataError: the data set is empty.

    >>> sorted(RandomSampler("abc"))
    [0, 1, 2]
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        if len(data_source) == 0:
            raise DataError("RandomSampler: the data set is empty")
        self.data_source = data_source
        self.replacement = replacement
        count = len(data_source) if num_samples is None else num_samples
        self.num_samples = _count("num_samples", count)
        self.generator = generator or _own_generator()

    def __iter__(self) -> Iterator[int]:
        size = len(self.data_source)
        if self.replacement:
            yield from self.generator.integers(0, size, (self.num_samples,)).tolist()
            return
        for start in range(0, self.num_samples, size):
            yield from self.generator.permutation(size)[: self.num_samples - start].tolist()

    def __len__(self) -> int:
        return self.num_samples


class WeightedRandomSampler(Sampler):
    """Indices drawn with probability weights[i] / sum(weights), to even out rare classes.

    Raises:
        ArgumentError: weights that are negative, not finite or all 0; or more samples asked for
            than have a weight, without replacement.

    Source: Efraimidis and Spirakis, Weighted random sampling with a reservoir, 2006 (without
    replacement: the smallest of E / w for E exponential).

    >>> set(WeightedRandomSampler([0.0, 1.0, 3.0], 100))
    {1, 2}
    """

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        self.weights = np.asarray(weights, dtype=np.float64)
        self.num_samples = _count("num_samples", num_samples)
        self.replacement = replacement
        self.generator = generator or _own_generator()
        enough = np.count_nonzero(self.weights) >= (1 if replacement else num_samples)
        if not (enough and (self.weights >= 0).all() and np.isfinite(self.weights).all()):
            raise ArgumentError(
                "WeightedRandomSampler: these are not weights, or too few for so many samples",
                expected="finite numbers of 0 or more, and enough of them above 0",
                got={"weights": self.weights.tolist(), "num_samples": num_samples},
            )

    def __iter__(self) -> Iterator[int]:
        draws = self.num_samples if self.replacement else len(self.weights)
        shares = self.generator.integers(0, 2**53, (draws,)) / 2.0**53  # float32 would be coarse
        if self.replacement:
            bounds = np.cumsum(self.weights)
            return iter(np.searchsorted(bounds, shares * bounds[-1], side="right").tolist())
        with np.errstate(divide="ignore"):
            waits = -np.log1p(-shares) / self.weights
        return iter(np.argsort(waits, kind="stable")[: self.num_samples].tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler):
    """The indices of another sampler in lists of `batch_size`, the last of which may be shorter.

    >>> list(BatchSampler(range(5), 2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        self.sampler = sampler
        self.batch_size = _count("batch_size", batch_size)
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        whole, rest = divmod(len(self.sampler), self.batch_size)  # type: ignore[arg-type]
        return whole + (rest > 0 and not self.drop_last)


def _count(name: str, count: Any) -> int:
    if not isinstance(count, int | np.integer) or count < 1:
        raise ArgumentError(f"{name} is {count!r}", expected="a whole number of 1 or more")
    return int(count)


def _own_generator() -> Generator:
    return Generator().manual_seed(int(default_generator.integers(0, 2**63 - 1, ())))
