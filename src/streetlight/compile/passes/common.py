"""Computes what is written twice only once.

Input: a graph. Output: the same, with one node for all that do the same to the same inputs.
Invariant: draws are never joined: each gives other numbers.

Example: the learning rate is cast for each parameter,
    r = cast(lr) {dtype: float32}
    s = cast(lr) {dtype: float32}
becomes one `r`, which all read.

The Rewriter does this in every walk: it asks `key` what a node does, and writes no node whose key
was there before.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from streetlight.graph.graph import Input, Node, Value, draws
from streetlight.ops.elementwise import add, mul

SMALL = 1024  # bytes up to which constants are compared


def key(node: Node) -> Hashable:
    """What two nodes that do the same have in common; None for a node that is like no other."""
    if draws(node):
        return None
    inputs: tuple[Any, ...] = node.inputs
    for x in inputs:
        if type(x) is not Value:  # by its digits: 1, 1.0 and True are equal, so are 0.0 and -0.0
            inputs = tuple([x if type(x) is Value else repr(x) for x in inputs])
            break
    if (node.op is add or node.op is mul) and hash(inputs[0]) > hash(inputs[1]):
        inputs = inputs[::-1]
    return (node.op, inputs, _frozen(node.attributes)) if node.attributes else (node.op, inputs)


def key_of_constant(given: Input) -> Hashable:
    """What two constants with the same numbers have in common."""
    data = given.data
    content = data.tobytes() if data.nbytes <= SMALL else id(data)
    return given.value.dtype.str, given.value.shape, content


def _frozen(attribute: Any) -> Hashable:
    kind = type(attribute)
    if kind is tuple:
        return tuple([_frozen(part) for part in attribute])
    if kind is slice:
        return slice, attribute.start, attribute.stop, attribute.step
    if kind is dict:
        return tuple([(name, _frozen(part)) for name, part in attribute.items()])
    if kind is float or kind is bool:
        return repr(attribute)
    return attribute
