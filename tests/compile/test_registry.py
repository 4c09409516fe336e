"""The ring of the registry, compiled: every operation on all of its samples equals eager.

All samples of an operation go through one compiled function at once, with their gradients and
second gradients: what fails says which sample it was.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.compile.programs import agrees, outcome, plain, refused, same_error

import streetlight as sl
from streetlight.errors import StreetlightError, TraceError
from streetlight.ops.registry import Elementwise, ErrorSample, Op, Sample, all_ops
from streetlight.testing.op_check import as_tensors

NAMES = sorted(all_ops)
ELEMENTWISE = [name for name in NAMES if isinstance(all_ops[name], Elementwise)]
WHOLE = [sl.int8, sl.int16, sl.int32, sl.int64, sl.uint8, sl.bool]
DIVISIONS = {"div", "floor_divide", "remainder"}
ERRORS = [
    pytest.param(op, wrong, id=f"{op.name}-{number}")
    for op in all_ops.values()
    for number, wrong in enumerate(op.error_samples())
]


def converted(sample: Sample, dtype: Any, change: Callable[[Any], Any]) -> Sample:
    """The sample with other floating-point arrays, and another dtype among its options."""
    inputs = tuple(
        np.asarray(change(x)).astype(dtype)
        if isinstance(x, np.ndarray) and x.dtype.kind == "f"
        else x
        for x in sample.inputs
    )
    options = {**sample.attributes, **({"dtype": dtype} if "dtype" in sample.attributes else {})}
    return Sample(inputs, options)


def by_mask(sample: Sample | ErrorSample) -> bool:
    """Whether a mask chooses elements: how many there are depends on numbers."""
    masks = [x for x in sample.inputs if isinstance(x, np.ndarray) and x.dtype.kind == "b"]
    return "index" in sample.attributes and bool(masks)


def derivatives(op: Op, inputs: Any, attributes: Any) -> list[Any]:
    """The result, its gradients, and the gradients of these."""
    result = op(*inputs, **attributes)
    leaves = [x for x in inputs if isinstance(x, sl.Tensor) and x.requires_grad]
    first = slopes([result], leaves)
    return [result, first, slopes(first, leaves)]


def slopes(results: list[Any], leaves: list[Any]) -> list[Any]:
    """The gradients of a sum of all elements, in which each counts differently."""
    total: Any = 0
    for x in results:
        if x is not None and x.requires_grad:
            weights = np.cos(np.arange(x.numel())).reshape(x.shape)
            total = total + (x * sl.tensor(weights, dtype=x.dtype)).sum()
    if not leaves or not isinstance(total, sl.Tensor):
        return []
    return list(sl.grad(total, leaves, create_graph=True, allow_unused=True))


@pytest.mark.parametrize("dtype", [sl.float64, sl.float32], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_results_and_gradients_equal_eager(name: str, dtype: Any) -> None:
    """On memory that lies row by row and on strided memory, twice because some draw."""
    op = all_ops[name]

    def program(compile: Any) -> Any:
        samples = [converted(s, dtype, lambda x: x) for s in op.samples() if not by_mask(s)]

        @compile
        def run(tensors: Any) -> Any:
            return [
                derivatives(op, inputs, sample.attributes)
                for inputs, sample in zip(tensors, samples, strict=True)
            ]

        return [
            run([as_tensors(sample.inputs, grad=True, strided=strided) for sample in samples])
            for strided in (False, True, False)
        ]

    agrees(program)


@pytest.mark.parametrize("name", NAMES)
def test_whole_numbers_equal_eager(name: str) -> None:
    """Every dtype that eager takes gives the same; the others are refused in the same words."""
    op = all_ops[name]

    def change(x: Any) -> Any:
        whole = np.rint(x * 7)
        return np.where(whole == 0, 1, np.abs(whole)) if name in {*DIVISIONS, "pow"} else whole

    samples = [
        converted(sample, dtype, np.abs if dtype == sl.uint8 else change)
        for dtype in WHOLE
        for sample in op.samples()
    ]
    samples = [sample for sample in samples if name == "put" or not by_mask(sample)]
    taken = [sample for sample in samples if error_of(op, sample) is None and as_said(op, sample)]

    def program(compile: Any) -> Any:
        for sample in taken:
            if "generator" in sample.attributes:
                sample.attributes["generator"].manual_seed(0)

        @compile
        def run(tensors: Any) -> Any:
            return [
                op(*inputs, **sample.attributes)
                for inputs, sample in zip(tensors, taken, strict=True)
            ]

        return [run([as_tensors(sample.inputs) for sample in taken]) for _ in range(2)]

    if taken:
        agrees(program)
    for sample in samples:
        error = error_of(op, sample)
        if error is not None:
            same_error(one_call(op, sample), type(error), error.what)


def error_of(op: Op, sample: Sample) -> StreetlightError | None:
    try:
        op(*as_tensors(sample.inputs), **sample.attributes)
    except StreetlightError as error:
        return error
    return None


def as_said(op: Op, sample: Sample) -> bool:
    """Whether the result has the dtype of the rule: sums of small integers come widened to them."""
    inputs = as_tensors(sample.inputs)
    return op(*inputs, **sample.attributes).dtype == op.infer(*inputs, **sample.attributes)[1]


def one_call(op: Op, sample: Sample | ErrorSample) -> Any:
    """The program that applies an operation once."""

    def program(compile: Any) -> Any:
        return compile(lambda *inputs: op(*inputs, **sample.attributes))(*as_tensors(sample.inputs))

    return program


@pytest.mark.parametrize(("op", "wrong"), ERRORS)
def test_wrong_inputs_are_refused_in_the_words_of_eager(op: Op, wrong: ErrorSample) -> None:
    if by_mask(wrong):
        with pytest.raises(TraceError, match="a bool mask chooses"):
            one_call(op, wrong)(sl.compile)
    else:
        same_error(one_call(op, wrong), wrong.error, wrong.words, whole=op.name != "cumsum")


@pytest.mark.parametrize("name", ["pick", "unpick", "put"])
def test_masks_that_decide_how_many_elements_there_are_are_refused(name: str) -> None:
    op = all_ops[name]
    sample = next(sample for sample in op.samples() if by_mask(sample))

    def program(compile: Any) -> Any:
        f = compile(lambda *inputs: derivatives(op, inputs, sample.attributes))
        return f(*as_tensors(sample.inputs, grad=True))

    refused(program, TraceError, r"a bool mask chooses.*test_registry\.py:\d+")


# ---- numbers at the edges ----

FLOATS = [-np.inf, -1e30, -7.5, -1.0, -0.5, -0.0, 0.0, 1e-30, 0.1, 1.0, 2.5, 88.8, 1e30, np.inf]


def grid(numbers: list[Any], count: int) -> list[Any]:
    """All combinations, as one column for each input."""
    rows = np.array(list(itertools.product(numbers, repeat=count)))
    return list(rows.T)


def arity(op: Op) -> int:
    return len(op.samples()[0].inputs)


@pytest.mark.parametrize("dtype", [sl.float64, sl.float32, sl.float16], ids=str)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_infinities_nan_and_zeros_equal_eager(name: str, dtype: Any) -> None:
    """With the sign of zeros, but for the larger of 0.0 and -0.0 in float16, where NumPy differs
    from itself in float32."""
    op = all_ops[name]
    with np.errstate(all="ignore"):
        columns = [column.astype(dtype) for column in grid([*FLOATS, np.nan], arity(op))]

    def program(compile: Any) -> Any:
        inputs = [sl.tensor(column) for column in columns]
        if name == "where":
            inputs[0] = inputs[0] > 0
        return compile(lambda *inputs: op(*inputs))(*inputs)

    agrees(program)
    eager, compiled = (plain(outcome(program, c)[1]) for c in (lambda f: f, sl.compile))
    if dtype == sl.float16 and name in ("maximum", "minimum", "relu"):
        return
    zeros = np.asarray(eager) == 0
    np.testing.assert_array_equal(np.signbit(compiled)[zeros], np.signbit(eager)[zeros])


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_whole_numbers_at_their_limits_equal_eager(name: str) -> None:
    """Where they overflow, they go round."""
    op = all_ops[name]

    def columns(dtype: Any) -> list[Any]:
        low, high = (0, 1) if dtype == sl.bool else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        found = grid([n for n in (low, low + 1, -7, -1, 0, 1, 2, 7, high) if low <= n <= high],
                     arity(op))  # fmt: skip
        fits = np.ones(len(found[0]), bool)
        if name in DIVISIONS:
            fits = found[1] != 0
        if name == "pow":
            fits = found[1] >= 0
        return [column[fits].astype(dtype) for column in found]

    taken = [d for d in WHOLE if error_of(op, Sample(tuple(columns(d)))) is None]

    def program(compile: Any) -> Any:
        inputs = [[sl.tensor(column) for column in columns(dtype)] for dtype in taken]
        return compile(lambda inputs: [op(*each) for each in inputs])(inputs)

    agrees(program)
