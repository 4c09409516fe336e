"""Layers that pool windows of pictures and sequences into one number each, or change their size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import streetlight.functional as F
from streetlight.functional.convolution import Sizes, sizes
from streetlight.functional.pooling import OutputSize
from streetlight.nn.functional_modules import FunctionalModule


@dataclass(eq=False, repr=False)
class _Pool(FunctionalModule):
    kernel_size: Sizes
    stride: Sizes | None = None
    padding: Sizes = 0

    def __post_init__(self) -> None:
        self.stride = self.kernel_size if self.stride is None else self.stride


@dataclass(eq=False, repr=False)
class _MaxPool(_Pool):
    dilation: Sizes = 1
    return_indices: bool = field(default=False, repr=False)
    ceil_mode: bool = False


class MaxPool1d(_MaxPool, function=F.max_pool1d):
    """The largest number of each window of sequences; see `functional.max_pool1d`."""


class MaxPool2d(_MaxPool, function=F.max_pool2d):
    """The largest number of each window of pictures; see `functional.max_pool2d`.

    >>> nn.MaxPool2d(2)(sl.zeros(5, 16, 28, 28)).shape
    (5, 16, 14, 14)
    """


@dataclass(eq=False, repr=False)
class _AvgPool(_Pool):
    ceil_mode: bool = field(default=False, repr=False)
    count_include_pad: bool = field(default=True, repr=False)


class AvgPool1d(_AvgPool, function=F.avg_pool1d):
    """The mean of each window of sequences; see `functional.avg_pool1d`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in (("kernel_size", 1), ("stride", 1), ("padding", 0)):
            setattr(self, name, sizes("AvgPool1d", name, getattr(self, name), 1, least))


class AvgPool2d(_AvgPool, function=F.avg_pool2d):
    """The mean of each window of pictures; see `functional.avg_pool2d`."""

    divisor_override: int | None = field(default=None, repr=False)


class AdaptiveAvgPool1d(FunctionalModule, function=F.adaptive_avg_pool1d):
    """The means of output_size cells of sequences; see `functional.adaptive_avg_pool1d`."""

    output_size: OutputSize


class AdaptiveAvgPool2d(FunctionalModule, function=F.adaptive_avg_pool2d):
    """The means of output_size cells of pictures; see `functional.adaptive_avg_pool2d`.

    >>> nn.AdaptiveAvgPool2d(1)(sl.zeros(5, 16, 7, 7)).shape
    (5, 16, 1, 1)
    """

    output_size: OutputSize


@dataclass(eq=False, repr=False)
class _AdaptiveMaxPool(FunctionalModule):
    output_size: OutputSize
    return_indices: bool = field(default=False, repr=False)


class AdaptiveMaxPool1d(_AdaptiveMaxPool, function=F.adaptive_max_pool1d):
    """The largest numbers of cells of sequences; see `functional.adaptive_max_pool1d`."""


class AdaptiveMaxPool2d(_AdaptiveMaxPool, function=F.adaptive_max_pool2d):
    """The largest numbers of cells of pictures; see `functional.adaptive_max_pool2d`."""


class Upsample(FunctionalModule, function=F.interpolate):
    """Bring pictures or sequences to another size; see `functional.interpolate`.

    >>> nn.Upsample(scale_factor=2)(sl.zeros(5, 1, 7, 7)).shape
    (5, 1, 14, 14)
    """

    size: Sizes | None = None
    scale_factor: float | Sequence[float] | None = None
    mode: str = "nearest"
    align_corners: bool | None = None

    def __post_init__(self) -> None:
        if isinstance(self.scale_factor, int):
            self.scale_factor = float(self.scale_factor)

    def extra_repr(self) -> str:
        """Tell the size and the mode."""
        asked = "size" if self.scale_factor is None else "scale_factor"
        return f"{asked}={getattr(self, asked)}, mode={self.mode!r}"
