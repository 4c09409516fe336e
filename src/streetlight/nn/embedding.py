"""Embedding: a table with a learnt vector for each word, player or other item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import streetlight.functional as F
from streetlight.creation import empty
from streetlight.errors import IndexOutOfRangeError, ShapeError
from streetlight.nn import init
from streetlight.nn.module import Module
from streetlight.nn.parameter import Parameter

if TYPE_CHECKING:
    from streetlight.tensor import Tensor


class Embedding(Module):
    """Look up rows of a learnt table: weight[input].

    Args:
        num_embeddings: the number of rows.
        embedding_dim: the size of a row.
        padding_idx: a row that begins at 0 and gets no gradient.
        device, dtype: of the table.

    Raises:
        IndexOutOfRangeError: `padding_idx` is not a row of the table.

    The table begins with the standard normal distribution.

    >>> words = nn.Embedding(10, 3, padding_idx=0)
    >>> words(sl.tensor([[1, 2, 0, 0]])).shape
    (1, 4, 3)
    """

    weight: Parameter

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
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = padding_idx if padding_idx is None else padding_idx % num_embeddings
        self.weight = Parameter(empty(num_embeddings, embedding_dim, device=device, dtype=dtype))
        self.reset_parameters()

    @classmethod
    def from_pretrained(
        cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None
    ) -> Self:
        """Make a layer of a table that is there already.

        Args:
            embeddings: the table (num_embeddings, embedding_dim), shared, not copied.
            freeze: whether it stays as it is in training.
            padding_idx: a row that gets no gradient.

        Raises:
            ShapeError: the table is not two-dimensional.
        """
        if embeddings.ndim != 2:
            raise ShapeError(
                "Embedding.from_pretrained: this is not a table",
                expected="(num_embeddings, embedding_dim)",
                got={"embeddings": embeddings},
            )
        layer = cls(0, embeddings.shape[1])
        layer.num_embeddings = embeddings.shape[0]
        layer.padding_idx = padding_idx
        layer.weight = Parameter(embeddings, requires_grad=not freeze)
        return layer

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
