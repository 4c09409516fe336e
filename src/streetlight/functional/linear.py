"""What most layers are made of: the linear map, tables of vectors, and dropout."""

from streetlight.creation import arange, tensor
from streetlight.errors import DTypeError, ShapeError
from streetlight.functional import checks
from streetlight.ops import linalg, where
from streetlight.ops.random import bernoulli
from streetlight.random import Generator, default_generator
from streetlight.tensor import Tensor


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Weigh and add up: x · Wᵀ + b.

    Args: input (…, in_features), weight (out_features, in_features), bias (out_features,).
    Raises: ShapeError or DTypeError if the input does not fit the weight.

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
    words = "linear: bias is {given}, but weight gives {size} outputs"
    checks.shapes(words, input, weight.shape[:1], bias)
    product = linalg.linear(input, weight)
    return product if bias is None else product + bias


def embedding(input: Tensor, weight: Tensor, padding_idx: int | None = None) -> Tensor:
    """Look up rows of a table: weight[input].

    Args: input (…), weight (rows, size); padding_idx, the row that gets no gradient.
    Raises: IndexOutOfRangeError if an index is no row, DTypeError if it is no integer.

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
    found = weight[checks.indices("embedding", "index", input, rows)]
    if padding_idx is None:
        return found
    if not -rows <= padding_idx < rows:
        words = "embedding: padding_idx {} does not exist"
        raise checks.wrong_index(words, tensor(padding_idx), rows)
    padding = (input == padding_idx % rows).unsqueeze(-1)
    return where(padding, found.detach(), found)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Write each label of a tensor (…) as a row (…, num_classes) with a single 1, in int64.

    Args: num_classes, -1 for the largest label + 1.
    Raises: IndexOutOfRangeError if a label is no class, DTypeError if it is no integer.

    >>> F.one_hot(sl.tensor([0, 2])).tolist()
    [[1, 0, 0], [0, 0, 1]]
    """
    if num_classes < 0 and not tensor.numel():
        problem = ": without labels the number of classes cannot be found"
        raise checks.bad_argument("one_hot", "num_classes", num_classes, "0 or more", problem)
    classes = int(tensor.max()) + 1 if num_classes < 0 else num_classes
    labels = checks.indices("one_hot", "label", tensor, classes)
    return labels.unsqueeze(-1).eq(arange(classes).to(labels.device)).long()


def dropout(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, *,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """In training, put a share p of the elements to 0 and divide the others by 1 − p.

    `inplace` is taken as in PyTorch, but the input is never changed.

    Source: Srivastava et al., Journal of Machine Learning Research 15, 2014.

    >>> F.dropout(sl.ones(3), p=0.5, training=False).tolist()
    [1.0, 1.0, 1.0]
    """
    if not 0.0 <= p <= 1.0:
        expected = "0 (drop nothing) to 1 (drop everything)"
        raise checks.bad_argument("dropout", "p", p, expected, " is not a probability")
    if not training or p == 0.0:
        return input
    if input.dtype.kind != "f":
        raise DTypeError(
            f"dropout: cannot scale {input.dtype} elements", expected="floats", fix="input.float()"
        )
    if p == 1.0:
        return input * 0.0
    source = generator or default_generator
    kept = bernoulli(
        shape=input.shape, probability=1.0 - p, generator=source, dtype=input.dtype, on=input.device
    )
    return input * (kept * (1.0 / (1.0 - p)))
