"""The wheel holds all that the checkout holds, and works where it is installed alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parent.parent


def run(*command: str, **environment: str) -> str:
    result = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
        cwd=ROOT,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    run("-m", "hatchling", "build", "-t", "wheel", "-d", str(folder))
    return next(folder.glob("*.whl"))


def test_wheel_holds_every_file(wheel: Path) -> None:
    names = set(ZipFile(wheel).namelist())
    sources = [path for path in (ROOT / "src").rglob("*") if path.is_file()]
    wanted = {str(p.relative_to(ROOT / "src")) for p in sources if "__pycache__" not in p.parts}
    assert wanted <= names
    assert "streetlight/py.typed" in names
    assert any(name.endswith("dist-info/licenses/LICENSE") for name in names)
    assert not any(name.startswith(("tests", "benchmarks", "docs")) for name in names)


def test_wheel_names_the_command(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        entry = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
        assert "streetlight = streetlight.cli:main" in archive.read(entry).decode()


def test_wheel_works_where_it_is_installed(wheel: Path, tmp_path: Path) -> None:
    target = str(tmp_path / "site")
    run("-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", target, str(wheel))
    code = """
import streetlight as sl
train, test = sl.datasets.digits()
print(sl.__file__)
print(len(train) + len(test))
"""
    place, count = run("-c", code, PYTHONPATH=target).split()
    assert place.startswith(target)
    assert count == "1797"
