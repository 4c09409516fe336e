"""Measure training steps beside PyTorch and JAX, in one run, on the same data.

    python -m benchmarks                          # all workloads, all installed frameworks
    python -m benchmarks mlp --rounds 9           # one of them, longer
    python -m benchmarks --compare old.json new.json

Every workload runs in every framework in a process of its own, with two threads. The processes are
warmed up, then take turns: one round each, five times. The figure of a round is its median
microseconds a step; the table shows the median of the rounds, their spread (largest minus smallest,
in per cent of the median) and the ratio to PyTorch eager in the same rounds (2.00 = twice as fast).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import sleep, strftime
from typing import Any

from benchmarks.worker import THREADS
from benchmarks.workloads import FRAMEWORKS, REFERENCE, WORKLOADS, frameworks_of

ROOT = Path(__file__).parent.parent
PAUSE = 0.3  # seconds between two rounds, for spinning threads of the last one to go to sleep
BUSY = 0.5  # load of other processes from which on a figure says little
ROW = "{:<12} {:<14} {:>11} {:>8} {:>9} {:>9}"


class Worker:
    """A process that runs one workload in one framework, asked for one round at a time."""

    def __init__(self, workload: str, framework: str) -> None:
        threads = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM")
        environment = dict(os.environ, JAX_PLATFORMS="cpu", TORCH_LOGS="-dynamo")
        environment["CUDA_VISIBLE_DEVICES"] = ""
        environment |= {f"{library}_NUM_THREADS": str(THREADS) for library in threads}
        command = [sys.executable, "-m", "benchmarks.worker", workload, framework]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.name = f"{workload} in {framework}"
        self.facts = self.answer()
        self.rounds: list[float] = []

    def answer(self) -> Any:
        """Read one line of JSON from the process."""
        line = self.process.stdout.readline()
        if not line:
            sys.exit(
                f"benchmarks: {self.name} stopped with status {self.process.wait()}, see above"
            )
        return json.loads(line)

    def round(self, seconds: float) -> None:
        """Let the process train for about so many seconds and keep its figure."""
        sleep(PAUSE)
        print(seconds, file=self.process.stdin, flush=True)
        self.rounds.append(self.answer())

    def stop(self) -> None:
        """End the process and wait for it."""
        self.process.communicate()


def measure(workload: str, frameworks: list[str], rounds: int, seconds: float) -> dict[str, Any]:
    """Run one workload in all frameworks, alternating, and return the figures by framework."""
    workers = {name: Worker(workload, name) for name in frameworks}
    for _ in range(rounds):
        for worker in workers.values():
            worker.round(seconds)
    for worker in workers.values():
        worker.stop()
    reference = workers[REFERENCE].rounds if REFERENCE in workers else None
    return {name: figures(worker, reference) for name, worker in workers.items()}


def figures(worker: Worker, reference: list[float] | None) -> dict[str, Any]:
    """Sum the rounds of one worker up; the ratio is the median of the rounds' own ratios."""
    middle = median(worker.rounds)
    result = {"median_us": middle, "spread": (max(worker.rounds) - min(worker.rounds)) / middle}
    if reference:
        pairs = zip(reference, worker.rounds, strict=True)
        result["ratio"] = median(other / own for other, own in pairs)
    return result | {"rounds_us": worker.rounds} | worker.facts


def show(workload: str, results: dict[str, Any]) -> None:
    """Print the rows of one workload."""
    for name, row in results.items():
        ratio = f"{row['ratio']:.2f}" if "ratio" in row else ""
        middle, spread = f"{row['median_us']:,.1f}", f"{row['spread']:.0%}"
        print(ROW.format(workload, name, middle, spread, ratio, f"{row['loss']:.4f}"), flush=True)


def machine() -> dict[str, Any]:
    """Say what the figures were measured on."""
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    facts = {"time": strftime("%Y-%m-%d %H:%M:%S"), "commit": commit, "cores": os.cpu_count()}
    return facts | {
        "threads": THREADS,
        "machine": platform.machine(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def compare(before: Path, after: Path) -> None:
    """Print two result files side by side; below 1.00 the second one is faster."""
    old, new = (json.loads(path.read_text())["workloads"] for path in (before, after))
    print(ROW.format("workload", "framework", before.stem[:11], "", after.stem[:9], "new/old"))
    for workload in old:
        for name in old[workload]:
            if name in new.get(workload, {}):
                a, b = (results[workload][name]["median_us"] for results in (old, new))
                print(ROW.format(workload, name, f"{a:,.1f}", "", f"{b:,.1f}", f"{b / a:.2f}"))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=", ".join(WORKLOADS))
    parser.add_argument("--frameworks", metavar="A,B", help=", ".join(FRAMEWORKS))
    parser.add_argument("--rounds", type=int, default=5, help="turns of each (default 5)")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of one (default 1)")
    parser.add_argument("--json", type=Path, default=Path("runs/benchmarks.json"))
    parser.add_argument("--compare", type=Path, nargs=2, metavar=("OLD", "NEW"))
    options = parser.parse_args()
    options.workloads = options.workloads or list(WORKLOADS)
    options.frameworks = options.frameworks.split(",") if options.frameworks else list(FRAMEWORKS)
    for kind, known in (("workloads", WORKLOADS), ("frameworks", FRAMEWORKS)):
        if strange := set(getattr(options, kind)) - set(known):
            parser.error(f"there are no {kind} {sorted(strange)}; there are {', '.join(known)}")
    return options


def main() -> None:
    """Measure, print the table and write it as JSON; or compare two such files."""
    options = arguments()
    if options.compare:
        compare(*options.compare)
        return
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load > BUSY:
        print(f"the machine is busy (load {load:.1f}): these figures will be too high")
    installed = [name for name in options.frameworks if find_spec(FRAMEWORKS[name][0])]
    for name in sorted(set(options.frameworks) - set(installed)):
        print(f"{name}: not installed, left out")
    print(ROW.format("workload", "framework", "us a step", "spread", "ratio", "loss"))
    results = {}
    for workload in options.workloads:
        names = [name for name in frameworks_of(workload) if name in installed]
        results[workload] = measure(workload, names, options.rounds, options.seconds)
        show(workload, results[workload])
    options.json.parent.mkdir(parents=True, exist_ok=True)
    facts = machine() | {"load": load, "workloads": results}
    options.json.write_text(json.dumps(facts, indent=1) + "\n")
    print(f"written to {options.json}")


if __name__ == "__main__":
    main()
