"""The C text of a matrix product of fixed sizes: a call of BLAS, or loops.

input:     a `Product`: sizes, element type, pointers and strides of the three matrices
output:    `statements`: the lines of a C block that computes it
invariant: the result is NumPy's within rounding, NaN and infinity included; nothing is read or
           written outside of the matrices, and c is not read where beta is "0"
example:   3x4 @ 4x5 in float32 → `sl_gemm_f32(0, 0, 3, 5, 4, 1, a, 4, b, 5, 0, c, 5);`
"""

from __future__ import annotations

from dataclasses import dataclass

from streetlight import dtypes
from streetlight.compile.c_text import memory_type, register_type
from streetlight.dtypes import DType

__all__ = ["Operand", "Product", "statements"]

BLAS = {dtypes.float32: "sl_gemm_f32", dtypes.float64: "sl_gemm_f64"}


@dataclass(frozen=True)
class Operand:
    """A batch of matrices in memory.

    Attributes:
        pointer: C expression of the address of the first element.
        strides: steps from row to row and from column to column, in elements.
        batch_strides: the same for each dimension of the batch; 0 where it is broadcast.
    """

    pointer: str
    strides: tuple[int, int]
    batch_strides: tuple[int, ...] = ()


@dataclass(frozen=True)
class Product:
    """c = alpha a @ b + beta c for each matrix of a batch: (m, k) @ (k, n) gives (m, n).

    Attributes:
        batch: sizes of the batch dimensions, () for one product.
        m, n, k: sizes of the matrices.
        dtype: of all three matrices.
        a, b, c: where they are; c overlaps neither a nor b.
        alpha, beta: C expressions; where beta is "0", c need not hold anything.
    """

    batch: tuple[int, ...]
    m: int
    n: int
    k: int
    dtype: DType
    a: Operand
    b: Operand
    c: Operand
    alpha: str = "1"
    beta: str = "0"


def statements(product: Product) -> list[str]:
    """Return the lines of a C block that computes a product."""
    if 0 in (*product.batch, product.m, product.n):
        return []
    lines = _blas(product) if _fits_blas(product) else _loops(product)
    return _in_batch(product, lines)


# ---- BLAS ----


def _leading(strides: tuple[int, int], rows: int, columns: int) -> tuple[int, int] | None:
    """Return (is it transposed, leading dimension) as BLAS has it, None if it cannot have it."""
    row, column = strides
    if (column == 1 or columns == 1) and (row >= columns or rows == 1):
        return 0, max(row, columns) if rows > 1 else columns
    if (row == 1 or rows == 1) and (column >= rows or columns == 1):
        return 1, max(column, rows) if columns > 1 else rows
    return None


def _layouts(product: Product) -> list[tuple[int, int] | None]:
    m, n, k = product.m, product.n, product.k
    sizes = ((product.a, m, k), (product.b, k, n), (product.c, m, n))
    return [_leading(operand.strides, rows, columns) for operand, rows, columns in sizes]


def _fits_blas(product: Product) -> bool:
    layouts = _layouts(product)
    plain = None not in layouts and product.dtype in BLAS and product.k > 0
    return plain and layouts[2] is not None and layouts[2][0] == 0


def _blas(product: Product) -> list[str]:
    (ta, lda), (tb, ldb), (_, ldc) = (layout or (0, 0) for layout in _layouts(product))
    a, b, c = (_at_batch(x) for x in (product.a, product.b, product.c))
    sizes = f"{product.m}, {product.n}, {product.k}"
    call = (
        f"{BLAS[product.dtype]}({ta}, {tb}, {sizes}, {product.alpha}, {a}, {lda}, {b}, {ldb}, "
        f"{product.beta}, {c}, {ldc});"
    )
    factors = [product.alpha] if product.beta == "0" else [product.alpha, product.beta]
    zero = " || ".join(f"({factor}) == 0" for factor in factors if not _is_nonzero(factor))
    # BLAS leaves out what it multiplies by 0, even where that is NaN or infinite
    return [f"if ({zero}) {{", *_indented(_loops(product)), f"}} else {call}"] if zero else [call]


def _is_nonzero(text: str) -> bool:
    """Whether a C expression is a number other than 0."""
    try:
        return float(text.removesuffix("f")) != 0
    except ValueError:
        return False


# ---- loops ----


def _loops(product: Product) -> list[str]:
    """Three loops, for integers, float16 and strange strides; sums of float16 are float."""
    memory, register = memory_type(product.dtype), register_type(product.dtype)
    a, b, c = (_at_batch(x) for x in (product.a, product.b, product.c))
    (ai, ap), (bp, bj), (ci, cj) = product.a.strides, product.b.strides, product.c.strides
    add = "|= x[p * {ap}] & y[p * {bp}]" if product.dtype == dtypes.bool else _MULTIPLY_ADD
    add = add.format(register=register, ap=ap, bp=bp)
    return [
        f"for (int64_t i = 0; i < {product.m}; i++)",
        f"for (int64_t j = 0; j < {product.n}; j++) {{",
        f"  const {memory} *x = {a} + i * {ai}, *y = {b} + j * {bj};",
        f"  {memory} *z = {c} + i * {ci} + j * {cj};",
        f"  {register} sum = 0;",
        f"  for (int64_t p = 0; p < {product.k}; p++) sum {add};",
        f"  *z = {_scaled('sum', product)};",
        "}",
    ]


_MULTIPLY_ADD = "+= ({register})x[p * {ap}] * ({register})y[p * {bp}]"


def _scaled(sum: str, product: Product) -> str:
    scaled = sum if product.alpha == "1" else f"({product.alpha}) * {sum}"
    if product.beta == "0":
        return scaled
    return f"{scaled} + *z" if product.beta == "1" else f"{scaled} + ({product.beta}) * *z"


# ---- both ----


def _at_batch(operand: Operand) -> str:
    """The address of the matrix that the counters b0, b1, ... of the batch point to."""
    steps = [f" + b{d} * {stride}" for d, stride in enumerate(operand.batch_strides) if stride]
    return f"({operand.pointer}{''.join(steps)})"


def _in_batch(product: Product, lines: list[str]) -> list[str]:
    loops = [
        f"for (int64_t b{d} = 0; b{d} < {size}; b{d}++)" for d, size in enumerate(product.batch)
    ]
    return [*loops, "{", *_indented(lines), "}"]


def _indented(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]
