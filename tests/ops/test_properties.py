"""Properties of public functions on random shapes and strides: gradients of both orders.

Shapes have zero to four dimensions and may be empty; memory is permuted, reversed and has gaps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import streetlight as sl
import streetlight.nn.functional as F
from streetlight.testing import gradcheck, gradgradcheck

quick = settings(
    max_examples=25, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)  # fmt: skip
SIDES = st.integers(0, 3)
SHAPES = st.lists(SIDES, max_size=4).map(tuple)
FILLED = st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple)
SEEDS = st.integers(0, 2**20)


def distinct(shape: tuple[int, ...], seed: int, low: float = -2.0, high: float = 2.0) -> np.ndarray:
    """Numbers no two of which are near each other, and none near zero: away from all kinks."""
    count = math.prod(shape)
    spread = np.linspace(low, high, count) if count > 1 else np.full(count, 0.7 * high + 0.3 * low)
    spread = np.where(np.abs(spread) < 0.02, 0.05, spread)
    return np.random.default_rng(seed).permutation(spread).reshape(shape)


@st.composite
def strided(draw: Any, array: np.ndarray) -> sl.Tensor:
    """The array as a leaf whose memory is in another order, backwards, and with gaps."""
    order = draw(st.permutations(range(array.ndim)))
    steps = [draw(st.sampled_from([1, 2, -1, -2])) for _ in order]
    room = np.zeros([n * abs(s) for n, s in zip(np.array(array.shape)[order], steps, strict=True)])
    view = room[(*(slice(None, None, s) for s in steps), ...)]
    view = view.transpose([order.index(d) for d in range(array.ndim)])
    view[...] = array
    return sl.Tensor(view, requires_grad=True)


@st.composite
def tensors(draw: Any, shapes: Any = SHAPES, low: float = -2.0, high: float = 2.0) -> sl.Tensor:
    return draw(strided(distinct(draw(shapes), draw(SEEDS), low, high)))


@st.composite
def broadcast_pairs(draw: Any, low: float = 0.5, high: float = 2.5) -> list[sl.Tensor]:
    """Two tensors whose shapes fit: sizes dropped from the left, or replaced by 1."""
    shape = draw(SHAPES)
    pair = []
    for place in range(2):
        kept = shape[draw(st.integers(0, len(shape))) :]
        own = tuple(1 if draw(st.booleans()) else n for n in kept)
        pair.append(draw(strided(distinct(own, draw(SEEDS), low + 0.013 * place, high))))
    return pair


def check(function: Callable[..., Any], *inputs: sl.Tensor) -> None:
    gradcheck(function, inputs)
    gradgradcheck(function, inputs)


def dims_for(data: Any, x: sl.Tensor) -> Any:
    """None, a dimension, or several, counted from either end."""
    dims = data.draw(st.lists(st.integers(0, max(x.ndim - 1, 0)), unique=True, max_size=x.ndim))
    signed = [d - x.ndim if x.ndim and data.draw(st.booleans()) else d for d in dims]
    return data.draw(st.sampled_from([None, tuple(signed), signed[0] if signed else None]))


UNARY = {
    "exp": (-2, 2), "log": (0.3, 3), "sqrt": (0.3, 3), "rsqrt": (0.3, 3), "sin": (-3, 3),
    "cos": (-3, 3), "tanh": (-2, 2), "sigmoid": (-3, 3), "relu": (-2, 2), "erf": (-2, 2),
    "abs": (-2, 2), "neg": (-2, 2), "expm1": (-2, 2), "log1p": (-0.6, 3),
}  # fmt: skip


@pytest.mark.parametrize("name", UNARY)
@quick
@given(data=st.data())
def test_elementwise(name: str, data: Any) -> None:
    low, high = UNARY[name]
    check(getattr(sl, name), data.draw(tensors(low=low, high=high)))


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "pow", "maximum", "minimum"])
@quick
@given(pair=broadcast_pairs())
def test_broadcasting(name: str, pair: list[sl.Tensor]) -> None:
    check(getattr(sl, name), *pair)
    x, y = (t.detach().numpy() for t in pair)
    assert getattr(sl, name)(*pair).shape == np.broadcast_shapes(x.shape, y.shape)


@quick
@given(pair=broadcast_pairs(), seed=SEEDS)
def test_where_and_clamp(pair: list[sl.Tensor], seed: int) -> None:
    x, y = pair
    shape = np.broadcast_shapes(x.shape, y.shape)
    mask = sl.tensor(np.random.default_rng(seed).random(shape) > 0.5)
    check(lambda x, y: sl.where(mask, x, y), x, y)
    check(lambda x, y: x.masked_fill(mask, 0.5) * y, x, y)
    check(lambda x, y: x.clamp(0.8137, 1.9173) + y.clamp(max=1.5219), x, y)
    expected = np.where(mask.numpy(), x.detach().numpy(), y.detach().numpy())
    np.testing.assert_array_equal(sl.where(mask, x, y).detach().numpy(), expected)


REDUCTIONS = {
    "sum": np.sum, "mean": np.mean, "amax": np.max, "amin": np.min, "logsumexp": None, "norm": None,
    "var": None, "std": None,
}  # fmt: skip


@pytest.mark.parametrize("name", REDUCTIONS)
@quick
@given(data=st.data())
def test_reductions(name: str, data: Any) -> None:
    whole = name in ("amax", "amin", "logsumexp", "var", "std", "mean")
    x = data.draw(tensors(FILLED if whole else SHAPES))
    dim, keepdim = dims_for(data, x), data.draw(st.booleans())
    count = math.prod(x.shape[d] for d in ([dim] if isinstance(dim, int) else dim or range(x.ndim)))
    options = {"dim": dim, "keepdim": keepdim}
    if name in ("var", "std"):
        options["correction"] = 0 if count < 2 or data.draw(st.booleans()) else 1
        if name == "std" and count < 2:
            return  # the square root of 0
    if name == "logsumexp" and dim is None:
        options["dim"] = tuple(range(x.ndim))
    check(lambda x: getattr(sl, name)(x, **options), x)
    if REDUCTIONS[name] is not None:
        axis = tuple(dim) if isinstance(dim, tuple) and dim else dim or None if dim == () else dim
        expected = REDUCTIONS[name](x.detach().numpy(), axis=axis, keepdims=keepdim)
        np.testing.assert_allclose(getattr(sl, name)(x, **options).detach().numpy(), expected)


@pytest.mark.parametrize("name", ["max", "min", "prod", "cumsum", "sort", "topk", "softmax"])
@quick
@given(data=st.data())
def test_along_one_dim(name: str, data: Any) -> None:
    x = data.draw(tensors(FILLED))
    dim = data.draw(st.integers(-x.ndim, x.ndim - 1))
    if name == "topk":
        check(lambda x: x.topk(data.draw(st.just(x.shape[dim] - 1)), dim).values, x)
    elif name in ("max", "min", "sort"):
        check(lambda x: getattr(x, name)(dim)[0], x)
    else:
        check(lambda x: getattr(x, name)(dim), x)
    if name == "sort":
        down = data.draw(st.booleans())
        values, order = sl.sort(x, dim, down)
        expected = np.sort(x.detach().numpy(), dim)
        expected = np.flip(expected, dim) if down else expected
        np.testing.assert_array_equal(values.detach().numpy(), expected)
        np.testing.assert_array_equal(x.gather(dim, order).detach().numpy(), expected)


@quick
@given(data=st.data())
def test_movement(data: Any) -> None:
    x = data.draw(tensors())
    array = x.detach().numpy()
    order = data.draw(st.permutations(range(x.ndim)))
    check(lambda x: x.permute(order), x)
    np.testing.assert_array_equal(x.permute(order).detach().numpy(), array.transpose(order))
    check(lambda x: x.reshape(-1) * 2, x)
    np.testing.assert_array_equal(x.reshape(-1).detach().numpy(), array.reshape(-1))
    check(lambda x: x.flip(tuple(order[:1])).unsqueeze(-1).expand(2, *x.shape, 3), x)
    widths = data.draw(st.lists(st.integers(0, 2), min_size=2 * x.ndim, max_size=2 * x.ndim))
    check(lambda x: F.pad(x, widths, value=1.5), x)
    pairs = list(zip(widths[::2], widths[1::2], strict=True))[::-1]
    padded = np.pad(array, pairs, constant_values=1.5) if pairs else array
    np.testing.assert_array_equal(F.pad(x, widths, value=1.5).detach().numpy(), padded)


@quick
@given(data=st.data())
def test_cutting_and_joining(data: Any) -> None:
    x = data.draw(tensors(st.lists(SIDES, min_size=1, max_size=3).map(tuple)))
    dim = data.draw(st.integers(-x.ndim, x.ndim - 1))
    y = data.draw(strided(distinct(x.shape, data.draw(SEEDS))))
    check(lambda x, y: sl.cat([x, y, x], dim), x, y)
    check(lambda x, y: sl.stack([x, y], dim), x, y)
    step = data.draw(st.integers(1, 4))
    for parts in (x.split(step, dim), x.chunk(step, dim)):
        whole = sl.cat(parts, dim)
        np.testing.assert_array_equal(whole.detach().numpy(), x.detach().numpy())
    check(lambda x: x.split(step, dim)[-1], x)
    check(lambda x: x.chunk(step, dim)[0] * 3, x)


INDEX_PARTS = st.one_of(
    st.just(None), st.just(slice(None)), st.slices(3), st.integers(0, 0),
    st.lists(st.integers(-1, 0), min_size=1, max_size=3),
)  # fmt: skip


@quick
@given(data=st.data())
def test_indexing(data: Any) -> None:
    """Against NumPy, where at most one list is in the index; NumPy and PyTorch agree on these."""
    x = data.draw(tensors(FILLED))
    parts = data.draw(st.lists(INDEX_PARTS, max_size=x.ndim))
    lists = [part for part in parts if isinstance(part, list)]
    numbers = [part for part in parts if isinstance(part, int)]
    index = tuple(parts)
    check(lambda x: x[index], x)
    if len(lists) + len(numbers) <= 1 or not lists:
        np.testing.assert_array_equal(x[index].detach().numpy(), x.detach().numpy()[index])
    value = sl.tensor(distinct(tuple(x[index].shape), 3), requires_grad=True)

    def assigned(x: Any, value: Any) -> Any:
        y = x * 1
        y[index] = value
        return y * y

    if not any(len({v % 1 for v in part}) < len(part) for part in lists):
        check(assigned, x, value)


@quick
@given(data=st.data())
def test_choosing(data: Any) -> None:
    x = data.draw(tensors(FILLED))
    dim = data.draw(st.integers(-x.ndim, x.ndim - 1))
    generator = np.random.default_rng(data.draw(SEEDS))
    shape = list(x.shape)
    shape[dim] = data.draw(SIDES)
    index = sl.tensor(generator.integers(0, x.shape[dim], shape))
    src = sl.tensor(distinct(tuple(shape), 5), requires_grad=True)
    check(lambda x: x.gather(dim, index), x)
    check(lambda x, src: sl.scatter_add(x, dim, index, src), x, src)
    np.testing.assert_array_equal(
        x.gather(dim, index).detach().numpy(),
        np.take_along_axis(x.detach().numpy(), index.numpy(), dim),
    )
    rows = sl.tensor(generator.integers(0, x.shape[dim], data.draw(SIDES)))
    check(lambda x: x.index_select(dim, rows), x)
    mask = sl.tensor(generator.random(x.shape) > 0.5)
    check(lambda x: x.masked_select(mask), x)
    check(lambda x: x.masked_fill(mask, 3.0) ** 2, x)


@quick
@given(data=st.data())
def test_products_of_matrices(data: Any) -> None:
    n, k, m = (data.draw(SIDES) for _ in range(3))
    batch = data.draw(st.lists(SIDES, max_size=2))
    left = tuple(1 if data.draw(st.booleans()) else b for b in batch)
    right = tuple(batch[data.draw(st.integers(0, len(batch))) :])
    x = data.draw(strided(distinct((*left, n, k), 1)))
    y = data.draw(strided(distinct((*right, k, m), 2)))
    check(sl.matmul, x, y)
    np.testing.assert_allclose(
        (x @ y).detach().numpy(), x.detach().numpy() @ y.detach().numpy(), atol=1e-12
    )
    weight = data.draw(strided(distinct((m, k), 3)))
    check(F.linear, x, weight)


@quick
@given(data=st.data())
def test_einsum(data: Any) -> None:
    size = {name: data.draw(SIDES) for name in "abcd"}
    terms = [
        "".join(data.draw(st.permutations("abcd"))[: data.draw(st.integers(1, 3))])
        for _ in range(data.draw(st.integers(1, 3)))
    ]
    names = sorted({name for term in terms for name in term})
    output = "".join(data.draw(st.permutations(names))[: data.draw(st.integers(0, len(names)))])
    operands = [
        data.draw(strided(distinct(tuple(size[n] for n in term), place)))
        for place, term in enumerate(terms)
    ]
    equation = ",".join(terms) + "->" + output
    check(lambda *x: sl.einsum(equation, *x), *operands)
    expected = np.einsum(equation, *(x.detach().numpy() for x in operands))
    np.testing.assert_allclose(
        sl.einsum(equation, *operands).detach().numpy(), expected, atol=1e-12
    )
