"""A module as a table: the modules in it, the shapes they give, the parameters they add."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from streetlight.autograd import no_grad
from streetlight.creation import zeros
from streetlight.tensor import Tensor

if TYPE_CHECKING:
    from streetlight.nn.module import Module


class Text(str):
    """A text that an interactive session shows as it is, without quotes."""

    __repr__ = str.__str__


def summarise(module: Module, inputs: Sequence[Any]) -> Text:
    """Run the module once without changing it, and tell of each module in it."""
    shapes = _output_shapes(module, inputs) if inputs else {}
    table = [("name", "layer", "output shape", "parameters")]
    seen: set[int] = set()
    for name, inner in module.named_modules():
        new = {id(p): p.numel() for p in inner.parameters(recurse=False) if id(p) not in seen}
        seen |= new.keys()
        is_layer = inputs and not any(inner.children())  # a list of layers is not itself called
        shape = shapes.get(inner, "not used" if is_layer else "")
        count = f"{sum(new.values()):,}" if new else ""
        table.append((name or "model", type(inner).__name__, shape, count))
    names, kinds, sizes, counts = (max(map(len, column)) for column in zip(*table, strict=True))
    lines = [
        f"{name:<{names}}  {kind:<{kinds}}  {shape:<{sizes}}  {count:>{counts}}".rstrip()
        for name, kind, shape, count in table
    ]
    rule = "-" * (names + kinds + sizes + counts + 6)
    return Text("\n".join([lines[0], rule, *lines[1:], rule, _totals(list(module.parameters()))]))


def _totals(parameters: list[Any]) -> str:
    frozen = sum(p.numel() for p in parameters if not p.requires_grad)
    told = f"{frozen:,} of them frozen" if frozen else "all trainable"
    size: float = sum(p.numel() * p.dtype.itemsize for p in parameters)
    units = iter(("bytes", "kB", "MB", "GB", "TB"))
    unit = next(units)
    while size >= 1000:
        size, unit = size / 1000, next(units)
    return f"{sum(p.numel() for p in parameters):,} parameters, {told}, {size:.3g} {unit}"


def _output_shapes(module: Module, inputs: Sequence[Any]) -> dict[Module, str]:
    shapes: dict[Module, str] = {}

    def note(inner: Module, args: Any, output: Any) -> None:
        shapes[inner] = _shape_text(output)

    like = next(iter(module.parameters()), zeros(()))
    with no_grad(), ExitStack() as undo:
        for inner in module.modules():
            undo.callback(setattr, inner, "training", inner.training)
            undo.enter_context(inner.register_forward_hook(note))
        given = (x if isinstance(x, Tensor) else zeros(x, dtype=like.dtype) for x in inputs)
        module.eval()(*(x.to(like.device) for x in given))
    return shapes


def _shape_text(output: Any) -> str:
    if isinstance(output, (list, tuple)):
        return ", ".join(map(_shape_text, output))
    return str(tuple(output.shape)) if isinstance(output, Tensor) else type(output).__name__
