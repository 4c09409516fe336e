"""README, CONTRIBUTING and docs: their Python runs, their links and commands lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)#]+)[^)]*\)|src=\"([^\"]+)\"")
SET_UP_AND_RUN = "python -m pip install -e . && streetlight train digits"
SET_UP_AND_TEST = 'python -m pip install -e ".[test]" && python -m pytest'

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def blocks(page: Path, language: str) -> list[tuple[int, str]]:
    """The line that each code block of a language begins at, and its text."""
    text = page.read_text(encoding="utf-8")
    return [
        (text.count("\n", 0, match.start(2)), match[2])
        for match in BLOCK.finditer(text)
        if match[1] == language
    ]


def script(page: Path) -> str:
    """All Python of a page as one program, each line where the page has it."""
    rows: list[str] = []
    for line, text in blocks(page, "python"):
        rows += [""] * (line - len(rows)) + text.splitlines()
    return "\n".join(rows) + "\n"


@every_page
def test_python_of_the_page_runs(page: Path, tmp_path: Path) -> None:
    if not blocks(page, "python"):
        return
    program = tmp_path / page.with_suffix(".py").name
    program.write_text(script(page), encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-W", "error", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"MPLBACKEND": "Agg"},
    )
    assert result.returncode == 0, result.stdout + result.stderr


@every_page
def test_links_lead_to_files(page: Path) -> None:
    found = [a or b for a, b in LINK.findall(page.read_text(encoding="utf-8"))]
    here = [link for link in found if not link.startswith(("http", "mailto:"))]
    assert [link for link in here if not (page.parent / link).exists()] == []


@every_page
def test_paths_named_in_the_page_exist(page: Path) -> None:
    named = re.findall(
        r"`((?:src|tests|docs|benchmarks|\.ci)/[\w./-]*)`", page.read_text(encoding="utf-8")
    )
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_readme_has_the_two_commands_and_ci_runs_them() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    pipeline = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert SET_UP_AND_RUN in readme
    assert SET_UP_AND_TEST in readme
    assert SET_UP_AND_RUN in pipeline
    assert all(part in pipeline for part in SET_UP_AND_TEST.split(" && "))


@every_page
def test_streetlight_commands_of_the_page_exist(page: Path) -> None:
    from typer.testing import CliRunner

    from streetlight.cli.app import app

    for _, text in blocks(page, "bash"):
        for words in re.findall(r"\bstreetlight ([a-z]+(?: [a-z]+)?)", text):
            result = CliRunner().invoke(app, [*words.split(), "--help"])
            assert result.exit_code == 0, f"streetlight {words}: {result.output}"
