"""What Streetlight costs before any arithmetic: `python -m benchmarks.overhead`.

Prints the time of one eager operation on a one-element tensor that needs a gradient, beside
PyTorch where installed, and the time that `import streetlight` adds to the start of Python with
NumPy. Each figure is a median of alternating rounds.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from statistics import median
from time import perf_counter
from timeit import Timer
from typing import Any

ROUNDS, CALLS, STARTS = 9, 20_000, 11
OPERATION_BAR, IMPORT_BAR = 3.0, 0.15  # microseconds, seconds
ROW = "{:<26} {:>12} {:>12} {:>8}"


def operations(torch: Any) -> dict[str, Callable[[], Any]]:
    """Name a few elementwise operations on a one-element tensor that needs a gradient."""
    x = torch.tensor([0.5], requires_grad=True)
    return {
        "x * x": lambda: x * x,
        "x + 1.0": lambda: x + 1.0,
        "-x": lambda: -x,
        "x.exp()": lambda: x.exp(),
        "x.tanh()": lambda: x.tanh(),
        "x.relu()": lambda: x.relu(),
    }


def microseconds() -> dict[str, dict[str, float]]:
    """Time each operation in turn in each framework: {operation: {framework: microseconds}}."""
    frameworks = [name for name in ("streetlight", "torch") if find_spec(name)]
    calls = {name: operations(import_module(name)) for name in frameworks}
    results: dict[str, dict[str, float]] = {}
    for operation in calls["streetlight"]:
        rounds: dict[str, list[float]] = {name: [] for name in frameworks}
        for _ in range(ROUNDS):
            for name in frameworks:
                seconds = Timer(calls[name][operation]).timeit(CALLS)
                rounds[name].append(seconds / CALLS * 1e6)
        results[operation] = {name: median(values) for name, values in rounds.items()}
    return results


def start(statement: str) -> float:
    """Return the seconds that a fresh Python takes to run a statement."""
    begin = perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return perf_counter() - begin


def import_seconds() -> float:
    """Return what `import streetlight` adds to a start of Python with NumPy."""
    pairs = [(start("import numpy"), start("import numpy, streetlight")) for _ in range(STARTS)]
    return median(full - bare for bare, full in pairs)


def main() -> None:
    """Print both tables."""
    print(ROW.format("one operation, in us", "streetlight", "pytorch", "bar"))
    for operation, row in microseconds().items():
        own, other = f"{row['streetlight']:.2f}", f"{row['torch']:.2f}" if "torch" in row else ""
        print(ROW.format(operation, own, other, f"{OPERATION_BAR:.1f}"))
    print(ROW.format("import streetlight, in s", f"{import_seconds():.3f}", "", f"{IMPORT_BAR}"))


if __name__ == "__main__":
    main()
