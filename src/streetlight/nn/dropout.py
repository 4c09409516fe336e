"""Dropout: in training, some of the values are left out at random."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streetlight.functional as F
from streetlight.nn.module import Module

if TYPE_CHECKING:
    from streetlight.random import Generator
    from streetlight.tensor import Tensor


class Dropout(Module):
    """In training, put a share p of the elements to 0 and divide the others by 1 − p.

    In evaluation mode (`model.eval()`) the input is given back as it is.

    Args:
        p: the probability of an element to be dropped.
        inplace: taken as PyTorch has it; the input is never changed.
        generator: where the random numbers come from.

    Raises:
        ArgumentError: in the forward, if `p` is not a probability.

    Source: Srivastava et al., Journal of Machine Learning Research 15, 2014.

    >>> nn.Dropout(0.5).eval()(sl.ones(3)).tolist()
    [1.0, 1.0, 1.0]
    """

    _shown = ("p", "inplace")

    def __init__(
        self, p: float = 0.5, inplace: bool = False, *, generator: Generator | None = None
    ) -> None:
        self.p = p
        self.inplace = inplace
        self.generator = generator

    def forward(self, input: Tensor) -> Tensor:
        """Apply it to an input of any shape."""
        return F.dropout(input, self.p, self.training, generator=self.generator)
