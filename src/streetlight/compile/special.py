"""C for the operations that have loops of their own: neither elementwise, nor sums, nor products.

Input: a node and how its operands and its result lie in memory. Output: lines that fill the result,
or end the program with an error before anything is written. They are plain loops over literal
sizes, for any strides of the operands.

Example: `flip` of a vector of 3 is

    for (int64_t i0 = 0; i0 < 3; i0++) {
      out[i0] = x[2 - i0];
    }
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from streetlight.compile import choosing, reducing
from streetlight.compile.c_text import no_c
from streetlight.compile.choosing import add_rows as add_rows
from streetlight.compile.choosing import check_range as check_range
from streetlight.compile.strided import (
    Array,
    Lines,
    assigned,
    contiguous,
    copied,
    each,
    filled,
    loops,
    operand,
)
from streetlight.graph.graph import Node
from streetlight.ops.movement import _slice

Writer = Callable[[Node, Sequence[Any], Array, object], Lines]


def statements(
    node: Node,
    inputs: Sequence[Array | bool | int | float],
    output: Array,
    number: object,
    hosted: frozenset[int] = frozenset(),
) -> Lines:
    """Return the lines that fill `output`, which lies in a row, from the inputs.

    Args:
        number: C of the node's number, for errors.
        hosted: which parts of a `cat` lie in their places already.
    """
    if node.op.name == "cat":
        return _cat(node, inputs, output, hosted)
    if node.op.name not in WRITERS:
        raise no_c(node)
    return WRITERS[node.op.name](node, inputs, output, number)


# ---- moves ----


def _view(node: Node, inputs: Sequence[Any], output: Array, number: object) -> Lines:
    """A copy of what a view operation shows; a new shape is that of the same elements in a row."""
    (x,) = inputs
    if node.op.name == "reshape":
        return copied(x, contiguous(output, x.shape))
    return copied(x.viewed(node.op, node.attributes), output)


def _flip(node: Node, inputs: Sequence[Any], output: Array, number: object) -> Lines:
    (x,) = inputs
    for dim in node.attributes["dims"]:
        x = x.flipped(dim)
    return copied(x, output)


def _pad(node: Node, inputs: Sequence[Any], output: Array, number: object) -> Lines:
    (x,), inside = inputs, output
    for dim, (before, _) in enumerate(node.attributes["widths"]):
        inside = inside.part(dim, before, x.shape[dim])
    return [*filled(output, node.attributes["value"]), *copied(x, inside)]


def _cat(node: Node, inputs: Sequence[Any], output: Array, hosted: frozenset[int]) -> Lines:
    lines: Lines = []
    dim, start = node.attributes["dim"], 0
    for number, x in enumerate(inputs):
        if number not in hosted and x.size:
            lines += copied(x, output.part(dim, start, x.shape[dim]))
        start += x.shape[dim]
    return lines


def _assign(node: Node, inputs: Sequence[Any], output: Array, number: object) -> Lines:
    """A copy of x in which what a view operation shows is replaced."""
    x, value = inputs
    part = output.viewed(node.attributes["view"], node.attributes["attributes"])
    return [*copied(x, output), *assigned(value, part)]


def _unslice(node: Node, inputs: Sequence[Any], output: Array, number: object) -> Lines:
    """x in the places of a slice, zeros elsewhere."""
    part = output.viewed(_slice, {"index": node.attributes["index"]})
    return [*filled(output, 0), *copied(inputs[0], part)]


def _in_range(node: Node, inputs: Sequence[Any], output: Array, number: object) -> Lines:
    """The index, once it is checked."""
    checks = check_range(inputs[0], node.attributes["size"], number)
    return [*checks, *copied(inputs[0], output)]


# ---- whole numbers, which have no answer to a division by zero, nor a fraction as a power ----


def _whole(node: Node, inputs: Sequence[Any], output: Array, number: object) -> Lines:
    x, y = (operand(value, output.shape, output.dtype) for value in inputs)
    wrong = "{} < 0" if node.op.name == "pow" else "{} == 0"
    name = f"{node.op.name}_i64"
    return [
        *_refuse(wrong, inputs[1], f"return sl_fail(call, SL_DIVISION, {number}, 0);"),
        *loops(output.shape, lambda *i: [f"{output.at(*i)} = {name}({x(*i)}, {y(*i)});"]),
    ]


def _refuse(wrong: str, y: Array | bool | int | float, refusal: str) -> Lines:
    if not isinstance(y, Array):
        return [f"if ({wrong.format(int(y))}) {refusal}"]
    return each(lambda y: f"if ({wrong.format(y)}) {refusal}", y)


WRITERS: dict[str, Writer] = {
    **dict.fromkeys(("copy", "slice", "permute", "matrix_transpose", "expand", "reshape"), _view),
    "flip": _flip,
    "pad": _pad,
    "assign": _assign,
    "unslice": _unslice,
    "in_range": _in_range,
    "floor_divide": _whole,
    "remainder": _whole,
    "pow": _whole,
    "gather": choosing.gather,
    "scatter_add": choosing.scatter_add,
    "pick": choosing.pick,
    "unpick": choosing.unpick,
    "put": choosing.put,
    "sum": reducing.total,
    "amax": reducing.extreme,
    "amin": reducing.extreme,
    "prod": reducing.product,
    "logsumexp": reducing.logsumexp,
    "argmax": reducing.argument,
    "argmin": reducing.argument,
    "cumsum": reducing.running_sum,
    "argsort": reducing.order,
}
