"""How a compiled step grows with its program: `python -m benchmarks.growth`.

The workload `lstm-small` is given more time steps, `transformer` more layers. Each size is measured
in fresh processes: microseconds and megabytes of a step (as `benchmarks` and `benchmarks.memory`
have them, but with one thread, so that no size is cut up otherwise than the next), seconds to trace
it, and seconds to make the program from nothing; of times, the shortest of several. The figures,
each with the straight line that fits it best, are drawn into `docs/images/growth.png` and `.svg`.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import processes
from benchmarks.workloads import OWN

ROUNDS, SECONDS, RUNS = 15, 0.1, 3
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
SERIES = {  # what grows: the workload, the size that is changed, its values, the batch
    "time steps": ("lstm-small:steps={}", (4, 8, 16, 32, 64, 128)),
    "layers": ("transformer:layers={}", (1, 2, 4, 8, 16)),
}
FIGURES = {
    "step": "ms a step",
    "memory": "MB a step",
    "trace": "s to trace",
    "make": "s to compile",
}
IMAGES = processes.ROOT / "docs" / "images"
ROW = "{:<26} {:>10} {:>10} {:>10} {:>10}"


def measure(workload: str) -> dict[str, float]:
    """Return all figures of one size."""
    worker = processes.Worker(workload, OWN, **ONE_THREAD)
    for _ in range(ROUNDS):
        worker.round(SECONDS)
    worker.stop()
    made = [made_from_nothing(workload) for _ in range(RUNS)]
    return {
        "step": min(worker.rounds) / 1e3,
        "memory": processes.ask("memory", workload, OWN, **ONE_THREAD)["peak"],
        "trace": min(parts["trace"] for parts in made),
        "make": min(parts["passes"] + parts["text"] + parts["program"] for parts in made),
    }


def made_from_nothing(workload: str) -> dict[str, float]:
    """Return the seconds that the parts of compiling take with an empty cache."""
    with tempfile.TemporaryDirectory() as folder:
        return processes.ask("compile_time", workload, OWN, STREETLIGHT_CACHE=folder)


def fit(sizes: list[float], values: list[float]) -> tuple[float, float, float]:
    """Fit a straight line, with errors in per cent; return its start, slope and largest error."""
    x, y = np.array(sizes, float), np.array(values)
    weighted = np.stack([1 / y, x / y], axis=1)
    (begin, slope), *_ = np.linalg.lstsq(weighted, np.ones(len(x)), rcond=None)
    return float(begin), float(slope), float(abs((begin + slope * x) / y - 1).max())


def draw(results: dict[str, Any], folder: Path) -> None:
    """Draw a row of panels for each series, a panel for each figure."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "growth"  # the same figures give the same file
    from matplotlib import pyplot as plt

    shape = {"nrows": len(SERIES), "ncols": len(FIGURES), "figsize": (12, 6)}
    figure, panels = plt.subplots(**shape, layout="constrained")
    for row, (grown, points) in zip(panels, results.items(), strict=True):
        sizes = [int(size) for size in points]
        for panel, (key, words) in zip(row, FIGURES.items(), strict=True):
            panel_of(panel, sizes, [point[key] for point in points.values()], words, grown)
    figure.suptitle("A compiled step grows in proportion to its time steps and to its layers")
    for kind, more in (("png", {"dpi": 110}), ("svg", {"metadata": {"Date": None}})):
        figure.savefig(folder / f"growth.{kind}", **more)
    plt.close(figure)


def panel_of(panel: Any, sizes: list[int], values: list[float], words: str, grown: str) -> None:
    """Draw one figure against the size, with its line."""
    begin, slope, error = fit(sizes, values)
    ends = np.array([0, sizes[-1]])
    panel.plot(ends, begin + slope * ends, color="0.6", linewidth=1.5, zorder=1)
    panel.plot(sizes, values, "o", color="black", markersize=5, zorder=2)
    panel.set(xlabel=grown, ylabel=words, xlim=(0, None), ylim=(0, None))
    unit = words.split()[0]
    panel.set_title(f"{slope:.2g} {unit} for each; line within {error:.0%}", fontsize=10)
    panel.spines[["top", "right"]].set_visible(False)


def main() -> None:
    """Measure, print and write the figures, and draw them."""
    command = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    command.add_argument("--json", type=Path, default=Path("runs/benchmarks-growth.json"))
    command.add_argument("--images", type=Path, default=IMAGES, help=f"default {IMAGES}")
    options = command.parse_args()
    load = processes.load_of_others()
    print(ROW.format("workload", *FIGURES.values()))
    results: dict[str, Any] = {}
    for grown, (workload, sizes) in SERIES.items():
        results[grown] = {}
        for size in sizes:
            row = results[grown][size] = measure(workload.format(size))
            cells = [f"{row[key]:.3f}" for key in FIGURES]
            print(ROW.format(workload.format(size), *cells), flush=True)
        for key, words in FIGURES.items():
            values = [row[key] for row in results[grown].values()]
            _, slope, error = fit(list(sizes), values)
            print(f"{words}: {slope:.3g} for each of the {grown}; a line within {error:.0%}")
    processes.write(options.json, {"load": load, "growth": results})
    draw(results, options.images)


if __name__ == "__main__":
    main()
