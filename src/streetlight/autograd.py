"""Automatic differentiation: what is recorded of each operation, and the walk back over it.

Each recorded operation is a `Node` that knows its inputs' nodes. The walk starts at the result
and visits every node once, the latest first. A node is made after all its inputs, so when its
turn comes, everything that used its result has already sent its share of the gradient. Visiting
in any other order would pass on a gradient that is not complete yet.
"""

from __future__ import annotations

import heapq
import itertools
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from streetlight.errors import ArgumentError, DTypeError, GradientError, InPlaceError, ShapeError
from streetlight.grad_mode import enable_grad as enable_grad
from streetlight.grad_mode import is_grad_enabled as is_grad_enabled
from streetlight.grad_mode import no_grad as no_grad
from streetlight.grad_mode import set_grad_enabled as set_grad_enabled
from streetlight.ops.movement import copy
from streetlight.ops.reduce import _sum
from streetlight.ops.registry import Op, Shape, Value, context

if TYPE_CHECKING:
    from streetlight.tensor import Tensor

Edge = Any  # a Node, or a leaf Tensor that requires a gradient
Hook = Callable[["Tensor"], "Tensor | None"]

tick = itertools.count(1).__next__  # the one clock of recordings and of changes in place
NEVER = sys.maxsize  # stands for the time of a view taken under no_grad: it stays a constant


class Node:
    """One recorded operation: what the walk needs to send a gradient on to the inputs."""

    hooks: list[Hook] | None = None  # called with the gradient before it is sent on
    retained: Tensor | None = None  # the tensor that wants to keep the gradient
    box: list[int] | None = None  # time of the last change of the saved result

    def __init__(
        self, op: Op, edges: tuple[Edge, ...], saved: tuple[Any, ...], places: Sequence[int],
        attributes: dict[str, Any], output: Any,
    ) -> None:  # fmt: skip
        self.op = op
        self.edges = edges
        self.saved: tuple[Any, ...] | None = saved  # inputs whose values are needed, else edges
        self.places = places  # where in `saved` the values are
        self.attributes = attributes
        self.output = output if op.saves_output else None
        self.shape: Shape = output.shape
        self.dtype = output.dtype
        self.time = tick()

    @property
    def ndim(self) -> int:
        """The number of dimensions of the result."""
        return len(self.shape)

    def name(self) -> str:
        """The name of the operation."""
        return self.op.name

    def __repr__(self) -> str:
        return f"<{self.op.name}>"

    def result(self) -> Any:
        """The saved result as a tensor again; holding the tensor itself would be a cycle."""
        if self.output is None:
            return None
        out = Value.wrap(self.output)
        out._node, out.requires_grad = self, True
        return out

    def check(self) -> None:
        """Raise if the graph was freed, or a value that the rules need was changed in place."""
        if self.saved is None:
            raise GradientError(
                f"backward: the values that {self.op.name} saved are freed already",
                expected="one backward walk over a graph, unless it is kept",
                fix="backward(retain_graph=True) the first time, or compute the loss again",
            )
        changed = self.box is not None and self.box[0] > self.time
        for place in self.places:
            box = getattr(self.saved[place], "_changed", None)
            changed = changed or (box is not None and box[0] > self.time)
        if changed:
            raise InPlaceError(
                f"backward: a value that {self.op.name} needs was changed in place after its use",
                expected="values of the forward pass as they were",
                got={"result of the operation": self},
                fix="write x = x + 1 instead of x += 1, or change x.clone()",
            )


def record(op: Op, inputs: tuple[Any, ...], attributes: dict[str, Any], output: Any) -> Node | None:
    """Make the node of an operation that was just carried out, if an input needs a gradient."""
    edges = []
    pattern = 1  # a bit for each input behind the first: whether it requires a gradient
    for x in inputs:
        edge = None
        if isinstance(x, Value):
            if x._base is not None:
                refresh(x)
            if x.requires_grad:
                edge = x._node or x
        edges.append(edge)
        pattern = pattern * 2 + (edge is not None)
    if pattern == 1 << len(edges):
        return None
    places = op.places.get(pattern)
    if places is None:
        places = op.places_for(pattern)
    if not places:
        saved = tuple(edges)
    elif len(places) == len(inputs):
        saved = inputs
    else:
        saved = tuple([x if i in places else edges[i] for i, x in enumerate(inputs)])
    return Node(op, tuple(edges), saved, places, attributes, output)


def refresh(view: Any) -> None:
    """Record a view anew if the memory it looks at was changed in place since it was taken."""
    base, op, attributes, time = view._base
    if view._changed[0] <= time:
        return
    view._node = record(op, (base,), attributes, view._data)
    view.requires_grad = view._node is not None
    view._base = (base, op, attributes, tick())


def node_of(tensor: Any) -> Node | None:
    """Return the operation that made a tensor, or its latest change in place."""
    if tensor._base is not None:
        refresh(tensor)
    node: Node | None = tensor._node
    return node


# ---- the walk ----


def sum_to(gradient: Any, shape: Shape) -> Any:
    """Sum a gradient over the dimensions along which its tensor was broadcast."""
    lead = len(gradient.shape) - len(shape)
    dims = tuple(range(lead)) + tuple(
        [lead + i for i, n in enumerate(shape) if n == 1 and gradient.shape[lead + i] != 1]
    )
    summed = _sum(gradient, dims=dims, keepdim=False) if dims else gradient
    return summed if summed.shape == shape else summed.reshape(shape)


class _Arrivals:
    """Gradients that have arrived at nodes and leaves, and the nodes still to be visited."""

    def __init__(self) -> None:
        self.at: dict[int, Any] = {}
        self.leaves: dict[int, Any] = {}
        self.owned: set[int] = set()
        self.heap: list[tuple[int, Node]] = []

    def send(self, edge: Edge, gradient: Any, owned: bool) -> None:
        """Add a gradient to what has arrived at an edge."""
        key = id(edge)
        if key in self.at:
            self.at[key] = self.at[key] + gradient
            self.owned.add(key)
            return
        self.at[key] = gradient
        if owned:
            self.owned.add(key)
        if type(edge) is Node:
            heapq.heappush(self.heap, (-edge.time, edge))
        else:
            self.leaves[key] = edge


def _route(starts: Sequence[tuple[Edge, Any]], wanted: set[int]) -> set[int]:
    """Return the nodes that lead to what is wanted: the walk leaves all others alone."""
    nodes: dict[int, Node] = {}
    stack = [edge for edge, _ in starts]
    while stack:
        edge = stack.pop()
        if type(edge) is Node and id(edge) not in nodes:
            nodes[id(edge)] = edge
            stack.extend(edge.edges)
    leading: set[int] = set()
    for node in sorted(nodes.values(), key=lambda node: node.time):  # inputs come first
        if any(id(edge) in wanted or id(edge) in leading for edge in node.edges):
            leading.add(id(node))
    return leading


def _visit(node: Node, g: Any, arrivals: _Arrivals, route: set[int] | None) -> None:
    """Send the gradient of a node's result on to its inputs, or to those on the route."""
    node.check()
    op, out, saved, attributes = node.op, node.result(), node.saved or (), node.attributes
    for place, edge in enumerate(node.edges):
        if edge is None or (route is not None and id(edge) not in route):
            continue
        if op.variadic:
            gradient = op.vjp[0](g, out, place, **attributes)  # type: ignore[misc]
        else:
            rule = op.vjp[place] if place < len(op.vjp) else None
            if rule is None:
                continue
            gradient = rule(g, out, *saved, **attributes)
        if gradient.shape != edge.shape:
            gradient = sum_to(gradient, edge.shape)
        arrivals.send(edge, gradient, gradient is not g and gradient._base is None)


def _hooked(hooks: list[Hook] | None, gradient: Any) -> Any:
    for hook in hooks or ():
        replaced = hook(gradient)
        gradient = gradient if replaced is None else replaced
    return gradient


def _own(gradient: Any, owned: bool, create_graph: bool) -> Any:
    """Return a gradient that shares its memory with nothing else."""
    if owned:
        return gradient
    return copy(gradient) if create_graph else Value.wrap(gradient._data.copy())


def _walk(
    starts: Sequence[tuple[Edge, Any]], keep: bool, create_graph: bool, wanted: set[int] | None
) -> dict[int, Any]:
    """Walk from the starts to all leaves and return what arrived at leaves and `wanted` nodes.

    If nothing is wanted, it is added to the `.grad` of the leaves.
    """
    arrivals = _Arrivals()
    found: dict[int, Any] = {}
    leading = None if wanted is None else _route(starts, wanted)
    route = None if wanted is None or leading is None else wanted | leading
    previous, context.grad_enabled = context.grad_enabled, create_graph
    try:
        for edge, gradient in starts:
            arrivals.send(edge, gradient, False)
        while arrivals.heap:
            node = heapq.heappop(arrivals.heap)[1]
            g = arrivals.at.pop(id(node))
            if node.hooks is not None or node.retained is not None:
                g = _hooked(node.hooks, g)
                if node.retained is not None:
                    _accumulate(node.retained, _own(g, False, create_graph), create_graph)
            if wanted is not None and id(node) in wanted:
                found[id(node)] = _own(g, False, create_graph)
            if leading is not None and id(node) not in leading:
                continue
            _visit(node, g, arrivals, route)
            if not keep:
                node.saved = node.output = None
        for key, leaf in arrivals.leaves.items():
            g = _hooked(leaf._hooks, arrivals.at[key])
            owned = key in arrivals.owned and not leaf._hooks
            found[key] = g = _own(g, owned, create_graph)
            if wanted is None:
                _accumulate(leaf, g, create_graph)
    finally:
        context.grad_enabled = previous
    return found


def _accumulate(tensor: Any, gradient: Any, create_graph: bool) -> None:
    """Add a gradient to `tensor.grad`."""
    if tensor.grad is None:
        tensor.grad = gradient
    elif create_graph:
        tensor.grad = tensor.grad + gradient
    else:
        tensor.grad.add_(gradient)


def _start(output: Any, gradient: Any, name: str) -> tuple[Edge, Any]:
    """Check one output of a walk and its gradient (1 if none is given)."""
    node = node_of(output)
    if not output.requires_grad:
        raise GradientError(
            f"{name}: the tensor does not depend on anything that requires a gradient",
            got={"tensor": output},
            fix="make a parameter with requires_grad=True, and compute outside of no_grad()",
        )
    if gradient is None:
        if output._data.size != 1:
            raise GradientError(
                f"{name}: the tensor has {output._data.size} elements, not one",
                expected="a single number, such as a loss, or a gradient of the tensor's shape",
                got={"tensor": output},
                fix="take .sum() or .mean() first, or pass gradient=",
            )
        gradient = Value.wrap(output._data.copy())
        gradient._data.fill(1)  # the output itself may be infinite
    elif not hasattr(gradient, "dtype"):
        raise DTypeError(
            f"{name}: the gradient is a {type(gradient).__name__}", expected="a tensor",
            fix="sl.tensor(...) of the tensor's shape",
        )  # fmt: skip
    elif tuple(gradient.shape) != tuple(output.shape):
        words = f"{name}: the gradient does not have the tensor's shape"
        raise ShapeError(words, got={"tensor": output, "gradient": gradient})
    elif gradient.dtype != output.dtype:
        gradient = gradient.to(output.dtype)
    return node or output, gradient


def backward(
    tensor: Any, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False
) -> None:
    """Add the gradient of `tensor` to `.grad` of every leaf it depends on; see Tensor.backward."""
    start = _start(tensor, gradient, "backward")
    keep = create_graph if retain_graph is None else retain_graph
    _walk([start], keep, create_graph, None)


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Any, ...]:
    """Return the gradients of the outputs with respect to the inputs; no `.grad` is touched.

    Args:
        outputs: a tensor or a sequence of them.
        inputs: the tensors to differentiate by.
        grad_outputs: the gradient that each output starts with; 1 for single numbers.
        retain_graph: keep the saved values for another walk; the default is `create_graph`.
        create_graph: record the walk itself, so that the gradients can be differentiated again.
        allow_unused: give None for inputs that do not matter, instead of an error.

    Raises:
        GradientError: if an input does not require a gradient, or was not used.

    >>> import streetlight as sl
    >>> x = sl.tensor(3.0, requires_grad=True)
    >>> (slope,) = grad(x ** 3, x, create_graph=True)
    >>> slope.item(), grad(slope, x)[0].item()
    (27.0, 18.0)
    """
    outputs = [outputs] if isinstance(outputs, Value) else list(outputs)
    inputs = [inputs] if isinstance(inputs, Value) else list(inputs)
    given = [grad_outputs] if isinstance(grad_outputs, Value) else list(grad_outputs or [])
    given = given or [None] * len(outputs)
    if len(given) != len(outputs):
        raise ArgumentError(f"grad: {len(outputs)} outputs, but {len(given)} grad_outputs")
    keep = create_graph if retain_graph is None else retain_graph
    starts = [_start(o, g, "grad") for o, g in zip(outputs, given, strict=True)]
    edges = [node_of(i) or i for i in inputs]
    found = _walk(starts, keep, create_graph, {id(edge) for edge in edges})
    for place, (edge, tensor) in enumerate(zip(edges, inputs, strict=True)):
        if not tensor.requires_grad or (id(edge) not in found and not allow_unused):
            raise GradientError(
                f"grad: the outputs do not depend on input {place}",
                got={"input": tensor},
                fix="give it requires_grad=True and use it, or pass allow_unused=True",
            )
    return tuple(found.get(id(edge)) for edge in edges)


class HookHandle:
    """What `register_hook` returns: `remove()` takes the hook off again."""

    def __init__(self, hooks: list[Any], hook: Any) -> None:
        self._hooks, self._hook = hooks, hook

    def remove(self) -> None:
        """Take the hook off; a second call does nothing."""
        if self._hook in self._hooks:
            self._hooks.remove(self._hook)
