"""The loops of gather, argsort and others: every sample of their fact sheets, and harder ones."""

from __future__ import annotations

import ctypes
import itertools
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

from streetlight.compile import cache, special
from streetlight.compile.c_text import memory_type
from streetlight.compile.program import FOLDER
from streetlight.compile.strided import Array
from streetlight.errors import CompileError
from streetlight.graph.graph import Node, Value
from streetlight.ops.indexing import HERE
from streetlight.ops.registry import Sample, all_ops, context

NAMES = sorted({*special.WRITERS, "cat"})
FLOATS = ["float16", "float32", "float64"]
DTYPES = [*FLOATS, "int8", "uint8", "int32", "int64", "bool"]
WHOLE = ("floor_divide", "remainder", "pow")  # special for whole numbers alone
NODE = 7
Case = tuple[str, tuple[Any, ...], dict[str, Any]]
HEAD = "".join((FOLDER / name).read_text("utf-8") for name in ("runtime.h", "vector_math.h"))


def outcome(name: str, inputs: tuple[Any, ...], attributes: dict[str, Any]) -> np.ndarray:
    """What eager code computes."""
    return np.asarray(context.run(all_ops[name].kernel, *inputs, **attributes))


def as_array(x: Any, pointer: str) -> Any:
    """How the kernel sees an operand."""
    if not isinstance(x, np.ndarray):
        return x
    strides = tuple(step // x.itemsize for step in x.strides)
    return Array(pointer, x.dtype, x.shape, strides)


def library(bodies: list[tuple[list[str], list[np.ndarray]]]) -> ctypes.CDLL:
    """Compile the lines, with the arrays as a0, a1, …, as functions run0, run1, …"""
    text = HEAD
    for number, (lines, arrays) in enumerate(bodies):
        kinds = [memory_type(a.dtype) for a in arrays]
        pointers = ", ".join(f"{kind} *restrict a{n}" for n, kind in enumerate(kinds))
        body = "\n".join([*lines, "return 0;", "}"])
        text += f"\nint64_t run{number}(sl_call *call, {pointers}) {{\n{body}\n"
    return cache.load(text, ("-O0", "-fwrapv"))


def execute(loaded: ctypes.CDLL, number: int, arrays: list[np.ndarray]) -> tuple[int, ...]:
    """Call a function and return its status and what it reports."""
    call = (ctypes.c_int64 * 8)()
    pointers = (ctypes.c_void_p(a.ctypes.data) for a in arrays)
    return loaded[f"run{number}"](call, *pointers), *call[4:7]


def written(case: Case, out: np.ndarray, hosted: Any = ()) -> tuple[list[str], list[np.ndarray]]:
    """The lines for a case, and the arrays that they work on."""
    name, inputs, attributes = case
    arrays = [x for x in inputs if isinstance(x, np.ndarray)]
    names = iter(f"a{n}" for n in range(len(arrays)))
    operands = [as_array(x, next(names)) if isinstance(x, np.ndarray) else x for x in inputs]
    node = Node(all_ops[name], (), attributes, Value("out", out.shape, out.dtype))
    target = as_array(out, f"a{len(arrays)}")
    lines = special.statements(node, operands, target, NODE, frozenset(hosted))
    return lines, [*arrays, out]


def check(*cases: Case) -> None:
    """Compare with eager code; all cases are compiled together."""
    wanted = [outcome(*case) for case in cases]
    outs = [np.full(w.shape, 77, w.dtype) for w in wanted]
    bodies = [written(case, out) for case, out in zip(cases, outs, strict=True)]
    loaded = library(bodies)
    for number, (_, arrays) in enumerate(bodies):
        assert execute(loaded, number, arrays)[0] == 0
        got, name = arrays[-1], f"case {number}, {cases[number][0]}"
        tolerance = {"float16": 3e-3, "float32": 1e-6, "float64": 1e-14}.get(str(got.dtype), 0)
        np.testing.assert_allclose(got, wanted[number], tolerance, tolerance, err_msg=name)


def has_mask(sample: Sample) -> bool:
    return any(isinstance(x, np.ndarray) and x.dtype.kind == "b" for x in sample.inputs)


def strided(x: Any) -> Any:
    """The same numbers in memory with gaps, backwards, or the other way round."""
    if not np.ndim(x):
        return x
    memory = np.zeros([2 * n for n in x.shape[::-1]], x.dtype).T
    view = memory[tuple(slice(n * 2 - 1, None, -2) if n else slice(0) for n in x.shape)]
    view[...] = x
    return view


def as_kind(x: Any, dtype: str) -> Any:
    """A sample's numbers in another dtype; indices stay what they are."""
    if not isinstance(x, np.ndarray) or x.dtype.kind != "f":
        return x
    return np.asarray(
        x > 0 if dtype == "bool" else np.rint(x * 3) if dtype not in FLOATS else x, dtype
    )


# ---- the samples of the fact sheets ----


def kinds(name: str) -> list[str]:
    """The dtypes that an operation is called with: integers and bools are summed up as int64."""
    if name in ("sum", "prod", "cumsum"):
        return [*FLOATS, "int64"]
    if name in (*WHOLE, "in_range"):
        return []
    return FLOATS if name == "logsumexp" else DTYPES


def samples(name: str) -> list[Sample]:
    """The samples of an operation whose shapes do not depend on a mask."""
    return [s for s in all_ops[name].samples() if name == "put" or not has_mask(s)]


@pytest.mark.parametrize("name", NAMES)
def test_samples(name: str) -> None:
    cases: list[Case] = []
    for sample in samples(name):
        inputs = sample.inputs
        if name in WHOLE:
            inputs = tuple(abs(as_kind(x, "int64") * 2 + 1) if np.ndim(x) else 3 for x in inputs)
        cases.append((name, inputs, sample.attributes))
        cases.append((name, tuple(map(strided, inputs)), sample.attributes))
    check(*cases)


@pytest.mark.parametrize("name", [name for name in NAMES if kinds(name)])
def test_dtypes(name: str) -> None:
    check(
        *(
            (name, tuple(as_kind(x, dtype) for x in sample.inputs), sample.attributes)
            for sample in samples(name)[-2:]
            for dtype in kinds(name)
        )
    )


# ---- square brackets ----

X = np.random.default_rng(0).normal(size=(5, 4, 3)).astype(np.float32)
INDICES = [
    (HERE,),
    (..., HERE),
    (slice(None), HERE),
    (HERE, HERE),
    (HERE, slice(None), HERE),
    (slice(4, None, -2), HERE, slice(1, 3)),
    (None, HERE, None, slice(None, None, -1)),
    (..., HERE, None),
    (slice(1, 1), HERE),
    (HERE, ..., HERE),
]


def lists_for(index: tuple[Any, ...], dtype: str) -> list[np.ndarray]:
    """Index arrays, within 3 from either end, for the places in an index."""
    lists = [np.array([2, -3, 0, 2], dtype), np.array([[1], [-1]], dtype)]
    return lists[: sum(part is HERE for part in index)]


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_all_kinds_of_index(index: tuple[Any, ...]) -> None:
    cases: list[Case] = []
    for dtype in ("int64", "int8"):
        lists = lists_for(index, dtype)
        chosen = outcome("pick", (X, *lists), {"index": index})
        for x in (X, strided(X)):
            cases.append(("pick", (x, *lists), {"index": index}))
            cases.append(("put", (x, strided(chosen + 1), *lists), {"index": index}))
            cases.append(("put", (x, 3.0, *lists), {"index": index}))
        cases.append(("unpick", (strided(chosen), *lists), {"index": index, "shape": X.shape}))
    check(*cases)


def test_an_index_without_dimensions() -> None:
    place, index = np.array(-2), (HERE, HERE)
    check(
        ("pick", (X, place, place), {"index": index}),
        ("put", (X, X[0, 0], place, place), {"index": index}),
    )


@pytest.mark.parametrize("value", [np.float32(7), X[:1, 0, :1], X[0, 0], 7.0], ids=np.shape)
def test_values_are_repeated_over_what_is_chosen(value: Any) -> None:
    value = np.asarray(value) if isinstance(value, np.float32) else value
    check(("put", (X, value, np.array([3, 1])), {"index": (slice(None, 3), HERE)}))


@pytest.mark.parametrize(
    ("shape", "index", "value"),
    [
        ((5, 4, 3), (HERE,), 0.5),
        ((5, 4), (HERE,), X[0, 0]),
        ((5,), (HERE,), X[:1]),
        ((4, 3), (slice(1, 4), HERE), X[:3, :1, 0]),
        ((4,), (slice(None), HERE, slice(0, 2)), X[0, 0, :2]),
        ((3,), (..., HERE), 0.5),
        ((5,), (None, HERE), X[:1, :1]),
    ],
)
def test_masks_choose_where_a_value_is_put(shape: Any, index: Any, value: Any) -> None:
    mask = np.random.default_rng(1).random(shape) < 0.4
    none = np.zeros_like(mask)
    check(*(("put", (X, value, chosen), {"index": index}) for chosen in (mask, none)))


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("pick", (X, X > 0)),
        ("put", (X, np.ones(int((X > 0).sum()), np.float32), X > 0)),
        ("put", (X, 1.0, np.array([True] * 5), np.array([0, 1, 2, 3, 0]))),
    ],
)
def test_what_only_the_mask_knows_is_refused(name: str, inputs: tuple[Any, ...]) -> None:
    attributes = {"index": (HERE,) * (len(inputs) - (2 if name == "put" else 1))}
    with pytest.raises(CompileError, match=f"{name}: how many elements a mask chooses"):
        written((name, inputs, attributes), X)


@pytest.mark.parametrize("scale", ["1", "-1", "0.25f"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "int32"])
def test_rows_are_added_where_they_belong(scale: str, dtype: str) -> None:
    table, rows = (X[:, :, 0] * 9).astype(dtype), (X[:4, :, 1] * 8).astype(dtype)
    index = np.array([2, -1, 2, 0])
    wanted, factor = table.copy(), float(scale.rstrip("f"))
    np.add.at(wanted, index, (rows * factor).astype(dtype))
    facts = {"index": (HERE,), "shape": table.shape}
    node = Node(all_ops["unpick"], (), facts, Value("out", table.shape, table.dtype))
    operands = [as_array(x, f"a{n}") for n, x in enumerate((rows, index))]
    body = special.add_rows(node, operands, as_array(table, "a2"), scale, NODE)
    arrays = [rows, index, table]
    assert execute(library([(body, arrays)]), 0, arrays)[0] == 0
    if dtype != "int32" or scale in ("1", "-1"):
        np.testing.assert_allclose(table, wanted, rtol=2e-3 if dtype == "float16" else 1e-6)


# ---- errors, before anything is written ----


@pytest.mark.parametrize(
    ("name", "inputs", "attributes", "shape", "report"),
    [
        ("gather", (X, np.full((5, 1, 3), 4)), {"dim": 1}, (5, 1, 3), (1, NODE, 4)),
        ("gather", (X, np.full((5, 1, 3), -1)), {"dim": 1}, (5, 1, 3), (1, NODE, -1)),
        ("gather", (X[0, 0], np.array([0, 9, -2])), {"dim": 0}, (3,), (1, NODE, -2)),
        (
            "scatter_add",
            (X[0, 0], np.array([0, 1, 3])),
            {"dim": 0, "shape": (3,)},
            (3,),
            (1, NODE, 3),
        ),
        ("in_range", (np.array([[0, 3]]),), {"size": 3}, (1, 2), (1, NODE, 3)),
        ("in_range", (np.array([0, -1], np.int8),), {"size": 3}, (2,), (1, NODE, -1)),
        ("pick", (X, np.array([0, 5, -9])), {"index": (HERE,)}, (3, 4, 3), (1, NODE, 5)),
        (
            "pick",
            (X, np.array([0]), np.array([-5])),
            {"index": (HERE, HERE)},
            (1, 3),
            (1, NODE, -5),
        ),
        (
            "unpick",
            (X[0], np.array([5])),
            {"index": (HERE,), "shape": (5, 3)},
            (5, 3),
            (1, NODE, 5),
        ),
        ("put", (X, 0.0, np.array([0, -6])), {"index": (HERE,)}, X.shape, (1, NODE, -6)),
        ("floor_divide", (np.array([1, 2]), np.array([1, 0])), {}, (2,), (2, NODE, 0)),
        ("remainder", (np.array([1, 2], np.uint8), 0), {}, (2,), (2, NODE, 0)),
        ("pow", (np.array([1, 2]), np.array([0, -1])), {}, (2,), (2, NODE, 0)),
    ],
)
def test_errors_come_before_anything_is_written(
    name: str, inputs: Any, attributes: dict[str, Any], shape: Any, report: tuple[int, ...]
) -> None:
    if name not in ("scatter_add", "unpick"):  # in eager code the adjoints do not look
        with pytest.raises((IndexError, ValueError)):
            outcome(name, inputs, attributes)
    out = np.full(shape, 77, inputs[0].dtype)
    lines, arrays = written((name, inputs, attributes), out)
    assert execute(library([(lines, arrays)]), 0, arrays) == (report[0], *report)
    assert (out == 77).all()


# ---- order, extremes, sums ----

INF, NAN = float("inf"), float("nan")
ODD_ROWS = [
    [1.0, NAN, 3.0, NAN, -INF],
    [NAN] * 5,
    [0.0, -0.0, 0.0, 1.0, -0.0],
    [INF, INF, -INF, 2.0, -INF],
    [-INF] * 5,
    [2.0, 1.0, 2.0, 1.0, 2.0],
]


@pytest.mark.parametrize("dim", [0, 1])
@pytest.mark.parametrize("name", ["argmax", "argmin", "amax", "amin", "logsumexp", "sum", "prod"])
def test_rows_with_nan_infinity_and_equal_numbers(name: str, dim: int) -> None:
    kept = {"dim": dim} if name[:3] == "arg" or name == "prod" else {"dims": (dim,)}
    rows = ODD_ROWS if dim else np.transpose(ODD_ROWS)
    check(
        *(
            (name, (np.array(rows, dtype),), {**kept, "keepdim": keepdim})
            for dtype in FLOATS
            for keepdim in (False, True)
        )
    )


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("dim", [0, 1])
def test_equal_elements_keep_their_order(dim: int, descending: bool) -> None:
    rows = [np.array(ODD_ROWS if dim else np.transpose(ODD_ROWS))]
    rng = np.random.default_rng(2)
    for size, dtype in itertools.product((1, 2, 3, 100, 1000), ("float32", "int64", "bool")):
        shape = (2, size) if dim else (size, 2)
        rows.append(rng.integers(0, max(2, size // 3), shape).astype(dtype))
    rows += [strided(x) for x in rows]
    check(*(("argsort", (x,), {"dim": dim, "descending": descending}) for x in rows))


def test_whole_numbers_beyond_doubles_are_put_in_order() -> None:
    x = np.array([2**62 + 1, 2**62, 2**62 + 2, -(2**63), 2**63 - 1])
    check(
        ("argmax", (x,), {"dim": 0, "keepdim": False}),
        ("argmin", (x,), {"dim": 0, "keepdim": False}),
        ("argsort", (x,), {"dim": 0, "descending": False}),
    )


@pytest.mark.parametrize("name", ["sum", "amax", "amin", "logsumexp"])
def test_all_dimensions_can_be_reduced(name: str) -> None:
    cases: list[Case] = []
    for dtype, count in itertools.product(FLOATS, (1, 2, 3)):
        x = np.random.default_rng(3).uniform(0.5, 1.5, (6, 7, 8)).astype(dtype)
        for dims in itertools.combinations(range(3), count):
            for operand in (x, strided(x), repeated(x)):
                cases.append((name, (operand,), {"dims": dims, "keepdim": False}))
    check(*cases)


def repeated(x: np.ndarray) -> np.ndarray:
    """The first row, as often as there are rows."""
    return as_strided(x, x.shape, (0, *x.strides[1:]))


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_long_sums_lose_no_digits(dtype: str) -> None:
    x = np.full((2, 100_000), 0.1, dtype)
    x[:, 0] = 1.0
    out, rounding = np.zeros(2, dtype), 2e-3 if dtype == "float16" else 1e-6
    lines, arrays = written(("sum", (x,), {"dims": (1,), "keepdim": False}), out)
    execute(library([(lines, arrays)]), 0, arrays)
    np.testing.assert_allclose(out, x.astype(np.float64).sum(1), rtol=rounding)


def test_nothing_adds_up_to_zero() -> None:
    x, kept = np.zeros((3, 0, 2), np.float32), {"keepdim": False}
    check(("sum", (x,), {"dims": (1,), **kept}), ("prod", (x,), {"dim": 1, **kept}))


# ---- moves ----


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("flip", {"dims": (1,)}),
        ("flip", {"dims": ()}),
        ("reshape", {"shape": (3, 20)}),
        ("permute", {"dims": (2, 0, 1)}),
        ("pad", {"widths": ((1, 0), (0, 2), (3, 1)), "value": 5.0}),
        ("slice", {"index": (slice(None, None, -2), None, 1, ...)}),
        ("expand", {"shape": (2, 5, 4, 3)}),
        ("cumsum", {"dim": 1}),
        ("unslice", {"shape": (9, 4, 3), "index": (slice(8, 3, -1),)}),
    ],
)
def test_moves_of_strided_memory(name: str, attributes: dict[str, Any]) -> None:
    check(
        *(
            (name, (operand,), attributes)
            for x in (X.astype(np.float16), X, (X * 9).astype(np.int64))
            for operand in (x, strided(x), x[:, ::-1], repeated(x))
        )
    )


@pytest.mark.parametrize("dim", [0, 1, 2])
def test_parts_that_lie_in_their_place_are_not_copied(dim: int) -> None:
    parts = tuple(np.take(X, range(n), dim) for n in (1, 3, 2))
    attributes = {"dim": dim, "sizes": (1, 3, 2)}
    check(("cat", tuple(map(strided, parts)), attributes))
    wanted = np.concatenate(parts, dim)
    out = np.full(wanted.shape, 77, wanted.dtype)
    lines, arrays = written(("cat", parts, attributes), out, hosted={1})
    execute(library([(lines, arrays)]), 0, arrays)
    assert (np.take(out, range(1, 4), dim) == 77).all()
    np.testing.assert_array_equal(
        np.delete(out, range(1, 4), dim), np.delete(wanted, range(1, 4), dim)
    )


@pytest.mark.parametrize(
    ("view", "attributes"),
    [
        ("slice", {"index": (slice(3, None, -1), slice(1, 3))}),
        ("slice", {"index": (..., None)}),
        ("permute", {"dims": (1, 0, 2)}),
        ("matrix_transpose", {}),
        ("reshape", {"shape": (5, 2, 6)}),
    ],
)
def test_what_a_view_shows_is_assigned(view: str, attributes: dict[str, Any]) -> None:
    facts = {"view": all_ops[view], "attributes": attributes}
    shown = outcome(view, (X,), attributes) + 1
    values = [2.5, shown, strided(shown[0]), shown[:, :1, :1]]
    check(*(("assign", (x, value), facts) for value in values for x in (X, strided(X))))


# ---- whole numbers ----


@pytest.mark.parametrize("name", ["floor_divide", "remainder"])
def test_whole_numbers_are_divided_exactly(name: str) -> None:
    cases: list[Case] = []
    for dtype in ("int8", "uint8", "int32", "int64"):
        low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
        x = np.array([low, low + 1, high, 7, 0, 5], dtype)
        y = np.array([[1], [3], [high], [low or 2]] + ([[-1], [-3]] if low else []), dtype)
        cases += [(name, (x, y), {}), (name, (strided(x), 3), {}), (name, (3, strided(y)), {})]
    check(*cases)
