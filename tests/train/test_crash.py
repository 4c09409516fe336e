"""Kill training with SIGKILL at random moments, and see that it ends where it would have ended.

`STREETLIGHT_CRASH_RUNS` says how many runs; `python benchmarks/crash.py --runs 100` does the same.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "crash.py"
RUNS = int(os.environ.get("STREETLIGHT_CRASH_RUNS", "4"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_killed_runs_end_where_undisturbed_ones_do():
    command = [sys.executable, str(SCRIPT), "--runs", str(RUNS), "--seed", "5"]
    process = subprocess.run(command, capture_output=True, text=True)
    assert process.returncode == 0, process.stdout + process.stderr
    result = json.loads(process.stdout.splitlines()[-1])
    assert result["runs"] == RUNS
    assert result["kills"] >= RUNS
    assert result["ended elsewhere"] == result["unreadable files"] == 0
    assert result["left-over files"] == 0
