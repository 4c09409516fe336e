"""Matrix products in C: every size, layout, element type and factor against NumPy."""

from __future__ import annotations

import ctypes
import math
import mmap
from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

from streetlight import dtypes
from streetlight.compile import tiles
from streetlight.compile.c_text import memory_type
from streetlight.compile.cache import load
from streetlight.compile.matmul import Operand, Product, blas, method, statements
from streetlight.compile.runtime import FOLDER, runtime, thread_count
from streetlight.compile.toolchain import FLAGS

UNTOUCHED = 77  # what lies between the elements of c
LAYOUTS = {  # strides of a matrix of so many rows and columns
    "n": lambda rows, columns: (columns, 1),
    "t": lambda rows, columns: (1, rows),
    "N": lambda rows, columns: (columns + 5, 1),  # gaps between the rows
    "T": lambda rows, columns: (1, rows + 3),
    "s": lambda rows, columns: (2 * columns + 3, 2),  # gaps everywhere
    "r": lambda rows, columns: (0, 1),  # one row, repeated
}


@dataclass
class Case:
    """A product, its arrays, and the numbers that alpha and beta are in C."""

    product: Product
    a: np.ndarray
    b: np.ndarray
    c: np.ndarray
    factors: tuple[float, float]
    packs: bool = False  # whether b is packed first

    def body(self) -> list[str]:
        """The C that computes it."""
        if not self.packs:
            return statements(self.product)
        product = tiles.packed(self.product, "panels")
        return [*tiles.pack_statements(self.product, "panels"), *statements(product)]


def up_to_the_edge(count: int, dtype: np.dtype) -> np.ndarray:
    """Memory whose end is the end of what may be touched: one element further is a crash."""
    size = max(count, 1) * dtype.itemsize
    pages = -(-size // mmap.PAGESIZE)
    memory = mmap.mmap(-1, (pages + 1) * mmap.PAGESIZE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    end = pages * mmap.PAGESIZE
    ctypes.CDLL(None).mprotect(ctypes.c_void_p(start + end), ctypes.c_size_t(mmap.PAGESIZE), 0)
    return np.frombuffer(memory, dtype, max(count, 1), end - size)


def matrices(batch: tuple[int, ...], shape: tuple[int, int], layout: str, dtype: np.dtype,
             seed: int) -> np.ndarray:  # fmt: skip
    """Random matrices, laid out so, at the end of memory."""
    strides = LAYOUTS[layout](*shape)
    extent = 1 + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    memory = up_to_the_edge(math.prod(batch) * extent, dtype)
    memory[...] = UNTOUCHED
    steps = [extent * math.prod(batch[d + 1 :]) for d in range(len(batch))]
    all_strides = [step * dtype.itemsize for step in (*steps, *strides)]
    found = as_strided(memory, (*batch, *shape), all_strides)
    draw = np.random.default_rng([seed, *shape])
    integers = draw.integers(0, 2 if dtype.kind == "b" else 100, found.shape)
    found[...] = draw.standard_normal(found.shape) if dtype.kind == "f" else integers
    return found


def operand(name: str, array: np.ndarray) -> Operand:
    strides = [step // array.itemsize for step in array.strides]
    return Operand(name, (strides[-2], strides[-1]), tuple(strides[:-2]))


def case(
    m: int, n: int, k: int, layouts: str = "nnn", dtype: str = "float32",
    alpha: str = "1", beta: str = "0", factors: tuple[float, float] = (1.0, 0.0),
    batch: tuple[int, ...] = (), shared: str = "",
) -> Case:  # fmt: skip
    """A product of random matrices; those named in `shared` are the same for the whole batch."""
    kind = dtypes.as_dtype(dtype)
    arrays = []
    for name, layout, shape in zip("abc", layouts, ((m, k), (k, n), (m, n)), strict=True):
        own = () if name in shared else batch
        array = matrices(own, shape, layout, kind, seed=ord(name))
        strides = (0,) * (len(batch) - len(own)) + array.strides
        arrays.append(as_strided(array, (*batch, *shape), strides))
    operands = [operand(name, array) for name, array in zip("abc", arrays, strict=True)]
    return Case(Product(batch, m, n, k, kind, *operands, alpha, beta), *arrays, factors)


def run(cases: list[Case]) -> None:
    """Compile all products into one library and carry them out."""
    texts = [(FOLDER / "runtime.h").read_text("utf-8")]
    texts.append("void bind(const sl_runtime *services) { sl_bound = services; }")
    for i, each in enumerate(cases):
        kind = memory_type(each.product.dtype)
        parameters = f"const {kind} *a, const {kind} *b, {kind} *c, {kind} *panels"
        texts += [f"void run{i}({parameters}, double alpha, double beta) {{", *each.body(), "}"]
    library = load("\n".join(texts), (*FLAGS, "-O1"))
    runtime().use_tiles("f32")
    runtime().use_tiles("f64")
    library.bind(ctypes.c_void_p(runtime().services))
    for i, each in enumerate(cases):
        panels = up_to_the_edge(tiles.packed_size(each.product), each.c.dtype)
        pointers = [ctypes.c_void_p(x.ctypes.data) for x in (each.a, each.b, each.c, panels)]
        getattr(library, f"run{i}")(*pointers, *map(ctypes.c_double, each.factors))


def expected(case: Case) -> np.ndarray:
    """What NumPy finds; sums of half floats are float."""
    kind = case.c.dtype
    wide = np.dtype("float32") if kind == np.float16 else kind
    alpha, beta = np.array(case.factors, wide)
    with np.errstate(all="ignore"):
        result = np.matmul(case.a.astype(wide), case.b.astype(wide))
        result = result if case.product.alpha == "1" else alpha * result
        result = result if case.product.beta == "0" else result + beta * case.c.astype(wide)
        return np.asarray(result, kind)


def assert_equal(case: Case, wanted: np.ndarray) -> None:
    """Equal up to the rounding of sums of k terms, NaN and infinity in the same places."""
    if case.c.dtype.kind != "f":
        np.testing.assert_array_equal(case.c, wanted, str(case.product))
        return
    tolerance = 2 * np.finfo(case.c.dtype).eps * math.sqrt(case.product.k + 1)
    same = (case.c == wanted) | (np.isnan(case.c) & np.isnan(wanted))
    with np.errstate(invalid="ignore"):
        terms = np.abs(case.a.astype(float)) @ np.abs(case.b.astype(float))
        terms = terms * abs(case.factors[0]) + np.abs(wanted.astype(float))
        same |= np.isfinite(wanted) & (np.abs(case.c.astype(float) - wanted) <= tolerance * terms)
    assert same.all(), f"{case.product} is off at {np.argwhere(~same)[:5].tolist()}"


def check(cases: list[Case]) -> None:
    wanted = [expected(each) for each in cases]
    for each in cases:
        if each.product.beta == "0" and each.c.dtype.kind == "f":
            each.c[...] = np.nan  # must not be read
    run(cases)
    for each, result in zip(cases, wanted, strict=True):
        assert_equal(each, result)


SIZES = [(1, 1, 1), (1, 5, 3), (5, 1, 3), (3, 4, 1), (2, 3, 70), (1, 70, 33), (48, 1, 65),
         (4, 8, 16), (7, 13, 5), (16, 16, 16), (17, 33, 9), (33, 31, 40), (64, 64, 32),
         (70, 69, 67), (31, 100, 12)]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layouts", ["nnn", "ntn", "tnn", "ttn", "NTN", "TNN"])
def test_sizes_and_transposes(layouts: str, dtype: str) -> None:
    check([case(*sizes, layouts, dtype) for sizes in SIZES])


@pytest.mark.parametrize("layouts", ["snn", "nsn", "sss", "nnt", "rnn", "nrn", "ttT", "nns"])
def test_strange_strides(layouts: str) -> None:
    check([case(*sizes, layouts) for sizes in SIZES])


@pytest.mark.parametrize("dtype", ["float16", "int8", "int32", "int64", "uint8", "bool"])
def test_other_element_types(dtype: str) -> None:
    cases = [case(*sizes, layouts, dtype) for sizes in SIZES[:10] for layouts in ("nnn", "tsn")]
    check(cases)


FACTORS = [("-1", "0", (-1, 0)), ("1", "1", (1, 1)), ("0.5f", "2", (0.5, 2)),
           ("alpha", "0", (-0.1, 0)), ("alpha", "beta", (-0.1, 0.9)), ("alpha", "1", (0, 1)),
           ("1", "beta", (1, 0))]  # fmt: skip


@pytest.mark.parametrize(("alpha", "beta", "factors"), FACTORS)
def test_factors(alpha: str, beta: str, factors: tuple[float, float]) -> None:
    options = {"alpha": alpha, "beta": beta, "factors": factors}
    layouts = ("nnn", "NTN", "nns")
    check([case(*sizes, each, **options) for sizes in SIZES for each in layouts])


def test_many_terms() -> None:
    check([case(9, 40, 2100, layouts, dtype, "1", "1", (1, 1))
           for layouts in ("nnn", "ntn", "tsn") for dtype in ("float32", "float64")])  # fmt: skip


def test_large_products_go_to_blas() -> None:
    large = case(1024, 1024, 512, "ntn", alpha="alpha", factors=(-0.5, 0))
    assert method(large.product) is blas
    check([large])


@pytest.mark.parametrize("factors", [(0, 1), (1, 0), (0, 0)])
def test_zero_factors_of_large_products_meet_infinity(factors: tuple[float, float]) -> None:
    large = case(1024, 1024, 512, "nnn", alpha="alpha", beta="beta", factors=factors)
    large.a[3, 4], large.c[7, 5] = np.inf, np.nan
    check([large])


def test_no_terms_give_zero() -> None:
    check([case(3, 4, 0), case(3, 4, 0, beta="beta", factors=(1, 0.5))])


def test_empty_products_are_nothing() -> None:
    assert statements(case(0, 4, 3).product) == statements(case(3, 0, 3).product) == []
    assert statements(case(2, 4, 3, batch=(0,)).product) == []


@pytest.mark.parametrize("shared", ["", "a", "b"])
def test_batches(shared: str) -> None:
    sizes = [(3, 4, 5), (64, 64, 32), (1, 17, 9), (33, 1, 8)]
    batches = [(3,), (2, 3), (1, 2, 2), (2, 1, 3, 1, 2, 2)]
    options = [{"batch": batch, "shared": shared} for batch in batches]
    check([case(*size, "ntn", **option) for size in sizes for option in options])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layouts", ["nnn", "ntn", "tNn", "nsN"])
def test_b_that_was_packed_before(layouts: str, dtype: str) -> None:
    sizes = [(32, 64, 40), (5, 33, 1100), (40, 7, 9), (9, 17, 16), (3, 40, 5)]
    check([replace(case(*size, layouts, dtype), packs=True) for size in sizes])


def test_packing_pays_where_b_lies_by_column_and_is_used_again() -> None:
    by_column, by_row = case(32, 64, 40, "ntn").product, case(32, 64, 40).product
    assert tiles.pays_to_pack(by_column, uses=2)
    assert not tiles.pays_to_pack(by_column, uses=1)
    assert not tiles.pays_to_pack(by_row, uses=9)


@pytest.mark.parametrize("layouts", ["nnn", "ntn", "tnn"])
def test_results_do_not_depend_on_threads(layouts: str) -> None:
    cases = [case(100, 90, 70, layouts, beta="1", factors=(1, 1), batch=batch)
             for batch in ((), (5,))]  # fmt: skip
    given = [each.c.copy() for each in cases]
    results = []
    for threads in (1, 2, 3):
        for each, before in zip(cases, given, strict=True):
            each.c[...] = before
        runtime().set_threads(threads)
        run(cases)
        results.append([each.c.copy() for each in cases])
    runtime().set_threads(thread_count())
    for other in results[1:]:
        for one, same in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, same)


def test_elements_between_the_results_stay() -> None:
    cases = [case(*sizes, "nnN") for sizes in SIZES]
    for each in cases:
        each.c[...] = 0
    run(cases)
    for each in cases:
        rows, columns = each.c.shape
        gaps = as_strided(each.c, (rows - 1, columns + 5))[:, columns:]
        assert (gaps == UNTOUCHED).all(), each.product


@pytest.mark.parametrize("layouts", ["nnn", "ntn", "tnn"])
def test_nan_and_infinity_spread_as_in_numpy(layouts: str) -> None:
    cases = [case(*sizes, layouts) for sizes in SIZES]
    cases += [replace(each, product=replace(each.product, alpha="alpha"), factors=(0, 0))
              for each in (case(17, 33, 9), case(3, 4, 5))]  # fmt: skip
    for each in cases:
        each.a[0, 0], each.a[-1, -1], each.b[0, -1] = np.inf, np.nan, 0
    check(cases)
