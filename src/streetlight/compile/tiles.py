"""Matrix products by the tiles of c/matmul.h, which are inlined with sizes that are constants.

input:     a `Product` in float32 or float64 with k > 0, the rows of c contiguous
output:    `functions`, the library and a task for `sl_parallel`; `statements`, the call of it
invariant: equal products, and those that differ in pointers and factors alone, have equal
           functions
example:   (32, 512) @ (512, 512)ᵀ → `sl_parallel(matmul_32x512x512_nt_f32, &sl_operands, …);`
"""

from __future__ import annotations

import functools
import math
import zlib
from pathlib import Path

from streetlight import dtypes
from streetlight.compile.product import Product

SUFFIX = {dtypes.float32: "f32", dtypes.float64: "f64"}
ALONE = 1 << 17  # multiplications that are done before a second thread has begun
FEW_ROWS = 4  # are not worth a copy of b
SOME_ROWS = 128  # are not worth one where b lies row by row


def functions(product: Product) -> list[str]:
    """Return what must stand in front of the function with `statements`."""
    return [*_library(product), _task(product)]


def statements(product: Product) -> list[str]:
    """Return a call of the task, by all threads if there is enough to do."""
    name, suffix = _name(product), SUFFIX[product.dtype]
    pointers = [operand.pointer for operand in (product.a, product.b, product.c)]
    values = ", ".join([*pointers, product.alpha, product.beta])
    jobs = f"sl_jobs_{suffix}({name}_size)"
    jobs = f"{math.prod(product.batch)} * {jobs}" if product.batch else jobs
    alone = math.prod(product.batch) * product.multiplications < ALONE
    arguments = f"{name}, &sl_operands, {jobs}"
    call = f"{name}(&sl_operands, 0, {jobs});" if alone else f"sl_parallel({arguments});"
    return ["{", f"  const sl_operands_{suffix} sl_operands = {{{values}}};", f"  {call}", "}"]


def reading(product: Product) -> str:
    """How b is read (see matmul.h): the choice that `benchmarks.matmul` found best."""
    if product.packed:
        return "SL_PACKED"
    if product.m <= FEW_ROWS and product.a.strides[1] == product.b.strides[0] == 1:
        return "SL_DOTS"
    direct = product.m <= SOME_ROWS and product.b.strides[1] == 1
    return "SL_DIRECT" if direct else "SL_COPIED"


# ---- text ----


def _library(product: Product) -> list[str]:
    """The C that all tiles share, and that for the element type."""
    shared, text = _header()
    if product.dtype == dtypes.float64:
        for float32, float64 in (("f32", "f64"), ("float", "double"), ("int32_t", "int64_t")):
            text = text.replace(float32, float64)
    return [shared, text]


@functools.cache
def _header() -> tuple[str, str]:
    text = (Path(__file__).parent / "c" / "matmul.h").read_text("utf-8")
    shared, for_each_type = text.split("/* ==== for each element type ==== */\n")
    return shared, for_each_type


_TASK = """\
{size}
static void {name}(const void *context, int64_t begin, int64_t end) {{
  sl_multiply_{suffix}({name}_size, *(const sl_operands_{suffix} *)context, begin, end);
}}
"""

_BATCH_TASK = """\
{size}
static void {name}(const void *context, int64_t begin, int64_t end) {{
  const sl_operands_{suffix} *x = context;
  const int64_t jobs = sl_jobs_{suffix}({name}_size);
  for (int64_t i = begin / jobs; i * jobs < end; i++) {{ /* the matrices */
    const sl_operands_{suffix} one = {{x->a{a}, x->b{b}, x->c{c}, x->alpha, x->beta}};
    const int64_t first = sl_most(begin - i * jobs, 0), last = sl_least(end - i * jobs, jobs);
    sl_multiply_{suffix}({name}_size, one, first, last);
  }}
}}
"""

_PACK = """\
{size}
static void {name}(const void *context, int64_t begin, int64_t end) {{
  const sl_operands_{suffix} *x = context; /* c, the panels */
  sl_pack_{suffix}({name}_size, x->c, x->b, begin, end);
}}
"""


def _task(product: Product) -> str:
    """A task that computes the parts of a product from `begin` to `end`."""
    name, operands = _name(product), {"a": product.a, "b": product.b, "c": product.c}
    steps = {key: _step(product.batch, x.batch_strides) for key, x in operands.items()}
    text = _BATCH_TASK if product.batch else _TASK
    size = _size(product, name, reading(product))
    return text.format(size=size, name=name, suffix=SUFFIX[product.dtype], **steps)


def _step(batch: tuple[int, ...], strides: tuple[int, ...]) -> str:
    """How far it is to matrix i of a batch."""
    terms, inner = "", math.prod(batch)
    for size, stride in zip(batch, strides, strict=True):
        inner //= size
        if stride and size > 1:
            terms += f" + i / {inner} % {size} * {stride}"
    return terms


def _size(product: Product, name: str, reading: str) -> str:
    (a_row, a_column), (b_row, b_column) = product.a.strides, product.b.strides
    return (
        f"static const sl_product {name}_size = {{\n"
        f"    .m = {product.m}, .n = {product.n}, .k = {product.k}, .a_row = {a_row}, "
        f".a_column = {a_column},\n    .b_row = {b_row}, .b_column = {b_column}, "
        f".c_row = {product.c.strides[0]},\n"
        f"    .reading = {reading}, .adds = {int(product.beta != '0')}}};"
    )


def _name(product: Product) -> str:
    """Say the sizes and what is transposed; a checksum tells other strides apart."""
    m, n, k = product.m, product.n, product.k
    sizes = "x".join(map(str, (*product.batch, m, n, k)))
    a = {(k, 1): "n", (1, m): "t"}.get(product.a.strides)
    b = "p" if product.packed else {(n, 1): "n", (1, k): "t"}.get(product.b.strides)
    parts = ["matmul", sizes, f"{a}{b}", SUFFIX[product.dtype]]
    if not a or not b or product.c.strides != (n, 1) or product.batch:
        places = [(x.strides, x.batch_strides) for x in (product.a, product.b, product.c)]
        parts[2] = f"{zlib.crc32(repr(places).encode()):08x}"
    return "_".join([*parts, "add"] if product.beta != "0" else parts)


# ---- panels that are kept ----


def packed_size(product: Product) -> int:
    """Return how many elements b takes as panels."""
    return product.k * -(-product.n // 16) * 16


def pack_functions(product: Product) -> list[str]:
    """Return what must stand in front of the function with `pack_statements`."""
    name = _pack_name(product)
    size = _size(product, name, "SL_PACKED")
    return [*_library(product), _PACK.format(size=size, name=name, suffix=SUFFIX[product.dtype])]


def pack_statements(product: Product, panels: str) -> list[str]:
    """Return C that copies b of a product into panels."""
    name, suffix = _pack_name(product), SUFFIX[product.dtype]
    values = f".b = {product.b.pointer}, .c = {panels}"
    jobs = f"sl_panels_{suffix}({name}_size)"
    return [
        "{",
        f"  const sl_operands_{suffix} sl_operands = {{{values}}};",
        f"  sl_parallel({name}, &sl_operands, {jobs});",
        "}",
    ]


def _pack_name(product: Product) -> str:
    row, column = product.b.strides
    return f"pack_{product.k}x{product.n}_{row}_{column}_{SUFFIX[product.dtype]}"
