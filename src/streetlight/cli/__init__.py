"""The command line: `streetlight train digits` and its sisters."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the `streetlight` command and leave with its exit code.

    0: done; 1: a run failed; 2: wrong use; 130: stopped by Ctrl-C.
    """
    try:
        from streetlight.cli.app import run

        code = run()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        code = 130
    raise SystemExit(code)
