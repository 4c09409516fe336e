"""Parameter and Buffer: tensors that belong to a module, the first learnt, the second not."""

from __future__ import annotations

from typing import Any

from streetlight.tensor import Tensor


class _Member(Tensor):
    def __init__(self, data: Any, requires_grad: bool) -> None:
        shared = (data if isinstance(data, Tensor) else Tensor(data)).detach()
        self._data, self._changed = shared._data, shared._changed
        self.requires_grad_(requires_grad)


class Parameter(_Member):
    """A tensor that a module learns: it is found by `parameters()` and requires a gradient.

    Args:
        data: a floating-point tensor, whose memory is shared, or what makes one.
        requires_grad: False for a parameter that is not learnt for now.

    Raises:
        DTypeError: a gradient is required of elements that are not floating-point.

    >>> nn.Parameter(sl.ones(2)).requires_grad
    True
    """

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        super().__init__(data, requires_grad)

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


class Buffer(_Member):
    """A tensor that belongs to a module's state but is not learnt, such as a running mean.

    Args:
        data: a tensor, whose memory is shared, or what makes one.
        persistent: whether `state_dict()` holds it.

    >>> module = nn.Module()
    >>> module.mean = nn.Buffer(sl.zeros(2))
    >>> list(module.state_dict())
    ['mean']
    """

    persistent: bool

    def __init__(self, data: Any, *, persistent: bool = True) -> None:
        super().__init__(data, requires_grad=False)
        self.persistent = persistent

    def __deepcopy__(self, memo: dict[Any, Any]) -> Tensor:
        twin = super().__deepcopy__(memo)
        vars(twin)["persistent"] = self.persistent
        return twin
