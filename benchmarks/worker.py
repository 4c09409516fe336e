"""The process of one workload in one framework, as `benchmarks.processes` starts it.

It warms up, says so in one line of JSON, and then, for every line that it reads, trains for the
number of seconds in that line and answers with its microseconds a step. Between the rounds it
sleeps on its standard input, so that the frameworks do not disturb each other.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib.metadata import version
from statistics import fmean, median
from time import perf_counter
from typing import Any

from benchmarks.processes import limit_threads
from benchmarks.workloads import FRAMEWORKS, prepare
from benchmarks.workloads.training import Step

CHUNKS = 20  # a round is timed in so many pieces; their median is robust against other processes
FIRST_STEPS, LOSS_STEPS = 40, 20


def run_steps(step: Step, first: int, count: int) -> float:
    """Train `count` steps and return the seconds they took, the last loss read included."""
    start = perf_counter()
    for number in range(first, first + count):
        loss = step(number)
    loss.item()
    return perf_counter() - start


def measurements(workload: str, framework: str) -> Iterator[Any]:
    """Give the facts about the first steps, then microseconds a step for every line read."""
    step = prepare(workload, framework)
    losses = [step(number).item() for number in range(FIRST_STEPS)]
    number = FIRST_STEPS
    seconds_a_step = run_steps(step, number, 10) / 10
    facts = {"version": version(FRAMEWORKS[framework].package), "first loss": losses[0]}
    yield facts | {"loss": fmean(losses[-LOSS_STEPS:])}
    for line in sys.stdin:
        count = max(1, int(float(line) / CHUNKS / seconds_a_step))
        chunks = []
        for _ in range(CHUNKS):
            chunks.append(run_steps(step, number, count) / count)
            number += count
        seconds_a_step = median(chunks)
        yield seconds_a_step * 1e6


def main() -> None:
    """Serve rounds until the standard input ends."""
    workload, framework = sys.argv[2:]
    answers, sys.stdout = sys.stdout, sys.stderr  # what a framework prints is no answer
    limit_threads(framework)
    for measurement in measurements(workload, framework):
        print(json.dumps(measurement), file=answers, flush=True)


if __name__ == "__main__":
    main()
