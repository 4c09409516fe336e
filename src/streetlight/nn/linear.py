"""The linear layer, and layers that only pass on or reshape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import streetlight.functional as F
from streetlight.creation import empty
from streetlight.nn import init
from streetlight.nn.module import Module
from streetlight.nn.parameter import Parameter
from streetlight.ops.dims import as_shape, one_dim

if TYPE_CHECKING:
    from streetlight.tensor import Tensor


class Linear(Module):
    """Weigh and add up: x · Wᵀ + b.

    Args:
        in_features: size of the last dimension of the input (..., in_features).
        out_features: size of the last dimension of the output (..., out_features).
        bias: whether there is a b.
        device, dtype: of the parameters.

    Weight (out_features, in_features) and bias (out_features,) begin uniform in ±1/√in_features.

    >>> layer = nn.Linear(3, 2)
    >>> layer(sl.zeros(5, 3)).shape, layer.weight.shape, layer.bias.shape
    ((5, 2), (2, 3), (2,))
    """

    in_features: int
    out_features: int
    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(empty(out_features, in_features, device=device, dtype=dtype))
        self.bias = Parameter(empty(out_features, device=device, dtype=dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        bound = 1 / math.sqrt(max(self.in_features, 1))
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        """Map an input (..., in_features) to (..., out_features)."""
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Tell the sizes."""
        sizes = f"in_features={self.in_features}, out_features={self.out_features}"
        return f"{sizes}, bias={self.bias is not None}"


class Identity(Module):
    """Give back the input as it is; takes the place of a layer that is left out.

    >>> nn.Identity()(sl.tensor([1.0])).tolist()
    [1.0]
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take the arguments of any layer that it may stand for."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the input."""
        return input


class Flatten(Module):
    """Make one dimension of several.

    Args:
        start_dim: the first of them; 1 keeps the batch.
        end_dim: the last of them.

    >>> nn.Flatten()(sl.zeros(5, 28, 28)).shape
    (5, 784)
    """

    _shown = ("start_dim", "end_dim")

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        """Reshape an input that has these dimensions."""
        return input.flatten(self.start_dim, self.end_dim)


class Unflatten(Module):
    """Make several dimensions of one.

    Args:
        dim: which one.
        unflattened_size: the sizes that it becomes; one of them may be -1.

    >>> nn.Unflatten(1, (28, 28))(sl.zeros(5, 784)).shape
    (5, 28, 28)
    """

    _shown = ("dim", "unflattened_size")

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        self.dim = dim
        self.unflattened_size = as_shape("Unflatten", (unflattened_size,))

    def forward(self, input: Tensor) -> Tensor:
        """Reshape an input that has this dimension."""
        dim = one_dim("Unflatten", self.dim, input.ndim)
        sizes = (*input.shape[:dim], *self.unflattened_size, *input.shape[dim + 1 :])
        return input.reshape(sizes)
