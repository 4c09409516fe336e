"""Random numbers with explicit state: generators that can be seeded, saved and restored.

A generator draws 64-bit words from SFC64 and nothing else, so that a compiled step can draw the
very same words.
"""

from __future__ import annotations

import json
import math
import operator
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from streetlight.devices import Array
from streetlight.errors import ArgumentError, FileFormatError

_INITIAL_SEED = 0x5EED


class _Listener(threading.local):
    drawing: Callable[[], None] = staticmethod(lambda: None)  # a trace refuses what it cannot see


listener = _Listener()


class Generator:
    """A stream of random numbers with its own state.

    Seeding with the same number gives the same stream on every machine.

    Source: Doty-Humphrey, PractRand (the SFC64 generator).

    >>> generator = Generator().manual_seed(7)
    >>> generator.uniform((2,)).shape
    (2,)
    """

    def __init__(self) -> None:
        self.manual_seed(_INITIAL_SEED)

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream that belongs to `seed` and return the generator.

        Raises:
            ArgumentError: if `seed` is not a whole number of zero or more.
        """
        try:
            number = operator.index(seed)
        except TypeError:
            number = -1
        if number < 0:
            raise ArgumentError(
                f"manual_seed: {seed!r} is not a seed", expected="a whole number >= 0"
            )
        self._seed = number
        self._bits = np.random.SFC64(number)
        self._numpy = np.random.Generator(self._bits)
        return self

    def initial_seed(self) -> int:
        """Return the number that the stream was started with."""
        return self._seed

    def state(self) -> bytes:
        """Return the whole state as bytes, for a checkpoint; see `restore`."""
        inner = self._bits.state
        words = [int(word) for word in inner["state"]["state"]]
        rest = [int(inner["has_uint32"]), int(inner["uinteger"])]
        return json.dumps([self._seed, words, rest]).encode()

    def restore(self, state: Any) -> None:
        """Go on from a state that `state` or `get_state` returned.

        Raises:
            FileFormatError: if the bytes are not such a state.
        """
        try:
            data = state if isinstance(state, bytes) else np.asarray(state, np.uint8).tobytes()
            seed, words, rest = json.loads(data)
            self._bits.state = {
                "bit_generator": "SFC64",
                "state": {"state": np.array(words, dtype=np.uint64)},
                "has_uint32": rest[0],
                "uinteger": rest[1],
            }
            self._seed = int(seed)
        except (ValueError, TypeError, IndexError, KeyError, OverflowError) as error:
            raise FileFormatError(
                "these bytes are not the state of a random generator",
                fix="pass what get_state() of a Streetlight generator returned",
            ) from error

    def get_state(self) -> Array:
        """Return the state as an array of bytes."""
        return np.frombuffer(self.state(), dtype=np.uint8).copy()

    def set_state(self, state: Any) -> Generator:
        """Go on from a state that `get_state` returned."""
        self.restore(state)
        return self

    def _source(self) -> np.random.Generator:
        listener.drawing()
        return self._numpy

    def words(self, count: int) -> Array:
        """Draw `count` random 32-bit words, two to a draw of the generator."""
        drawn: Array = np.atleast_1d(self._source().bit_generator.random_raw((count + 1) // 2))
        return drawn.view(np.uint32)[:count]

    def uniform(self, shape: tuple[int, ...]) -> Array:
        """Draw float32 numbers in [0, 1), each a multiple of 2⁻²⁴."""
        words = self.words(math.prod(shape)) >> np.uint32(8)
        numbers: Array = (words * np.float32(2.0**-24)).astype(np.float32, copy=False)
        return numbers.reshape(shape)

    def normal(self, shape: tuple[int, ...]) -> Array:
        """Draw float64 numbers from the standard normal distribution."""
        return self._source().standard_normal(shape)

    def integers(self, low: int, high: int, shape: tuple[int, ...]) -> Array:
        """Draw int64 numbers from low to high - 1."""
        return self._source().integers(low, high, size=shape, dtype=np.int64)

    def permutation(self, count: int) -> Array:
        """Draw a random order of 0 to count - 1."""
        return self._source().permutation(count)


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Seed the generator that is used wherever none is given, and return it.

    >>> manual_seed(0).initial_seed()
    0
    """
    return default_generator.manual_seed(seed)


def initial_seed() -> int:
    """Return the number that the default generator was seeded with."""
    return default_generator.initial_seed()
