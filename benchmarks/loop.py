"""What one row costs where a whole epoch is one call: `python -m benchmarks.loop`.

The workload `streetlight` has one row a step, so that calling is all that it costs. Shown are
microseconds a row for the same 4,000 rows: eager, one compiled call a row, and `.loop` over a
loader that keeps the order or shuffles. The figures are medians of alternating rounds.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks import command_line, processes
from benchmarks.workloads import OWN, find, training
from benchmarks.workloads.streetlight import LIGHTS, WALK

ROUNDS, ROWS, BAR = 9, 4_000, 1.0
ROW = "{:<34} {:>10} {:>6}"


def epochs(streetlight: Any) -> dict[str, Callable[[], Any]]:
    """Name the ways to train for an epoch."""
    data = streetlight.utils.data
    workload = find("streetlight")
    rows = [streetlight.tensor(np.tile(part, (ROWS // 4, 1))) for part in (LIGHTS, WALK)]
    in_order = data.DataLoader(data.TensorDataset(*rows), batch_size=1)
    shuffled = data.DataLoader(data.TensorDataset(*rows), batch_size=1, shuffle=True)
    compiled = training.whole(workload.training(streetlight), streetlight.compile)
    step, eager = training.compiled(workload, streetlight), training.eager(workload, streetlight)
    return {
        "eager": lambda: [eager(number) for number in range(ROWS)],
        "one compiled call a row": lambda: [step(number) for number in range(ROWS)],
        "loop over a loader": lambda: compiled.loop(in_order),
        "loop over a loader that shuffles": lambda: compiled.loop(shuffled),
    }


def measure(workload: str, framework: str) -> dict[str, float]:
    """Return microseconds a row, each way."""
    import streetlight

    ways = epochs(streetlight)
    rounds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(ROUNDS + 1):
        for name, epoch in ways.items():
            start = perf_counter()
            epoch()
            if number:  # the first one compiles
                rounds[name].append((perf_counter() - start) / ROWS * 1e6)
    return {name: median(values) for name, values in rounds.items()}


def main() -> None:
    """Measure in a fresh process, print and write the figures."""
    if command_line.measuring(measure):
        return
    options = command_line.read(command_line.parser("benchmarks.loop", __doc__), ["streetlight"])
    load = processes.load_of_others()
    figures = processes.ask("loop", "streetlight", OWN)
    print(ROW.format("an epoch of the workload streetlight", "us a row", "bar"))
    for name, microseconds in figures.items():
        bar = f"{BAR}" if name.startswith("loop") else ""
        print(ROW.format(name, f"{microseconds:.2f}", bar))
    processes.write(options.json, {"load": load, "us a row": figures})


if __name__ == "__main__":
    main()
