"""The C functions of one element: their error in ulp over all numbers, and the special ones."""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from streetlight.compile import cache
from streetlight.compile.program import FOLDER
from streetlight.compile.toolchain import FLAGS

HEADER = FOLDER / "vector_math.h"
TYPES = {"f32": "float", "f64": "double", "i64": "int64_t"}
DTYPES = {"f32": np.dtype("float32"), "f64": np.dtype("float64"), "i64": np.dtype("int64")}
BUILDS = {"vectors": FLAGS, "plain": ("-O2", "-ffp-contract=off", "-fwrapv")}
UNARY = ["exp", "expm1", "sigmoid", "tanh", "erf", "log", "log1p", "sin", "cos", "sqrt", "fabs",
         "floor", "rint", "isfinite", "isnan"]  # fmt: skip
BINARY = ["pow", "fmod"]
WHOLE = ["pow", "fmod", "floor_divide", "remainder"]
BOUNDS = {  # in units in the last place, as the header states them
    "exp": 2, "expm1": 3, "sigmoid": 3, "tanh": 4, "erf": 3, "log": 2, "log1p": 3,
}  # fmt: skip


def loop(name: str, kind: str, arguments: str) -> str:
    """A C function that computes another one for each element of its arrays."""
    return (
        f"void loop_{name}_{kind}(const {TYPES[kind]} *x, const {TYPES[kind]} *y, "
        f"{TYPES[kind]} *out, int64_t n) {{\n"
        f"  for (int64_t i = 0; i < n; i++) out[i] = {name}_{kind}({arguments});\n}}\n"
    )


@functools.cache
def library(build: str) -> ctypes.CDLL:
    loops = [loop(name, kind, "x[i]") for name in UNARY for kind in ("f32", "f64")]
    loops += [loop(name, kind, "x[i], y[i]") for name in BINARY for kind in ("f32", "f64")]
    loops += [loop(name, "i64", "x[i], y[i]") for name in WHOLE] + [loop("fabs", "i64", "x[i]")]
    text = HEADER.read_text(encoding="utf-8") + "".join(loops)
    return cache.load(text, BUILDS[build])


def compute(name: str, kind: str, x: Any, y: Any = None, build: str = "vectors") -> np.ndarray:
    x = np.ascontiguousarray(x, DTYPES[kind])
    y = x if y is None else np.ascontiguousarray(y, DTYPES[kind])
    out = np.empty_like(x)
    function = getattr(library(build), f"loop_{name}_{kind}")
    function(*(ctypes.c_void_p(a.ctypes.data) for a in (x, y, out)), ctypes.c_int64(x.size))
    return out


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Infinities and NaN are computed here on purpose."""
    with np.errstate(all="ignore"):
        yield


REFERENCES: dict[str, Callable[[Any], Any]] = {
    "exp": np.exp, "expm1": np.expm1, "tanh": np.tanh, "log": np.log, "log1p": np.log1p,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "sin": np.sin, "cos": np.cos, "sqrt": np.sqrt,
    "fabs": np.abs, "floor": np.floor, "rint": np.rint, "isfinite": np.isfinite,
    "isnan": np.isnan,
}  # fmt: skip


def check(got: np.ndarray, exact: np.ndarray, bound: float) -> None:
    """Compare with wider numbers, in units in the last place of the numbers got."""
    wanted = exact.astype(got.dtype)
    finite = np.isfinite(wanted)
    np.testing.assert_array_equal(got[~finite], wanted[~finite])
    zero = exact == 0
    np.testing.assert_array_equal(np.signbit(got[zero]), np.signbit(wanted[zero]))
    unit = np.spacing(np.abs(wanted[finite])).astype(exact.dtype)
    error = np.abs(got[finite].astype(exact.dtype) - exact[finite]) / unit
    assert float(error.max()) <= bound


def all_exponents() -> np.ndarray:
    """Floats of every size: every 1021st of all there are."""
    return np.arange(0, 2**32, 1021, dtype=np.uint64).astype(np.uint32).view(np.float32)


def doubles() -> np.ndarray:
    rng = np.random.default_rng(0)
    small = np.exp(rng.uniform(-40, 3, 300_000)) * rng.choice([-1, 1], 300_000)
    bits = rng.integers(0, 2**64, 300_000, dtype=np.uint64).view(np.float64)
    return np.concatenate([bits, rng.uniform(-750, 750, 300_000), rng.normal(size=300_000), small])


def limits(name: str, x: np.ndarray) -> np.ndarray:
    """Leave out where 1 / (1 + e^-x) is 0 because e^-x is infinite, as in NumPy."""
    return x[~(x < np.log(np.finfo(x.dtype).max) * -1)] if name == "sigmoid" else x


# ---- the bounds ----


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("name", sorted(BOUNDS.keys() - {"erf"}))
def test_floats_of_every_size_are_within_the_bound(name: str, build: str) -> None:
    x = limits(name, all_exponents())
    exact = REFERENCES[name](x.astype(np.float64))
    check(compute(name, "f32", x, build=build), exact, BOUNDS[name])


@pytest.mark.skipif(
    np.finfo(np.longdouble).nmant < 63, reason="there is nothing wider than double to compare with"
)
@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("name", sorted(BOUNDS.keys() - {"erf"}))
def test_doubles_are_within_the_bound(name: str, build: str) -> None:
    x = limits(name, doubles())
    exact = REFERENCES[name](x.astype(np.longdouble))
    check(compute(name, "f64", x, build=build), exact, BOUNDS[name])


@pytest.mark.parametrize("build", BUILDS)
def test_erf_of_floats_is_within_the_bound(build: str) -> None:
    x = np.concatenate([all_exponents()[::400], np.linspace(-4.2, 4.2, 6_001, dtype=np.float32)])
    check(compute("erf", "f32", x, build=build), np.vectorize(math.erf)(x), BOUNDS["erf"])


@pytest.mark.parametrize("kind", ["f32", "f64"])
@pytest.mark.parametrize("name", ["sin", "cos", "sqrt", "fabs", "floor", "rint"])
def test_the_functions_of_the_c_library_are_reached(name: str, kind: str) -> None:
    x = np.random.default_rng(3).uniform(-1e6, 1e6, 10_000).astype(DTYPES[kind])
    x = np.abs(x) if name == "sqrt" else x
    exact = REFERENCES[name](x.astype(np.longdouble))
    check(compute(name, kind, x), exact, 1)


@pytest.mark.parametrize("kind", ["f32", "f64"])
def test_powers_and_remainders(kind: str) -> None:
    rng = np.random.default_rng(4)
    x, y = rng.uniform(0, 9, 5_000), rng.uniform(-5, 5, 5_000)
    x, y = x.astype(DTYPES[kind]), y.astype(DTYPES[kind])
    check(compute("pow", kind, x, y), np.power(x.astype(np.longdouble), y), 1)
    np.testing.assert_array_equal(compute("fmod", kind, x, y), np.fmod(x, y))


# ---- the special numbers ----

SPECIAL = [0.0, -0.0, math.inf, -math.inf, math.nan, 1.0, -1.0, 1e-45, -1e-45, 5e-324, -5e-324,
           1e-310, -1e-310, 3e38, -3e38, 1e308, -1e308, 9.0, -9.0, 0.5, 1.5, 2.5, -2.5]  # fmt: skip


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("kind", ["f32", "f64"])
@pytest.mark.parametrize("name", [name for name in UNARY if name != "erf"])
def test_special_numbers_are_treated_as_by_numpy(name: str, kind: str, build: str) -> None:
    x = np.array(SPECIAL, DTYPES[kind])
    wanted = np.asarray(REFERENCES[name](x)).astype(x.dtype)
    got = compute(name, kind, x, build=build)
    np.testing.assert_allclose(got, wanted, rtol=1e-6 if kind == "f32" else 1e-15, atol=0)
    np.testing.assert_array_equal(np.signbit(got[wanted == 0]), np.signbit(wanted[wanted == 0]))


@pytest.mark.parametrize("kind", ["f32", "f64"])
def test_erf_of_special_numbers(kind: str) -> None:
    x = np.array([0.0, -0.0, math.inf, -math.inf, math.nan, 30.0, -30.0], DTYPES[kind])
    got = compute("erf", kind, x)
    np.testing.assert_array_equal(got, [0.0, -0.0, 1.0, -1.0, math.nan, 1.0, -1.0])
    assert np.signbit(got).tolist()[:2] == [False, True]


@pytest.mark.parametrize(
    ("name", "kind", "last", "beyond", "limit"),
    [
        ("exp", "f32", 88.72283, 88.72284, math.inf),
        ("exp", "f32", -103.97207, -103.97209, 0.0),
        ("exp", "f64", 709.782712893384, 709.7827128933841, math.inf),
        ("exp", "f64", -745.1332191019411, -745.1332191019412, 0.0),
        ("expm1", "f32", 88.72283, 88.72284, math.inf),
        ("expm1", "f64", 709.782712893384, 709.7827128933841, math.inf),
    ],
)
def test_the_ends_of_the_range(
    name: str, kind: str, last: float, beyond: float, limit: float
) -> None:
    inside, outside = compute(name, kind, np.array([last, beyond]))
    assert inside != limit
    assert outside == limit


@pytest.mark.parametrize("kind", ["f32", "f64"])
@pytest.mark.parametrize("name", ["tanh", "erf"])
def test_bounded_functions_stay_within_one(name: str, kind: str) -> None:
    x = np.linspace(-25, 25, 200_001)
    assert np.abs(compute(name, kind, x)).max() == 1.0


# ---- whole numbers ----


def whole_numbers() -> tuple[np.ndarray, np.ndarray]:
    ends = [-(2**63), 2**63 - 1, -1, 0, 1, 7, -7, 2**53 + 1]
    some = np.random.default_rng(5).integers(-(2**63), 2**63 - 1, 50)
    x, y = np.meshgrid(np.array([*ends, *some]), np.array([*ends, *some, 2, -3, 10]))
    return x.ravel(), y.ravel()


@pytest.mark.parametrize("name", ["floor_divide", "remainder", "fmod"])
def test_division_of_whole_numbers_is_exact(name: str) -> None:
    x, y = whole_numbers()
    wanted = getattr(np, name)(x, y)
    np.testing.assert_array_equal(compute(name, "i64", x, y), wanted)


def test_powers_of_whole_numbers_wrap_around() -> None:
    x, y = whole_numbers()
    y = np.abs(y % 70)
    np.testing.assert_array_equal(compute("pow", "i64", x, y), np.power(x, y))


def test_absolute_whole_numbers() -> None:
    x = whole_numbers()[0]
    np.testing.assert_array_equal(compute("fabs", "i64", x), np.abs(x))
