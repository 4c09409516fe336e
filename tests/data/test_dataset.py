"""Data sets: single samples, many at once, parts, several in a row, and random parts."""

from __future__ import annotations

import numpy as np
import pytest

import streetlight as sl
from streetlight.errors import ArgumentError, DataError, IndexOutOfRangeError
from streetlight.utils.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    Subset,
    TensorDataset,
    random_split,
)


class Squares(Dataset):
    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> int:
        if not 0 <= index < self.size:
            raise IndexError
        return index**2


@pytest.fixture
def pairs():
    return TensorDataset(sl.tensor(np.arange(14.0).reshape(7, 2)), sl.tensor(np.arange(7)))


def test_tensor_dataset_gives_one_or_many(pairs):
    assert len(pairs) == 7
    row, label = pairs[-1]
    assert (row.tolist(), label.item()) == ([12.0, 13.0], 6)
    rows, labels = pairs[2:4]
    assert (rows.tolist(), labels.tolist()) == ([[4.0, 5.0], [6.0, 7.0]], [2, 3])
    for chosen in (np.array([5, 0]), sl.tensor([5, 0]), [5, 0]):
        assert pairs[chosen][1].tolist() == [5, 0]
    assert [label.item() for _, label in pairs] == list(range(7))


def test_tensor_dataset_shares_the_memory_of_arrays():
    array = np.zeros((3, 2))
    dataset = TensorDataset(array)
    array[1] = 5
    assert dataset[1][0].tolist() == [5, 5]


@pytest.mark.parametrize(
    "tensors", [(), (np.zeros(3), np.zeros(4)), (np.array(1.0),), (np.zeros(3), np.array(1.0))]
)
def test_tensor_dataset_needs_equal_lengths(tensors):
    with pytest.raises(DataError, match="do not have one entry for each sample"):
        TensorDataset(*tensors)


@pytest.mark.parametrize("index", [7, -8])
def test_index_out_of_range(pairs, index):
    whole = Subset(pairs, range(7))
    for dataset in (pairs, whole, ConcatDataset([pairs])):
        with pytest.raises(IndexOutOfRangeError):
            dataset[index]
    for dataset in (pairs, whole):
        with pytest.raises(IndexOutOfRangeError):
            dataset[np.array([0, index])]
    with pytest.raises(IndexOutOfRangeError, match="the data set has no sample"):
        whole[[0, index]]
    with pytest.raises(IndexOutOfRangeError, match=f"has no sample {index}"):
        whole[index]


def test_subset_of_subset(pairs):
    subset = Subset(Subset(pairs, [6, 5, 4, 3]), [3, 0, -1])
    assert [subset[i][1].item() for i in range(len(subset))] == [3, 6, 3]
    assert subset[1:][1].tolist() == [6, 3]
    assert subset[np.array([True, False, True])][1].tolist() == [3, 3]
    assert next(iter(DataLoader(subset, 3)))[1].tolist() == [3, 6, 3]


def test_subset_of_anything():
    subset = Subset(Squares(10), [9, 2])
    assert [subset[np.int64(0)], subset[-1]] == [81, 4]
    assert subset[:].tolist() == [81, 4]
    assert len(Subset("abc", [])) == 0


@pytest.mark.parametrize("indices", [[0.5], [True, False], ["a"]])
def test_subset_refuses_what_are_not_indices(indices):
    with pytest.raises(DataError, match="Subset: these are not indices"):
        Subset("abc", indices)


def test_concat_in_order():
    three = Squares(2) + Squares(0) + Squares(3)
    assert [three[i] for i in range(len(three))] == [0, 1, 0, 1, 4]
    assert (three[-1], three[-5]) == (4, 0)
    assert next(iter(DataLoader(three, 5))).tolist() == [0, 1, 0, 1, 4]


def test_a_changed_getitem_is_not_bypassed_by_the_gather():
    class Negative(TensorDataset):
        def __getitem__(self, index):
            (value,) = super().__getitem__(index)
            return (-value,)

    loader = DataLoader(Subset(Negative(np.arange(4)), range(4)), 4)
    assert next(iter(loader))[0].tolist() == [0, -1, -2, -3]


def test_base_class_has_no_samples():
    with pytest.raises(NotImplementedError):
        Dataset()[0]
    with pytest.raises(NotImplementedError):
        len(Dataset())


@pytest.mark.parametrize(
    ("lengths", "sizes"),
    [
        ([7, 3], [7, 3]),
        ([10], [10]),
        ([0, 10], [0, 10]),
        ([0.5, 0.5], [5, 5]),
        ([1 / 3, 1 / 3, 1 / 3], [4, 3, 3]),
        ([0.25, 0.75], [3, 7]),
        ([1.0], [10]),
    ],
)
def test_random_split_parts_are_disjoint_and_complete(lengths, sizes):
    torch = pytest.importorskip("torch", reason="parity tests need torch==2.13.0")
    parts = random_split(range(10), lengths, sl.Generator().manual_seed(3))
    theirs = torch.utils.data.random_split(range(10), lengths)
    assert [len(part) for part in parts] == sizes == [len(part) for part in theirs]
    samples = [part[i] for part in parts for i in range(len(part))]
    assert sorted(samples) == list(range(10))
    assert samples != list(range(10))


def test_random_split_follows_its_generator():
    first, again, other = (
        random_split(range(50), [25, 25], sl.Generator().manual_seed(seed))[0].indices.tolist()
        for seed in (1, 1, 2)
    )
    assert first == again != other


@pytest.mark.parametrize("lengths", [[7, 4], [-1, 11], [0.5, 0.4], [1.5, 8.5], [], [1.5, -0.5]])
def test_random_split_lengths_that_do_not_add_up(lengths):
    with pytest.raises(ArgumentError, match="do not add up to the data set"):
        random_split(range(10), lengths)
