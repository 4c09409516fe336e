"""The ring generated from the registry: everything that a fact sheet claims is checked."""

from __future__ import annotations

import ctypes
import itertools
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.ops.references import REFERENCES

import streetlight as sl
from streetlight.errors import DTypeError
from streetlight.ops.registry import Elementwise, Op, Sample, all_ops
from streetlight.testing import check_op

NAMES = sorted(all_ops)
ELEMENTWISE = [name for name in NAMES if isinstance(all_ops[name], Elementwise)]
DTYPES = [
    sl.float16, sl.float32, sl.float64, sl.int8, sl.int16, sl.int32, sl.int64, sl.uint8, sl.bool,
]  # fmt: skip
FINITE = [-1e6, -7.5, -1.0, -0.1, -0.0, 0.0, 1e-300, 0.1, 0.5, 1.0, 2.5, 1e17]
EDGES = [*FINITE, -np.inf, np.inf, np.nan]


def call(op: Op, sample: Sample) -> sl.Tensor:
    if "generator" in sample.attributes:
        sample.attributes["generator"].manual_seed(0)
    inputs = [sl.tensor(x) if isinstance(x, np.ndarray) else x for x in sample.inputs]
    return op(*inputs, **sample.attributes)


def test_there_are_forty_to_eighty_operations() -> None:
    assert 40 <= len(all_ops) <= 80
    assert REFERENCES.keys() == all_ops.keys()


@pytest.mark.parametrize("name", NAMES)
def test_operation_keeps_its_promises(name: str) -> None:
    """Shape and dtype rules, untouched inputs, strides, float32, gradients, words of errors."""
    assert check_op(all_ops[name]) == len(all_ops[name].samples())


@pytest.mark.parametrize("name", NAMES)
def test_operation_equals_its_reference(name: str) -> None:
    for sample in all_ops[name].samples():
        result = call(all_ops[name], sample).numpy()
        expected = REFERENCES[name](*sample.inputs, **sample.attributes)
        assert result.shape == expected.shape
        np.testing.assert_allclose(result, expected, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_operation_can_be_read(name: str) -> None:
    op = all_ops[name]
    samples = op.samples()
    arity = max(sum(isinstance(x, np.ndarray) for x in sample.inputs) for sample in samples)
    assert len(samples) >= 1
    assert op.algebra, "it does not say how it reads as algebra"
    assert {int(n) for n in re.findall(r"\{(\d)\}", op.algebra)} <= set(range(arity))
    assert op.algebra.format("a", "b", "c")
    if isinstance(op, Elementwise):
        shapes = {np.shape(x) for sample in samples for x in sample.inputs}
        assert op.c, "it does not say how it reads in C"
        assert any(0 in shape for shape in shapes), "no sample is empty"
        assert () in shapes, "no sample is a single number"


@pytest.mark.parametrize("name", [name for name in NAMES if all_ops[name].has_out])
def test_ufunc_is_the_forward_function(name: str) -> None:
    op = all_ops[name]
    assert isinstance(op.kernel, np.ufunc)
    grid = list(np.array(list(itertools.product(EDGES, repeat=op.kernel.nin))).T)
    with np.errstate(all="ignore"):
        expected = op.forward(np, *grid)
        np.testing.assert_array_equal(op.kernel(*grid), expected)
        out = np.empty_like(expected)
        assert op.kernel(*grid, out=out) is out
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_operation_gives_the_dtype_of_its_rule(name: str) -> None:
    """For every dtype: the promised dtype, or an error; never another dtype without a word."""
    op = all_ops[name]
    number = sum(isinstance(x, (np.ndarray, float, int)) for x in op.samples()[0].inputs)
    refused = set()
    for dtype in DTYPES:
        inputs = [sl.tensor([1, 1], dtype=dtype)] * number
        same = sl.float32 if op.floats and dtype.kind != "f" else dtype
        try:
            result = op(*inputs)
        except DTypeError as error:
            refused.add((dtype, error.what[: len(name) + 26]))
        else:
            assert result.dtype == (same if op.dtype == "same" else op.dtype)
    assert refused <= {(sl.bool, f"{name}: cannot compute with bool")}


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_operation_refuses_words(name: str) -> None:
    op = all_ops[name]
    number = sum(isinstance(x, (np.ndarray, float, int)) for x in op.samples()[0].inputs)
    for place in range(name == "where", number):
        inputs: list[Any] = [sl.ones(2)] * number
        inputs[place] = "seven"
        with pytest.raises(DTypeError, match=rf"(?s)\[E102\] {name}: cannot compute with a str.*"
                           r"operand: +'seven'.*expected: +tensors.*fix:"):  # fmt: skip
            op(*inputs)


# ---- the expressions in C ----


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """Every C expression as a function of three doubles, in one shared library."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("there is no C compiler here to check the expressions with")
    folder: Path = tmp_path_factory.mktemp("expressions")
    source, library = folder / "ops.c", folder / "ops.so"
    functions = (
        f"double op_{name}(double x, double y, double z) "
        f"{{ return {all_ops[name].c.format('x', 'y', 'z')}; }}\n"
        for name in ELEMENTWISE
    )
    source.write_text("#include <math.h>\n" + "".join(functions))
    command = [compiler, "-O1", "-shared", "-fPIC", "-o", str(library), str(source), "-lm"]
    subprocess.run(command, check=True, capture_output=True)
    return ctypes.CDLL(str(library))


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_c_expression_equals_eager(name: str, compiled: ctypes.CDLL) -> None:
    op = all_ops[name]
    function = compiled[f"op_{name}"]
    function.restype, function.argtypes = ctypes.c_double, [ctypes.c_double] * 3
    number = len(op.samples()[0].inputs)
    ordinary = np.random.default_rng(0).normal(0, 2, (200, number))
    grid = np.concatenate([np.array(list(itertools.product(EDGES, repeat=number))), ordinary])
    columns = [sl.tensor(column) for column in grid.T]
    if name == "where":
        columns[0] = columns[0] > 0
    eager = op(*columns).numpy().astype(np.float64)
    arguments = [column.numpy().astype(np.float64) for column in columns]
    arguments += [np.zeros(len(grid))] * (3 - number)
    in_c = [function(*numbers) for numbers in zip(*arguments, strict=True)]
    np.testing.assert_allclose(in_c, eager, rtol=1e-13, atol=1e-15)
