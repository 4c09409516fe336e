"""Kill training at random moments with SIGKILL, resume it, and compare the final weights.

    python benchmarks/crash.py --runs 100 --seed 0

Each run trains on the handwritten digits in a process of its own, which is killed one to three
times at random moments and resumed each time from its last checkpoint. A run is good when every
file that a kill left behind can be read, and when the final weights are, byte for byte, those of
the run that nobody disturbed. Two jobs take turns: they differ in optimiser, schedule, gradient
accumulation, dropout and batch norm, early stopping, and in how often they save.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

JOBS = ("adam", "sgd")


def train(job: str, folder: Path) -> None:
    """The job itself: go on from the checkpoint if there is one, and write the final weights."""
    import streetlight as sl
    from streetlight import nn, optim
    from streetlight.train import Checkpoint, EarlyStopping, Trainer
    from streetlight.utils.data import DataLoader, Subset

    sl.manual_seed(1)
    digits = sl.datasets.digits()[0]
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.3),
        nn.Linear(32, 10),
    )  # fmt: skip
    adam = job == "adam"
    epochs, batch_size = 8, 50
    training = DataLoader(Subset(digits, range(800)), batch_size, shuffle=True)
    validation = DataLoader(Subset(digits, range(800, 1100)), 100)
    scheduler: optim.lr_scheduler.LRScheduler
    if adam:
        optimizer: optim.Optimizer = optim.Adam(model.parameters(), lr=1e-3)
        steps = epochs * len(training) // 2
        scheduler = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=steps)
    else:
        optimizer = optim.SGD(model.parameters(), lr=0.2, momentum=0.9, weight_decay=1e-4)
        scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, factor=0.3)
    trainer = Trainer(
        model, optimizer, nn.CrossEntropyLoss(), metrics=["accuracy"], scheduler=scheduler,
        clip_norm=1.0 if adam else None, accumulate=2 if adam else 1,
    )  # fmt: skip
    path = folder / "checkpoint.safetensors"
    callbacks = [Checkpoint(path, every_steps=2 if adam else 5)]
    if not adam:
        callbacks.append(EarlyStopping("validation_accuracy", patience=3))
    print("ready", flush=True)
    trainer.fit(
        training, validation, epochs, callbacks, resume=path if path.exists() else None, quiet=True
    )
    sl.save(model.state_dict(), folder / "final.safetensors")


def start(job: str, folder: Path) -> subprocess.Popen[str]:
    """Start the job in a process of its own, and wait until it begins to train."""
    command = [sys.executable, __file__, "--train", job, str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    if process.stdout is None or process.stdout.readline() != "ready\n":
        raise SystemExit(f"the job {job} does not start")
    return process


def finish(job: str, folder: Path) -> float:
    """Run the job to its end, and return the seconds that it trained."""
    process = start(job, folder)
    began = time.perf_counter()
    if process.wait():
        raise SystemExit(f"the job {job} failed in {folder}")
    return time.perf_counter() - began


def unreadable(folder: Path) -> list[str]:
    """The files of a run that cannot be read; what was being written bears another name."""
    import streetlight as sl
    from streetlight.errors import StreetlightError

    names = []
    for path in folder.glob("*.safetensors"):
        try:
            sl.load(path)
        except StreetlightError:
            names.append(path.name)
    return names


def disturbed(job: str, folder: Path, seconds: float, moments: random.Random) -> dict[str, object]:
    """Kill the job a few times, let it end, and tell what was found."""
    killed, kills, broken = 0, moments.randint(1, 3), []
    while killed < kills:
        process = start(job, folder)
        time.sleep(moments.uniform(0, seconds))
        process.kill()
        if process.wait() < 0:
            killed += 1
            broken += unreadable(folder)
        else:  # it was at its end already: begin anew, and wait less
            shutil.rmtree(folder)
            folder.mkdir()
            killed, seconds = 0, seconds / 2
    finish(job, folder)
    left = sorted(path.name for path in folder.iterdir())
    return {"job": job, "killed": killed, "unreadable": broken, "files": left}


def main() -> int:
    """Run all, print a line for each run, and return 1 if one was not good."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the result here")
    parser.add_argument("--train", nargs=2, metavar=("JOB", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train:
        train(options.train[0], Path(options.train[1]))
        return 0
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    moments, rows = random.Random(options.seed), []
    with tempfile.TemporaryDirectory() as parent:
        expected, seconds = {}, {}
        for job in JOBS:
            folder = Path(parent, job)
            folder.mkdir()
            seconds[job] = finish(job, folder)
            expected[job] = (folder / "final.safetensors").read_bytes()
        for number in range(options.runs):
            job, folder = JOBS[number % len(JOBS)], Path(parent, str(number))
            folder.mkdir()
            row = disturbed(job, folder, seconds[job], moments)
            row["same"] = (folder / "final.safetensors").read_bytes() == expected[job]
            rows.append(row)
            good = row["same"] and not row["unreadable"] and len(row["files"]) == 2
            print(f"run {number + 1} {job}: killed {row['killed']} times,", flush=True, end=" ")
            print("same weights" if good else f"BAD {row}", flush=True)
    result = {
        "runs": len(rows),
        "kills": sum(row["killed"] for row in rows),
        "ended elsewhere": sum(not row["same"] for row in rows),
        "unreadable files": sum(len(row["unreadable"]) for row in rows),
        "left-over files": sum(len(row["files"]) != 2 for row in rows),
    }
    print(json.dumps(result))
    if options.json:
        options.json.write_text(json.dumps({**result, "rows": rows}, indent=1))
    bad = ("ended elsewhere", "unreadable files", "left-over files")
    return int(any(result[name] for name in bad))


if __name__ == "__main__":
    sys.exit(main())
