"""Every operation of the registry, traced on its own samples, with its gradient."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from tests.graph.tracing import run, same

import streetlight as sl
from streetlight.errors import StreetlightError, TraceError
from streetlight.graph import verify
from streetlight.graph.trace import trace_call
from streetlight.ops.registry import all_ops
from streetlight.random import Generator

CASES = [(name, i) for name, op in sorted(all_ops.items()) for i in range(len(op.samples()))]
WRONG = [(name, i) for name, op in sorted(all_ops.items()) for i in range(len(op.error_samples()))]
CHECKED_WHEN_RUN = {"gather", "in_range", "pick", "put", "scatter_add", "unpick"}


def tensors(inputs: Any) -> list[Any]:
    return [sl.Tensor(np.array(x)) if isinstance(x, np.ndarray) else x for x in inputs]


def attributes(given: dict[str, Any]) -> dict[str, Any]:
    """The same options, with a fresh generator."""
    return {n: Generator() if isinstance(v, Generator) else v for n, v in given.items()}


def uses_mask(sample: Any) -> bool:
    return any(isinstance(x, np.ndarray) and x.dtype == bool for x in sample.inputs[1:])


@pytest.mark.parametrize(("name", "place"), CASES)
def test_a_traced_operation_gives_what_eager_gives(name: str, place: int) -> None:
    op = all_ops[name]
    sample = op.samples()[place]
    options = attributes(sample.attributes)

    def apply(*inputs: Any) -> Any:
        return op(*inputs, **options)

    given = tensors(sample.inputs)
    if uses_mask(sample) and name in ("pick", "unpick"):
        with pytest.raises(TraceError, match="mask"):
            trace_call(apply, tuple(given), {})
        return
    traced = trace_call(apply, tuple(given), {})
    verify(traced.graph)
    found = run(traced, tuple(given))
    options = attributes(sample.attributes)
    same(op(*given, **options), found, 0.0)


@pytest.mark.parametrize(("name", "place"), CASES)
def test_a_traced_gradient_gives_what_eager_gives(name: str, place: int) -> None:
    op = all_ops[name]
    sample = op.samples()[place]
    floats = [
        i for i, x in enumerate(sample.inputs) if isinstance(x, np.ndarray) and x.dtype.kind == "f"
    ]
    if not op.vjp or not floats:
        return
    if uses_mask(sample) and name in ("pick", "put", "unpick"):
        return  # the gradient of what is put there has a shape that depends on the mask

    def gradients(*inputs: Any) -> Any:
        leaves = [x.clone().requires_grad_() if i in floats else x for i, x in enumerate(inputs)]
        out = op(*leaves, **sample.attributes)
        wanted = [leaves[i] for i in floats]
        if not out.requires_grad:
            return ()
        found = sl.grad((out * out).sum(), wanted, create_graph=True, allow_unused=True)
        total = sum((g * g).sum() for g in found if g is not None and g.requires_grad)
        twice = ()
        if isinstance(total, sl.Tensor):
            twice = sl.grad(total, wanted, allow_unused=True)
        return found, twice

    given = tuple(tensors(sample.inputs))
    with np.errstate(all="ignore"):
        expected = gradients(*given)
    traced = trace_call(gradients, given, {})
    verify(traced.graph)
    same(expected, run(traced, given), 1e-12)


@pytest.mark.parametrize(("name", "place"), WRONG)
def test_a_wrong_call_is_refused_in_the_same_words(name: str, place: int) -> None:
    op = all_ops[name]
    sample = op.error_samples()[place]
    given = tensors(sample.inputs)

    def apply(*inputs: Any) -> Any:
        return op(*inputs, **sample.attributes)

    with pytest.raises(StreetlightError) as eager:
        apply(*given)
    if name in CHECKED_WHEN_RUN and "out of bounds" in str(eager.value):
        return
    if name == "in_range":
        return
    words = "mask" if name == "put" and uses_mask(sample) else sample.words
    with pytest.raises(StreetlightError, match=re.escape(words)):
        trace_call(apply, tuple(given), {})
