"""Samplers: the order in which the samples of a data set are gone through, singly or batched."""

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

    def __len__(self) -> int:
        raise NotImplementedError


class SequentialSampler(Sampler):
    """All indices from first to last.

    >>> list(SequentialSampler("abc"))
    [0, 1, 2]
    """

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler):
    """All indices in a random order, a new one in each epoch.

    Args:
        data_source: the data set, of which only the length is asked.
        replacement: draw each index anew, so that some come twice and some never.
        num_samples: how many to draw; the length of the data set unless given.
        generator: where the order comes from; unless given, one of its own, whose seed the
            default generator draws now.

    Raises:
        DataError: the data set is empty.
        ArgumentError: `num_samples` is not a whole number above 0.

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
        self.num_samples = len(data_source) if num_samples is None else num_samples
        _check_count("RandomSampler", "num_samples", self.num_samples)
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

    Args:
        weights: a number of 0 or more for each sample, (N,).
        num_samples: how many to draw.
        replacement: whether a sample may come more than once.
        generator: where the draws come from; unless given, one of its own, whose seed the default
            generator draws now.

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
        self.num_samples = num_samples
        self.replacement = replacement
        _check_count("WeightedRandomSampler", "num_samples", num_samples)
        total = self.weights.sum()
        if self.weights.ndim != 1 or not 0 < total < np.inf or (self.weights < 0).any():
            raise ArgumentError(
                "WeightedRandomSampler: these are not weights",
                expected="a list of finite numbers of 0 or more, not all of them 0",
                got={"weights": weights},
            )
        if not replacement and num_samples > np.count_nonzero(self.weights):
            raise ArgumentError(
                "WeightedRandomSampler: there are fewer samples with a weight than are asked for",
                got={"num_samples": num_samples, "with weight": np.count_nonzero(self.weights)},
                fix="draw fewer, or with replacement=True",
            )
        self.generator = generator or _own_generator()

    def __iter__(self) -> Iterator[int]:
        if self.replacement:
            bounds = np.cumsum(self.weights)
            points = self._uniform(self.num_samples) * bounds[-1]
            yield from np.searchsorted(bounds, points, side="right").tolist()
            return
        with np.errstate(divide="ignore"):
            waits = -np.log1p(-self._uniform(len(self.weights))) / self.weights
        yield from np.argsort(waits, kind="stable")[: self.num_samples].tolist()

    def _uniform(self, count: int) -> Any:
        """Float64 numbers in [0, 1): single precision would be coarse for large data sets."""
        return self.generator.integers(0, 2**53, (count,)) / 2.0**53

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler):
    """The indices of another sampler in lists of `batch_size`, the last of which may be shorter.

    Args:
        sampler: any iterable of indices with a length.
        batch_size: how many to a batch.
        drop_last: leave out a last batch that is shorter.

    Raises:
        ArgumentError: `batch_size` is not a whole number above 0.

    >>> list(BatchSampler(range(5), 2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        _check_count("BatchSampler", "batch_size", batch_size)
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        whole, rest = divmod(len(self.sampler), self.batch_size)  # type: ignore[arg-type]
        return whole + (rest > 0 and not self.drop_last)


def _check_count(who: str, name: str, count: Any) -> None:
    if not isinstance(count, int | np.integer) or isinstance(count, bool) or count < 1:
        raise ArgumentError(f"{who}: {name} is {count!r}", expected="a whole number of 1 or more")


def _own_generator() -> Generator:
    return Generator().manual_seed(int(default_generator.integers(0, 2**63 - 1, ())))
