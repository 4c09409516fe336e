"""The loops of gather, argsort and others: every sample of their fact sheets, and harder ones."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

from streetlight.compile import cache, special
from streetlight.compile.c_text import memory_type
from streetlight.compile.program import FOLDER
from streetlight.compile.strided import Array
from streetlight.graph.graph import Node, Value
from streetlight.ops.registry import Sample, all_ops, context

NAMES = sorted({*special.WRITERS, "cat"})
FLOATS = ["float16", "float32", "float64"]
DTYPES = [*FLOATS, "int8", "uint8", "int32", "int64", "bool"]
NODE = 7
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


def execute(body: list[str], arrays: list[np.ndarray]) -> tuple[int, int, int, int]:
    """Compile the lines, with the arrays as a0, a1, …, and return what they report."""
    kinds = [memory_type(a.dtype) for a in arrays]
    pointers = ", ".join(f"{kind} *restrict a{n}" for n, kind in enumerate(kinds))
    text = (
        f"{HEAD}\nint64_t run(sl_call *call, {pointers}) {{\n" + "\n".join(body) + "\nreturn 0;\n}"
    )
    library = cache.load(text, ("-O1", "-fwrapv"))
    call = (ctypes.c_int64 * 8)()
    status = library.run(call, *(ctypes.c_void_p(a.ctypes.data) for a in arrays))
    return status, *call[4:7]


def compiled(
    name: str, inputs: tuple[Any, ...], attributes: dict[str, Any], like: np.ndarray
) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    """Compute with the C of an operation; returns the result and what it reports."""
    out = np.full(like.shape, 77, like.dtype)
    arrays = [x for x in inputs if isinstance(x, np.ndarray)]
    numbers = iter(range(len(arrays)))
    operands = [
        as_array(x, f"a{next(numbers)}") if isinstance(x, np.ndarray) else x for x in inputs
    ]
    node = Node(all_ops[name], tuple(inputs), attributes, Value("out", out.shape, out.dtype))
    target = as_array(out, f"a{len(arrays)}")
    return out, execute(special.statements(node, operands, target, NODE), [*arrays, out])


def check(name: str, inputs: tuple[Any, ...], attributes: dict[str, Any]) -> None:
    wanted = outcome(name, inputs, attributes)
    got, report = compiled(name, inputs, attributes, wanted)
    assert report[0] == 0
    tolerance = {"float16": 3e-3, "float32": 1e-6, "float64": 1e-14}.get(str(got.dtype), 0)
    np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)


def has_mask(sample: Sample) -> bool:
    return any(isinstance(x, np.ndarray) and x.dtype.kind == "b" for x in sample.inputs)


def strided(x: Any) -> Any:
    """The same numbers in memory with gaps, backwards, or the other way round."""
    if not isinstance(x, np.ndarray) or not x.ndim:
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
    if name in ("floor_divide", "remainder", "in_range"):
        return []
    return FLOATS if name == "logsumexp" else DTYPES


def samples() -> list[Any]:
    return [
        pytest.param(name, sample, id=f"{name}-{number}")
        for name in NAMES
        for number, sample in enumerate(all_ops[name].samples())
        if not (has_mask(sample) and name in ("pick", "unpick"))
    ]


@pytest.mark.parametrize(("name", "sample"), samples())
def test_samples(name: str, sample: Sample) -> None:
    inputs = sample.inputs
    if name in ("floor_divide", "remainder"):  # in C of their own for whole numbers alone
        inputs = tuple(
            x.astype(np.int64) * 2 + 1 if isinstance(x, np.ndarray) else 3 for x in inputs
        )
    check(name, inputs, sample.attributes)
    check(name, tuple(map(strided, inputs)), sample.attributes)


@pytest.mark.parametrize(("name", "dtype"), [(n, d) for n in NAMES for d in kinds(n)])
def test_dtypes(name: str, dtype: str) -> None:
    samples = [s for s in all_ops[name].samples() if not (has_mask(s) and name != "put")]
    for sample in samples[-2:]:
        check(name, tuple(as_kind(x, dtype) for x in sample.inputs), sample.attributes)
