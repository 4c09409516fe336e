"""Matrix products of compiled programs: every BLAS, every cut, every edge, compared with NumPy."""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from tests.compile.native import printed, python, step

from streetlight.compile import blas
from streetlight.compile.blas import Blas, find
from streetlight.compile.program import Program
from streetlight.compile.runtime import runtime
from streetlight.errors import ArgumentError

KINDS = ("mkl", "openblas", "numpy", "none")

PRODUCT = """
  double *size = call->numbers;
  int64_t m = size[0], n = size[1], k = size[2], lda = size[5], ldb = size[6], ldc = size[7];
  sl_gemm_{kind}(size[3], size[4], m, n, k, size[8], call->buffers[0], lda, call->buffers[1], ldb,
                 size[9], call->buffers[2], ldc);
"""


@pytest.fixture(scope="module")
def programs() -> dict[type, Program]:
    kinds = {np.float32: "f32", np.float64: "f64"}
    sizes = [f"size{i}" for i in range(10)]
    return {
        real: Program(step(PRODUCT.format(kind=kind), inputs=["a", "b", "c"], numbers=sizes), {})
        for real, kind in kinds.items()
    }


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Blas]:
    """One BLAS, used by the programs of this process for the length of a test."""
    monkeypatch.setenv("STREETLIGHT_BLAS", request.param)
    try:
        found = find()
    except ArgumentError as error:
        pytest.skip(f"{request.param} is not here: {error.what}")
    before = runtime().blas
    runtime().use_blas(found)
    yield found
    runtime().use_blas(before)


def product(program, a, b, c, ta=False, tb=False, alpha=1.0, beta=0.0):
    """c = alpha · a @ b + beta · c, of matrices that may be parts of wider ones."""
    m, n = c.shape
    k = a.shape[0 if ta else 1]
    leading = [x.strides[0] // x.itemsize for x in (a, b, c)]
    program.numbers[:] = [m, n, k, ta, tb, *leading, alpha, beta]
    program.buffers[:] = [x.ctypes.data for x in (a, b, c)]
    assert program.run() == 0
    return c


def matrices(m, n, k, ta, tb, real, extra=0):
    rng = np.random.default_rng(m * 10000 + n * 100 + k)
    shapes = [(k, m) if ta else (m, k), (n, k) if tb else (k, n), (m, n)]
    return [
        rng.normal(size=(rows, columns + extra)).astype(real)[:, :columns]
        for rows, columns in shapes
    ]


SIZES = [
    (1, 1, 1), (2, 3, 4), (1, 17, 5), (33, 1, 7), (16, 16, 16), (31, 65, 3), (100, 10, 784),
    (70, 130, 40), (257, 64, 33), (5, 300, 200),
]  # fmt: skip


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("real", [np.float32, np.float64])
@pytest.mark.parametrize("chosen", KINDS, indirect=True)
def test_products_equal_numpy(chosen, real, threads, programs):
    before = runtime().threads
    runtime().set_threads(threads)
    try:
        for size, ta, tb, extra in itertools.product(SIZES, (0, 1), (0, 1), (0, 5)):
            a, b, c = matrices(*size, ta, tb, real, extra)
            wanted = 0.5 * (a.T if ta else a) @ (b.T if tb else b) - 2 * c
            outside = c.base.copy()
            product(programs[real], a, b, c, ta, tb, 0.5, -2)
            tolerance = 2e-4 if real is np.float32 else 1e-11
            np.testing.assert_allclose(c, wanted, rtol=tolerance, atol=tolerance)
            outside[:, : c.shape[1]] = c
            np.testing.assert_array_equal(c.base, outside)
    finally:
        runtime().set_threads(before)


@pytest.mark.parametrize("real", [np.float32, np.float64])
@pytest.mark.parametrize("chosen", KINDS, indirect=True)
def test_with_beta_zero_the_old_numbers_do_not_count(chosen, real, programs):
    for size in SIZES:
        a, b, c = matrices(*size, False, False, real)
        c[...] = np.nan
        np.testing.assert_allclose(product(programs[real], a, b, c), a @ b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("chosen", KINDS, indirect=True)
def test_nan_and_infinity_reach_what_they_touch(chosen, programs):
    for size in SIZES:
        a, b, c = matrices(*size, False, False, np.float32)
        a[0, 0], b[-1, -1], b[0, 0] = np.nan, np.inf, 0.0
        with np.errstate(all="ignore"):
            wanted = a @ b
        product(programs[np.float32], a, b, c)
        np.testing.assert_array_equal(np.isnan(c), np.isnan(wanted))
        np.testing.assert_array_equal(np.isinf(c), np.isinf(wanted))


@pytest.mark.parametrize("chosen", KINDS, indirect=True)
def test_sums_over_nothing_are_zero(chosen, programs):
    for m, n in [(3, 4), (0, 4), (3, 0), (0, 0)]:
        a, b = np.empty((m, 0), np.float32), np.empty((0, n), np.float32)
        c = np.full((m, n), np.nan, np.float32)
        np.testing.assert_array_equal(product(programs[np.float32], a, b, c), a @ b)
        c = np.full((m, n), 3, np.float32)
        np.testing.assert_array_equal(product(programs[np.float32], a, b, c, beta=2.0), c * 0 + 6)


@pytest.mark.parametrize("chosen", KINDS, indirect=True)
def test_the_same_threads_give_the_same_bits(chosen, programs):
    a, b, c = matrices(257, 130, 200, False, True, np.float32)
    first = product(programs[np.float32], a, b, c, tb=True).copy()
    for _ in range(5):
        again = product(programs[np.float32], a, b, np.empty_like(c), tb=True)
        np.testing.assert_array_equal(again, first)


def test_the_best_is_found(monkeypatch):
    monkeypatch.delenv("STREETLIGHT_BLAS", raising=False)
    found = find()
    if importlib.util.find_spec("scipy_openblas32"):
        assert not found.keeps_threads
    assert (found.f32 != 0) == (found.name != "portable loops")


def test_each_maker_s_cpu_has_its_own_order(monkeypatch):
    first = {"GenuineIntel": "mkl", "AuthenticAMD": "openblas", "ARM": "openblas"}
    for vendor, name in first.items():
        monkeypatch.setattr(blas, "cpu", lambda vendor=vendor: f"vendor_id : {vendor}")
        assert blas._order()[0] == name
        assert blas._order()[-1] == "numpy"


def test_an_unknown_blas_is_refused(monkeypatch):
    monkeypatch.setenv("STREETLIGHT_BLAS", "atlas")
    with pytest.raises(
        ArgumentError, match="the BLAS of STREETLIGHT_BLAS=atlas is not here"
    ) as caught:
        find()
    assert "mkl, openblas, numpy or none" in str(caught.value)


@pytest.mark.skipif(not importlib.util.find_spec("scipy_openblas32"), reason="no scipy-openblas32")
def test_loading_a_blas_leaves_numpy_and_the_environment_alone():
    code = """
import os
import numpy as np
from threadpoolctl import threadpool_info
from streetlight.compile.blas import find
def pools():
    return {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()}
before, variables, tasks = pools(), dict(os.environ), len(os.listdir("/proc/self/task"))
find()
after = pools()
assert {path: after[path] for path in before} == before, (before, after)
assert [count for path, count in after.items() if path not in before] == [1], after
assert dict(os.environ) == variables
assert len(os.listdir("/proc/self/task")) == tasks
"""
    for told in ({}, {"OPENBLAS_NUM_THREADS": "2"}):
        printed(python(code, STREETLIGHT_BLAS="openblas", **told))
