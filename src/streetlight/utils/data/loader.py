"""DataLoader: goes through a data set in batches, in an order that can be had again."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from typing import Any

from streetlight.errors import ArgumentError, DataError
from streetlight.random import Generator
from streetlight.utils.data.collate import default_collate, fetch_batch
from streetlight.utils.data.sampler import BatchSampler, RandomSampler, SequentialSampler


class DataLoader:
    """Batches of a data set, a new pass over it each time that it is iterated.

    The order of a pass depends on the state of `loader.generator` at its start alone. To go on in
    the middle of a pass after a restart, keep that state and the number of batches used up:

        state = loader.generator.get_state()            # before the pass begins
        ...
        loader.generator.set_state(state)               # after the restart
        for batch in itertools.islice(loader, used_up, None): ...

    A data set of tensors (`TensorDataset`, or any with `__getbatch__`) is asked for a whole batch
    at once, any other for one sample after the other.

    Args:
        dataset: anything with a length and samples by index.
        sampler: an iterable of indices in place of `shuffle`.
        batch_sampler: an iterable of lists of indices, in place of all of `batch_size`, `shuffle`,
            `sampler` and `drop_last`.
        num_workers: threads that fetch batches, `prefetch_factor` each, ahead of their use. They
            pay where samples are read from files, not for tensors in memory. The order of the
            batches is the same.
        collate_fn: makes a batch of a list of samples; `default_collate` unless given.
        pin_memory: accepted for PyTorch's sake; there is nothing to do.
        drop_last: leave out a last batch that is shorter.
        generator: where the order of `shuffle` comes from, as in `RandomSampler`.

    Raises:
        DataError: the data set is empty, or has no length or no samples by index.
        ArgumentError: arguments that contradict each other, or leave no batch.

    >>> from streetlight.utils.data import TensorDataset
    >>> loader = DataLoader(TensorDataset(np.arange(5)), batch_size=2)
    >>> [numbers.tolist() for numbers, in loader]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        sampler: Iterable[int] | None = None,
        batch_sampler: Iterable[Sequence[int]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        *,
        generator: Generator | None = None,
        prefetch_factor: int = 2,
    ) -> None:
        if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__") and len(dataset)):
            raise DataError(
                "DataLoader: this is no data set, or an empty one",
                expected="an object with __len__ and __getitem__",
                got={"dataset": dataset},
                fix="wrap arrays or tensors in TensorDataset(x, y)",
            )
        others = (batch_size != 1, shuffle, sampler is not None, drop_last)
        if (shuffle and sampler is not None) or (batch_sampler is not None and any(others)):
            raise ArgumentError(
                "DataLoader: two arguments say in which order the samples come",
                expected="either a batch_sampler alone, or a sampler, or shuffle=True",
            )
        if shuffle:
            sampler = RandomSampler(dataset, generator=generator)
        elif sampler is None:
            sampler = SequentialSampler(dataset)
        if batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset = dataset
        self.batch_size = batch_size
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.num_workers = num_workers
        self.collate_fn = collate_fn or default_collate
        self.drop_last = drop_last
        self.prefetch_factor = prefetch_factor
        found = getattr(getattr(batch_sampler, "sampler", batch_sampler), "generator", None)
        self.generator = found if isinstance(found, Generator) else generator or Generator()
        if drop_last and isinstance(sampler, Sized) and len(self) == 0:
            raise ArgumentError(
                "DataLoader: drop_last=True leaves no batch",
                got={"batch_size": batch_size, "samples": len(sampler)},
                fix="choose a smaller batch_size, or drop_last=False",
            )

    def __len__(self) -> int:
        return len(self.batch_sampler)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Any]:
        if self.num_workers > 0:
            return self._fetched_ahead()
        return map(self._fetch, self.batch_sampler)

    def _fetch(self, indices: Sequence[int]) -> Any:
        return fetch_batch(self.dataset, indices, self.collate_fn)

    def _fetched_ahead(self) -> Iterator[Any]:
        """The same batches, fetched by threads, which end with the iterator."""
        from concurrent.futures import ThreadPoolExecutor

        ahead = max(1, self.num_workers * self.prefetch_factor)
        pool = ThreadPoolExecutor(self.num_workers, thread_name_prefix="DataLoader")
        # The order is drawn here, not in a thread, so that generators are used by one thread only.
        coming = (pool.submit(self._fetch, indices) for indices in self.batch_sampler)
        try:
            pending = deque(itertools.islice(coming, ahead))
            while pending:
                batch = pending.popleft().result()
                pending.extend(itertools.islice(coming, 1))
                yield batch
        finally:
            pool.shutdown(cancel_futures=True)
