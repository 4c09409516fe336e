"""Finding a C compiler on this machine and making a shared object with it."""

from __future__ import annotations

import subprocess
from pathlib import Path

FLAGS = (
    "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast",
    "-fopenmp-simd", "-fwrapv", "-shared", "-fPIC",
)  # fmt: skip


def compile_c(source: Path, target: Path, flags: tuple[str, ...] = FLAGS) -> None:
    """Compile one C file to a shared object."""
    subprocess.run(["cc", *flags, "-o", str(target), str(source), "-lm"], check=True)
