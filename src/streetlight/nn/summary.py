"""How a module is shown: as a tree by `repr`, and as a table of layers, shapes and parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from streetlight.autograd import no_grad
from streetlight.creation import zeros
from streetlight.tensor import Tensor

if TYPE_CHECKING:
    from streetlight.nn.module import Module


def tree(module: Module) -> str:
    """Write a module and all below it, one to a line, children indented."""
    name, extra = type(module).__name__, module.extra_repr()
    children = [f"({key}): {child!r}" for key, child in module._own_modules().items()]
    if not children:
        return f"{name}({extra})"
    inside = "\n".join([extra, *children] if extra else children)
    return f"{name}(\n{inside}".replace("\n", "\n  ") + "\n)"


class Row(NamedTuple):
    """One module: its name, its kind, what it gave, and the parameters that it adds."""

    name: str
    kind: str
    output_shape: str
    parameters: int


@dataclass(frozen=True)
class Summary:
    """The layers of a module as a table: print it, or read its fields."""

    rows: list[Row]
    trainable: int
    frozen: int
    size_in_bytes: int

    @property
    def parameters(self) -> int:
        """The number of all parameters, each counted once."""
        return self.trainable + self.frozen

    def __str__(self) -> str:
        table = [("name", "layer", "output shape", "parameters")]
        for row in self.rows:
            count = f"{row.parameters:,}" if row.parameters else ""
            table.append((row.name, row.kind, row.output_shape, count))
        names, kinds, shapes, counts = (
            max(map(len, column)) for column in zip(*table, strict=True)
        )
        lines = [
            f"{name:<{names}}  {kind:<{kinds}}  {shape:<{shapes}}  {count:>{counts}}".rstrip()
            for name, kind, shape, count in table
        ]
        rule = "-" * (names + kinds + shapes + counts + 6)
        return "\n".join([lines[0], rule, *lines[1:], rule, self._totals()])

    __repr__ = __str__

    def _totals(self) -> str:
        frozen = f"{self.frozen:,} of them frozen" if self.frozen else "all trainable"
        return f"{self.parameters:,} parameters, {frozen}, {_readable(self.size_in_bytes)}"


def summarise(module: Module, inputs: Sequence[Any]) -> Summary:
    """Run the module once without changing it, and note what each module in it gives."""
    shapes = _output_shapes(module, inputs) if inputs else {}
    seen: set[int] = set()
    rows = []
    for name, inner in module.named_modules():
        new = {id(p): p.numel() for p in inner.parameters(recurse=False) if id(p) not in seen}
        seen |= new.keys()
        is_layer = inputs and not inner._own_modules()  # a list of layers is not itself called
        shape = shapes.get(inner, "not used" if is_layer else "")
        rows.append(Row(name or "model", type(inner).__name__, shape, sum(new.values())))
    parameters = list(module.parameters())
    trainable = sum(p.numel() for p in parameters if p.requires_grad)
    frozen = sum(p.numel() for p in parameters if not p.requires_grad)
    size = sum(p.numel() * p.dtype.itemsize for p in parameters)
    return Summary(rows, trainable, frozen, size)


def _output_shapes(module: Module, inputs: Sequence[Any]) -> dict[Module, str]:
    shapes: dict[Module, str] = {}

    def note(inner: Module, args: Any, output: Any) -> None:
        shapes[inner] = _shape_text(output)

    like = next(iter(module.parameters()), zeros(()))
    make = partial(zeros, dtype=like.dtype, device=like.device)
    given = [value if isinstance(value, Tensor) else make(value) for value in inputs]
    modes = {inner: inner.training for inner in module.modules()}
    handles = [inner.register_forward_hook(note) for inner in modes]
    try:
        with no_grad():
            module.eval()(*given)
    finally:
        for handle in handles:
            handle.remove()
        for inner, mode in modes.items():
            inner.training = mode
    return shapes


def _shape_text(output: Any) -> str:
    if isinstance(output, (list, tuple)):
        return ", ".join(map(_shape_text, output))
    return str(tuple(output.shape)) if isinstance(output, Tensor) else type(output).__name__


def _readable(size: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"
