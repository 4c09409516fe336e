"""What the tests of toolchain, cache, BLAS and runtime share: programs written in C by hand."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from streetlight.compile.build import CSource

F32 = np.dtype("float32")


def step(body: str, before: str = "", **takes: Any) -> CSource:
    """A source whose step has this body; it takes nothing but what is said."""
    text = f"{before}\nstatic int64_t step(sl_call *call) {{\n{body}\nreturn 0;\n}}\n"
    empty = {"str": "", "int": 0, "bool": True, "frozenset": frozenset(), "list": [], "dict": {}}
    nothing = {field.name: empty[str(field.type).partition("[")[0]] for field in fields(CSource)}
    return CSource(**nothing | {"text": text} | takes)


def answer(number: float) -> str:
    """C with a function that returns a number, to be loaded as it is."""
    return f"double answer(void) {{ return {number}; }}"


# Prints what `answer` returns when it has been loaded through the cache.
ANSWER = """
import ctypes, sys
from streetlight.compile import cache
for number in sys.argv[1:]:
    function = cache.load(f"double answer(void) {{ return {number}; }}").answer
    function.restype = ctypes.c_double
    print(function())
"""


def python(code: str, *arguments: str, **environment: str | Path) -> subprocess.Popen[str]:
    """Start another Python process in which warnings are errors."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        env=os.environ
        | {"OPENBLAS_NUM_THREADS": "1"}  # or threads of NumPy's would be counted
        | {name: str(value) for name, value in environment.items()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def printed(process: subprocess.Popen[str]) -> str:
    """What a process prints until it ends well."""
    out, complaint = process.communicate(timeout=120)
    assert process.returncode == 0, complaint
    return out


def script(path: Path, text: str) -> Path:
    """A shell script that can be called as a compiler."""
    path.write_text(f"#!/bin/sh\n{text}\n", "utf-8")
    path.chmod(0o755)
    return path
