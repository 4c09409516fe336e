"""The command line: `streetlight train digits` and its sisters."""

from __future__ import annotations


def main() -> None:
    """Run the `streetlight` command and leave with its exit code.

    0: done; 1: a run failed; 2: wrong use; 130: stopped by Ctrl-C.
    """
    from streetlight.cli.app import run

    raise SystemExit(run())
