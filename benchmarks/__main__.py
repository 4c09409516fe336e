"""Measure training steps beside PyTorch and JAX, in one run, on the same data.

    python -m benchmarks                          # all workloads, all installed frameworks
    python -m benchmarks mlp lstm:steps=64        # some of them, in other sizes
    python -m benchmarks --compare old.json new.json

Every workload runs in every framework in a process of its own, with two threads. The processes are
warmed up, then take turns: one round each, five times. The figure of a round is its median
microseconds a step; the table shows the median of the rounds, their spread (largest minus smallest,
in per cent of the median) and the ratio to PyTorch eager in the same rounds (2.00 = twice as fast).
Below each workload stands how the compiled step does against the fastest of its peers.
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any

from benchmarks import command_line, processes
from benchmarks.workloads import FRAMEWORKS, OWN, PEERS, find

REFERENCE = "pytorch"  # the ratios in the table are against this one
BAR, MEAN_BAR = 1.5, 4.0  # times as fast as the fastest peer: each workload, their geometric mean
ROW = "{:<12} {:<14} {:>11} {:>8} {:>9} {:>9}"
LAST_ROW = "{:<12} {:>11} {:>11} {:>8}  {}"


def measure(workload: str, frameworks: list[str], rounds: int, seconds: float) -> dict[str, Any]:
    """Run one workload in all frameworks, alternating, and return the figures by framework."""
    workers = {name: processes.Worker(workload, name) for name in frameworks}
    for _ in range(rounds):
        for worker in workers.values():
            worker.round(seconds)
    for worker in workers.values():
        worker.stop()
    reference = workers[REFERENCE].rounds if REFERENCE in workers else None
    return {name: figures(worker, reference) for name, worker in workers.items()}


def figures(worker: processes.Worker, reference: list[float] | None) -> dict[str, Any]:
    """Sum the rounds of one worker up."""
    middle = median(worker.rounds)
    result = {"median_us": middle, "spread": (max(worker.rounds) - min(worker.rounds)) / middle}
    if reference:
        result["ratio"] = times_as_fast(worker.rounds, reference)
    return result | {"rounds_us": worker.rounds} | worker.facts


def times_as_fast(own: list[float], other: list[float]) -> float:
    """Return the median of the ratios of the rounds, which ran side by side."""
    return median(b / a for a, b in zip(own, other, strict=True))


def against_peers(results: dict[str, Any]) -> dict[str, Any] | None:
    """Hold the compiled step against the fastest peer of its workload."""
    peers = [name for name in PEERS if name in results]
    if not peers or OWN not in results:
        return None
    peer = min(peers, key=lambda name: results[name]["median_us"])
    rounds = results[OWN]["rounds_us"], results[peer]["rounds_us"]
    return {"peer": peer, "ratio": times_as_fast(*rounds)}


def show(workload: str, results: dict[str, Any]) -> None:
    """Print the rows of one workload, and whether its frameworks began with the same loss."""
    for name, row in results.items():
        ratio = f"{row['ratio']:.2f}" if "ratio" in row else ""
        middle, spread = f"{row['median_us']:,.1f}", f"{row['spread']:.0%}"
        print(ROW.format(workload, name, middle, spread, ratio, f"{row['loss']:.4f}"), flush=True)
    losses = [row["first loss"] for row in results.values()]
    tolerance = 0.1 if getattr(find(workload), "dropout", 0.0) else 1e-3
    if max(losses) - min(losses) > tolerance * max(losses):
        print(f"{workload}: the first losses differ, this is not the same work: {losses}")


def show_summary(workloads: dict[str, Any], peers: dict[str, Any]) -> None:
    """Print the ratio of every workload to its fastest peer, and their geometric mean."""
    print("\n" + LAST_ROW.format("workload", "compiled us", "peer us", "ratio", "fastest peer"))
    for workload, row in peers.items():
        own, peer = (workloads[workload][name]["median_us"] for name in (OWN, row["peer"]))
        verdict = "" if row["ratio"] >= BAR else f"   below the bar of {BAR}"
        ratio, words = f"{row['ratio']:.2f}", row["peer"] + verdict
        print(LAST_ROW.format(workload, f"{own:,.1f}", f"{peer:,.1f}", ratio, words))
    mean = geometric_mean(row["ratio"] for row in peers.values())
    print(f"geometric mean {mean:.2f}, bar {MEAN_BAR}")


def compare(before: Path, after: Path) -> None:
    """Print two result files side by side; below 1.00 the second one is faster."""
    old, new = (json.loads(path.read_text())["workloads"] for path in (before, after))
    print(ROW.format("workload", "framework", before.stem[:11], "", after.stem[:9], "new/old"))
    for workload in old:
        for name in old[workload]:
            if name in new.get(workload, {}):
                a, b = (results[workload][name]["median_us"] for results in (old, new))
                print(ROW.format(workload, name, f"{a:,.1f}", "", f"{b:,.1f}", f"{b / a:.2f}"))


def arguments() -> Any:
    """Read the command line."""
    command = command_line.parser("benchmarks", __doc__)
    command.add_argument("--frameworks", metavar="A,B", help=", ".join(FRAMEWORKS))
    command.add_argument("--rounds", type=int, default=5, help="turns of each (default 5)")
    command.add_argument("--seconds", type=float, default=1.0, help="length of one (default 1)")
    command.add_argument("--compare", type=Path, nargs=2, metavar=("OLD", "NEW"))
    options = command_line.read(command)
    options.frameworks = options.frameworks.split(",") if options.frameworks else list(FRAMEWORKS)
    command_line.refuse(command, "frameworks", options.frameworks, FRAMEWORKS)
    return options


def main() -> None:
    """Measure, print the table and write it as JSON; or compare two such files."""
    options = arguments()
    if options.compare:
        compare(*options.compare)
        return
    load = processes.load_of_others()
    names = command_line.installed(options.frameworks)
    print(ROW.format("workload", "framework", "us a step", "spread", "ratio", "loss"))
    results = {}
    for workload in options.workloads:
        results[workload] = measure(workload, names, options.rounds, options.seconds)
        show(workload, results[workload])
    peers = {name: row for name in results if (row := against_peers(results[name]))}
    if peers:
        show_summary(results, peers)
    facts = {"load": load, "workloads": results, "against the fastest peer": peers}
    processes.write(options.json, facts)


if __name__ == "__main__":
    main()
