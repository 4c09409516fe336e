"""Where the record for the backward walk ends: at the results of a compiled function."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NoReturn

from streetlight.autograd import Node
from streetlight.errors import GradientError

_COMPILED: Any = SimpleNamespace(name="compiled", saves_output=False)


def end_of_record(array: Any, *edges: Any) -> Node:
    """The node of a result that eager code could differentiate: the walk stops there.

    Args:
        array: of the result.
        edges: the tensors that the walk would come to.
    """
    node = Node(_COMPILED, edges, edges, (), {}, array)
    node.check = _refuse  # type: ignore[method-assign]
    return node


def _refuse() -> NoReturn:
    raise GradientError(
        "backward: the walk has come to the result of a compiled function, which keeps no record",
        expected="a compiled function with the whole step in it, or with no gradients asked of it",
        fix="call backward() inside of the compiled function, or use x.detach() of its result",
    )
