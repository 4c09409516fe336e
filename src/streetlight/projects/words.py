"""Words that fit their numbers."""

from __future__ import annotations


def plural(count: int, noun: str) -> str:
    """Say how many there are of something.

    >>> plural(1, "row"), plural(2_000, "row")
    ('1 row', '2,000 rows')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
