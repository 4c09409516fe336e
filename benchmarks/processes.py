"""The processes that measure: one for each workload and framework, with two threads, one at a time.

A measuring module is run as `python -m benchmarks.MODULE --measure WORKLOAD FRAMEWORK` and answers
in lines of JSON.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from time import sleep, strftime
from typing import Any

from benchmarks.workloads import FRAMEWORKS

ROOT = Path(__file__).parent.parent
THREADS = 2
PAUSE = 0.3  # seconds between two rounds, for spinning threads of the last one to go to sleep
BUSY = 0.5  # load of other processes from which on a figure says little
LIBRARIES = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM")


def start(module: str, workload: str, framework: str, **settings: str) -> subprocess.Popen[str]:
    """Start a measuring process, with further settings in its environment."""
    environment = os.environ | {f"{library}_NUM_THREADS": str(THREADS) for library in LIBRARIES}
    environment |= {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": "", "TORCH_LOGS": "-dynamo"}
    return subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.{module}", "--measure", workload, framework],
        cwd=ROOT,
        env=environment | settings,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def answer(process: subprocess.Popen[str]) -> Any:
    """Read one line of JSON from a process."""
    line = process.stdout.readline()
    if not line:
        status, command = process.wait(), " ".join(process.args[2:])
        sys.exit(f"benchmarks: {command} stopped with status {status}, see above")
    return json.loads(line)


def ask(module: str, workload: str, framework: str, **settings: str) -> Any:
    """Run a measuring process to its end and return its answer."""
    process = start(module, workload, framework, **settings)
    result = answer(process)
    process.communicate()
    return result


class Worker:
    """A process that runs one workload in one framework, asked for one round at a time."""

    def __init__(self, workload: str, framework: str, **settings: str) -> None:
        self.process = start("worker", workload, framework, **settings)
        self.facts = answer(self.process)
        self.rounds: list[float] = []

    def round(self, seconds: float) -> None:
        """Let the process train for about so many seconds and keep its figure."""
        sleep(PAUSE)
        print(seconds, file=self.process.stdin, flush=True)
        self.rounds.append(answer(self.process))

    def stop(self) -> None:
        """End the process and wait for it."""
        self.process.communicate()


def limit_threads(framework: str) -> None:
    """Give every framework the same two processor cores."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
    if FRAMEWORKS[framework].package == "torch":
        import torch

        torch.set_num_threads(THREADS)


def load_of_others() -> float:
    """Return how busy the machine is, and say so where it spoils the figures."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load > BUSY:
        print(f"the machine is busy (load {load:.1f}): these figures will be too high")
    return load


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


def write(path: Path, facts: dict[str, Any]) -> None:
    """Write figures as JSON, together with what they were measured on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(machine() | facts, indent=1) + "\n")
    print(f"written to {path}")
