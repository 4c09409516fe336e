"""What each operation must compute, written a second time in plain Python, element by element."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Place = tuple[int, ...]


def places(shape: Place) -> Iterator[Place]:
    """All places of a block of that shape, row by row."""
    return itertools.product(*map(range, shape))


def each(function: Callable[..., Any]) -> Callable[..., np.ndarray]:
    """The function of numbers applied to each element, with shapes lined up from the right."""

    def reference(*inputs: Any) -> np.ndarray:
        arrays = np.broadcast_arrays(*inputs)
        columns = (array.ravel().tolist() for array in arrays)
        results = [function(*numbers) for numbers in zip(*columns, strict=True)]
        return np.array(results).reshape(arrays[0].shape)

    return reference


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


# ---- several elements into one ----


def reduced(function: Callable[[list[float]], float]) -> Callable[..., np.ndarray]:
    """The function of a list applied to the elements that share all indices but `dims`."""

    def reference(x: np.ndarray, dims: Any = None, dim: Any = None, keepdim: bool = False) -> Any:
        gone = (dim,) if dims is None else dims
        groups: dict[Place, list[float]] = {}
        for place in places(x.shape):
            key = tuple(0 if d in gone else i for d, i in enumerate(place))
            groups.setdefault(key, []).append(float(x[place]))
        out = np.zeros([1 if d in gone else n for d, n in enumerate(x.shape)])
        for key, values in groups.items():
            out[key] = function(values)
        return out if keepdim else out.reshape([n for d, n in enumerate(x.shape) if d not in gone])

    return reference


def along(function: Callable[[list[float]], list[Any]]) -> Callable[..., np.ndarray]:
    """The function of a list applied to every line of elements along `dim`."""

    def reference(x: np.ndarray, dim: int, **attributes: Any) -> np.ndarray:
        out = np.zeros(x.shape)
        for place in places((*x.shape[:dim], 1, *x.shape[dim + 1 :])):
            line = [(*place[:dim], i, *place[dim + 1 :]) for i in range(x.shape[dim])]
            for at, value in zip(line, function([x[at] for at in line], **attributes), strict=True):
                out[at] = value
        return out

    return reference


def order(values: list[float], descending: bool) -> list[int]:
    return sorted(range(len(values)), key=lambda i: -values[i] if descending else values[i])


# ---- elements to other places ----


def moved(source: Callable[..., Place]) -> Callable[..., np.ndarray]:
    """Each element of the result comes from `source(place, x.shape, **attributes)`."""

    def reference(x: np.ndarray, shape: Place | None = None, **attributes: Any) -> np.ndarray:
        shape = x.shape if shape is None else shape
        return np.array([x[source(p, x.shape, **attributes)] for p in places(shape)]).reshape(shape)

    return reference


def reshape(x: np.ndarray, shape: Place) -> np.ndarray:
    out = np.zeros(shape)
    for new, old in zip(places(shape), places(x.shape), strict=True):
        out[new] = x[old]
    return out


def permute(x: np.ndarray, dims: Place) -> np.ndarray:
    out = np.zeros([x.shape[d] for d in dims])
    for place in places(x.shape):
        out[tuple(place[d] for d in dims)] = x[place]
    return out


def slice_(x: np.ndarray, index: tuple[Any, ...]) -> np.ndarray:
    """What Python's own lists give for each index in turn."""
    at = index.index(...)
    missing = x.ndim - sum(part is not None for part in index) + 1
    index = (*index[:at], *[slice(None)] * missing, *index[at + 1 :])

    def walk(part: Any, *rest: Any) -> Any:
        if not rest:
            return part
        if rest[0] is None:
            return [walk(part, *rest[1:])]
        if isinstance(rest[0], int):
            return walk(part[rest[0]], *rest[1:])
        return [walk(inner, *rest[1:]) for inner in part[rest[0]]]

    return np.array(walk(x.tolist(), *index))


def numbered(shape: Place) -> np.ndarray:
    """A block in which every element is its own number."""
    return np.arange(math.prod(shape)).reshape(shape)


def unslice(x: np.ndarray, shape: Place, index: tuple[Any, ...]) -> np.ndarray:
    out = np.zeros(math.prod(shape))
    for number, value in zip(slice_(numbered(shape), index).ravel(), x.ravel(), strict=True):
        out[int(number)] = value
    return out.reshape(shape)


def assign(x: np.ndarray, value: np.ndarray, view: Any, attributes: dict[str, Any]) -> np.ndarray:
    seen = REFERENCES[view.name](numbered(x.shape), **attributes)
    out = x.ravel().tolist()
    for place in places(seen.shape):
        out[int(seen[place])] = np.broadcast_to(value, seen.shape)[place]
    return np.array(out).reshape(x.shape)


def pad(x: np.ndarray, widths: Any, value: float) -> np.ndarray:
    out = np.full([n + a + b for n, (a, b) in zip(x.shape, widths, strict=True)], value)
    for place in places(x.shape):
        out[tuple(i + a for i, (a, _) in zip(place, widths, strict=True))] = x[place]
    return out


def cat(*parts: np.ndarray, dim: int, sizes: Place) -> np.ndarray:
    def joined(blocks: list[Any], depth: int) -> list[Any]:
        if depth == 0:
            return list(itertools.chain(*blocks))
        return [joined(list(rows), depth - 1) for rows in zip(*blocks, strict=True)]

    return np.array(joined([part.tolist() for part in parts], dim))


def expand(x: np.ndarray, shape: Place) -> np.ndarray:
    lead = len(shape) - x.ndim

    def source(place: Place, own: Place) -> Place:
        return tuple(i if n > 1 else 0 for i, n in zip(place[lead:], own, strict=True))

    return moved(source)(x, shape)


# ---- elements chosen by number ----


def gather(x: np.ndarray, index: np.ndarray, dim: int) -> np.ndarray:
    out = np.zeros(index.shape)
    for place in places(index.shape):
        out[place] = x[(*place[:dim], index[place], *place[dim + 1 :])]
    return out


def scatter_add(x: np.ndarray, index: np.ndarray, dim: int, shape: Place) -> np.ndarray:
    out = np.zeros(shape)
    for place in places(index.shape):
        out[(*place[:dim], index[place], *place[dim + 1 :])] += x[place]
    return out


def chosen(shape: Place, index: tuple[Any, ...], arrays: tuple[np.ndarray, ...]) -> list[Place]:
    """The places that an index of slices and then index arrays, or a mask, chooses, in order."""
    if arrays[0].dtype == bool:
        return [place for place in places(shape) if arrays[0][place]]
    before = [range(n)[part] for n, part in zip(shape, index, strict=False) if part != "tensor"]
    numbers = zip(*(array.ravel().tolist() for array in arrays), strict=True)
    rest = shape[len(before) + len(arrays) :]
    return [
        (*first, *middle, *last)
        for first, middle, last in itertools.product(
            itertools.product(*before), list(numbers), list(places(rest))
        )
    ]


def pick(x: np.ndarray, *arrays: np.ndarray, index: tuple[Any, ...]) -> np.ndarray:
    values = np.array([x[place] for place in chosen(x.shape, index, arrays)])
    return values.reshape(
        x[tuple(arrays if len(index) == len(arrays) else (index[0], *arrays))].shape
    )


def unpick(x: np.ndarray, *arrays: np.ndarray, index: Any, shape: Place) -> np.ndarray:
    out = np.zeros(shape)
    for place, value in zip(chosen(shape, index, arrays), x.ravel(), strict=True):
        out[place] += value
    return out


def put(x: np.ndarray, value: np.ndarray, *arrays: np.ndarray, index: Any) -> np.ndarray:
    out = x.copy()
    for number, place in enumerate(chosen(x.shape, index, arrays)):
        out[place] = value.ravel()[number] if value.ndim else value
    return out


# ---- windows of pictures ----


def starts(n: int, k: int, s: int, p: int, d: int, ceil: bool = False) -> list[int]:
    """Where windows begin along one dimension: they end inside, with ceil they begin inside."""
    last = n + p - d * (k - 1) - 1 + (s - 1 if ceil else 0)
    return [at for at in range(-p, last + 1, s) if not ceil or at < n]


def looks(size: Place, *geometry: Any, ceil: bool = False) -> list[tuple[Place, Place, Place]]:
    """All (window, place in the kernel, place in the picture) that lie in the picture."""
    kernel, _, _, dilation = geometry
    down, right = (starts(*one, ceil=ceil) for one in zip(size, *geometry, strict=True))
    found = []
    for (y, x), (i, j) in itertools.product(places((len(down), len(right))), places(kernel)):
        row, column = down[y] + i * dilation[0], right[x] + j * dilation[1]
        if 0 <= row < size[0] and 0 <= column < size[1]:
            found.append(((y, x), (i, j), (row, column)))
    return found


def counted(size: Place, *geometry: Any, ceil: bool = False) -> Place:
    return tuple(len(starts(*one, ceil=ceil)) for one in zip(size, *geometry, strict=True))


def products(
    size: Place, batch: int, shape: Place, groups: int, *geometry: Any
) -> Iterator[tuple[Place, Place, Place]]:
    """All (place in x, in weight, in the convolution) that are multiplied with each other."""
    kernels, channels = shape[0] // groups, shape[1]
    for n, o, c in places((batch, shape[0], channels)):
        for window, inner, outer in looks(size, shape[2:], *geometry):
            yield (n, o // kernels * channels + c, *outer), (o, c, *inner), (n, o, *window)


def convolution(x: Any, weight: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    how = (stride, padding, dilation)
    out = np.zeros((len(x), len(weight), *counted(x.shape[2:], weight.shape[2:], *how)))
    for a, b, c in products(x.shape[2:], len(x), weight.shape, groups, *how):
        out[c] += x[a] * weight[b]
    return out


def convolution_input(g: Any, weight: Any, size: Place, stride: Any, padding: Any,
                      dilation: Any, groups: int) -> Any:  # fmt: skip
    out = np.zeros((len(g), weight.shape[1] * groups, *size))
    for a, b, c in products(size, len(g), weight.shape, groups, stride, padding, dilation):
        out[a] += g[c] * weight[b]
    return out


def convolution_weight(x: Any, g: Any, kernel_size: Place, stride: Any, padding: Any,
                       dilation: Any, groups: int) -> Any:  # fmt: skip
    out = np.zeros((g.shape[1], x.shape[1] // groups, *kernel_size))
    for a, b, c in products(x.shape[2:], len(x), out.shape, groups, stride, padding, dilation):
        out[b] += x[a] * g[c]
    return out


def unfold(x: Any, kernel_size: Place, stride: Any, padding: Any, dilation: Any) -> Any:
    how = (kernel_size, stride, padding, dilation)
    counts = counted(x.shape[2:], *how)
    out = np.zeros((*x.shape[:2], *kernel_size, *counts))
    for (n, c), (window, inner, outer) in itertools.product(
        list(places(x.shape[:2])), looks(x.shape[2:], *how)
    ):
        out[(n, c, *inner, *window)] = x[(n, c, *outer)]
    return out.reshape(len(x), x.shape[1] * math.prod(kernel_size), math.prod(counts))


def fold(y: Any, size: Place, kernel_size: Place, stride: Any, padding: Any, dilation: Any) -> Any:
    how = (kernel_size, stride, padding, dilation)
    channels = y.shape[1] // math.prod(kernel_size)
    columns = y.reshape(len(y), channels, *kernel_size, *counted(size, *how))
    out = np.zeros((len(y), channels, *size))
    for (n, c), (window, inner, outer) in itertools.product(
        list(places(out.shape[:2])), looks(size, *how)
    ):
        out[(n, c, *outer)] += columns[(n, c, *inner, *window)]
    return out


def pooled(choose: Callable[[list[tuple[float, int]]], float]) -> Callable[..., np.ndarray]:
    """`choose` from the values in a window and their numbers in the picture, in order."""

    def reference(x: np.ndarray, kernel_size: Place, stride: Any, padding: Any, dilation: Any,
                  ceil_mode: bool) -> np.ndarray:  # fmt: skip
        size, how = x.shape[2:], (kernel_size, stride, padding, dilation)
        out = np.zeros((*x.shape[:2], *counted(size, *how, ceil=ceil_mode)))
        for n, c in places(x.shape[:2]):
            held: dict[Place, list[tuple[float, int]]] = {}
            for window, _, (row, column) in looks(size, *how, ceil=ceil_mode):
                number = row * size[1] + column
                held.setdefault(window, []).append((float(x[n, c, row, column]), number))
            for window, values in held.items():
                out[(n, c, *window)] = choose(values)
        return out

    return reference


# ---- matrices, random numbers ----


def matmul(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    batch = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    x, y = (np.broadcast_to(a, batch + a.shape[-2:]) for a in (x, y))
    out = np.zeros((*batch, x.shape[-2], y.shape[-1]))
    for *b, i, j in places(out.shape):
        products = (x[(*b, i, k)] * y[(*b, k, j)] for k in range(x.shape[-1]))
        out[(*b, i, j)] = math.fsum(products)
    return out


def linear(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    out = np.zeros((*x.shape[:-1], weight.shape[0]))
    for *b, j in places(out.shape):
        out[(*b, j)] = math.fsum(x[(*b, k)] * weight[j, k] for k in range(weight.shape[1]))
    return out


def words(shape: Place) -> np.ndarray:
    """The 32-bit words of SFC64 from seed 0: the lower half of each draw first."""
    bits = np.random.SFC64(0)
    draws = (int(bits.random_raw()) for _ in range(math.prod(shape)))
    halves = [half for draw in draws for half in (draw & 0xFFFFFFFF, draw >> 32)]
    return np.array(halves[: math.prod(shape)], dtype=np.float64).reshape(shape)


def uniform(shape: Place, **_: Any) -> np.ndarray:
    return np.floor(words(shape) / 2**8) / 2**24


def bernoulli(shape: Place, probability: float, **_: Any) -> np.ndarray:
    return (words(shape) / 2**32 < probability).astype(float)


def normal(shape: Place, **_: Any) -> np.ndarray:
    return np.random.Generator(np.random.SFC64(0)).standard_normal(shape)


REFERENCES: dict[str, Callable[..., np.ndarray]] = {
    # arithmetic
    "add": each(operator.add), "sub": each(operator.sub), "mul": each(operator.mul),
    "div": each(operator.truediv), "pow": each(operator.pow), "neg": each(operator.neg),
    "floor_divide": each(operator.floordiv), "remainder": each(operator.mod),
    "abs": each(abs), "sign": each(lambda x: (x > 0) - (x < 0)),
    "floor": each(math.floor), "round": each(round),
    # curves
    "exp": each(math.exp), "expm1": each(math.expm1), "log": each(math.log),
    "log1p": each(math.log1p), "sqrt": each(math.sqrt), "rsqrt": each(lambda x: x**-0.5),
    "sin": each(math.sin), "cos": each(math.cos), "tanh": each(math.tanh),
    "sigmoid": each(sigmoid), "relu": each(lambda x: max(x, 0.0)), "erf": each(math.erf),
    # comparison and choice
    "maximum": each(max), "minimum": each(min), "eq": each(operator.eq), "ne": each(operator.ne),
    "gt": each(operator.gt), "ge": each(operator.ge), "lt": each(operator.lt),
    "le": each(operator.le), "logical_and": each(lambda x, y: x != 0 and y != 0),
    "logical_or": each(lambda x, y: x != 0 or y != 0), "logical_not": each(operator.not_),
    "isfinite": each(math.isfinite), "isnan": each(math.isnan),
    "where": each(lambda c, x, y: x if c else y),
    # reduction
    "sum": reduced(math.fsum), "amax": reduced(max), "amin": reduced(min),
    "prod": reduced(math.prod), "argmax": reduced(lambda v: v.index(max(v))),
    "argmin": reduced(lambda v: v.index(min(v))),
    "logsumexp": reduced(lambda v: math.log(math.fsum(map(math.exp, v)))),
    "cumsum": along(lambda v: list(itertools.accumulate(v))), "argsort": along(order),
    # movement
    "cast": lambda x, dtype: each(float)(x), "copy": each(float), "reshape": reshape,
    "permute": permute, "expand": expand, "slice": slice_, "unslice": unslice, "assign": assign,
    "matrix_transpose": lambda x: permute(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)),
    "flip": moved(lambda p, shape, dims: tuple(
        shape[d] - 1 - i if d in dims else i for d, i in enumerate(p))),
    "pad": pad, "cat": cat,
    # indexing
    "gather": gather, "scatter_add": scatter_add, "pick": pick, "unpick": unpick, "put": put,
    "in_range": lambda index, size: each(int)(index),
    # windows of pictures
    "convolution": convolution, "convolution_input": convolution_input,
    "convolution_weight": convolution_weight, "unfold": unfold, "fold": fold,
    "max_pool": pooled(lambda held: max(value for value, _ in held)),
    "max_pool_index": pooled(lambda held: max(held, key=lambda pair: pair[0])[1]),
    # the rest
    "matmul": matmul, "linear": linear, "uniform": uniform, "bernoulli": bernoulli,
    "normal": normal,
}  # fmt: skip
