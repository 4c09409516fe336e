"""What the first calls of a compiled step take: `python -m benchmarks.compile_time [WORKLOAD ...]`.

Counted are the seconds that the first calls take beyond what as many later calls take, in a fresh
process: "cold" with an empty cache folder, "cached" in the next process, which finds the program
there. The parts are tracing, the passes over the graph, writing C, and getting a program from C
(the C compiler if it is cold; runtime and BLAS are loaded here, too). Medians of three runs.
"""

from __future__ import annotations

import functools
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks import command_line, processes
from benchmarks.workloads import OWN, prepare

RUNS, FIRST, LATER = 3, 3, 5
PARTS = {  # where the functions are that do the parts of the work
    "trace": ("streetlight.graph.trace", "trace_call"),
    "passes": ("streetlight.compile.passes", "simplify"),
    "text": ("streetlight.compile.build", "build"),
    "program": ("streetlight.compile.cache", "load"),
}
BARS = {("mlp", "cold"): 2.0, ("mlp", "cached"): 0.1}
BARS |= {("lstm", "cold"): 10.0, ("lstm", "cached"): 0.5}
ROW = "{:<12} {:<7} {:>8} {:>6}" + " {:>8}" * len(PARTS)


def count_seconds(parts: dict[str, tuple[str, str]]) -> Counter[str]:
    """Have functions add up the seconds that they run, wherever they are called from."""
    seconds: Counter[str] = Counter()
    for part, (module, name) in parts.items():
        function = getattr(import_module(module), name)
        counted = counting(function, seconds, part)
        for place in [vars(m) for n, m in sys.modules.items() if n.startswith("streetlight")]:
            for key in [key for key, value in place.items() if value is function]:
                place[key] = counted
    return seconds


def counting(function: Callable[..., Any], seconds: Counter[str], part: str) -> Callable[..., Any]:
    """Return the function with a clock."""

    @functools.wraps(function)
    def counted(*args: Any, **kwargs: Any) -> Any:
        start = perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            seconds[part] += perf_counter() - start

    return counted


def measure(workload: str, framework: str) -> dict[str, float]:
    """Return the seconds of the first calls, and of their parts."""
    step = prepare(workload, framework)
    parts = count_seconds(PARTS)
    calls = []
    for number in range(FIRST + LATER):
        start = perf_counter()
        step(number).item()
        calls.append(perf_counter() - start)
    parts["text"] -= parts["passes"]  # which it calls
    return {"seconds": sum(calls[:FIRST]) - FIRST * median(calls[FIRST:]), **parts}


def measure_both(workload: str, runs: int = RUNS) -> dict[str, dict[str, float]]:
    """Return the medians of cold and of cached runs."""
    results: dict[str, list[dict[str, float]]] = {"cold": [], "cached": []}
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            for found in results.values():
                answer = processes.ask("compile_time", workload, OWN, STREETLIGHT_CACHE=folder)
                found.append(answer)
    return {
        kind: {key: median(run[key] for run in found) for key in found[0]}
        for kind, found in results.items()
    }


def main() -> None:
    """Measure, print the table and write it as JSON."""
    if command_line.measuring(measure):
        return
    options = command_line.read(command_line.parser("benchmarks.compile_time", __doc__))
    load = processes.load_of_others()
    print(ROW.format("workload", "cache", "seconds", "bar", *PARTS))
    results = {}
    for workload in options.workloads:
        results[workload] = measure_both(workload)
        for kind, row in results[workload].items():
            bar = BARS.get((workload, kind), "")
            cells = [f"{row[part]:.3f}" for part in PARTS]
            print(ROW.format(workload, kind, f"{row['seconds']:.3f}", bar, *cells), flush=True)
    processes.write(options.json, {"load": load, "workloads": results})


if __name__ == "__main__":
    main()
