"""Sees to it that each result of a program is a value with memory of its own.

Input: kernels of all nodes. Output: the same, with copies of results that are an input, a view, a
plain number, or the same value twice. Invariant: afterwards `roots` names for each output and each
update one value that a kernel makes, and no two of them are the same.

Example: `def f(x): return x, x.T` gives two copies; `return x + 1` none.
"""

from __future__ import annotations

from streetlight.compile.access import whole
from streetlight.compile.fuse import Fuser
from streetlight.graph.graph import Node, Value
from streetlight.ops.registry import cast


def give_memory(fuser: Fuser) -> tuple[list[Value], dict[Value, Value]]:
    """Return the roots of the outputs that are tensors, and for each updated input its root."""
    claimed: set[Value] = set()
    graph = fuser.graph

    def own(value: Value, name: str) -> Value:
        root = fuser.views[value].root
        usable = root in fuser.place and fuser.views[value].is_identity and root not in claimed
        if not usable:
            root = _copied(fuser, value, name)
        claimed.add(root)
        return root

    updates = {
        target: own(new, f"new_{target.name}")
        for target, new in graph.updates.items()
        if not target.number and fuser.views[new] != whole(target)
    }
    outputs = [own(v, f"output_{i}") for i, v in enumerate(graph.outputs) if not v.number]
    return outputs, updates


def _copied(fuser: Fuser, value: Value, name: str) -> Value:
    copy = Value(name, value.shape, value.dtype)
    fuser.place_in_loop(Node(cast, (value,), {"dtype": value.dtype}, copy), copy.size)
    return copy
