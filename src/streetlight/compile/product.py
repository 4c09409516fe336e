"""What a matrix product is: its sizes, and where its three matrices lie.

A product that is turned (cᵀ = bᵀ aᵀ) has the same numbers, so that c may lie row by row always.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from streetlight.dtypes import DType


@dataclass(frozen=True)
class Operand:
    """A batch of matrices in memory.

    Attributes:
        pointer: the address of the first element in C, a name or in brackets.
        strides: steps from row to row and from column to column, in elements.
        batch_strides: the same for each dimension of the batch; 0 where it is broadcast.
    """

    pointer: str
    strides: tuple[int, int]
    batch_strides: tuple[int, ...] = ()

    @property
    def turned(self) -> Operand:
        """The transposed matrices."""
        return replace(self, strides=self.strides[::-1])

    def inside(self, loops: int) -> Operand:
        """The matrices that are left within loops over so many dimensions of the batch."""
        outer = enumerate(self.batch_strides[:loops], 2)
        steps = [f" + i{d} * {stride}" for d, stride in outer if stride]
        pointer = f"({self.pointer}{''.join(steps)})" if steps else self.pointer
        return Operand(pointer, self.strides, self.batch_strides[loops:])


@dataclass(frozen=True)
class Product:
    """c = alpha a @ b + beta c for each matrix of a batch: (m, k) @ (k, n) gives (m, n).

    Attributes:
        batch: sizes of the batch dimensions, () for one product.
        m, n, k: sizes of the matrices.
        dtype: of all three matrices.
        a, b, c: where they are; c overlaps neither a nor b.
        alpha, beta: C expressions; where beta is "0", c need not hold anything.
        packed: whether b is what `tiles.pack_statements` has made of it.
    """

    batch: tuple[int, ...]
    m: int
    n: int
    k: int
    dtype: DType
    a: Operand
    b: Operand
    c: Operand
    alpha: str = "1"
    beta: str = "0"
    packed: bool = False

    @property
    def turned(self) -> Product:
        """The same numbers as cᵀ = bᵀ aᵀ."""
        a, b, c = self.b.turned, self.a.turned, self.c.turned
        return replace(self, m=self.n, n=self.m, a=a, b=b, c=c)

    @property
    def straight(self) -> Product:
        """The product or the turned one: that in which a row of c is contiguous, if any is."""
        rows_apart = self.n > 1 and self.c.strides[1] != 1
        one_column = self.n == 1 and self.m > 1 and self.c.strides[0] == 1
        return self.turned if rows_apart or one_column else self

    @property
    def rows_are_contiguous(self) -> bool:
        """Whether this is so of c."""
        return self.n == 1 or self.c.strides[1] == 1

    @property
    def multiplications(self) -> int:
        """How many numbers are multiplied for one matrix of the batch."""
        return self.m * self.n * self.k

    def inside(self, loops: int) -> Product:
        """The product that is left within loops over so many dimensions of the batch."""
        a, b, c = (operand.inside(loops) for operand in (self.a, self.b, self.c))
        return replace(self, batch=self.batch[loops:], a=a, b=b, c=c)

    def with_loops(self, loops: int, lines: list[str]) -> list[str]:
        """The lines within loops over so many dimensions of the batch, counted by i2, i3, ..."""
        sizes = enumerate(self.batch[:loops], 2)
        heads = [f"for (int64_t i{d} = 0; i{d} < {size}; i{d}++)" for d, size in sizes]
        return [*heads, "{", *(f"  {line}" for line in lines), "}"] if heads else lines
