"""A compiled step for each batch of a loader, with as little Python as possible between the steps.

Input: a compiled function and a loader. Output: all that the calls returned, stacked. Batches are
gathered in blocks, each of which is one array per argument, and the program is run over a block in
one go. Invariant: the steps see the same batches and the same numbers as in a Python loop.

Example: 60,000 rows of 16 bytes in batches of one are two calls: one of Python and one of C.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from streetlight.compile.binding import RunEagerly
from streetlight.compile.plan import MISS
from streetlight.compile.record import end_of_record
from streetlight.creation import tensor
from streetlight.errors import CompileError, DataError, ShapeError
from streetlight.graph.tree import flatten, rebuild
from streetlight.ops.registry import Value
from streetlight.tensor import Tensor
from streetlight.utils.data.collate import default_collate, fetch_batch
from streetlight.utils.data.dataset import Subset, TensorDataset
from streetlight.utils.data.loader import DataLoader
from streetlight.utils.data.sampler import (
    BatchSampler,
    RandomSampler,
    SequentialSampler,
    WeightedRandomSampler,
)

if TYPE_CHECKING:
    from streetlight.compile.compiled import Compiled

LARGEST_BLOCK = 2**22  # bytes


@dataclass
class Block:
    """Some batches of one kind.

    Attributes:
        batches: the arguments of each call.
        arrays: for each tensor among the arguments, those of all batches in one array; None where
            arguments are not tensors alone.
    """

    batches: Sequence[tuple[Any, ...]]
    arrays: list[Any] | None


class Batches(Sequence[tuple[Any, ...]]):
    """The batches that lie in arrays one after the other, each made when it is asked for."""

    def __init__(self, arrays: Sequence[Any]) -> None:
        self.arrays = arrays

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, place: Any) -> Any:
        return tuple([Tensor.wrap(array[place]) for array in self.arrays])


def fitting(size: int) -> int:
    """How many batches of so many bytes a block may have."""
    return max(1, LARGEST_BLOCK // max(size, 1))


def loop(step: Compiled, loader: Iterable[Any]) -> Any:
    """Make one call for each batch; see `Compiled.loop`."""
    results, number = Results(), 0
    for block in blocks(loader):
        at = 0
        while at < len(block.batches):
            # What the first step leaves behind (gradients, say) decides what the second one is.
            result = MISS if number == 0 else _repeated(step, block, at, number)
            single = result is MISS
            if single:
                result = _called(step, block.batches[at], number)
            results.add(result, single)
            count = 1 if single else len(block.batches) - at
            at, number = at + count, number + count
    if number == 0:
        raise DataError("loop: the loader gave no batch")
    return results.stacked()


def _called(step: Compiled, batch: tuple[Any, ...], number: int) -> Any:
    """One call from Python; an error gets a note of the step."""
    try:
        return step(*batch)
    except Exception as error:
        error.add_note(f"in step {number} of the loop, counted from 0")
        raise


def _repeated(step: Compiled, block: Block, at: int, number: int) -> Any:
    """The rest of a block in one call of the version that ran last, or MISS."""
    version, count = step.latest, len(block.batches) - at
    if block.arrays is None or count == 1 or version.repeat is None:
        return MISS
    try:
        rest = [array[at:] for array in block.arrays]
        result = version.repeat(block.batches[at], {}, count, rest)
    except RunEagerly as refused:
        done = refused.done
    except CompileError as error:
        error.add_note(f"in step {number + version.plan.program.error[3]} of the loop")
        raise
    else:
        version.calls += 0 if result is MISS else count
        return result
    if done:
        _called(step, block.batches[at + done], number + done)  # raises in eager code's words
        raise CompileError(f"loop: step {number + done} failed, but does not fail in eager code")
    return MISS


# ---- batches ----


def blocks(loader: Iterable[Any]) -> Iterator[Block]:
    """The batches of a loader in blocks."""
    if isinstance(loader, DataLoader) and _is_table(loader):
        return _gathered(loader)
    return _collected(loader)


def _is_table(loader: DataLoader) -> bool:
    """Whether batches are rows of tensors, in an order that is known from the start."""
    dataset, batches = loader.dataset, loader.batch_sampler
    while type(dataset) is Subset:
        dataset = dataset.dataset
    return (
        type(loader).__iter__ is DataLoader.__iter__
        and loader.collate_fn is default_collate
        and isinstance(dataset, TensorDataset)
        and type(dataset).__getbatch__ is TensorDataset.__getbatch__
        and not any(tensor.requires_grad for tensor in dataset.tensors)
        and type(batches) is BatchSampler
        and _draws_at_once(batches.sampler)
    )


def _draws_at_once(sampler: Any) -> bool:
    """Whether a sampler draws its whole order at its start."""
    if type(sampler) is RandomSampler:
        return sampler.replacement or sampler.num_samples <= len(sampler.data_source)
    return type(sampler) in (SequentialSampler, WeightedRandomSampler, list, tuple, range)


def _gathered(loader: Any) -> Iterator[Block]:
    """Blocks of rows of a table, fetched at one go."""
    batches: BatchSampler = loader.batch_sampler
    order, size = np.fromiter(batches.sampler, np.int64), batches.batch_size
    start, count = 0, 1
    while start < len(order):
        rows = order[start : start + count * size]
        count = len(rows) // size
        if count == 0 and batches.drop_last:
            return
        rows = rows[: count * size] if count else rows
        fetched = [tensor._data for tensor in fetch_batch(loader.dataset, rows)]
        arrays = [x.reshape(max(count, 1), -1, *x.shape[1:]) for x in fetched]
        yield Block(Batches(arrays), arrays)
        start += len(rows)
        count = fitting(sum(array[0].nbytes for array in arrays))


def _collected(loader: Iterable[Any]) -> Iterator[Block]:
    """Blocks of batches of one kind that follow each other."""
    waiting: list[tuple[Any, ...]] = []
    kind: Any = None
    room = 1
    for batch in loader:
        arguments = tuple(batch) if isinstance(batch, tuple | list) else (batch,)
        leaves, key = flatten(arguments)
        if waiting and (key != kind or len(waiting) >= room):
            yield _joined(waiting)
            waiting = []
        if not waiting:
            kind = key
            room = fitting(sum(x._data.nbytes for x in leaves if isinstance(x, Tensor)))
        waiting.append(arguments)
    if waiting:
        yield _joined(waiting)


def _joined(batches: list[tuple[Any, ...]]) -> Block:
    leaves = [flatten(batch)[0] for batch in batches]
    plain = all(
        isinstance(leaf, Value) and isinstance(leaf._data, np.ndarray) and not leaf.requires_grad
        for leaf in leaves[0]
    )
    if not plain or len(batches) == 1:
        return Block(batches, None)
    return Block(batches, [np.stack([x._data for x in same]) for same in zip(*leaves, strict=True)])


# ---- results ----


class Results:
    """What the calls returned, taken apart into leaves."""

    def __init__(self) -> None:
        self._tree: Any = None
        self._leaves: list[list[Any]] = []

    def add(self, result: Any, single: bool) -> None:
        """Add the result of one call, or of many in one."""
        leaves: list[Any] = []
        rebuild(result, leaves.append)
        if not self._leaves:
            self._tree, self._leaves = result, [[] for _ in leaves]
        if len(leaves) != len(self._leaves):
            raise ShapeError("loop: the calls return different numbers of things")
        for found, leaf in zip(self._leaves, leaves, strict=True):
            found.append(_entry(leaf, found) if single else leaf)

    def stacked(self) -> Any:
        """All results in one."""
        joined = iter([_concatenated(leaves) for leaves in self._leaves])
        return rebuild(self._tree, lambda _: next(joined))


def _entry(leaf: Any, others: Sequence[Any]) -> Any:
    """One result as the only entry of an array, which must fit the others."""
    if not isinstance(leaf, Tensor):
        return leaf
    if others and others[0].shape[1:] != leaf.shape:
        raise ShapeError(
            "loop: the calls return tensors of different shapes, which cannot be stacked",
            got={"first": others[0][0], "later": leaf},
            fix="return what has one shape for all batches, or use DataLoader(drop_last=True)",
        )
    entry = Tensor.wrap(leaf._data.copy()[None])
    if leaf.requires_grad and (leaf._node is None or leaf._node.saved is not None):
        entry._node, entry.requires_grad = leaf._node, True  # a walk back would get somewhere
    return entry


def _concatenated(leaves: Sequence[Any]) -> Any:
    first = leaves[0]
    if isinstance(first, Tensor):
        joined = Tensor.wrap(np.concatenate([leaf._data for leaf in leaves]))
        if first.requires_grad:
            edges = (first,) if first._node is None else first._node.edges
            joined._node, joined.requires_grad = end_of_record(joined._data, *edges), True
        return joined
    if type(leaves[0]) in (bool, int, float):
        return tensor(leaves)
    return leaves[0]
