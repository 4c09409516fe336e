"""Lists and arrays where a tensor is meant are refused in our own words."""

from __future__ import annotations

import inspect
import pickle
from types import FunctionType
from typing import Any

import numpy as np
import pytest

import streetlight as sl
from streetlight import ops
from streetlight.errors import DTypeError, IndexOutOfRangeError, StreetlightError

FUNCTIONS = sorted(
    name
    for name, value in vars(sl).items()
    if isinstance(value, FunctionType) and hasattr(value, "__wrapped__") and name != "flip"
)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_list_is_not_a_tensor(name: str) -> None:
    function: Any = getattr(sl, name)
    if "input" not in inspect.signature(function).parameters:
        return
    others = {"other": sl.ones(1), "mat2": sl.ones(1),
              "dim": 0, "dim0": 0, "dim1": 0, "k": 1, "start": 0, "length": 1,
              "pad": (1, 1), "split_size": 1, "chunks": 1, "min": 0, "index": sl.tensor([0]),
              "src": sl.ones(1), "mask": sl.tensor([True]), "value": 0}  # fmt: skip
    taken = {n: v for n, v in others.items() if n in inspect.signature(function).parameters}
    with pytest.raises(DTypeError, match=": cannot compute with a list"):
        function([1.0], **taken)


@pytest.mark.parametrize("call", [
    lambda: sl.softmax(np.ones((2, 2)), 1), lambda: sl.equal(sl.ones(1), [1.0]),
    lambda: sl.index_select(sl.ones(3), 0, [1]), lambda: sl.masked_select(sl.ones(2), [True]),
    lambda: sl.cat(np.ones((2, 2))), lambda: sl.flip([1.0], 0),
])  # fmt: skip
def test_other_things_that_are_no_tensors(call: Any) -> None:
    with pytest.raises(DTypeError, match=r"sl\.tensor"):
        call()


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(IndexOutOfRangeError, match="sum: there is no dimension 3"):
        sl.sum(sl.ones(2), 3)
    with pytest.raises(TypeError, match="unexpected keyword") as caught:
        sl.sum(sl.ones(2), dimension=3)
    assert not isinstance(caught.value, StreetlightError)


def test_functions_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(sl.softmax)) is sl.softmax
    assert sl.Tensor.softmax is ops.softmax  # methods are not guarded
