"""Samplers: which indices come, how often, in which order, and again from the same state."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import streetlight as sl
from streetlight.errors import ArgumentError, DataError
from streetlight.utils.data import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    WeightedRandomSampler,
)


def seeded(seed: int = 0) -> sl.Generator:
    return sl.Generator().manual_seed(seed)


def test_sequential():
    sampler = SequentialSampler("abcd")
    assert list(sampler) == list(sampler) == [0, 1, 2, 3]
    assert len(sampler) == 4


def test_random_takes_each_once_in_a_new_order_each_time():
    sampler = RandomSampler(range(50), generator=seeded())
    first, second = list(sampler), list(sampler)
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
    assert list(RandomSampler(range(50), generator=seeded())) == first


def test_random_orders_are_even():
    sampler = RandomSampler(range(3), generator=seeded())
    counts = np.zeros((3, 3))
    for _ in range(3000):
        counts[list(sampler), range(3)] += 1
    assert np.abs(counts - 1000).max() < 130  # five standard deviations


@pytest.mark.parametrize("num_samples", [1, 4, 5, 12])
def test_random_num_samples(num_samples):
    without = list(RandomSampler(range(5), num_samples=num_samples, generator=seeded()))
    assert len(without) == num_samples
    assert np.bincount(without, minlength=5).max() == -(-num_samples // 5)
    drawn = RandomSampler(range(5), True, num_samples, seeded())
    assert len(list(drawn)) == len(drawn) == num_samples
    assert set(drawn) <= set(range(5))


def test_random_with_replacement_repeats_some():
    drawn = list(RandomSampler(range(100), replacement=True, generator=seeded()))
    assert len(set(drawn)) < 90


def test_own_generator_follows_the_default_one():
    orders = []
    for _ in range(2):
        sl.manual_seed(5)
        orders.append([list(RandomSampler(range(30))) for _ in range(2)])
    assert orders[0] == orders[1]
    assert orders[0][0] != orders[0][1]


def test_own_generator_is_not_moved_by_others():
    sl.manual_seed(5)
    sampler = RandomSampler(range(30))
    undisturbed = list(sampler)
    sl.manual_seed(5)
    sampler = RandomSampler(range(30))
    sl.rand(7)
    assert list(sampler) == undisturbed


def test_random_of_nothing():
    with pytest.raises(DataError, match="RandomSampler: the data set is empty"):
        RandomSampler([])


@pytest.mark.parametrize("count", [0, -1, 1.5, "2"])
def test_counts_that_are_none(count):
    for make in (
        lambda: RandomSampler(range(3), num_samples=count),
        lambda: WeightedRandomSampler([1.0], count),
        lambda: BatchSampler(range(3), count, False),
    ):
        with pytest.raises(ArgumentError, match=f"(num_samples|batch_size) is {count!r}"):
            make()


def test_weighted_frequencies():
    weights = np.array([1.0, 0.0, 3.0, 6.0])
    drawn = list(WeightedRandomSampler(weights, 20_000, generator=seeded()))
    assert np.bincount(drawn, minlength=4) / 20_000 == pytest.approx(weights / 10, abs=0.018)


def test_weighted_without_replacement():
    sampler = WeightedRandomSampler([1.0, 0.0, 1.0, 8.0], 3, False, seeded())
    draws = np.array([list(sampler) for _ in range(2000)])
    assert all(sorted(draw) == [0, 2, 3] for draw in draws.tolist())
    assert (draws[:, 0] == 3).mean() == pytest.approx(0.8, abs=0.045)
    assert len(sampler) == 3


@pytest.mark.parametrize("weights", [[], [0.0, 0.0], [1.0, -1.0, 3.0], [1.0, np.nan], [np.inf]])
def test_weights_that_are_none(weights):
    with pytest.raises(ArgumentError, match="these are not weights"):
        WeightedRandomSampler(weights, 2)


def test_weighted_without_replacement_cannot_draw_more_than_there_are():
    with pytest.raises(ArgumentError, match="too few for so many samples"):
        WeightedRandomSampler([1.0, 0.0, 1.0], 3, replacement=False)


@given(st.integers(0, 40), st.integers(1, 12), st.booleans())
def test_batches_are_those_of_pytorch(size, batch_size, drop_last):
    torch = pytest.importorskip("torch", reason="parity tests need torch==2.13.0")
    ours = BatchSampler(range(size), batch_size, drop_last)
    theirs = torch.utils.data.BatchSampler(range(size), batch_size, drop_last)
    assert list(ours) == list(theirs)
    assert len(ours) == len(theirs)


def test_base_class_has_no_order():
    with pytest.raises(NotImplementedError):
        iter(Sampler())
