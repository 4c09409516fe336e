"""The memory that a training step needs: `python -m benchmarks.memory [WORKLOAD ...]`.

Counted is what a process holds at its peak while it trains, above what it held when network and
data were built and no step was taken: activations, gradients, the optimiser's state, workspace,
and all that compiling left behind. Each figure comes from a fresh process, which has first trained
a tiny network of the same kind, so that the libraries are there. "peak" is of later steps, "first"
of the first ones, with what tracing and compiling need for a moment. The system counts pages for
each core apart, so that differences below RESOLUTION say nothing. Linux only.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks import command_line, processes
from benchmarks.workloads import FRAMEWORKS, OWN, find
from benchmarks.workloads.training import Step, Workload

PEER = "pytorch"
RESOLUTION = 0.5  # MB
ROW = "{:<12} {:<12} {:>10} {:>10} {:>10}   {}"
STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def megabytes(field: str) -> float:
    """Read one line of this process's status: VmRSS is what it holds now, VmHWM its peak."""
    found = next(line for line in STATUS.read_text().splitlines() if line.startswith(field + ":"))
    return int(found.split()[1]) / 1024


def settle() -> None:
    """Give back what is not in use, and let the peak begin anew."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    RESET.write_text("5")


def tiny(workload: Workload) -> Workload:
    """Return the workload with no size above 4."""
    sizes = {name: size for name, size in vars(workload).items() if isinstance(size, int)}
    return replace(workload, **{name: min(size, 4) for name, size in sizes.items()})


def peak(step: Step, steps: int) -> float:
    """Take some steps and return the megabytes held at the most."""
    settle()
    for number in range(steps):
        step(number).item()
    return megabytes("VmHWM")


def measure(name: str, framework: str) -> dict[str, float]:
    """Return the peaks of the first and of later steps, in megabytes."""
    package, build = FRAMEWORKS[framework]
    module, workload = import_module(package), find(name)
    peak(build(tiny(workload), module), 3)
    step = build(workload, module)
    settle()
    before = megabytes("VmRSS")
    first = peak(step, 3)
    return {"first": first - before, "peak": peak(step, 10) - before, "process": first}


def verdict(figures: dict[str, Any]) -> str:
    """Say how the compiled step stands beside its peer."""
    difference = figures[OWN]["peak"] - figures[PEER]["peak"]
    if abs(difference) < RESOLUTION:
        return "equal, as far as can be told"
    return f"{abs(difference):.1f} MB {'more' if difference > 0 else 'less'} than {PEER}"


def main() -> None:
    """Measure, print the table and write it as JSON."""
    if command_line.measuring(measure):
        return
    if sys.platform != "linux":
        sys.exit("benchmarks.memory reads /proc, which only Linux has")
    command = command_line.parser("benchmarks.memory", __doc__)
    options = command_line.read(command)
    frameworks = command_line.installed([OWN, PEER])
    print(ROW.format("workload", "framework", "peak, MB", "first, MB", "process", ""))
    results = {}
    for workload in options.workloads:
        figures = {name: processes.ask("memory", workload, name) for name in frameworks}
        results[workload] = figures
        for name, row in figures.items():
            words = verdict(figures) if name == OWN and PEER in figures else ""
            cells = [f"{row[key]:.1f}" for key in ("peak", "first", "process")]
            print(ROW.format(workload, name, *cells, words), flush=True)
    processes.write(options.json, {"workloads": results})


if __name__ == "__main__":
    main()
