"""FunctionalModule: what activations and losses are, a function with its options kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from streetlight.nn.module import Module

if TYPE_CHECKING:
    from streetlight.tensor import Tensor


@dataclass(eq=False, repr=False)
class FunctionalModule(Module):
    """Calls one function, which the class names; the dataclass fields are the call's options.

    >>> nn.Softplus(beta=2.0)
    Softplus(beta=2.0, threshold=20.0)
    """

    function: ClassVar[Callable[..., Tensor]]

    def __init_subclass__(cls, function: Callable[..., Tensor] | None = None) -> None:
        super().__init_subclass__()
        if function is not None:
            cls.function = staticmethod(function)

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """Call the function."""
        options = {field.name: getattr(self, field.name) for field in fields(self)}
        return self.function(*args, **kwargs, **options)

    def extra_repr(self) -> str:
        """Tell the options."""
        shown = (field.name for field in fields(self) if field.repr)
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
