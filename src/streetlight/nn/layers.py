"""The layers that networks are made of, except for activations: those only call a function."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any

import streetlight.functional as F
from streetlight import ops
from streetlight.creation import empty, ones, zeros
from streetlight.errors import IndexOutOfRangeError
from streetlight.nn import init
from streetlight.nn.functional_modules import FunctionalModule
from streetlight.nn.members import Parameter
from streetlight.nn.module import Module
from streetlight.ops.dims import as_shape

if TYPE_CHECKING:
    from streetlight.random import Generator
    from streetlight.tensor import Tensor


class Linear(Module):
    """Weigh and add up: x · Wᵀ + b; see `functional.linear`.

    Weight (out_features, in_features) and bias (out_features,) begin uniform in ±1/√in_features.

    >>> layer = nn.Linear(3, 2)
    >>> layer(sl.zeros(5, 3)).shape, layer.weight.shape, layer.bias.shape
    ((5, 2), (2, 3), (2,))
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        self.in_features, self.out_features = in_features, out_features
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


class Embedding(Module):
    """Look up rows of a learnt table: weight[input]; see `functional.embedding`.

    The weight (num_embeddings, embedding_dim) begins with the standard normal distribution, the
    row `padding_idx` with 0, and that row gets no gradient.

    Raises:
        IndexOutOfRangeError: `padding_idx` is not a row of the table.

    >>> words = nn.Embedding(10, 3, padding_idx=0)
    >>> words(sl.tensor([[1, 2, 0, 0]])).shape
    (1, 4, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise IndexOutOfRangeError(
                f"Embedding: padding_idx={padding_idx} is not one of {num_embeddings} rows"
            )
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = padding_idx if padding_idx is None else padding_idx % num_embeddings
        self.weight = Parameter(empty(num_embeddings, embedding_dim, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the table anew."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            init.zeros_(self.weight[self.padding_idx])

    def forward(self, input: Tensor) -> Tensor:
        """Turn indices (...) into rows (..., embedding_dim)."""
        return F.embedding(input, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        """Tell the sizes."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"


class _Norm(Module):
    def reset_parameters(self) -> None:
        """Set the parameters, and the statistics if there are any, to what they begin with."""
        for name, tensor in (*self.named_parameters(), *self.named_buffers()):
            init.constant_(tensor, 1 if name in ("weight", "running_var") else 0)


class LayerNorm(_Norm):
    """Bring each sample to mean 0 and variance 1; see `functional.layer_norm`.

    Its sizes are `normalized_shape`, the last ones of the input. With `elementwise_affine` a weight
    (from 1) and a bias (from 0) are learnt, the bias only if there is to be a `bias`.

    >>> nn.LayerNorm(2, eps=0.0)(sl.tensor([[1.0, 3.0]])).tolist()
    [[-1.0, 1.0]]
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        self.normalized_shape = shape = as_shape("LayerNorm", (normalized_shape,))
        self.eps, learnt = eps, elementwise_affine
        self.weight = Parameter(ones(shape, device=device, dtype=dtype)) if learnt else None
        self.bias = Parameter(zeros(shape, device=device, dtype=dtype)) if learnt and bias else None

    def forward(self, input: Tensor) -> Tensor:
        """Normalise an input (..., *normalized_shape)."""
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Tell the options."""
        affine = f"elementwise_affine={self.weight is not None}, bias={self.bias is not None}"
        return f"{self.normalized_shape}, eps={self.eps}, {affine}"


class RMSNorm(_Norm):
    """Bring each sample to root mean square 1; see `functional.rms_norm`.

    The arguments are those of `LayerNorm`; `eps=None` stands for the resolution of the dtype.

    >>> nn.RMSNorm(2, eps=0.0)(sl.tensor([[3.0, 3.0]])).tolist()
    [[1.0, 1.0]]
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        self.normalized_shape = shape = as_shape("RMSNorm", (normalized_shape,))
        self.eps, learnt = eps, elementwise_affine
        self.weight = Parameter(ones(shape, device=device, dtype=dtype)) if learnt else None

    def forward(self, input: Tensor) -> Tensor:
        """Normalise an input (..., *normalized_shape)."""
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """Tell the options."""
        affine = f"elementwise_affine={self.weight is not None}"
        return f"{self.normalized_shape}, eps={self.eps}, {affine}"


class Dropout(FunctionalModule, function=F.dropout):
    """In training, put a share p of the elements to 0, scale the others; see `functional.dropout`.

    In evaluation mode (`model.eval()`) the input is given back as it is; it is never changed.

    >>> nn.Dropout(0.5).eval()(sl.ones(3)).tolist()
    [1.0, 1.0, 1.0]
    """

    p: float = 0.5
    inplace: bool = False
    generator: Generator | None = field(default=None, kw_only=True, repr=False)

    def forward(self, input: Tensor) -> Tensor:
        """Apply it to an input of any shape."""
        return self.function(input, self.p, self.training, generator=self.generator)


class Flatten(FunctionalModule, function=ops.flatten):
    """Make one dimension of those from `start_dim` to `end_dim`, by default all but the batch.

    >>> nn.Flatten()(sl.zeros(5, 28, 28)).shape
    (5, 784)
    """

    start_dim: int = 1
    end_dim: int = -1


class Identity(Module):
    """Give back the input as it is; takes the place, and the arguments, of a layer left out.

    >>> nn.Identity()(sl.tensor([1.0])).tolist()
    [1.0]
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def forward(self, input: Tensor) -> Tensor:
        """Return the input."""
        return input
