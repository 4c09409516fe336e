"""What most layers are made of: the linear map, tables of vectors, and dropout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streetlight.creation import arange
from streetlight.errors import ArgumentError, DTypeError, IndexOutOfRangeError, ShapeError
from streetlight.ops import linalg, where
from streetlight.ops.indexing import in_range
from streetlight.ops.random import bernoulli
from streetlight.random import default_generator
from streetlight.tensor import Tensor

if TYPE_CHECKING:
    from streetlight.random import Generator


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Weigh and add up: x · Wᵀ + b.

    Args:
        input: (…, in_features).
        weight: (out_features, in_features).
        bias: (out_features,).

    Raises:
        ShapeError: the sizes do not fit.
        DTypeError: the input is no tensor, or of another dtype than the weight.

    >>> F.linear(sl.tensor([1.0, 2.0]), sl.tensor([[3.0, 4.0]]), sl.tensor([0.5])).tolist()
    [11.5]
    """
    if not isinstance(input, Tensor) or input.dtype != weight.dtype:
        raise DTypeError(
            "linear: the input is not a tensor of the weight's dtype",
            expected=f"a {weight.dtype} tensor",
            got={"input": input, "weight": weight},
            fix=f"sl.tensor(input, dtype=sl.{weight.dtype}), or input.to(sl.{weight.dtype})",
        )
    if weight.ndim != 2 or input.shape[-1:] != weight.shape[1:]:
        linalg.linear.infer(input, weight)  # raises the error
    product = linalg.linear(input, weight)
    if bias is None:
        return product
    if bias.shape != weight.shape[:1]:
        raise ShapeError(
            f"linear: bias is {tuple(bias.shape)}, but weight gives {weight.shape[0]} outputs",
            expected=f"bias of shape ({weight.shape[0]},)",
            got={"weight": weight, "bias": bias},
            fix="build the bias with out_features elements",
        )
    return product + bias


def embedding(input: Tensor, weight: Tensor, padding_idx: int | None = None) -> Tensor:
    """Look up rows of a table: weight[input].

    Args:
        input: indices of any shape (…), 0 to number of rows − 1.
        weight: the table (number of rows, size of an embedding).
        padding_idx: the row that gets no gradient.

    Returns:
        The rows (…, size of an embedding).

    Raises:
        IndexOutOfRangeError: an index, or `padding_idx`, is not a row of the table.
        DTypeError: indices are not integers.
        ShapeError: the table is not two-dimensional.

    >>> table = sl.tensor([[0.0, 0.0], [1.0, 2.0]])
    >>> F.embedding(sl.tensor([1, 0]), table).tolist()
    [[1.0, 2.0], [0.0, 0.0]]
    """
    if weight.ndim != 2:
        raise ShapeError(
            f"embedding: the table has {weight.ndim} dimensions",
            expected="weight of shape (number of rows, size of an embedding)",
            got={"input": input, "weight": weight},
            fix="weight.unsqueeze(-1) for a table of single numbers",
        )
    rows = weight.shape[0]
    found = weight[_checked("embedding", "index", input, rows)]
    if padding_idx is None:
        return found
    if not -rows <= padding_idx < rows:
        raise _out_of_range("embedding", "padding_idx", padding_idx, rows)
    padding = (input == padding_idx % rows).unsqueeze(-1)
    return where(padding, found.detach(), found)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Write each label as a row with a single 1, in int64.

    Args:
        tensor: labels of any shape (…), integers from 0.
        num_classes: the length of a row; -1 for the largest label + 1.

    Returns:
        The rows (…, num_classes).

    Raises:
        IndexOutOfRangeError: a label is negative, or not below `num_classes`.
        DTypeError: labels are not integers.
        ArgumentError: there is no label to find `num_classes` from.

    >>> F.one_hot(sl.tensor([0, 2])).tolist()
    [[1, 0, 0], [0, 0, 1]]
    """
    if num_classes < 0 and not tensor.numel():
        raise ArgumentError(
            "one_hot: without labels the number of classes cannot be found",
            expected="num_classes of 0 or more",
            got={"tensor": tensor, "num_classes": num_classes},
            fix="one_hot(labels, num_classes=10)",
        )
    classes = int(tensor.max()) + 1 if num_classes < 0 else num_classes
    labels = _checked("one_hot", "label", tensor, classes)
    return labels.unsqueeze(-1).eq(arange(classes).to(labels.device)).long()


def dropout(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """In training, put a share p of the elements to 0 and divide the others by 1 − p.

    Args:
        input: any shape.
        p: the probability of an element to be dropped.
        training: whether to drop anything; if not, the input itself is given back.
        generator: where the random numbers come from.

    Raises:
        ArgumentError: `p` is not a probability.
        DTypeError: the input is not floating-point.

    Source: Srivastava et al., Journal of Machine Learning Research 15, 2014.

    >>> F.dropout(sl.ones(3), p=0.5, training=False).tolist()
    [1.0, 1.0, 1.0]
    """
    if not 0.0 <= p <= 1.0:
        raise ArgumentError(
            f"dropout: p={p!r} is not a probability",
            expected="0 (drop nothing) to 1 (drop everything)",
            got={"p": p},
            fix="p=0.5 drops every other element",
        )
    if not training or p == 0.0:
        return input
    if input.dtype.kind != "f":
        raise DTypeError(
            f"dropout: cannot scale {input.dtype} elements",
            expected="floating-point input",
            got={"input": input},
            fix="input.float()",
        )
    if p == 1.0:
        return input * 0.0
    kept = bernoulli(
        shape=input.shape,
        probability=1.0 - p,
        generator=generator or default_generator,
        dtype=input.dtype,
        on=input.device,
    )
    return input * (kept * (1.0 / (1.0 - p)))


def _checked(name: str, what: str, indices: Tensor, size: int) -> Tensor:
    """Return the indices once it is sure that they are integers from 0 to size − 1."""
    if not isinstance(indices, Tensor) or indices.dtype.kind not in "iu":
        raise DTypeError(
            f"{name}: each {what} is an integer, in a tensor",
            expected="an int64 tensor",
            got={"input": indices},
            fix="input.long(), or sl.tensor(input)",
        )
    try:
        return in_range(indices, size=size)
    except IndexOutOfRangeError:
        wrong = next(i for i in indices.reshape(-1).tolist() if not 0 <= i < size)
        raise _out_of_range(name, what, wrong, size) from None


def _out_of_range(name: str, what: str, value: int, size: int) -> IndexOutOfRangeError:
    return IndexOutOfRangeError(
        f"{name}: {what} {value} does not exist",
        expected=f"0 to {size - 1}",
        got={what: value},
        fix="mend the input, or make room for more",
    )
