"""The process of one workload in one framework: `python -m benchmarks.worker WORKLOAD FRAMEWORK`.

It warms up, says so in one line of JSON, and then, for every line that it reads, trains for the
number of seconds in that line and answers with its microseconds a step. Between the rounds it
sleeps on its standard input, so that the frameworks do not disturb each other.
"""

from __future__ import annotations

import json
import os
import sys
from importlib.metadata import version
from statistics import fmean, median
from time import perf_counter
from typing import Any

THREADS = 2
CHUNKS = 20  # a round is timed in so many pieces; their median is robust against other processes
FIRST_STEPS, LOSS_STEPS = 40, 20


def limit_threads(framework: str) -> None:
    """Give every framework the same two processor cores."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
    if "torch" in framework:
        import torch

        torch.set_num_threads(THREADS)


def run_steps(step: Any, first: int, count: int) -> float:
    """Train `count` steps and return the seconds they took, the last loss read included."""
    start = perf_counter()
    for number in range(first, first + count):
        loss = step(number)
    loss.item()
    return perf_counter() - start


def main() -> None:
    """Serve rounds until the standard input ends."""
    workload, framework = sys.argv[1:]
    answers, sys.stdout = sys.stdout, sys.stderr
    limit_threads(framework)
    from benchmarks.workloads import FRAMEWORKS, prepare

    step = prepare(workload, framework)
    losses = [step(number).item() for number in range(FIRST_STEPS)]
    number = FIRST_STEPS
    seconds_a_step = run_steps(step, number, 10) / 10
    package = FRAMEWORKS[framework][0]
    ready = {"version": version(package), "first loss": losses[0]}
    ready["loss"] = fmean(losses[-LOSS_STEPS:])
    print(json.dumps(ready), file=answers, flush=True)
    for line in sys.stdin:
        count = max(1, int(float(line) / CHUNKS / seconds_a_step))
        chunks = []
        for _ in range(CHUNKS):
            chunks.append(run_steps(step, number, count) / count)
            number += count
        seconds_a_step = median(chunks)
        print(json.dumps(seconds_a_step * 1e6), file=answers, flush=True)


if __name__ == "__main__":
    main()
