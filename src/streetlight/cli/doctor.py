"""`streetlight doctor`: what there is on this machine, what is missing, and how to get it."""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import typer

from streetlight.errors import StreetlightError

THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
COMPILERS = ("cc", "gcc", "clang")
TORCH = "python -m pip install torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu"


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        name: of the thing.
        found: what was found of it, "" if nothing.
        fix: how to get it.
        wrong: what is wrong with it; `fix` is how to mend that.
    """

    name: str
    found: str
    fix: str = ""
    wrong: str = ""


def doctor() -> None:
    """Tell what there is on this machine, what is missing, and how to get it."""
    sections = {
        "This machine": machine(),
        "Compilers (one is enough)": compilers(),
        "GPU (optional)": gpus(),
        "Packages": packages(),
        "Data sets": data_sets(),
    }
    for heading, findings in sections.items():
        typer.echo(heading)
        for finding in findings:
            typer.echo(line(finding))
        typer.echo()


def line(finding: Finding) -> str:
    """A finding as a line, with a mark that does not need colour.

    >>> print(line(Finding("clang", "", "apt install clang")))
      --  clang             not found; to get it: apt install clang
    """
    mark = "ok" if finding.found else "--"
    told = finding.found or finding.wrong or "not found"
    aim = "to mend it" if finding.wrong else "to get it"
    return f"  {mark}  {finding.name:<16}  {told}" + (
        f"; {aim}: {finding.fix}" if finding.fix else ""
    )


def machine() -> Iterator[Finding]:
    """Python, Streetlight, NumPy, its BLAS and threads, and the cores."""
    import numpy as np

    system = f"{platform.system()} {platform.machine()}"
    yield Finding("Python", f"{platform.python_version()} on {system}, {sys.executable}")
    installed = _version("streetlight")
    place = Path(__file__).parents[1]
    yield Finding("Streetlight", f"{installed or 'not installed, used'} from {place}")
    yield Finding("NumPy", np.__version__)
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    yield Finding("BLAS", f"{blas.get('name', 'unknown')} {blas.get('version', '')}, {_threads()}")
    yield Finding("cores", f"{_usable_cores()} usable of {os.cpu_count()}")


def compilers() -> Iterator[Finding]:
    """The C compilers on the path, and the one that pip can install."""
    for name in COMPILERS:
        path = shutil.which(name)
        said = _first_line(path, "--version") if path else ""
        yield Finding(name, f"{said}, {path}" if said else "", "" if said else _compiler_fix(name))
    zig = _version("ziglang")
    yield Finding("ziglang", zig, "" if zig else "python -m pip install ziglang")
    yield compiled_steps()


def compiled_steps() -> Finding:
    """With what steps are compiled and matrices multiplied."""
    from streetlight.compile import blas, cache, runtime, toolchain

    compiler = next(cache.usable_compilers(), None)
    if compiler is None:
        return Finding("compiled steps", "", toolchain.INSTALL, "no C compiler here works")
    try:
        library = blas.find().name
    except StreetlightError as error:
        fix = "unset it or install that BLAS"
        return Finding("compiled steps", "", fix, error.what)
    made = f"by {compiler.command[0]}, with {library}"
    return Finding("compiled steps", f"{made}, threads: {runtime.thread_count()}")


def gpus() -> Iterator[Finding]:
    """NVIDIA's driver with its devices, and CuPy, which needs them."""
    query = ("--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
    tool = shutil.which("nvidia-smi")
    device = _first_line(tool, *query) if tool else ""
    driver_fix = "install NVIDIA's driver, where there is such a GPU"
    yield Finding("NVIDIA GPU", device, "" if device else driver_fix)
    cupy = next(filter(None, map(_version, ("cupy-cuda12x", "cupy-cuda13x", "cupy"))), "")
    yield Finding("CuPy", cupy, "" if cupy else "python -m pip install cupy-cuda12x")


def packages() -> Iterator[Finding]:
    """Every package that Streetlight names, with the command for those that are missing."""
    try:
        required = importlib.metadata.requires("streetlight") or []
    except importlib.metadata.PackageNotFoundError:
        yield Finding("streetlight", "", "python -m pip install -e . in its folder")
        return
    for requirement in required:
        name = re.split(r"[^\w.-]", requirement)[0]
        extra = re.search(r"extra == ['\"](\w+)['\"]", requirement)
        if name == "numpy" or name.startswith("cupy"):
            continue
        wanted = f'"streetlight[{extra[1]}]"' if extra else name
        version = _version(name)
        yield Finding(name, version, "" if version else f"python -m pip install {wanted}")
    torch = _version("torch")
    yield Finding("torch", f"{torch}, for the parity tests" * bool(torch), "" if torch else TORCH)


def data_sets() -> Iterator[Finding]:
    """Each data set with the place where it lies, or the command that gets it."""
    from streetlight import datasets
    from streetlight.cli.data import missing_folder

    if wrong := missing_folder():
        fix = "correct its path, or unset it and have the data downloaded"
        yield Finding("STREETLIGHT_DATA", "", fix, wrong)
    for info in datasets.available():
        files = datasets.status(info.name)
        if None in files.values():
            yield Finding(info.name, "", f"streetlight data get {info.name}")
            continue
        try:
            folders = " and ".join(
                sorted({str(path.parent) for path in datasets.verify(info.name)})
            )
            found = f"whole, in {folders}" if info.homes else "comes with the package"
            yield Finding(info.name, found)
        except StreetlightError:
            wrong = "damaged or not to be read"
            yield Finding(info.name, "", f"streetlight data verify {info.name}", wrong)


def _version(package: str) -> str:
    """The installed version of a package; "" if there is none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _first_line(*command: str) -> str:
    """The first line that a command prints; "" if it fails or takes too long."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""
    return next(iter(done.stdout.splitlines()), "")


def _compiler_fix(name: str) -> str:
    if sys.platform == "darwin":
        return "xcode-select --install"
    if sys.platform == "win32":
        return "python -m pip install ziglang"
    return f"sudo apt install {'clang' if name == 'clang' else 'gcc'}"


def _usable_cores() -> int:
    """The cores that this process may use, which can be fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _threads() -> str:
    """How many threads the BLAS uses: as OpenBLAS itself says, or as the environment asks."""
    count = _openblas_threads()
    told = [f"{name}={os.environ[name]}" for name in THREAD_VARIABLES if name in os.environ]
    if count:
        return f"{count} {'thread' if count == 1 else 'threads'}" + "".join(
            f" ({variable})" for variable in told[:1]
        )
    return told[0] if told else f"threads not known, most likely {_usable_cores()}"


def _openblas_threads() -> int:
    """Ask the OpenBLAS that NumPy has brought along and loaded; 0 if there is no such library."""
    import numpy as np

    package = Path(np.__file__).parent
    for folder in (package.parent / "numpy.libs", package / ".dylibs"):
        for path in folder.glob("*openblas*"):
            library = ctypes.CDLL(str(path))
            for symbol in ("scipy_openblas_get_num_threads64_", "openblas_get_num_threads64_"):
                if hasattr(library, symbol):
                    return int(getattr(library, symbol)())
    return 0
