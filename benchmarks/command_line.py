"""What the commands of this package share: names of workloads, a file of figures, a measurement."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.processes import limit_threads
from benchmarks.workloads import FRAMEWORKS, WORKLOADS, find

Measure = Callable[[str, str], Any]


def parser(module: str, doc: str) -> argparse.ArgumentParser:
    """Begin the command line of a module that measures some workloads and writes JSON."""
    result = argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=", ".join(WORKLOADS))
    path = Path("runs", module.replace(".", "-") + ".json")
    result.add_argument("--json", type=Path, default=path, help=f"default {path}")
    return result


def read(command: argparse.ArgumentParser, default: Iterable[str] = WORKLOADS) -> Any:
    """Read the command line; an unknown name ends the program with a list of the known ones."""
    options = command.parse_args()
    options.workloads = options.workloads or list(default)
    refuse(command, "workloads", [name.partition(":")[0] for name in options.workloads], WORKLOADS)
    for workload in options.workloads:
        try:
            find(workload)
        except ValueError as error:
            command.error(f"{workload}: {error}")
    return options


def refuse(
    command: argparse.ArgumentParser, kind: str, given: list[str], known: Iterable[str]
) -> None:
    """End the program if a name is not known."""
    if strange := set(given) - set(known):
        command.error(f"there are no {kind} {sorted(strange)}; there are {', '.join(known)}")


def installed(frameworks: Iterable[str]) -> list[str]:
    """Return those of the frameworks that are there, and say which are not."""
    there = [name for name in frameworks if find_spec(FRAMEWORKS[name].package)]
    for name in sorted(set(frameworks) - set(there)):
        print(f"{name}: not installed, left out")
    return there


def measuring(measure: Measure) -> bool:
    """In a process that `processes.start` started: print one measurement as JSON."""
    if sys.argv[1:2] != ["--measure"]:
        return False
    workload, framework = sys.argv[2:]
    answers, sys.stdout = sys.stdout, sys.stderr  # what a framework prints is no answer
    limit_threads(framework)
    print(json.dumps(measure(workload, framework)), file=answers, flush=True)
    return True
