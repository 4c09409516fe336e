"""Layers of networks that see: convolution, and what works on the channels of its results."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import streetlight.functional as F
from streetlight.creation import empty, ones, zeros
from streetlight.errors import ArgumentError, ShapeError
from streetlight.functional.convolution import Sizes, check_padding_name, sizes
from streetlight.nn import init
from streetlight.nn.functional_modules import FunctionalModule
from streetlight.nn.layers import Dropout, _Norm
from streetlight.nn.members import Buffer, Parameter
from streetlight.nn.module import Module
from streetlight.ops.dims import as_shape, fill_in_size, one_dim

if TYPE_CHECKING:
    from streetlight.tensor import Tensor


class _Convolution(Module):
    _dims: ClassVar[int]
    _transposed: ClassVar[bool] = False

    def _build(
        self, in_channels: int, out_channels: int, kernel_size: Sizes, stride: Sizes,
        padding: Sizes | str, output_padding: Sizes, dilation: Sizes, groups: int, bias: bool,
        padding_mode: str, **factory: Any,
    ) -> None:  # fmt: skip
        """Check the options and draw the weight (out, in / groups, …), or (in, out / groups, …)."""
        name, dims = type(self).__name__, self._dims
        if padding_mode != "zeros":
            raise ArgumentError(
                f"{name}: padding_mode={padding_mode!r} is not there",
                expected='"zeros"', fix="leave padding_mode away",
            )  # fmt: skip
        sizes(name, "groups", groups, 1)
        if in_channels % groups or out_channels % groups:
            raise ShapeError(
                f"{name}: {in_channels} in_channels and {out_channels} out_channels cannot be cut "
                f"into {groups} groups",
                expected="groups that divide both", fix="change groups or the channels",
            )  # fmt: skip
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = sizes(name, "kernel_size", kernel_size, dims)
        self.stride = sizes(name, "stride", stride, dims)
        if isinstance(padding, str):
            check_padding_name(name, padding, self.stride)
            self.padding: Any = padding
        else:
            self.padding = sizes(name, "padding", padding, dims, 0)
        self.dilation = sizes(name, "dilation", dilation, dims)
        self.output_padding = sizes(name, "output_padding", output_padding, dims, 0)
        self.padding_mode = padding_mode
        first, second = (out_channels, in_channels)[:: -1 if self._transposed else 1]
        shape = (first, second // groups, *self.kernel_size)
        self.weight = Parameter(empty(*shape, **factory))
        self.bias = Parameter(empty(out_channels, **factory)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew, uniform in ±1/√(numbers that a kernel sees)."""
        bound = 1 / math.sqrt(max(math.prod(self.weight.shape[1:]), 1))
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        """Tell the options that are not as they are by default."""
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"
        text += f", stride={self.stride}"
        defaults: dict[str, Any] = {
            "padding": (0,) * self._dims, "dilation": (1,) * self._dims,
            "output_padding": (0,) * self._dims, "groups": 1,
        }  # fmt: skip
        for option, default in defaults.items():
            if getattr(self, option) != default:
                text += f", {option}={getattr(self, option)}"
        return text if self.bias is not None else text + ", bias=False"


class _Forward(_Convolution):
    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Sizes, stride: Sizes = 1,
        padding: Sizes | str = 0, dilation: Sizes = 1, groups: int = 1, bias: bool = True,
        padding_mode: str = "zeros", device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        self._build(
            in_channels, out_channels, kernel_size, stride, padding, 0, dilation, groups, bias,
            padding_mode, device=device, dtype=dtype,
        )  # fmt: skip

    def forward(self, input: Tensor) -> Tensor:
        """Convolve an input (N, in_channels, …) or (in_channels, …)."""
        function = F.conv1d if self._dims == 1 else F.conv2d
        return function(
            input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )


class Conv1d(_Forward):
    """Slide learnt kernels over sequences; see `functional.conv1d`.

    Weight (out_channels, in_channels / groups, k) and bias (out_channels,) begin uniform in
    ±1/√(in_channels / groups · k).

    >>> nn.Conv1d(2, 4, 3, padding="same")(sl.zeros(5, 2, 10)).shape
    (5, 4, 10)
    """

    _dims = 1


class Conv2d(_Forward):
    """Slide learnt kernels over pictures; see `functional.conv2d`.

    Weight (out_channels, in_channels / groups, kh, kw) and bias (out_channels,) begin uniform in
    ±1/√(in_channels / groups · kh · kw).

    Raises:
        ShapeError: groups do not divide the channels; in the forward, if the input does not fit.
        ArgumentError: sizes that make no sense, or a padding_mode other than "zeros".

    >>> layer = nn.Conv2d(1, 16, 3, padding=1)
    >>> layer(sl.zeros(5, 1, 28, 28)).shape, layer.weight.shape
    ((5, 16, 28, 28), (16, 1, 3, 3))
    """

    _dims = 2


class _Transposed(_Convolution):
    _transposed = True

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Sizes, stride: Sizes = 1,
        padding: Sizes = 0, output_padding: Sizes = 0, groups: int = 1, bias: bool = True,
        dilation: Sizes = 1, padding_mode: str = "zeros", device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        self._build(
            in_channels, out_channels, kernel_size, stride, padding, output_padding, dilation,
            groups, bias, padding_mode, device=device, dtype=dtype,
        )  # fmt: skip

    def forward(self, input: Tensor) -> Tensor:
        """Convolve an input (N, in_channels, …) or (in_channels, …), transposed."""
        function = F.conv_transpose1d if self._dims == 1 else F.conv_transpose2d
        options = (self.stride, self.padding, self.output_padding, self.groups, self.dilation)
        return function(input, self.weight, self.bias, *options)


class ConvTranspose1d(_Transposed):
    """Let each step of a sequence write learnt kernels; see `functional.conv_transpose1d`.

    Weight (in_channels, out_channels / groups, k).

    >>> nn.ConvTranspose1d(2, 4, 2, stride=2)(sl.zeros(5, 2, 10)).shape
    (5, 4, 20)
    """

    _dims = 1


class ConvTranspose2d(_Transposed):
    """Let each place of a picture write learnt kernels; see `functional.conv_transpose2d`.

    Weight (in_channels, out_channels / groups, kh, kw); raises what `Conv2d` does.

    >>> nn.ConvTranspose2d(8, 1, 2, stride=2)(sl.zeros(5, 8, 7, 7)).shape
    (5, 1, 14, 14)
    """

    _dims = 2


class Unfold(FunctionalModule, function=F.unfold):
    """Write the windows of pictures as columns; see `functional.unfold`."""

    kernel_size: Sizes
    dilation: Sizes = 1
    padding: Sizes = 0
    stride: Sizes = 1


class Fold(FunctionalModule, function=F.fold):
    """Add columns up to pictures; see `functional.fold`."""

    output_size: Sizes
    kernel_size: Sizes
    dilation: Sizes = 1
    padding: Sizes = 0
    stride: Sizes = 1


class Unflatten(Module):
    """Make several dimensions of one: the way back from `Flatten`. One size may be -1.

    >>> nn.Unflatten(1, (2, -1))(sl.zeros(5, 6)).shape
    (5, 2, 3)
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        self.dim = dim
        self.unflattened_size = as_shape("Unflatten", (unflattened_size,))

    def forward(self, input: Tensor) -> Tensor:
        """Reshape the one dimension."""
        place = one_dim("Unflatten", self.dim, input.ndim)
        sizes = fill_in_size("Unflatten", self.unflattened_size, input.shape[place])
        return input.reshape(*input.shape[:place], *sizes, *input.shape[place + 1 :])

    def extra_repr(self) -> str:
        """Tell the options."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


class _BatchNorm(_Norm):
    _inputs: ClassVar[dict[int, str]]  # by their numbers of dimensions

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
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = Parameter(ones(num_features, **factory)) if affine else None
        self.bias = Parameter(zeros(num_features, **factory)) if affine else None
        self.running_mean = Buffer(zeros(num_features, **factory)) if tracked else None
        self.running_var = Buffer(ones(num_features, **factory)) if tracked else None
        counter = Buffer(zeros((), dtype="int64", device=device)) if tracked else None
        self.num_batches_tracked = counter

    def forward(self, input: Tensor) -> Tensor:
        """Normalise an input (N, C, …)."""
        if input.ndim not in self._inputs:
            raise ShapeError(
                f"{type(self).__name__}: the input has {input.ndim} dimensions",
                expected=" or ".join(self._inputs.values()).format(*[self.num_features] * 2),
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


class BatchNorm1d(_BatchNorm):
    """Bring each channel to mean 0 and variance 1 over the batch; see `functional.batch_norm`.

    In training it uses the batch's own statistics and keeps running ones, in which each batch has
    a share of `momentum` (None for a plain average). In evaluation mode, it uses the running ones.
    With `affine`, a weight (from 1) and a bias (from 0) are learnt.

    Raises:
        ShapeError: in the forward, if the input is not (N, num_features) or (N, num_features, L).

    >>> nn.BatchNorm1d(1, eps=0.0)(sl.tensor([[1.0], [3.0]])).tolist()
    [[-1.0], [1.0]]
    """

    _inputs: ClassVar = {2: "(N, {})", 3: "(N, {}, L)"}


class BatchNorm2d(_BatchNorm):
    """Bring each channel of pictures to mean 0 and variance 1 over the batch; see `BatchNorm1d`.

    Raises:
        ShapeError: in the forward, if the input is not (N, num_features, H, W).

    >>> nn.BatchNorm2d(3)(sl.ones(2, 3, 4, 4)).shape
    (2, 3, 4, 4)
    """

    _inputs: ClassVar = {4: "(N, {}, H, W)"}


class GroupNorm(_Norm):
    """Bring each group of channels of each sample to mean 0 and variance 1, as `F.group_norm`.

    With `affine`, a weight (from 1) and a bias (from 0) of each channel are learnt.

    Raises:
        ShapeError: num_groups does not divide num_channels.

    >>> nn.GroupNorm(2, 4, eps=0.0)(sl.tensor([[1.0, 3.0, 10.0, 30.0]])).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """

    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True,
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        if num_groups < 1 or num_channels % num_groups:
            raise ShapeError(
                f"GroupNorm: {num_channels} channels cannot be cut into {num_groups} groups",
                expected="num_groups that divides num_channels", fix="change one of them",
            )  # fmt: skip
        factory = {"device": device, "dtype": dtype}
        self.num_groups, self.num_channels, self.eps = num_groups, num_channels, eps
        self.weight = Parameter(ones(num_channels, **factory)) if affine else None
        self.bias = Parameter(zeros(num_channels, **factory)) if affine else None

    def forward(self, input: Tensor) -> Tensor:
        """Normalise an input (N, num_channels, …)."""
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Tell the options."""
        affine = f"affine={self.weight is not None}, bias={self.bias is not None}"
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, {affine}"


class Dropout1d(Dropout, function=F.dropout1d):
    """In training, put whole channels of sequences (N, C, L) to 0; see `Dropout`."""


class Dropout2d(Dropout, function=F.dropout2d):
    """In training, put whole channels of pictures (N, C, H, W) to 0; see `Dropout`."""
