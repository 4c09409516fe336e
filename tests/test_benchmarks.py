"""The benchmarks run, take turns, write what they print, and compare; how fast is not tested."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SMALL = [
    "streetlight", "mlp:dropout=0,batch=5", "mlp-adam:dropout=0,batch=5",
    "sentiment:vocabulary=50,words=9", "rnn:width=8,steps=4", "lstm:width=8,steps=4",
    "lstm-small:width=8,steps=3", "transformer:layers=1,width=16,context=6,batch=2",
    "cnn-book:maps=2,batch=3,dropout=0", "lenet:maps=2,batch=3",
]  # fmt: skip
LOSSES = """
import json, sys
from benchmarks.workloads import prepare

framework, *names = sys.argv[1:]
steps = {name: prepare(name, framework) for name in names}
print(json.dumps({name: [step(n).item() for n in range(5)] for name, step in steps.items()}))
"""


QUICKLY = {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_backend_optimization_level=0"}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command, environment = [sys.executable, *arguments], {**os.environ, **QUICKLY}
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment
    )


def test_table_and_json(tmp_path: Path) -> None:
    path = tmp_path / "new" / "result.json"
    options = ["--frameworks", "streetlight", "--rounds", "2", "--seconds", "0.01"]
    result = run("-m", "benchmarks", "streetlight", "mlp", *options, "--json", str(path))
    assert result.returncode == 0, result.stderr
    written = json.loads(path.read_text())
    row = written["workloads"]["mlp"]["streetlight"]
    assert len(row["rounds_us"]) == 2
    assert min(row["rounds_us"]) <= row["median_us"] <= max(row["rounds_us"])
    assert f"{row['median_us']:,.1f}" in result.stdout
    assert written["threads"] == 2


def test_comparison_of_two_files(tmp_path: Path) -> None:
    for name, figure in (("old", 200.0), ("new", 50.0)):
        results = {"workloads": {"mlp": {"streetlight": {"median_us": figure}}}}
        (tmp_path / f"{name}.json").write_text(json.dumps(results))
    files = [str(tmp_path / "old.json"), str(tmp_path / "new.json")]
    result = run("-m", "benchmarks", "--compare", *files)
    assert result.stdout.splitlines()[-1].split() == [
        "mlp", "streetlight", "200.0", "50.0", "0.25"
    ]  # fmt: skip


def test_the_fastest_peer_is_found_and_rounds_are_compared_side_by_side() -> None:
    from benchmarks.__main__ import against_peers

    rounds = {"compiled": [1.0, 2.0, 4.0], "pytorch": [9.0, 9.0, 9.0], "jax.jit": [3.0, 6.0, 8.0]}
    results = {name: {"rounds_us": r, "median_us": sorted(r)[1]} for name, r in rounds.items()}
    assert against_peers(results) == {"peer": "jax.jit", "ratio": 3.0}
    del results["compiled"]
    assert against_peers(results) is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mpl", "there are no workloads ['mpl']; there are streetlight, mlp"),
        ("lstm:layers=2", "lstm has no size ['layers'], but width, batch, steps, vocabulary"),
        ("lstm:steps=two", "invalid literal for int() with base 10: 'two'"),
    ],
)
def test_unknown_workload_is_refused(name: str, words: str) -> None:
    result = run("-m", "benchmarks", name)
    assert result.returncode == 2
    assert words in result.stderr


@pytest.fixture(scope="module")
def eager_losses() -> dict[str, list[float]]:
    return losses("streetlight")


def losses(framework: str) -> dict[str, list[float]]:
    result = run("-c", LOSSES, framework, *SMALL)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize("framework", ["compiled", "pytorch", "jax.jit"])  # torch.compile is slow
def test_every_framework_is_given_the_same_work(
    framework: str, eager_losses: dict[str, list[float]]
) -> None:
    from benchmarks.workloads import FRAMEWORKS, WORKLOADS

    package = FRAMEWORKS[framework].package
    if not find_spec(package):
        pytest.skip(f"{package} is not installed, so that its losses cannot be compared")
    assert [name.partition(":")[0] for name in SMALL] == list(WORKLOADS)
    theirs = losses(framework)
    for name in SMALL:
        assert theirs[name] == pytest.approx(eager_losses[name], rel=1e-4), name


@pytest.mark.skipif(sys.platform != "linux", reason="the figures come from /proc, as on Linux")
def test_memory_is_counted_above_what_was_there_before() -> None:
    result = run("-m", "benchmarks.memory", "--measure", "mlp:inputs=20000", "streetlight")
    assert result.returncode == 0, result.stderr
    figures = json.loads(result.stdout)
    gradient = 20_000 * 100 * 4 / 2**20  # megabytes
    assert gradient < figures["peak"] < 10 * gradient
    assert figures["peak"] < figures["process"]
