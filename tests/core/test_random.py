"""Random numbers: the same stream on every machine, honest statistics, states to save."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from tests.core.parity import both_refuse

import streetlight as sl
from streetlight.errors import ArgumentError, DTypeError, FileFormatError


def seeded(seed: int = 0) -> sl.Generator:
    return sl.Generator().manual_seed(seed)


GOLDEN = {
    "rand": [0.9777888059616089, 0.043860554695129395, 0.008205056190490723, 0.5872743129730225],
    "randn": [0.7641290428159387, 1.3825362281288547, 1.5960366753424453],
    "randint": [97, 4, 0, 58, 24],
    "randperm": [1, 4, 0, 2, 5, 3],
}


def test_golden_numbers() -> None:
    """A change of these numbers changes every seeded experiment of every user."""
    assert sl.rand(4, generator=seeded(7)).tolist() == GOLDEN["rand"]
    assert sl.randn(3, generator=seeded(7), dtype=sl.float64).tolist() == GOLDEN["randn"]
    assert sl.randint(0, 100, (5,), generator=seeded(7)).tolist() == GOLDEN["randint"]
    assert sl.randperm(6, generator=seeded(7)).tolist() == GOLDEN["randperm"]


def sfc64(state: list[int]) -> int:
    """One step of Doty-Humphrey's generator."""
    mask = 2**64 - 1
    a, b, c, counter = state
    result = (a + b + counter) & mask
    rotated = ((c << 24) | (c >> 40)) & mask
    state[:] = [b ^ (b >> 11), (c + (c << 3)) & mask, (rotated + result) & mask, counter + 1]
    return result


def test_words_are_those_of_sfc64() -> None:
    generator = seeded(3)
    state = [int(word) for word in np.random.SFC64(3).state["state"]["state"]]
    draws = [sfc64(state) for _ in range(3)]
    expected = [half for draw in draws for half in (draw & 0xFFFFFFFF, draw >> 32)]
    assert generator.words(5).tolist() == expected[:5]
    assert generator.words(1).tolist() == [sfc64(state) & 0xFFFFFFFF]
    assert generator.words(0).tolist() == []


@pytest.mark.parametrize("draw", [
    lambda g: sl.rand(2, 3, generator=g), lambda g: sl.randn(5, generator=g),
    lambda g: sl.randint(0, 9, (4,), generator=g), lambda g: sl.randperm(9, generator=g),
    lambda g: sl.bernoulli(sl.full((9,), 0.5), generator=g),
    lambda g: sl.multinomial(sl.ones(5), 3, generator=g),
    lambda g: sl.zeros(7).uniform_(generator=g), lambda g: sl.zeros(7).normal_(generator=g),
])  # fmt: skip
def test_streams_begin_and_go_on(draw: Any) -> None:
    generator = seeded(5)
    first, second = draw(generator).tolist(), draw(generator).tolist()
    assert first != second
    assert draw(seeded(5)).tolist() == first
    assert draw(seeded(6)).tolist() != first
    generator.manual_seed(5)
    state = (draw(generator), generator.get_state())[1]
    assert draw(generator).tolist() == second
    assert draw(sl.Generator().set_state(state)).tolist() == second
    sl.manual_seed(5)
    assert draw(None).tolist() == first  # the common generator


def test_states() -> None:
    generator = seeded(11)
    sl.randn(3, generator=generator)
    state = generator.get_state()
    assert np.asarray(state).dtype == np.uint8
    twin = sl.Generator().set_state(state)
    assert twin.initial_seed() == generator.initial_seed() == 11
    assert np.array_equal(twin.get_state(), state)
    twin.restore(generator.state())
    for wrong in (b"", b"no", b"[1, [1, 2], [0, 0]]", b'[1, [1, 2, 3, "x"], [0, 0]]',
                  b"[1, [1, 2, 3, -4], [0, 0]]", b"[1, [1, 2, 3, 4], []]", b"\xff"):  # fmt: skip
        with pytest.raises(FileFormatError, match=r"(?s)are not the state of a random.*get_state"):
            twin.restore(wrong)
        assert np.array_equal(twin.get_state(), state)
    for wrong in ("text", None, [1.5, "a"], [[1], [2, 3]]):
        with pytest.raises(FileFormatError, match="are not the state of a random generator"):
            twin.set_state(wrong)


def test_seeds() -> None:
    assert sl.manual_seed(3).initial_seed() == sl.initial_seed() == 3
    assert sl.manual_seed(np.int64(4)).initial_seed() == 4
    for wrong in (-1, 1.5, "seed", None):
        with pytest.raises(
            ArgumentError, match=r"(?s)manual_seed: .* is not a seed.*whole number >= 0"
        ):
            sl.manual_seed(wrong)
    assert seeded(2**100).initial_seed() == 2**100
    assert sl.Generator().initial_seed() == sl.Generator().initial_seed()


def moments(values: np.ndarray) -> tuple[float, float, float]:
    return (
        float(values.mean()),
        float(values.var()),
        float(np.corrcoef(values[:-1], values[1:])[0, 1]),
    )


def test_uniform_statistics() -> None:
    count = 100_000
    x = sl.rand(count, generator=seeded(1), dtype=sl.float64).numpy()
    mean, variance, neighbours = moments(x)
    assert abs(mean - 0.5) < 4 * math.sqrt(1 / 12 / count)
    assert abs(variance - 1 / 12) < 4 * math.sqrt(1 / 180 / count)
    assert abs(neighbours) < 4 / math.sqrt(count)
    histogram = np.histogram(x, 100, (0, 1))[0]
    chi_squared = ((histogram - count / 100) ** 2 / (count / 100)).sum()
    assert 99 - 4 * math.sqrt(2 * 99) < chi_squared < 99 + 4 * math.sqrt(2 * 99)
    assert 0.0 <= x.min() < x.max() < 1.0
    assert (x * 2**24 == np.floor(x * 2**24)).all()


def test_normal_statistics() -> None:
    count = 100_000
    x = sl.randn(count, generator=seeded(1), dtype=sl.float64).numpy()
    mean, variance, neighbours = moments(x)
    assert abs(mean) < 4 / math.sqrt(count)
    assert abs(variance - 1) < 4 * math.sqrt(2 / count)
    assert abs(neighbours) < 4 / math.sqrt(count)
    for limit in (0.5, 1.0, 2.0, 3.0):
        share = math.erfc(limit / math.sqrt(2))
        found = (np.abs(x) > limit).mean()
        assert abs(found - share) < 4 * math.sqrt(share * (1 - share) / count)


@pytest.mark.parametrize("p", [0.0, 0.03, 0.5, 1.0])
def test_bernoulli_statistics(p: float) -> None:
    count = 50_000
    x = sl.bernoulli(sl.full((count,), p), generator=seeded(1))
    assert set(x.tolist()) <= {0.0, 1.0}
    assert x.dtype == sl.float32
    assert abs(x.mean().item() - p) <= 4 * math.sqrt(p * (1 - p) / count)


def test_integers_and_permutations() -> None:
    x = sl.randint(-2, 3, (5000,), generator=seeded(1))
    assert sorted(set(x.tolist())) == [-2, -1, 0, 1, 2]
    assert x.dtype == sl.int64
    counts = np.bincount(x.numpy() + 2)
    assert np.abs(counts - 1000).max() < 4 * math.sqrt(800)
    assert sl.randint(3, (2, 2), generator=seeded(0)).shape == (2, 2)
    assert sl.randint(0, 3, (4,), dtype=sl.float32).dtype == sl.float32
    order = sl.randperm(100, generator=seeded(1))
    assert sorted(order.tolist()) == list(range(100))
    assert order.dtype == sl.int64
    assert sl.randperm(0).shape == (0,)
    firsts = [sl.randperm(3, generator=seeded(s))[0].item() for s in range(300)]
    assert np.abs(np.bincount(firsts) - 100).max() < 4 * math.sqrt(300 * 2 / 9)


def test_multinomial() -> None:
    weights = sl.tensor([[0.0, 1.0, 3.0], [5.0, 0.0, 0.0]])
    drawn = sl.multinomial(weights, 20_000, replacement=True, generator=seeded(1))
    assert drawn.shape == (2, 20_000)
    assert set(drawn[1].tolist()) == {0}
    share = (drawn[0] == 2).float().mean().item()
    assert (drawn[0] == 0).sum().item() == 0
    assert abs(share - 0.75) < 4 * math.sqrt(0.75 * 0.25 / 20_000)
    for seed in range(20):
        some = sl.multinomial(sl.tensor([0.0, 2.0, 1.0, 1.0]), 3, generator=seeded(seed)).tolist()
        assert sorted(some) == [1, 2, 3]


def test_random_functions_refuse() -> None:
    words = "randint: there is no whole number from 3 to below 3"
    assert words in str(both_refuse(lambda T: T.randint(3, 3, (2,))))
    assert "randperm: -1 numbers" in str(both_refuse(lambda T: T.randperm(-1)))
    words = "bernoulli: the probabilities reach from -0.5 to 0.5"
    assert words in str(both_refuse(lambda T: T.bernoulli(T.tensor([-0.5, 0.5]))))
    both_refuse(lambda T: T.bernoulli(T.tensor([1, 0])))
    words = "multinomial: cannot draw 3 of 2"
    assert words in str(both_refuse(lambda T: T.multinomial(T.ones(2), 3)))
    with pytest.raises(ArgumentError, match=words):  # PyTorch would take the impossible one
        sl.multinomial(sl.tensor([1.0, 0.0, 1.0]), 3)
    for weights in ([0.0, 0.0], [1.0, -1.0], [math.nan, 1.0], [math.inf, 1.0]):
        with pytest.raises(ArgumentError, match="multinomial: these are no weights"):
            sl.multinomial(sl.tensor(weights), 2, replacement=True)
    for name in ("rand", "randn"):
        with pytest.raises(DTypeError, match="random numbers are floating-point, not int64"):
            getattr(sl, name)(2, dtype=sl.int64)
    with pytest.raises(DTypeError, match="random numbers are floating-point, not int64"):
        sl.rand_like(sl.tensor([1]))
