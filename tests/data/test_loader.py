"""DataLoader: the batches, their order, the order again after a restart, and threads that end."""

from __future__ import annotations

import collections
import itertools
import threading

import numpy as np
import pytest

import streetlight as sl
from streetlight.errors import ArgumentError, DataError
from streetlight.utils.data import (
    BatchSampler,
    DataLoader,
    RandomSampler,
    TensorDataset,
    default_collate,
)


def numbers(size: int) -> TensorDataset:
    return TensorDataset(np.arange(size))


def order(loader) -> list[list[int]]:
    return [batch.tolist() for (batch,) in loader]


def loader_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("DataLoader")]


class Counting:
    """A list of samples that counts how often it is asked."""

    def __init__(self, size: int) -> None:
        self.size, self.asked = size, 0

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> int:
        self.asked += 1
        return index


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize(("size", "batch_size"), [(10, 3), (9, 3), (5, 1), (4, 4), (7, 5)])
@pytest.mark.parametrize("workers", [0, 1, 3])
def test_batches_are_those_of_pytorch(size, batch_size, drop_last, workers):
    torch = pytest.importorskip("torch", reason="parity tests need torch==2.13.0")
    rows, labels = np.random.default_rng(0).random((size, 2, 3)), np.arange(size)
    ours = DataLoader(
        TensorDataset(rows, labels), batch_size, num_workers=workers, drop_last=drop_last
    )
    theirs = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(torch.from_numpy(rows), torch.from_numpy(labels)),
        batch_size,
        drop_last=drop_last,
    )
    assert len(ours) == len(theirs) == len(list(ours))
    for batch, expected in zip(ours, theirs, strict=True):
        assert type(batch) is type(expected)
        for ours_field, theirs_field in zip(batch, expected, strict=True):
            assert ours_field.dtype == theirs_field.numpy().dtype
            assert (ours_field.numpy() == theirs_field.numpy()).all()


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_shuffled_order_is_new_each_time_and_follows_the_generator(workers):
    loaders = [
        DataLoader(
            numbers(40), 6, True, num_workers=workers, generator=sl.Generator().manual_seed(1)
        )
        for _ in range(2)
    ]
    first, second = order(loaders[0]), order(loaders[0])
    assert sorted(itertools.chain(*first)) == list(range(40))
    assert first != second
    assert [order(loaders[1]), order(loaders[1])] == [first, second]


def test_threads_do_not_change_the_order():
    orders = [
        order(
            DataLoader(
                numbers(40), 6, True, num_workers=workers, generator=sl.Generator().manual_seed(1)
            )
        )
        for workers in (0, 1, 4)
    ]
    assert orders[0] == orders[1] == orders[2]


@pytest.mark.parametrize("workers", [0, 2])
def test_goes_on_in_the_middle_of_a_pass(workers):
    sl.manual_seed(0)
    loader = DataLoader(numbers(20), 3, shuffle=True, num_workers=workers)
    order(loader)
    state = loader.generator.get_state()
    uninterrupted = order(loader) + order(loader)

    sl.manual_seed(99)
    loader = DataLoader(numbers(20), 3, shuffle=True, num_workers=workers)
    loader.generator.set_state(state)
    resumed = order(itertools.islice(loader, 4, None)) + order(loader)
    assert resumed == uninterrupted[4:]


def test_generator_is_that_of_the_sampler():
    generator = sl.Generator()
    sampler = RandomSampler(range(9), generator=generator)
    assert DataLoader(range(9), sampler=sampler).generator is generator
    assert (
        DataLoader(range(9), batch_sampler=BatchSampler(sampler, 2, False)).generator is generator
    )
    assert DataLoader(range(9), shuffle=True, generator=generator).generator is generator
    assert isinstance(DataLoader(range(9)).generator, sl.Generator)


def test_samplers():
    assert order(DataLoader(numbers(5), 2, sampler=[4, 0, 0])) == [[4, 0], [0]]
    assert order(DataLoader(numbers(5), batch_sampler=[[1], [4, 2, 0]])) == [[1], [4, 2, 0]]


def test_a_batch_of_tensors_is_one_gather(monkeypatch):
    dataset = numbers(10)
    monkeypatch.setattr(type(dataset), "__getitem__", None)
    assert order(DataLoader(dataset, 5)) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]


def test_collate_fn_gets_a_list_of_samples():
    loader = DataLoader(numbers(5), 2, collate_fn=lambda samples: [s.item() for (s,) in samples])
    assert list(loader) == [[0, 1], [2, 3], [4]]


def test_batches_are_fetched_no_further_ahead_than_asked():
    dataset = Counting(1000)
    batches = iter(DataLoader(dataset, 10, num_workers=2, prefetch_factor=3))
    assert next(batches).tolist() == list(range(10))
    batches.close()
    assert dataset.asked <= 70
    assert loader_threads() == []


def test_without_threads_nothing_is_fetched_ahead():
    dataset = Counting(100)
    next(iter(DataLoader(dataset, 10)))
    assert dataset.asked == 10


def test_threads_end_when_the_loop_is_left():
    for _ in DataLoader(Counting(100), 10, num_workers=2):
        assert loader_threads() != []
        break
    assert loader_threads() == []


def test_threads_end_when_the_loop_fails():
    def loop():
        for _ in DataLoader(Counting(100), 10, num_workers=2):
            raise KeyError("in the loop")

    with pytest.raises(KeyError, match="in the loop"):
        loop()
    assert loader_threads() == []


@pytest.mark.parametrize("workers", [0, 2])
def test_errors_of_the_data_set_reach_the_loop(workers):
    class Broken(Counting):
        def __getitem__(self, index: int) -> int:
            if index == 5:
                raise OSError("sample 5 cannot be read")
            return index

    seen = []
    with pytest.raises(OSError, match="sample 5 cannot be read"):
        seen.extend(batch.tolist() for batch in DataLoader(Broken(9), 2, num_workers=workers))
    assert seen == [[0, 1], [2, 3]]
    assert loader_threads() == []


@pytest.mark.parametrize("dataset", [[10, 20], numbers(2)])
@pytest.mark.parametrize("wrong", [2, -3])
def test_sampler_that_points_outside(dataset, wrong):
    with pytest.raises(IndexError):
        list(DataLoader(dataset, 2, sampler=[0, wrong]))


def test_index_error_of_the_data_set_itself_is_passed_on():
    class Broken(Counting):
        def __getitem__(self, index: int) -> int:
            return [][index]

    with pytest.raises(IndexError, match="list index out of range"):
        list(DataLoader(Broken(3)))


@pytest.mark.parametrize("shuffle", [False, True])
def test_empty_data_set(shuffle):
    for dataset in ([], numbers(0)):
        with pytest.raises(DataError, match="this is no data set, or an empty one"):
            DataLoader(dataset, shuffle=shuffle)


@pytest.mark.parametrize("dataset", [None, 3, iter([1, 2]), {1, 2}])
def test_not_a_data_set(dataset):
    with pytest.raises(DataError, match="this is no data set, or an empty one"):
        DataLoader(dataset)


@pytest.mark.parametrize("batch_size", [0, -1, 2.0, None])
def test_batch_size_that_is_none(batch_size):
    with pytest.raises(ArgumentError, match=f"batch_size is {batch_size}"):
        DataLoader(numbers(4), batch_size)


def test_nothing_left_after_drop_last():
    with pytest.raises(ArgumentError, match="drop_last=True leaves no batch"):
        DataLoader(numbers(4), 5, drop_last=True)


def test_contradictions():
    with pytest.raises(ArgumentError, match="two arguments say in which order"):
        DataLoader(numbers(4), sampler=[0], shuffle=True)
    for also in ({"batch_size": 2}, {"shuffle": True}, {"sampler": []}, {"drop_last": True}):
        with pytest.raises(ArgumentError, match="two arguments say in which order"):
            DataLoader(numbers(4), batch_sampler=[[0]], **also)


Point = collections.namedtuple("Point", "x y")


@pytest.mark.parametrize(
    "samples",
    [
        [1, 2, 3],
        [1.5, 2.0],
        [True, False],
        ["a", "bc"],
        [np.zeros(2), np.ones(2)],
        [np.zeros((2, 1), np.float32)],
        [np.float32(1), np.float32(2)],
        [(1, "a"), (2, "b")],
        [[1.0, (2, 3)], [4.0, (5, 6)]],
        [{"x": 1, "y": np.zeros(3)}, {"x": 2, "y": np.ones(3)}],
        [Point(1, 2.0), Point(3, 4.0)],
    ],
)
def test_collate_is_that_of_pytorch(samples):
    torch = pytest.importorskip("torch", reason="parity tests need torch==2.13.0")

    def compare(ours, theirs):
        if isinstance(theirs, torch.Tensor):
            assert ours.dtype == theirs.numpy().dtype
            assert ours.tolist() == theirs.tolist()
        elif isinstance(theirs, dict):
            assert ours.keys() == theirs.keys()
            compare(list(ours.values()), list(theirs.values()))
        elif isinstance(theirs, str):
            assert ours == theirs
        else:
            assert type(ours).__name__ == type(theirs).__name__
            for pair in zip(ours, theirs, strict=True):
                compare(*pair)

    compare(default_collate(samples), torch.utils.data.default_collate(samples))


def test_collate_tensors():
    batch = default_collate([sl.tensor([1.0, 2.0]), sl.tensor([3.0, 4.0])])
    assert batch.tolist() == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        ([], "cannot be stacked"),
        ([np.zeros(2), np.zeros(2), np.zeros(3)], "different shapes"),
        ([{"x": 1}, {"y": 1}], "different keys"),
        ([(1, 2), (1, 2, 3)], "different numbers of fields"),
        ([(np.zeros(2), 1), (np.zeros((2, 1)), 1)], "different shapes"),
        ([None, None], "cannot be stacked"),
        ([1, "a"], "cannot be stacked"),
        ([1, np.zeros(2)], "cannot be stacked"),
    ],
)
def test_samples_that_make_no_batch(samples, words):
    with pytest.raises(DataError, match=words):
        default_collate(samples)


def test_ragged_samples_are_named():
    with pytest.raises(DataError) as caught:
        default_collate([np.zeros(2), np.zeros(2), np.zeros((3, 1))])
    assert "sample 0: (2,)" in " ".join(str(caught.value).split())
    assert "sample 2: (3, 1)" in " ".join(str(caught.value).split())
