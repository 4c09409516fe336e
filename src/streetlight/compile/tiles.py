"""Matrix products by the tiles of c/tiles.c, which is compiled once for all programs.

input:     a `Product` in float32 or float64 with k > 0, the rows of c contiguous
output:    `statements`, C that describes it to `sl_multiply_f32` and calls that
invariant: the description does not depend on the machine
example:   x Wᵀ, (32, 512) times (512, 512)ᵀ → `{.m = 32, .n = 512, .k = 512, .a_row = 512,
           .a_column = 1, .b_row = 1, .b_column = 512, .c_row = 512, .reading = SL_COPIED}`

A matrix b that several products multiply with may be copied once for all of them, where that pays:
`pack_statements` does it, and `packed` gives the product that reads the copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from streetlight import dtypes
from streetlight.compile.product import Operand, Product

SUFFIX = {dtypes.float32: "f32", dtypes.float64: "f64"}
MOST_LOOPS = 4  # SL_BATCH of runtime.h

# As `python -m benchmarks.matmul` measured it.
DOT, COPY = 8, 0.6  # cycles to add up the lanes of a dot product, and to copy an element of b
SOME_ROWS = 128  # of a are not worth a copy where b lies row by row and the caches hold it
MUCH, A_TILE = 1 << 19, 8  # elements of b that they do not hold; rows that read it just once
FEW_ROWS = 4  # are not worth a copy that is kept


def reading(product: Product) -> str:
    """How b is read (see runtime.h)."""
    if product.packed:
        return "SL_PACKED"
    if product.a.strides[1] == product.b.strides[0] == 1 and _dots_are_better(product):
        return "SL_DOTS"
    most = SOME_ROWS if product.n * product.k <= MUCH else A_TILE
    direct = product.m <= most and product.b.strides[1] == 1
    return "SL_DIRECT" if direct else "SL_COPIED"


def _dots_are_better(product: Product) -> bool:
    """Whether dot products cost less than a copy of b and the idle lanes of its last panel."""
    m, n, k = product.m, product.n, product.k
    lanes = 64 // product.dtype.itemsize
    return DOT * m * n <= COPY * n * k + m * k * (-n % lanes) / lanes


def statements(product: Product) -> list[str]:
    """Return the lines of a C block that computes a product."""
    loops = max(0, len(product.batch) - MOST_LOOPS)
    inner = product.inside(loops)
    arguments = [x.pointer for x in (inner.a, inner.b, inner.c)] + [inner.alpha, inner.beta]
    call = f"sl_multiply_{SUFFIX[product.dtype]}(&sl_size, {', '.join(arguments)});"
    lines = ["{", *_size(inner, reading(product)), f"  {call}", "}"]
    return product.with_loops(loops, lines)


def _size(product: Product, reading: str) -> Iterator[str]:
    """C that describes a product."""
    (a_row, a_column), (b_row, b_column) = product.a.strides, product.b.strides
    adds = " .adds = 1," if product.beta != "0" else ""
    yield "  static const sl_product sl_size = {"
    yield f"    .m = {product.m}, .n = {product.n}, .k = {product.k}, .reading = {reading},{adds}"
    yield f"    .a_row = {a_row}, .a_column = {a_column}, .b_row = {b_row},"
    yield f"    .b_column = {b_column}, .c_row = {product.c.strides[0]},"
    if product.batch:
        yield f"    .batch = {_listed(product.batch)},"
        yield f"    .a_batch = {_listed(product.a.batch_strides)},"
        yield f"    .b_batch = {_listed(product.b.batch_strides)},"
        yield f"    .c_batch = {_listed(product.c.batch_strides)},"
    yield "  };"


def _listed(numbers: tuple[int, ...]) -> str:
    return f"{{{', '.join(map(str, numbers))}}}"


def library(suffix: str) -> str:
    """Return the C of tiles.c and convolution.c for an element type, f32 or f64."""
    return "".join(_for_type(name, suffix) for name in ("tiles.c", "convolution.c"))


def _for_type(name: str, suffix: str) -> str:
    text = (Path(__file__).parent / "c" / name).read_text("utf-8")
    shared, typed = text.split("/* ==== for one element type ==== */\n")
    if suffix == "f64":
        for float32, float64 in (("f32", "f64"), ("float", "double"), ("int32_t", "int64_t")):
            typed = typed.replace(float32, float64)
    return shared + typed


# ---- copies that are kept ----


def pays_to_pack(product: Product, uses: int) -> bool:
    """Whether b had better be copied once for so many products like this one."""
    fits = product.dtype in SUFFIX and product.k > 0 and product.straight is product
    shared = uses > 1 and not any(product.b.batch_strides) and product.rows_are_contiguous
    return fits and shared and product.b.strides[1] != 1 and FEW_ROWS < product.m <= SOME_ROWS


def packed_size(product: Product) -> int:
    """Return how many elements the copy takes."""
    return product.k * -(-product.n // 16) * 16


def pack_statements(product: Product, panels: str) -> list[str]:
    """Return C that copies b to where `panels` points."""
    call = f"sl_pack_{SUFFIX[product.dtype]}(&sl_size, {product.b.pointer}, {panels});"
    return ["{", *_size(product.inside(len(product.batch)), "SL_PACKED"), f"  {call}", "}"]


def packed(product: Product, panels: str) -> Product:
    """Return the product that reads b from there."""
    b = Operand(panels, product.b.strides, (0,) * len(product.batch))
    return replace(product, b=b, packed=True)
