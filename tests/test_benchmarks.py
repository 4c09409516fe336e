"""The benchmarks run, take turns, write what they print, and compare; how fast is not tested."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def test_table_and_json(tmp_path: Path) -> None:
    path = tmp_path / "new" / "result.json"
    options = ["--frameworks", "streetlight", "--rounds", "2", "--seconds", "0.01"]
    result = run("benchmarks", "streetlight", "mlp", *options, "--json", str(path))
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
    result = run("benchmarks", "--compare", *files)
    assert result.stdout.splitlines()[-1].split() == [
        "mlp", "streetlight", "200.0", "50.0", "0.25"
    ]  # fmt: skip


def test_unknown_workload_is_refused() -> None:
    result = run("benchmarks", "mpl")
    assert result.returncode == 2
    assert "there are no workloads ['mpl']; there are streetlight, mlp" in result.stderr


@pytest.mark.parametrize("name", ["streetlight", "mlp", "mlp_adam"])
def test_every_framework_is_given_the_same_work(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same lines in Streetlight and in PyTorch lose the same from step to step."""
    torch = pytest.importorskip("torch", reason="parity tests need torch==2.13.0")
    import streetlight

    monkeypatch.syspath_prepend(ROOT)
    workload = import_module(f"benchmarks.workloads.{name}")
    if name != "streetlight":
        monkeypatch.setattr(import_module("benchmarks.workloads.mlp"), "DROPOUT", 0.0)
    ours, theirs = workload.eager(streetlight), workload.eager(torch)
    for number in range(20):
        assert ours(number).item() == pytest.approx(theirs(number).item(), rel=1e-4)
