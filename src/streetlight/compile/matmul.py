"""The C text of a matrix product of fixed sizes: own tiles, plain loops, or a call of BLAS.

input:     a `Product`: sizes, element type, pointers and strides of the three matrices
output:    `statements`, the lines of a C block that computes it, and `functions`, which stand in
           front of the function that has the block
invariant: the result is NumPy's within rounding, NaN and infinity included; nothing is read or
           written outside of the matrices, and c is not read where beta is "0"; the result does
           not depend on the number of threads
example:   x @ w of (1, 3) and (3, 4) in float32 → loops; of (100, 784) and (784, 100) →
           `sl_parallel(matmul_100x100x784_nn_f32, &operands, …);`
"""

from __future__ import annotations

from collections.abc import Callable

from streetlight import dtypes
from streetlight.compile import tiles
from streetlight.compile.c_text import memory_type, register_type
from streetlight.compile.product import Operand, Product

__all__ = ["Operand", "Product", "functions", "statements"]

# The choice, as `python -m benchmarks.matmul` measured it.
SMALL, SHORT = 512, 16  # multiplications and terms of a sum that a C compiler unrolls
LARGE = 1 << 29  # multiplications from which on a BLAS is better


def functions(product: Product) -> list[str]:
    """Return what must stand in front of the function with `statements`; equal texts once."""
    product = product.straight
    return [] if _method(product) is _loops else tiles.functions(product)


def statements(product: Product) -> list[str]:
    """Return the lines of a C block that computes a product."""
    if 0 in (*product.batch, product.m, product.n):
        return []
    product = product.straight
    return _method(product)(product)


def _method(product: Product) -> Callable[[Product], list[str]]:
    if product.dtype not in tiles.SUFFIX or product.k == 0 or not product.rows_are_contiguous:
        return _loops
    if product.packed:
        return tiles.statements
    if product.multiplications <= SMALL and product.k <= SHORT:
        return _loops
    large = product.multiplications >= LARGE and None not in _layouts(product)
    return _blas if large else tiles.statements


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


def _blas(product: Product) -> list[str]:
    (ta, lda), (tb, ldb), (_, ldc) = (layout or (0, 0) for layout in _layouts(product))
    a, b, c = (_at_batch(x) for x in (product.a, product.b, product.c))
    sizes = f"{product.m}, {product.n}, {product.k}"
    call = (
        f"sl_gemm_{tiles.SUFFIX[product.dtype]}({ta}, {tb}, {sizes}, {product.alpha}, "
        f"{a}, {lda}, {b}, {ldb}, {product.beta}, {c}, {ldc});"
    )
    lines = _in_batch(product, [call])
    factors = [product.alpha] if product.beta == "0" else [product.alpha, product.beta]
    zero = " || ".join(f"({factor}) == 0" for factor in factors if not _is_nonzero(factor))
    if not zero:
        return lines
    # BLAS leaves out what it multiplies by 0, even where that is NaN or infinite
    return [f"if ({zero}) {{", *_indented(tiles.statements(product)), "} else {", *lines, "}"]


def _is_nonzero(text: str) -> bool:
    """Whether a C expression is a number other than 0."""
    try:
        return float(text.removesuffix("f")) != 0
    except ValueError:
        return False


# ---- loops ----


def _loops(product: Product) -> list[str]:
    """Three loops, for what is small, integers, float16 and strange strides."""
    register = register_type(product.dtype)
    a, b, c = (_at_batch(x) for x in (product.a, product.b, product.c))
    (ai, ak), (bk, bj), (ci, cj) = product.a.strides, product.b.strides, product.c.strides
    x, y = f"{a}[i0 * {ai} + k0 * {ak}]", f"{b}[k0 * {bk} + i1 * {bj}]"
    add = f"|= {x} & {y}" if product.dtype == dtypes.bool else f"+= ({register}){x} * {y}"
    lines = [
        f"for (int64_t i0 = 0; i0 < {product.m}; i0++)",
        f"for (int64_t i1 = 0; i1 < {product.n}; i1++) {{",
        f"  {register} sl_sum = 0;",
        f"  for (int64_t k0 = 0; k0 < {product.k}; k0++) sl_sum {add};",
        f"  {memory_type(product.dtype)} *const sl_place = {c} + i0 * {ci} + i1 * {cj};",
        f"  *sl_place = {_scaled(product)};",
        "}",
    ]
    return _in_batch(product, lines)


def _scaled(product: Product) -> str:
    scaled = "sl_sum" if product.alpha == "1" else f"({product.alpha}) * sl_sum"
    if product.beta == "0":
        return scaled
    before = "*sl_place" if product.beta == "1" else f"({product.beta}) * *sl_place"
    return f"{scaled} + {before}"


# ---- both ----


def _at_batch(operand: Operand) -> str:
    """The address of the matrix that the counters i2, i3, ... of the batch point to."""
    strides = enumerate(operand.batch_strides, 2)
    steps = [f" + i{d} * {stride}" for d, stride in strides if stride]
    return f"({operand.pointer}{''.join(steps)})"


def _in_batch(product: Product, lines: list[str]) -> list[str]:
    """The lines, if there is a batch within loops over it."""
    loops = [
        f"for (int64_t i{d} = 0; i{d} < {size}; i{d}++)" for d, size in enumerate(product.batch, 2)
    ]
    return [*loops, "{", *_indented(lines), "}"] if loops else lines


def _indented(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]
