"""From graph to C: the road through all stages of the compiler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from streetlight.compile.ends import cut_sums
from streetlight.compile.fuse import MAY_FAIL, fuse
from streetlight.compile.kernels import (
    AddRows,
    Check,
    Convolution,
    Kernel,
    Loop,
    Planes,
    Product,
    Special,
    Store,
)
from streetlight.compile.memory import Memory
from streetlight.compile.passes import simplify
from streetlight.compile.results import give_memory
from streetlight.compile.shape_loops import shape_loops
from streetlight.compile.step import StepWriter
from streetlight.dtypes import DType
from streetlight.graph.graph import Graph, Node
from streetlight.graph.verify import verify
from streetlight.ops.registry import Shape


@dataclass(frozen=True)
class CSource:
    """A program as C, and what it must be given.

    Attributes:
        text: kernels and `step`, without the headers.
        inputs: names of the tensor inputs, in the order of the buffers.
        constants: the data of those inputs that never change, by name.
        outputs: shape and dtype of the tensor outputs; their buffers follow.
        numbers: names of the number inputs; updates are written back in place.
        number_outputs: how many numbers follow.
        updates: names of the inputs that are changed.
        generators: how many random generators it draws from.
        host_draws: random nodes whose numbers are drawn before the call and passed as further
            buffers, because C does not know their distribution.
        workspace: bytes of scratch memory.
        errors_come_first: whether every error is reported before anything is changed.
        kernels: how many there are.
        nodes: the operations, which errors number.
    """

    text: str
    inputs: list[str]
    constants: dict[str, Any]
    outputs: list[tuple[Shape, DType]]
    numbers: list[str]
    number_outputs: int
    updates: frozenset[str]
    generators: int
    host_draws: list[Node]
    workspace: int
    errors_come_first: bool
    kernels: int
    nodes: list[Node]


def build(graph: Graph) -> CSource:
    """Simplify a graph and write it as C; it is verified before and after."""
    verify(graph)
    graph = cut_sums(simplify(graph))
    verify(graph)
    fuser = fuse(graph)
    outputs, updates = give_memory(fuser)
    shape_loops(fuser, {*outputs, *updates.values()})
    memory = Memory(fuser, outputs, updates)
    writer = StepWriter(fuser, memory)
    return CSource(
        text=writer.write(),
        inputs=[value.name for value in memory.inputs],
        constants={g.value.name: g.data for g in graph.inputs if g.kind == "constant"},
        outputs=[(value.shape, value.dtype) for value in graph.outputs if not value.number],
        numbers=[given.value.name for given in graph.inputs if given.value.number],
        number_outputs=sum(value.number for value in graph.outputs),
        updates=frozenset(value.name for value in graph.updates),
        generators=graph.generators,
        host_draws=fuser.host_draws,
        workspace=memory.size,
        errors_come_first=_errors_come_first(fuser.kernels, memory),
        kernels=len(fuser.kernels),
        nodes=fuser.graph.nodes,
    )


def _errors_come_first(kernels: list[Kernel], memory: Memory) -> bool:
    changed = {memory.updates[old] for old in memory.in_place}
    writing = False
    for kernel in kernels:
        fails = isinstance(kernel, Check)
        if isinstance(kernel, Special) and kernel.node is not None:
            fails = kernel.node.op.name in MAY_FAIL
        if fails and writing:
            return False
        if isinstance(kernel, Loop | Product | AddRows | Convolution | Planes | Special):
            writing = writing or any(value in changed for value in kernel.writes)
        writing = writing or isinstance(kernel, Store)
    return True
