"""Output that pages show: above such a block stands, as a comment, the expression that gives it.

    <!-- shows: step.graph() -->

The Python of a page runs block by block as one program, `train.py`, whose first line is the first
one of the first block. `python -m tests.docs.shown` writes what comes out now into all pages.
"""

from __future__ import annotations

import linecache
import re
import tempfile
from pathlib import Path
from typing import Any

PAGES = sorted((Path(__file__).parent.parent.parent / "docs").rglob("*.md"))
PART = re.compile(
    r"^```python\n(?P<python>.*?)^```$"
    r"|^<!-- shows: (?P<expression>.*?) -->\n```\w+\n(?P<output>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
SECONDS = re.compile(r"\d+\.\d{3} s\b")  # differ from run to run


class Shown:
    """A page whose Python has run.

    Attributes:
        blocks: for each block of output its expression, what the page shows, and what comes out.
        text: the page with what comes out.
    """

    def __init__(self, page: Path) -> None:
        self.blocks: list[tuple[str, str, str]] = []
        text = page.read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as folder:
            self._program = Path(folder) / "train.py"
            self._first: int | None = None
            self._names: dict[str, Any] = {"__name__": "__main__"}
            self.text = PART.sub(lambda part: self._follow(part, text), text)

    def _follow(self, part: re.Match[str], page: str) -> str:
        """Run a block, or compute what a block should show; returns the block as it should be."""
        if part["python"] is not None:
            self._run(part["python"], page.count("\n", 0, part.start("python")))
            return part[0]
        came = str(eval(part["expression"], self._names)).rstrip() + "\n"
        if masked(came) == masked(part["output"]):
            came = part["output"]
        self.blocks.append((part["expression"], part["output"], came))
        start = part.start("output") - part.start()
        return part[0][:start] + came + "```"

    def _run(self, python: str, line: int) -> None:
        first = self._first = line if self._first is None else self._first
        before = self._program.read_text("utf-8") if self._program.exists() else ""
        lines = before + "\n" * (line - first - before.count("\n")) + python
        self._program.write_text(lines, encoding="utf-8")  # where graphs find expressions
        linecache.checkcache(str(self._program))
        block = "\n" * (line - first) + python
        exec(compile(block, str(self._program), "exec", dont_inherit=True), self._names)


def masked(text: str) -> str:
    """The text without what differs from run to run."""
    return SECONDS.sub("0.000 s", text)


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(Shown(path).text, encoding="utf-8")
