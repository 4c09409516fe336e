"""Settles what the loops of fused kernels look like, once it is known who is in them.

Input: kernels and the roots of the results. Output: the same kernels, with the length of rows,
what is stored to memory, what is kept for a row, and whether threads share the work.
Invariant: whatever another kernel or a later phase reads is kept somewhere.

Example: in softmax, `power` is read again in the third phase and kept for the row; only the
probabilities are stored.
"""

from __future__ import annotations

from streetlight.compile.fuse import Fuser
from streetlight.compile.kernels import Loop
from streetlight.graph.graph import Node, Value

LONGEST_ROW_ON_STACK = 2048
PARALLEL_COST = 150_000  # additions or so: below this, waking another thread does not pay
PARTS = 4  # fixed, so that sums do not depend on the number of threads
COSTLY = {"exp": 8, "log": 10, "tanh": 12, "sigmoid": 10, "erf": 12, "pow": 40, "sin": 20}
COSTLY |= {"cos": 20, "log1p": 15, "expm1": 15, "div": 3, "sqrt": 5, "rsqrt": 6}


def shape_loops(fuser: Fuser, results: set[Value]) -> None:
    """Settle all loops."""
    wanted = set(results)
    for kernel in fuser.kernels:
        wanted |= kernel.reads
    for kernel in fuser.kernels:
        if isinstance(kernel, Loop):
            _settle(fuser, kernel, wanted)


def cost(node: Node) -> int:
    """Roughly how many additions one element of the operation is worth."""
    return COSTLY.get(node.op.name, 1)


def _settle(fuser: Fuser, loop: Loop, wanted: set[Value]) -> None:
    if not loop.columns:
        loop.columns = loop.longest or loop.size
    after = [v for v, level in loop.level.items() if level == "after"]
    stored = [n.output for n in loop.nodes if n.output in wanted or n.output in after]
    for value in _read_later(fuser, loop):
        if value in wanted:
            continue
        if loop.columns <= LONGEST_ROW_ON_STACK:
            loop.row_memory.append(value)
        else:
            stored.append(value)
    loop.writes = stored
    work = loop.size * sum(cost(n) for n in loop.nodes)
    if work >= PARALLEL_COST and (loop.is_flat or loop.rows >= PARTS):
        loop.parts = PARTS
        for value in after:
            shape = (PARTS, value.size)
            loop.partials[value] = Value(f"{value.name}_parts", shape, value.dtype)
        loop.writes = [*stored, *loop.partials.values()]


def _read_later(fuser: Fuser, loop: Loop) -> list[Value]:
    """Elements that are read in a later phase than the one they are computed in."""
    found: dict[Value, None] = {}
    for node in loop.nodes:
        now = reading_phase(loop, node)
        for value in node.values:
            root = fuser.views[value].root if value in fuser.views else value
            if loop.level.get(root) == "element" and now > loop.phase[root]:
                found[root] = None
    return list(found)


def reading_phase(loop: Loop, node: Node) -> int:
    """The phase in which a node reads its elements: a reduction reads in the one before it."""
    row = loop.level[node.output] == "row"
    reduces = row and node.op.name in ("sum", "amax", "amin")
    return loop.phase[node.output] - (1 if reduces else 0)
