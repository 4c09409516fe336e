"""The C text of a matrix product of fixed sizes: own tiles, plain loops, or a call of BLAS.

input:     a `Product`: sizes, element type, pointers and strides of the three matrices
output:    `statements`, the lines of a C block that computes it
invariant: the result is NumPy's within rounding, NaN and infinity included; nothing is read or
           written outside of the matrices, and c is not read where beta is "0"; the result does
           not depend on the number of threads
example:   x @ w of (1, 3) and (3, 4) in float32 → loops; of (100, 784) and (784, 100) →
           `sl_multiply_f32(&sl_size, x, w, out, 1, 0);`
"""

from __future__ import annotations

from collections.abc import Callable

from streetlight import dtypes
from streetlight.compile import tiles
from streetlight.compile.c_text import memory_type, register_type
from streetlight.compile.product import Operand, Product

__all__ = ["Operand", "Product", "statements"]

# As `python -m benchmarks.matmul` measured it.
SHORT = 16  # terms of a sum that a C compiler unrolls
SMALL, SMALL_BY_ROW = 1 << 10, 1 << 17  # multiplications that loops are best for, if sums are short
LARGE = 1 << 29  # multiplications from which on a BLAS is better


def statements(product: Product) -> list[str]:
    """Return the lines of a C block that computes a product."""
    if 0 in (*product.batch, product.m, product.n):
        return []
    product = product.straight
    return method(product)(product)


def method(product: Product) -> Callable[[Product], list[str]]:
    """Return what writes a product: `loops`, `tiles.statements` or `blas`."""
    if product.dtype not in tiles.SUFFIX or product.k == 0 or not product.rows_are_contiguous:
        return loops
    if product.packed:
        return tiles.statements
    small = SMALL_BY_ROW if product.b.strides[1] == 1 else SMALL
    if product.multiplications <= small and product.k <= SHORT:
        return loops
    large = product.multiplications >= LARGE and None not in _layouts(product)
    return blas if large else tiles.statements


# ---- BLAS ----


def _leading(strides: tuple[int, int], rows: int, columns: int) -> tuple[int, int] | None:
    """Return (is it transposed, leading dimension) as BLAS has it, None if it cannot have it."""
    row, column = strides
    if column == 1 and row >= columns:
        return 0, row
    return (1, column) if row == 1 and column >= rows else None


def _layouts(product: Product) -> list[tuple[int, int] | None]:
    m, n, k = product.m, product.n, product.k
    sizes = ((product.a, m, k), (product.b, k, n), (product.c, m, n))
    return [_leading(operand.strides, rows, columns) for operand, rows, columns in sizes]


def blas(product: Product) -> list[str]:
    """A call of BLAS for each matrix of the batch."""
    (ta, lda), (tb, ldb), (_, ldc) = (layout or (0, 0) for layout in _layouts(product))
    one = product.inside(len(product.batch))
    a, b, c = one.a.pointer, one.b.pointer, one.c.pointer
    sizes = f"{ta}, {tb}, {one.m}, {one.n}, {one.k}"
    call = (
        f"sl_gemm_{tiles.SUFFIX[one.dtype]}({sizes}, {one.alpha}, {a}, {lda}, {b}, {ldb}, "
        f"{one.beta}, {c}, {ldc});"
    )
    lines = product.with_loops(len(product.batch), [call])
    factors = [one.alpha] if one.beta == "0" else [one.alpha, one.beta]
    zero = " || ".join(f"({factor}) == 0" for factor in factors if not _is_nonzero(factor))
    if not zero:
        return lines
    # BLAS leaves out what it multiplies by 0, even where that is NaN or infinite
    return [f"if ({zero}) {{", *tiles.statements(product), "} else {", *lines, "}"]


def _is_nonzero(text: str) -> bool:
    """Whether a C expression is a number other than 0."""
    try:
        return float(text.removesuffix("f")) != 0
    except ValueError:
        return False


# ---- loops ----


def loops(product: Product) -> list[str]:
    """Three loops, for what is small, integers, float16 and strange strides."""
    one, register = product.inside(len(product.batch)), register_type(product.dtype)
    (ai, ak), (bk, bj), (ci, cj) = one.a.strides, one.b.strides, one.c.strides
    x, y = f"{one.a.pointer}[i0 * {ai} + k0 * {ak}]", f"{one.b.pointer}[k0 * {bk} + i1 * {bj}]"
    add = f"|= {x} & {y}" if one.dtype == dtypes.bool else f"+= ({register}){x} * {y}"
    place = f"{memory_type(one.dtype)} *const sl_place = {one.c.pointer} + i0 * {ci} + i1 * {cj};"
    lines = [
        f"for (int64_t i0 = 0; i0 < {one.m}; i0++)",
        f"for (int64_t i1 = 0; i1 < {one.n}; i1++) {{",
        f"  {register} sl_sum = 0;",
        f"  for (int64_t k0 = 0; k0 < {one.k}; k0++) sl_sum {add};",
        f"  {place}",
        f"  *sl_place = {_scaled(one)};",
        "}",
    ]
    return product.with_loops(len(product.batch), lines)


def _scaled(product: Product) -> str:
    scaled = "sl_sum" if product.alpha == "1" else f"({product.alpha}) * sl_sum"
    if product.beta == "0":
        return scaled
    before = "*sl_place" if product.beta == "1" else f"({product.beta}) * *sl_place"
    return f"{scaled} + {before}"
