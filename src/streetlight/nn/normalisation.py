"""Normalisation layers: they keep values at a known size, so that deep networks learn evenly."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import streetlight.functional as F
from streetlight.creation import ones, zeros
from streetlight.errors import ShapeError
from streetlight.nn import init
from streetlight.nn.members import Parameter
from streetlight.nn.module import Module
from streetlight.ops.dims import as_shape

if TYPE_CHECKING:
    from streetlight.tensor import Tensor


class _Norm(Module):
    weight: Parameter | None
    _beginnings = MappingProxyType(
        {"weight": 1, "bias": 0, "running_mean": 0, "running_var": 1, "num_batches_tracked": 0}
    )

    def reset_parameters(self) -> None:
        """Set the parameters, and the statistics if there are any, to what they begin with."""
        for name, value in self._beginnings.items():
            if vars(self).get(name) is not None:
                init.constant_(vars(self)[name], value)


class LayerNorm(_Norm):
    """Bring each sample to mean 0 and variance 1; see `functional.layer_norm`.

    Its sizes are `normalized_shape`, the last ones of the input. With `elementwise_affine` a weight
    (from 1) and a bias (from 0) are learnt, the bias only if there is to be a `bias`.

    >>> nn.LayerNorm(2, eps=0.0)(sl.tensor([[1.0, 3.0]])).tolist()
    [[-1.0, 1.0]]
    """

    bias: Parameter | None

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
        self.eps = eps
        learnt = elementwise_affine
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
        self.eps = eps
        learnt = elementwise_affine
        self.weight = Parameter(ones(shape, device=device, dtype=dtype)) if learnt else None

    def forward(self, input: Tensor) -> Tensor:
        """Normalise an input (..., *normalized_shape)."""
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """Tell the options."""
        affine = f"elementwise_affine={self.weight is not None}"
        return f"{self.normalized_shape}, eps={self.eps}, {affine}"


class BatchNorm1d(_Norm):
    """Bring each channel to mean 0 and variance 1 over the batch; see `functional.batch_norm`.

    In training it uses the batch's own statistics and keeps running ones, in which each batch has
    a share of `momentum` (None for a plain average). In evaluation mode, it uses the running ones.
    With `affine`, a weight (from 1) and a bias (from 0) are learnt.

    Raises:
        ShapeError: in the forward, if the input is not (N, num_features) or (N, num_features, L).

    >>> nn.BatchNorm1d(1, eps=0.0)(sl.tensor([[1.0], [3.0]])).tolist()
    [[-1.0], [1.0]]
    """

    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None
    _buffer_names = MappingProxyType(
        dict.fromkeys(("running_mean", "running_var", "num_batches_tracked"), True)
    )

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        factory, tracked = {"device": device, "dtype": dtype}, track_running_stats
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.weight = Parameter(ones(num_features, **factory)) if affine else None
        self.bias = Parameter(zeros(num_features, **factory)) if affine else None
        self.running_mean = zeros(num_features, **factory) if tracked else None
        self.running_var = ones(num_features, **factory) if tracked else None
        self.num_batches_tracked = zeros((), dtype="int64", device=device) if tracked else None

    def forward(self, input: Tensor) -> Tensor:
        """Normalise an input (N, C) or (N, C, L)."""
        if input.ndim not in (2, 3):
            raise ShapeError(
                f"BatchNorm1d: the input has {input.ndim} dimensions",
                expected=f"(N, {self.num_features}) or (N, {self.num_features}, L)",
                got={"input": input},
                fix="flatten other dimensions, or add the batch with unsqueeze(0)",
            )
        momentum = self.momentum or 0.0
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:
                momentum = 1 / self.num_batches_tracked.item()
        statistics, learnt = (self.running_mean, self.running_var), (self.weight, self.bias)
        use_batch = self.training or self.running_mean is None
        return F.batch_norm(input, *statistics, *learnt, use_batch, momentum, self.eps)

    def extra_repr(self) -> str:
        """Tell the options."""
        affine = f"affine={self.weight is not None}, bias={self.bias is not None}"
        tracked = f"track_running_stats={self.running_mean is not None}"
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, {affine}, {tracked}"
