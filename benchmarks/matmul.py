"""Measure the ways to multiply matrices of fixed sizes: tiles, loops, and the BLAS that is here.

    python -m benchmarks.matmul                   # the products of the workloads, and others
    python -m benchmarks.matmul nt 32 512 512     # one: what is transposed, m, n, k

The figures are the best of many rounds in which all ways take turns, in microseconds; a star marks
what `streetlight.compile.matmul` chooses, and the ratio is that of BLAS to it. The rules and
constants of `matmul.py`, `tiles.py` and `tiles.c` are read off this table.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter_ns

import numpy as np

from streetlight import dtypes
from streetlight.compile import matmul, tiles
from streetlight.compile.cache import load
from streetlight.compile.product import Operand, Product
from streetlight.compile.runtime import FOLDER, runtime

SIZES = """
nt 1 4 3; nn 4 4 4; nt 8 8 8; nn 1 16 8; nt 1 10 100; nn 1 100 10; nt 1 512 512; nn 1 512 512
nt 4 512 512; nt 8 512 512; tn 10 100 1; nt 32 10 2; nt 100 10 100; nn 100 100 10; tn 10 100 100
nt 64 64 32; nn 64 32 64; tn 64 32 64; nt 16 512 128; nn 16 128 512; tn 512 128 400
nt 100 100 784; tn 100 784 100; nt 32 512 512; nn 32 512 512; tn 512 512 512; nt 512 62 512
nt 32 2048 512; nn 32 512 2048; tn 2048 512 512; nt 768 384 128; nn 768 128 384; tn 384 128 768
nt 768 65 128; nt 64 3072 768; nn 1024 1024 1024; nt 1024 1024 1024
"""
WAYS = ("loops", "BLAS", "direct", "copied", "dots", "packed")
ROUNDS, NANOSECONDS = 80, 300_000  # turns of each way, and how long one takes at least
ROW = "{:<20}" + "{:>11}" * len(WAYS) + "{:>8}"


@dataclass
class Way:
    """One way to compute a product: its C, and the least nanoseconds that were seen."""

    lines: list[str]
    best: float = float("inf")


def product(kind: str, m: int, n: int, k: int) -> Product:
    """A product in float32; t stands for what is transposed in memory."""
    a = (1, m) if kind[0] == "t" else (k, 1)
    b = (1, k) if kind[1] == "t" else (n, 1)
    operands = (Operand("a", a), Operand("b", b), Operand("c", (n, 1)))
    return Product((), m, n, k, dtypes.float32, *operands)


def ways(given: Product) -> Iterator[tuple[str, Way]]:
    """All that can compute a product."""
    if given.k <= 16 or given.multiplications <= 4096:
        yield "loops", Way(matmul.loops(given))
    yield "BLAS", Way(matmul.blas(given))
    by_row, by_column = given.b.strides[1] == 1, given.b.strides[0] == 1
    fits = {"direct": by_row, "dots": by_column and given.a.strides[1] == 1}
    for way in WAYS[2:]:
        if fits.get(way, True):
            reading = f"SL_{way.upper()}"
            lines = tiles.statements(given)
            yield way, Way([line.replace(tiles.reading(given), reading) for line in lines])


def chosen(given: Product) -> str:
    """The name of the way that the compiler takes."""
    method = matmul.method(given)
    names = {matmul.loops: "loops", matmul.blas: "BLAS"}
    return names.get(method) or tiles.reading(given).removeprefix("SL_").lower()


def compiled(found: dict[str, Way]) -> ctypes.CDLL:
    """A library in which each way repeats its product."""
    parts = [(FOLDER / "runtime.h").read_text("utf-8")]
    parts.append("void bind(const sl_runtime *services) { sl_bound = services; }")
    for name, way in found.items():
        head = f"void {name}(const float *restrict a, const float *restrict b, "
        head += "float *restrict c, int64_t repeats) {"
        loop = 'for (; repeats > 0; repeats--) {\n__asm__ volatile("" ::: "memory");'
        parts.append("\n".join([head, loop, *way.lines, "}", "}"]))
    library = load("\n".join(parts))
    runtime().use_tiles("f32")
    library.bind(ctypes.c_void_p(runtime().services))
    return library


def measure(given: Product) -> dict[str, Way]:
    """Let all ways take turns."""
    found = dict(ways(given))
    library = compiled(found)
    draw = np.random.default_rng(0)
    room = given.k * (given.n + 16)
    sizes = (given.m * given.k, room, given.m * given.n)
    arrays = [draw.standard_normal(size).astype(np.float32) for size in sizes]
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in arrays]
    repeats = 1
    for turn in range(ROUNDS + 1):
        for name, way in found.items():
            start = perf_counter_ns()
            getattr(library, name)(*pointers, ctypes.c_int64(repeats))
            way.best = min(way.best, (perf_counter_ns() - start) / repeats)
        if turn == 0:
            least = min(way.best for way in found.values())
            repeats = 1 + int(NANOSECONDS / least)
    return found


def main() -> None:
    """Print the table for one thread and for all."""
    arguments = " ".join(sys.argv[1:]) or SIZES.replace("\n", ";")
    requests = [text.split() for text in arguments.split(";") if text.strip()]
    print(f"BLAS is {runtime().blas.name}")
    for threads in sorted({1, runtime().threads}):
        runtime().set_threads(threads)
        print(ROW.format(f"\n{threads} threads", *WAYS, "ratio"))
        for kind, *sizes in requests:
            given = product(kind, *map(int, sizes))
            found, best = measure(given), chosen(given)
            cells = [f"{found[way].best / 1000:.2f}{'*' * (way == best)}" if way in found else ""
                     for way in WAYS]  # fmt: skip
            ratio = found["BLAS"].best / found[best].best
            print(ROW.format(f"{kind} {'x'.join(sizes)}", *cells, f"{ratio:.2f}"), flush=True)


if __name__ == "__main__":
    main()
