"""Writes the product of a kernel as C functions, and copies once what many products share.

Input: a product's kernel, and where the values lie. Output: functions to be called in order.
Invariant: the copy of a matrix is made before the first product that reads it.
Example: a recurrent layer computes h Wᵀ in each time step. W goes into panels in the first one,
    `hidden_weight_panels`, and all of them multiply with those.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from streetlight.compile import kernels, matmul, tiles
from streetlight.compile.access import View, broadcast, contiguous_strides, reshaped, whole
from streetlight.compile.c_text import literal
from streetlight.compile.function import Function
from streetlight.compile.fuse import Fuser
from streetlight.compile.memory import Memory
from streetlight.compile.product import Operand, Product
from streetlight.graph.graph import Node, Value
from streetlight.graph.graph import Operand as Factor


class ProductWriter:
    """Writes the products of one program.

    Attributes:
        uses: how many products multiply with the same matrix on the right.
        panels: the copies of such matrices.
    """

    def __init__(self, fuser: Fuser, memory: Memory) -> None:
        self.fuser, self.memory = fuser, memory
        products = [k.node for k in fuser.kernels if isinstance(k, kernels.Product)]
        self.uses = Counter(self._factors(node)[1] for node in products if node)
        self.panels: dict[View, Value] = {}

    def write(self, kernel: kernels.Product, node: Node) -> Iterator[Function]:
        """Give the function that computes the product, and before it those that it needs."""
        x, y, shape = self._factors(node)
        function, batch = Function(), shape[:-2]
        out = View(kernel.writes[0], 0, shape, contiguous_strides(shape))
        c = _operand(self._pointer(function, out, True), out, batch)
        a = _operand(self._pointer(function, x), x, batch)
        alpha = [self._scale(function, factor, node) for factor in kernel.scale]
        product = Product(
            batch, shape[-2], shape[-1], x.shape[-1], node.output.dtype,
            a, _operand("", y, batch), c,
            ("-" if kernel.negative else "") + (" * ".join(alpha) or "1"),
            "1" if kernel.onto is not None else "0",
        )  # fmt: skip
        if tiles.pays_to_pack(product, self.uses[y]):
            if y not in self.panels:
                yield self._packing(product, y)
            product = tiles.packed(product, self._pointer(function, whole(self.panels[y])))
        else:
            product = replace(product, b=_operand(self._pointer(function, y), y, batch))
        function.lines = matmul.statements(product)
        yield function

    def _packing(self, product: Product, y: View) -> Function:
        """A function that copies a matrix into panels."""
        size = tiles.packed_size(product)
        panels = self.panels[y] = Value(f"{y.root.name}_panels", (size,), product.dtype)
        self.memory.add(panels)
        function = Function()
        product = replace(product, b=replace(product.b, pointer=self._pointer(function, y)))
        target = self._pointer(function, whole(panels), True)
        function.lines = tiles.pack_statements(product, target)
        return function

    def _factors(self, node: Node) -> tuple[View, View, tuple[int, ...]]:
        """The two matrices, or batches of them, and the shape of their product."""
        x, y = (self.fuser.in_memory(value) for value in node.values)
        return as_matrices(x, y) if node.op.name == "linear" else (x, y, node.output.shape)

    def _pointer(self, function: Function, view: View, written: bool = False) -> str:
        place = self.memory.places[view.root]
        return function.pointer(place, view.root, written, offset=view.offset)

    def _scale(self, function: Function, factor: Factor, node: Node) -> str:
        if not isinstance(factor, Value):
            return literal(factor, node.output.dtype)
        root = self.fuser.views[factor].root
        if root in self.fuser.literals:
            return literal(self.fuser.literals[root], root.dtype)
        return function.scalar(root)


def _operand(pointer: str, view: View, batch: tuple[int, ...]) -> Operand:
    strides = broadcast(view, (*batch, *view.shape[-2:]))
    return Operand(pointer, (strides[-2], strides[-1]), strides[:-2])


def as_matrices(x: View, weight: View) -> tuple[View, View, tuple[int, ...]]:
    """The operands of `linear` as those of a matrix product, and the shape it gives.

    Rows that one stride can walk are one matrix; others are a batch of matrices.
    """
    k, n = x.shape[-1], weight.shape[0]
    turned = View(weight.root, weight.offset, weight.shape[::-1], weight.strides[::-1])
    rows = x.size // k if k else 0
    flat = reshaped(x, (rows, k)) if k else None
    if flat is not None:
        return flat, turned, (rows, n)
    return x, turned, (*x.shape[:-1], n)
