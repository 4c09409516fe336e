"""Finding a C compiler on this machine and making shared objects with it.

Tried in order: what CC names, cc, gcc, clang, and the compiler in the wheel ziglang. One that is
broken, too old for the text or too slow is passed over; if none is left, the error tells what each
of them said.
"""

from __future__ import annotations

import atexit
import functools
import importlib.util
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from streetlight.errors import CompileError

SHARED = ("-shared", "-fPIC")
# None of -ffast-math's: NaN, infinity and the order of sums stay as they are written. What is
# given up: errno, traps, and the rounding between a product and the sum it goes into. Statements
# in a row are not joined into vectors: GCC 12 computed wrong numbers with inlined loops of two.
FLAGS = (
    "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast",
    "-fopenmp-simd", "-fwrapv", "-fno-strict-aliasing",  # places are used for several types
    "-fno-tree-slp-vectorize",
)  # fmt: skip
SECONDS = 120  # that a compiler may take
LINES = 8  # of a compiler's complaints that an error shows
INSTALL = 'python -m pip install "streetlight[compile]"'

_PROBE = """
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
float probe(const float *x) { return sqrtf(x[0]); }
"""


class CompilerFailed(Exception):  # noqa: N818
    """A compiler made nothing; the argument says why, in its own words where it had any."""


@dataclass(frozen=True)
class Compiler:
    """A C compiler that has been tried out.

    Attributes:
        command: how it is called.
        version: the first line of what it says of itself.
        refused: those of our flags that it does not know.
    """

    command: tuple[str, ...]
    version: str
    refused: frozenset[str] = frozenset()

    def build(self, source: Path, target: Path, flags: tuple[str, ...] = FLAGS) -> None:
        """Compile one C file to a shared object.

        Raises:
            CompilerFailed: if it does not come about.
        """
        known = [flag for flag in flags if flag not in self.refused]
        _call(*self.command, *known, *SHARED, "-o", str(target), str(source), "-lm")
        if not target.is_file():
            raise CompilerFailed("ended without a word and without a result")


def candidates() -> list[tuple[str, ...]]:
    """The commands that may be C compilers here, each only once."""
    found: dict[str, tuple[str, ...]] = {}
    for name, *rest in filter(None, [_named(), ["cc"], ["gcc"], ["clang"]]):
        if path := shutil.which(name):
            found.setdefault(os.path.realpath(path), (path, *rest))
    zig = _zig()
    return [*found.values(), *([(str(zig), "cc")] if zig else [])]


def examine(command: tuple[str, ...]) -> Compiler:
    """Try out a compiler: what it calls itself, and which of our flags it does not know.

    Raises:
        CompilerFailed: if it cannot compile a small program.
    """
    with tempfile.TemporaryDirectory(prefix="streetlight-") as folder:
        source, target = Path(folder) / "probe.c", Path(folder) / "probe.so"
        source.write_text(_PROBE, "utf-8")
        compiler = Compiler(command, _call(*command, "--version").partition("\n")[0])
        try:
            compiler.build(source, target)
        except CompilerFailed:
            compiler.build(source, target, ())
            refused = frozenset(flag for flag in FLAGS if not _knows(compiler, flag, source))
            compiler = Compiler(command, compiler.version, refused)
    return compiler


def failed(tried: Mapping[tuple[str, ...], str]) -> CompileError:
    """The error that says what each compiler that was tried has said."""
    names = [" ".join(_named()), "cc", "gcc", "clang"]
    missing = [name for name in names if name and not shutil.which(name.split()[0])]
    missing += [] if _zig() else ["the wheel ziglang"]
    said = [f"\n  {' '.join(command)} {words}" for command, words in tried.items()]
    return CompileError(
        "no C compiler here could make the step" + "".join(said),
        expected=f"a C compiler; not found: {', '.join(missing)}" if missing else "",
        fix=INSTALL,
    )


def _named() -> list[str]:
    """The command in the environment variable CC."""
    try:
        return shlex.split(os.environ.get("CC", ""))
    except ValueError:  # an open quotation mark
        return []


def _zig() -> Path | None:
    """The program in the wheel ziglang."""
    found = importlib.util.find_spec("ziglang")
    folders = (found.submodule_search_locations if found else None) or []
    programs = [Path(folder) / "zig" for folder in folders]
    return next((path for path in programs if os.access(path, os.X_OK)), None)


def _knows(compiler: Compiler, flag: str, source: Path) -> bool:
    try:
        compiler.build(source, source.with_suffix(".so"), (flag, "-Werror"))
    except CompilerFailed:
        return False
    return True


def _call(*command: str) -> str:
    """Run a command and return what it prints.

    Raises:
        CompilerFailed: if it cannot be run, fails, or takes too long; it is stopped then.
    """
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # a compiler has children, which must go with it
            env=_environment(),
        )
    except (OSError, ValueError) as error:
        raise CompilerFailed(f"cannot be run: {error}") from error
    try:
        out, said = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired as error:
        raise CompilerFailed(f"had not ended after {SECONDS} s and was stopped") from error
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    if process.returncode:
        first = said.decode(errors="replace").strip().splitlines()[:LINES]
        raise CompilerFailed("\n    ".join([f"ended with {process.returncode}", *first]))
    return out.decode(errors="replace")


def _environment() -> dict[str, str]:
    """What a compiler runs with: in English, and zig with a folder of its own it can write to."""
    variables = {**os.environ, "LC_ALL": "C"}
    home = variables.get("XDG_CACHE_HOME") or variables.get("HOME", "")
    if not os.access(home, os.W_OK):
        variables.setdefault("ZIG_GLOBAL_CACHE_DIR", _scratch())
    return variables


@functools.cache
def _scratch() -> str:
    """A folder that lasts as long as this process."""
    folder = tempfile.mkdtemp(prefix="streetlight-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
