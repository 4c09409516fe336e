"""Convolution and its two adjoints, and the columns of windows (unfold, fold) that they rest on.

Pictures are (N, C, H, W), and stride, padding, dilation and kernel_size are pairs of int. The
three products are linear in each input, and the gradients of each are the other two, so that
gradients of gradients never leave this file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from streetlight.devices import Array
from streetlight.errors import ShapeError
from streetlight.ops.registry import ErrorSample, Shape, primitive
from streetlight.ops.samples import calls, numbers

__all__: list[str] = []

Pair = tuple[int, int]
CHUNK = 2**20  # elements of columns made at a time: few products, and bounded memory


def window_counts(
    name: str, size: Any, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Pair:
    """Return how many windows fit in each dimension: (size + 2p − d (k − 1) − 1) // s + 1.

    Raises:
        ShapeError: if the kernel is larger than the padded picture.
    """
    geometry = zip(size, kernel_size, stride, padding, dilation, strict=True)
    counts = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in geometry]
    if min(counts) < 1:
        padded = tuple(n + 2 * p for n, p in zip(size, padding, strict=True))
        reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel_size, dilation, strict=True))
        raise ShapeError(
            f"{name}: a kernel that reaches over {reach} does not fit into pictures of {padded}",
            got={"size": tuple(size), "kernel_size": kernel_size, "padding": padding},
            expected="a padded picture at least as large as the kernel",
            fix="use a smaller kernel or dilation, more padding, or larger pictures",
        )
    return counts[0], counts[1]


def padded(xp: Any, x: Array, padding: Pair, value: float = 0, more: Pair = (0, 0)) -> Array:
    """A picture with a border of `value`, and `more` of it below and to the right."""
    (top, left), (below, right) = padding, more
    if not (top or left or below or right):
        return x
    height, width = x.shape[2:]
    out = xp.full(
        (*x.shape[:2], height + 2 * top + below, width + 2 * left + right), value, x.dtype
    )
    out[:, :, top : top + height, left : left + width] = x
    return out


def windows(
    xp: Any, x: Array, counts: Pair, kernel_size: Pair, stride: Pair, dilation: Pair
) -> Array:
    """See (N, C, H, W) as (N, C, kh, kw, H', W'), without a copy."""
    batch, channels, down, right = x.strides
    inside = (down * dilation[0], right * dilation[1])
    between = (down * stride[0], right * stride[1])
    shape = (*x.shape[:2], *kernel_size, *counts)
    return xp.lib.stride_tricks.as_strided(x, shape, (batch, channels, *inside, *between))


def _channels_fit(name: str, channels: int, weight: Any, groups: int, out: bool) -> None:
    kernels = weight.shape[0]
    fits = weight.ndim == 4 and groups > 0 and kernels % groups == 0
    fits = fits and channels == (kernels if out else weight.shape[1] * groups)
    if not fits:
        side = "out_channels" if out else "in_channels / groups times groups"
        raise ShapeError(
            f"{name}: {channels} channels do not fit a weight of {tuple(weight.shape)} "
            f"in {groups} groups",
            expected=f"weight (out_channels, in_channels / groups, kh, kw) with {side} channels",
            fix="give the layer the number of channels that its input has, and groups that "
            "divide both numbers of channels",
        )


def _four_dimensions(name: str, **inputs: Any) -> None:
    if any(value.ndim != 4 for value in inputs.values()):
        raise ShapeError(f"{name}: pictures and kernels have 4 dimensions", got=inputs)


def _convolved(x: Any, weight: Any, *, groups: int, **geometry: Any) -> Shape:
    _four_dimensions("convolution", x=x, weight=weight)
    _channels_fit("convolution", x.shape[1], weight, groups, False)
    counts = window_counts("convolution", x.shape[2:], tuple(weight.shape[2:]), **geometry)
    return (x.shape[0], weight.shape[0], *counts)


def _spread(g: Any, weight: Any, *, size: Pair, groups: int, **geometry: Any) -> Shape:
    _four_dimensions("convolution_input", g=g, weight=weight)
    _channels_fit("convolution_input", g.shape[1], weight, groups, True)
    counts = window_counts("convolution_input", size, tuple(weight.shape[2:]), **geometry)
    if counts != tuple(g.shape[2:]):
        raise ShapeError(
            f"convolution_input: pictures of {size} have {counts} windows, not {g.shape[2:]}"
        )
    return (g.shape[0], weight.shape[1] * groups, *size)


def _correlated(x: Any, g: Any, *, kernel_size: Pair, groups: int, **geometry: Any) -> Shape:
    _four_dimensions("convolution_weight", x=x, g=g)
    counts = window_counts("convolution_weight", x.shape[2:], kernel_size, **geometry)
    if (x.shape[0], *counts) != (g.shape[0], *g.shape[2:]):
        raise ShapeError(
            f"convolution_weight: {tuple(x.shape)} and {tuple(g.shape)} are no input and output"
        )
    return (g.shape[1], x.shape[1] // groups, *kernel_size)


def _geometry(stride: Pair, padding: Pair, dilation: Pair) -> dict[str, Pair]:
    return {"stride": stride, "padding": padding, "dilation": dilation}


def _sample(stride: Pair, padding: Pair, dilation: Pair, groups: int = 1) -> dict[str, Any]:
    return {**_geometry(stride, padding, dilation), "groups": groups}


def pieces(count: int, columns: int) -> Iterator[slice]:
    """Cut a batch into slices whose columns have about CHUNK elements."""
    step = max(1, CHUNK // max(columns, 1))
    return (slice(start, start + step) for start in range(0, count, step))


def _columns(
    xp: Any, x: Array, groups: int, counts: Pair, kernel_size: Pair, **steps: Any
) -> Array:
    """The windows of padded pictures as columns: (groups, C / groups · kh · kw, N · H' · W')."""
    seen = windows(xp, x, counts, kernel_size, **steps).transpose(1, 2, 3, 0, 4, 5)
    rows = x.shape[1] // groups * math.prod(kernel_size)
    return seen.reshape(groups, rows, len(x) * math.prod(counts))


def _rows(x: Array, groups: int) -> Array:
    """The channels of pictures (N, C, H, W) as rows: (groups, C / groups, N · H · W)."""
    size = len(x) * x.shape[2] * x.shape[3]
    return x.swapaxes(0, 1).reshape(groups, x.shape[1] // groups, size)


def _by_picture(columns: Array, out: Array, kernel_size: Pair, counts: tuple[int, ...]) -> Array:
    """See columns (groups, C / groups · kh · kw, N · H' · W') as (N, C, kh, kw, H', W')."""
    parts = columns.reshape(out.shape[1], *kernel_size, len(out), *counts)
    return parts.transpose(3, 0, 1, 2, *range(4, parts.ndim))


def _add_columns(out: Array, parts: Array, stride: Pair, dilation: Pair) -> None:
    """Add columns (N, C, kh, kw, H', W') to where they come from in padded pictures."""
    counts = parts.shape[4:]
    for row in range(parts.shape[2]):
        for column in range(parts.shape[3]):
            top, left = row * dilation[0], column * dilation[1]
            down = slice(top, top + (counts[0] - 1) * stride[0] + 1, stride[0])
            right = slice(left, left + (counts[1] - 1) * stride[1] + 1, stride[1])
            out[:, :, down, right] += parts[:, :, row, column]


def _add_stretches(out: Array, parts: Array, dilation: Pair) -> None:
    """The same for strides of 1 and rows of columns as long as the padded pictures' own.

    All that one place of the kernel adds is then one stretch, with zeros where rows are too long;
    behind the last row, `out` (N, C, H + 1, W) has one more for them.
    """
    flat = out.reshape(*out.shape[:2], -1)
    for row in range(parts.shape[2]):
        for column in range(parts.shape[3]):
            start = row * dilation[0] * out.shape[3] + column * dilation[1]
            flat[:, :, start : start + parts.shape[4]] += parts[:, :, row, column]


def _same_dtype(x: Array, y: Array) -> None:
    if x.dtype != y.dtype:
        raise TypeError("mixed dtypes")  # float64 would spread to all that follows


@primitive(
    shape=_convolved, saves="weight|x",
    vjp=[lambda g, out, x, weight, **how: _convolution_input(g, weight, size=tuple(x.shape[2:]),
                                                             **how),
         lambda g, out, x, weight, **how: _convolution_weight(
             x, g, kernel_size=tuple(weight.shape[2:]), **how)],
    algebra="{0} ∗ {1}", onnx="Conv",
    samples=calls(
        ((numbers(2, 1, 5, 4), numbers(3, 1, 3, 2, seed=1)), _sample((1, 1), (0, 0), (1, 1))),
        ((numbers(2, 4, 5, 6), numbers(6, 2, 2, 3, seed=1)), _sample((2, 1), (1, 2), (1, 2), 2)),
        ((numbers(1, 3, 1, 7), numbers(3, 1, 1, 3, seed=1)), _sample((1, 3), (0, 1), (1, 1), 3)),
        ((numbers(0, 2, 3, 3), numbers(2, 2, 1, 1, seed=1)), _sample((1, 1), (0, 0), (1, 1))),
    ),
    error_samples=lambda: [
        ErrorSample((numbers(1, 2, 4, 4), numbers(3, 1, 2, 2)), _sample((1, 1), (0, 0), (1, 1)),
                    ShapeError, "convolution: 2 channels do not fit a weight of (3, 1, 2, 2)"),
        ErrorSample((numbers(1, 1, 2, 4), numbers(3, 1, 3, 3)), _sample((1, 1), (0, 0), (1, 1)),
                    ShapeError, "a kernel that reaches over (3, 3) does not fit into pictures of "
                                "(2, 4)"),
        ErrorSample((numbers(2, 4, 4), numbers(3, 1, 3, 3)), _sample((1, 1), (0, 0), (1, 1)),
                    ShapeError, "convolution: pictures and kernels have 4 dimensions"),
    ],
)  # fmt: skip
def _convolution(
    xp: Any, x: Array, weight: Array, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """Σ over channels c and places i, j in a window of x[c, y s + i d − p, …] w[o, c, i, j]."""
    _same_dtype(x, weight)
    geometry = _geometry(stride, padding, dilation)
    shape = _convolved(x, weight, groups=groups, **geometry)
    how = {"kernel_size": weight.shape[2:], "stride": stride, "dilation": dilation}
    kernels = weight.reshape(groups, shape[1] // groups, math.prod(weight.shape[1:]))
    out = xp.empty(shape, x.dtype)
    for part in pieces(len(x), groups * kernels.shape[2] * math.prod(shape[2:])):
        pictures = padded(xp, x[part], padding)
        columns = _columns(xp, pictures, groups, (shape[2], shape[3]), **how)
        product = xp.matmul(kernels, columns)
        out[part] = product.reshape(shape[1], len(pictures), *shape[2:]).swapaxes(0, 1)
    return out


@primitive(
    shape=_spread, saves="weight|g",
    vjp=[lambda d, out, g, weight, size, **how: _convolution(d, weight, **how),
         lambda d, out, g, weight, size, **how: _convolution_weight(
             d, g, kernel_size=tuple(weight.shape[2:]), **how)],
    algebra="{0} ∗ᵀ {1}", onnx="ConvTranspose",
    samples=calls(
        ((numbers(2, 3, 3, 3), numbers(3, 1, 3, 2, seed=1)),
         {"size": (5, 4), **_sample((1, 1), (0, 0), (1, 1))}),
        ((numbers(2, 6, 3, 6), numbers(6, 2, 2, 3, seed=1)),
         {"size": (5, 6), **_sample((2, 1), (1, 2), (1, 2), 2)}),
        ((numbers(1, 3, 1, 3), numbers(3, 1, 1, 3, seed=1)),
         {"size": (1, 8), **_sample((1, 3), (0, 1), (1, 1), 3)}),
    ),
    error_samples=lambda: [
        ErrorSample((numbers(1, 2, 4, 4), numbers(3, 1, 2, 2)),
                    {"size": (5, 5), **_sample((1, 1), (0, 0), (1, 1))},
                    ShapeError, "convolution_input: 2 channels do not fit a weight of"),
        ErrorSample((numbers(1, 3, 4, 4), numbers(3, 1, 2, 2)),
                    {"size": (9, 5), **_sample((1, 1), (0, 0), (1, 1))},
                    ShapeError, "pictures of (9, 5) have (8, 4) windows, not (4, 4)"),
    ],
)  # fmt: skip
def _convolution_input(
    xp: Any, g: Array, weight: Array, size: Pair, stride: Pair, padding: Pair, dilation: Pair,
    groups: int,
) -> Array:  # fmt: skip
    """The adjoint of convolution in x: each g[o, y, x] adds weight[o] times itself to a window."""
    _same_dtype(g, weight)
    geometry = _geometry(stride, padding, dilation)
    shape = _spread(g, weight, size=size, groups=groups, **geometry)
    height, width = size[0] + 2 * padding[0], size[1] + 2 * padding[1]
    counts = (g.shape[2], g.shape[3])
    in_stretches = stride == (1, 1) and width < 2 * counts[1]
    if in_stretches:
        g = padded(xp, g, (0, 0), more=(0, width - counts[1]))
    kernels = weight.reshape(groups, len(weight) // groups, math.prod(weight.shape[1:]))
    out = xp.zeros((*shape[:2], height + in_stretches, width), g.dtype)
    for part in pieces(len(g), groups * kernels.shape[2] * math.prod(g.shape[2:])):
        columns = xp.matmul(kernels.swapaxes(1, 2), _rows(g[part], groups))
        if in_stretches:
            parts = _by_picture(columns, out[part], weight.shape[2:], (math.prod(g.shape[2:]),))
            _add_stretches(out[part], parts, dilation)
        else:
            parts = _by_picture(columns, out[part], weight.shape[2:], counts)
            _add_columns(out[part], parts, stride, dilation)
    return _without_border(xp, out, size, padding)


def _without_border(xp: Any, x: Array, size: Pair, padding: Pair) -> Array:
    (top, left), (height, width) = padding, size
    return xp.ascontiguousarray(x[:, :, top : top + height, left : left + width])


@primitive(
    shape=_correlated, saves="g|x",
    vjp=[lambda d, out, x, g, kernel_size, **how: _convolution_input(
             g, d, size=tuple(x.shape[2:]), **how),
         lambda d, out, x, g, kernel_size, **how: _convolution(x, d, **how)],
    algebra="{0} ⋆ {1}",
    samples=calls(
        ((numbers(2, 1, 5, 4), numbers(2, 3, 3, 3, seed=1)),
         {"kernel_size": (3, 2), **_sample((1, 1), (0, 0), (1, 1))}),
        ((numbers(2, 4, 5, 6), numbers(2, 6, 3, 6, seed=1)),
         {"kernel_size": (2, 3), **_sample((2, 1), (1, 2), (1, 2), 2)}),
        ((numbers(0, 2, 3, 3), numbers(0, 2, 3, 3, seed=1)),
         {"kernel_size": (1, 1), **_sample((1, 1), (0, 0), (1, 1))}),
    ),
    error_samples=lambda: [
        ErrorSample((numbers(1, 2, 4, 4), numbers(1, 3, 4, 4)),
                    {"kernel_size": (2, 2), **_sample((1, 1), (0, 0), (1, 1))},
                    ShapeError, "(1, 2, 4, 4) and (1, 3, 4, 4) are no input and output"),
    ],
)  # fmt: skip
def _convolution_weight(
    xp: Any, x: Array, g: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair,
    groups: int,
) -> Array:  # fmt: skip
    """The adjoint of convolution in weight: Σ over pictures and windows of g times the window."""
    _same_dtype(x, g)
    counts = (g.shape[2], g.shape[3])
    shape = _correlated(
        x, g, kernel_size=kernel_size, groups=groups, **_geometry(stride, padding, dilation)
    )
    out = xp.zeros((groups, shape[0] // groups, math.prod(shape[1:])), x.dtype)
    for part in pieces(len(x), groups * out.shape[2] * math.prod(counts)):
        pictures = padded(xp, x[part], padding)
        columns = _columns(
            xp, pictures, groups, counts, kernel_size, stride=stride, dilation=dilation
        )
        out += xp.matmul(_rows(g[part], groups), columns.swapaxes(1, 2))
    return out.reshape(shape)


def _unfolded(x: Any, kernel_size: Pair, **geometry: Any) -> Shape:
    _four_dimensions("unfold", x=x)
    counts = window_counts("unfold", x.shape[2:], kernel_size, **geometry)
    return (x.shape[0], x.shape[1] * math.prod(kernel_size), math.prod(counts))


def _folded(y: Any, size: Pair, kernel_size: Pair, **geometry: Any) -> Shape:
    counts = window_counts("fold", size, kernel_size, **geometry)
    if y.ndim != 3 or y.shape[1] % math.prod(kernel_size) or y.shape[2] != math.prod(counts):
        raise ShapeError(
            f"fold: columns {tuple(y.shape)} are not those of {counts} windows of {kernel_size}",
            expected="(N, channels · kh · kw, number of windows)",
            got={"input": y, "output_size": size},
        )
    return (y.shape[0], y.shape[1] // math.prod(kernel_size), *size)


def _columns_sample(kernel_size: Pair, **geometry: Pair) -> dict[str, Any]:
    return {"kernel_size": kernel_size, **geometry}


@primitive(
    shape=_unfolded,
    vjp=[lambda g, out, x, **how: _fold(g, size=tuple(x.shape[2:]), **how)],
    algebra="columns {0}",
    samples=calls(
        ((numbers(2, 3, 4, 5),), _columns_sample((2, 3), **_geometry((1, 2), (1, 0), (2, 1)))),
        ((numbers(1, 1, 3, 3),), _columns_sample((3, 3), **_geometry((1, 1), (0, 0), (1, 1)))),
    ),
    error_samples=lambda: [
        ErrorSample((numbers(1, 1, 2, 2),),
                    _columns_sample((3, 2), **_geometry((1, 1), (0, 0), (1, 1))),
                    ShapeError, "unfold: a kernel that reaches over (3, 2) does not fit")],
)  # fmt: skip
def _unfold(
    xp: Any, x: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Array:
    """The windows of pictures as columns: (N, C · kh · kw, number of windows)."""
    counts = window_counts(
        "unfold", x.shape[2:], kernel_size, **_geometry(stride, padding, dilation)
    )
    seen = windows(xp, padded(xp, x, padding), counts, kernel_size, stride, dilation)
    columns = seen.reshape(len(x), x.shape[1] * math.prod(kernel_size), math.prod(counts))
    return xp.array(columns, order="C")


@primitive(
    shape=_folded,
    vjp=[lambda g, out, y, size, **how: _unfold(g, **how)],
    algebra="columnsᵀ {0}",
    samples=calls(
        ((numbers(2, 18, 4),), {"size": (4, 5), "kernel_size": (2, 3),
                                **_geometry((1, 2), (0, 0), (2, 1))}),
        ((numbers(1, 4, 9),), {"size": (4, 4), "kernel_size": (2, 2),
                               **_geometry((1, 1), (0, 0), (1, 1))}),
    ),
    error_samples=lambda: [
        ErrorSample((numbers(1, 4, 8),),
                    {"size": (4, 4), "kernel_size": (2, 2), **_geometry((1, 1), (0, 0), (1, 1))},
                    ShapeError, "fold: columns (1, 4, 8) are not those of (3, 3) windows")],
)  # fmt: skip
def _fold(
    xp: Any, y: Array, size: Pair, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Array:
    """Columns added up where they lie in the picture: the adjoint of unfold."""
    geometry = _geometry(stride, padding, dilation)
    counts = window_counts("fold", size, kernel_size, **geometry)
    shape = _folded(y, size, kernel_size, **geometry)
    out = xp.zeros((*shape[:2], size[0] + 2 * padding[0], size[1] + 2 * padding[1]), y.dtype)
    _add_columns(out, y.reshape(*shape[:2], *kernel_size, *counts), stride, dilation)
    return _without_border(xp, out, size, padding)
