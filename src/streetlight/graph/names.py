"""Names of values: unique in a graph, and as near as possible to what the user calls them."""

from __future__ import annotations

import keyword
import re


class Names:
    """Gives out names: `linear`, `linear_1`, `linear_2`."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._counts: dict[str, int] = {}

    def take(self, wanted: str) -> str:
        """A name that was not given out before."""
        plain = identifier(wanted)
        name, count = plain, self._counts.get(plain, 0)
        while name in self._taken:
            count += 1
            name = f"{plain}_{count}"
        self._counts[plain] = count
        self._taken.add(name)
        return name


def identifier(text: str) -> str:
    """Turn the last part of a path into a Python identifier.

    >>> identifier("encoder.layers.0.weight"), identifier("batch.0")
    ('weight', 'batch_0')
    """
    parts = [part for part in re.split(r"[^A-Za-z0-9_]+", text) if part]
    kept = parts[-1:] or ["value"]
    while kept[0][0].isdigit() and len(kept) < len(parts):
        kept.insert(0, parts[-len(kept) - 1])
    name = "_".join(kept)
    return f"v_{name}" if name[0].isdigit() or keyword.iskeyword(name) else name
