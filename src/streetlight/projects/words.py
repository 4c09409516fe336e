"""Words that fit their numbers."""

from __future__ import annotations

TIMES = ["never", "once", "twice", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


def plural(count: int, noun: str) -> str:
    """Say how many there are of something.

    >>> plural(1, "row"), plural(2_000, "row")
    ('1 row', '2,000 rows')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def percent(share: float) -> str:
    """Write a share with one decimal, and never 100 % of what is not all.

    >>> percent(0.98497), percent(0.9999), percent(1.0)
    ('98.5 %', '99.9 %', '100 %')
    """
    return "100 %" if share == 1 else f"{min(100 * share, 99.9):.1f} %"


def times(count: int) -> str:
    """Say how often.

    >>> times(2), times(8), times(40)
    ('twice', 'eight times', '40 times')
    """
    if count >= len(TIMES):
        return f"{count} times"
    return TIMES[count] + (" times" if count > 2 else "")
