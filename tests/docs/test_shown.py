"""What the pages on graphs and compiling show and name is what comes out and what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.docs.shown import PAGES, Shown, masked

ROOT = Path(__file__).parent.parent.parent
COMPILE = (ROOT / "docs" / "compile.md").read_text(encoding="utf-8")
SOURCES = ROOT / "src" / "streetlight"
with_output = [page for page in PAGES if "<!-- shows: " in page.read_text(encoding="utf-8")]


@pytest.mark.parametrize("page", with_output, ids=lambda page: page.name)
def test_output_is_what_comes_out(page: Path) -> None:
    """If that is right, `python -m tests.docs.shown` writes it into the pages."""
    shown = Shown(page)
    assert shown.blocks
    for expression, output, came in shown.blocks:
        assert masked(output) == masked(came), f"{page.name}: {expression}"


def table(heading: str) -> list[list[str]]:
    """The cells of the tables under a heading, row by row."""
    text = COMPILE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\|(.*)\|$", text, re.MULTILINE)
    cells = [[cell.strip() for cell in row.split("|")] for row in rows]
    return [row for row in cells if set("".join(row)) != {"-"}]


def test_each_sharp_bit_is_a_test() -> None:
    folders = ("compile", "graph", "train")
    files = [path for name in folders for path in (ROOT / "tests" / name).glob("test_*.py")]
    tests = {
        name for path in files for name in re.findall(r"^def (test_\w+)", path.read_text(), re.M)
    }
    named = [row[-1].strip("`") for row in table("Do and don't")[1:]]
    assert len(named) > 10
    assert [name for name in named if name not in tests] == []


def test_all_passes_are_listed() -> None:
    files = (SOURCES / "compile" / "passes").glob("*.py")
    helpers = {"__init__", "rewrite", "regions"}
    listed = {row[0].strip("`") for row in table("How it works") if row[0].startswith("`")}
    assert {path.stem for path in files} - helpers == listed


def test_all_environment_variables_are_listed() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (SOURCES / "compile").glob("*.py")]
    named = {name for text in texts for name in re.findall(r"STREETLIGHT_[A-Z_]+", text)}
    assert {name for name in named if f"| `{name}` |" not in COMPILE} == set()


def test_error_bounds_are_those_of_the_header() -> None:
    header = (SOURCES / "compile" / "c" / "vector_math.h").read_text(encoding="utf-8")
    stated = r"within (\d) ulp(?:(?!\*/).)*\*/\s*static inline \w+ (\w+)_f(\d\d)\("
    (_, *names), *kinds = table("Floating point")
    shown = {
        (bound.split()[0], name, kind.removeprefix("float"))
        for kind, *bounds in kinds
        for name, bound in zip(names, bounds, strict=True)
    }
    assert len(shown) == 16
    assert set(re.findall(stated, header, re.DOTALL)) <= shown
