"""Compiled convolution, pooling, unfold and fold against eager: odd geometry, networks, threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.compile.programs import agrees, labels, numbers

import streetlight as sl
from streetlight import nn, optim
from streetlight.compile.build import build
from streetlight.compile.runtime import runtime
from streetlight.graph import trace
from streetlight.nn import functional as F
from streetlight.ops.convolution import (
    _convolution,
    _convolution_input,
    _convolution_weight,
    _fold,
    _unfold,
    window_counts,
)
from streetlight.ops.pooling import _max_pool, _max_pool_index

ROUNDING = {"float32": (2e-4, 2e-4), "float64": (1e-9, 1e-10)}  # of sums of several thousand


def geometry(seed: int) -> dict[str, Any]:
    """Sizes of a convolution: few and many channels, strides over the kernel, borders to crop."""
    random = np.random.default_rng(seed)

    def pair(low: int, high: int) -> tuple[int, int]:
        return tuple(map(int, random.integers(low, high, 2)))  # type: ignore[return-value]

    groups, channels, kernels = map(int, random.integers(1, (4, 19, 19)))
    kernel, dilation = pair(1, 5), pair(1, 3)
    size = tuple(
        d * (k - 1) + 1 + int(more)
        for k, d, more in zip(kernel, dilation, random.integers(0, (9, 40)), strict=True)
    )
    how = {"stride": pair(1, 4), "padding": pair(0, 4), "dilation": dilation}
    return {
        "batch": int(random.integers(1, 20)), "size": size, "kernel": kernel, "how": how,
        "groups": groups, "channels": groups * channels, "kernels": groups * kernels,
    }  # fmt: skip


def slopes(results: list[Any], leaves: list[Any]) -> list[Any]:
    """Gradients of a sum in which each element counts differently."""
    total = sum((x * numbers(*x.shape, seed=9).to(x.dtype)).sum() for x in results)
    return list(sl.grad(total, leaves, create_graph=True))


@pytest.mark.parametrize("dtype", [sl.float32, sl.float64], ids=str)
@pytest.mark.parametrize("seed", range(14))
def test_convolution_and_its_adjoints_equal_eager(seed: int, dtype: Any) -> None:
    sizes = geometry(seed)
    how = {**sizes["how"], "groups": sizes["groups"]}
    x = numbers(sizes["batch"], sizes["channels"], *sizes["size"], dtype=dtype)
    weight = numbers(
        sizes["kernels"], sizes["channels"] // sizes["groups"], *sizes["kernel"], dtype=dtype
    )
    g = numbers(*_convolution(x, weight, **how).shape, seed=1, dtype=dtype)

    def program(compile: Any) -> Any:
        @compile
        def run(x: Any, weight: Any, g: Any) -> Any:
            return (
                _convolution(x, weight, **how),
                _convolution_input(g, weight, size=sizes["size"], **how),
                _convolution_weight(x, g, kernel_size=sizes["kernel"], **how),
            )

        return run(x, weight, g)

    agrees(program, rounding=ROUNDING)


@pytest.mark.parametrize("seed", range(3))
def test_second_gradients_of_a_convolution_equal_eager(seed: int) -> None:
    sizes = geometry(100 + seed)
    how = {**sizes["how"], "groups": sizes["groups"]}

    def program(compile: Any) -> Any:
        x = numbers(2, sizes["channels"], *sizes["size"], dtype=sl.float64)
        shape = (sizes["kernels"], sizes["channels"] // sizes["groups"], *sizes["kernel"])
        leaves = [x.requires_grad_(), numbers(*shape, dtype=sl.float64).requires_grad_()]

        @compile
        def run(x: Any, weight: Any) -> Any:
            first = slopes([sl.tanh(_convolution(x, weight, **how))], [x, weight])
            return first, slopes(first, [x, weight])

        return run(*leaves)

    agrees(program, rounding=ROUNDING)


def test_operands_that_are_views_are_read_where_they_lie() -> None:
    """Transposed, repeated and cut pictures and weights."""
    how = {"stride": (1, 2), "padding": (1, 0), "dilation": (1, 1), "groups": 1}

    def program(compile: Any) -> Any:
        @compile
        def run(x: Any, weight: Any) -> Any:
            turned = x.permute(3, 2, 1, 0)[:, :, 1:]
            out = _convolution(turned, weight.permute(0, 1, 3, 2), **how)
            one = out[:1, :1, :1, :1].expand(*out.shape)
            columns = out.permute(0, 1, 3, 2).contiguous().permute(0, 1, 3, 2)
            given = {"kernel_size": (2, 3), **how}
            return (
                out,
                _convolution_weight(turned, one, **given),
                _convolution_weight(turned, columns, **given),
                _convolution_input(one, weight.permute(0, 1, 3, 2), size=(5, 7), **how),
            )

        return run(numbers(7, 6, 3, 4), numbers(2, 3, 3, 2))

    agrees(program, rounding=ROUNDING)


@pytest.mark.parametrize("seed", range(12))
def test_pooling_and_columns_equal_eager(seed: int) -> None:
    random = np.random.default_rng(seed)
    kernel, stride, dilation = (tuple(map(int, random.integers(1, n, 2))) for n in (5, 4, 3))
    padding = tuple(int(random.integers(0, k // 2 + 1)) for k in kernel)
    size = tuple(
        d * (k - 1) + 1 + int(random.integers(0, 8)) for k, d in zip(kernel, dilation, strict=True)
    )
    how: dict[str, Any] = {
        "kernel_size": kernel, "stride": stride, "padding": padding, "dilation": dilation
    }  # fmt: skip
    pooled = {**how, "ceil_mode": bool(seed % 2)}

    def program(compile: Any) -> Any:
        x = sl.tensor(random.integers(-3, 4, (3, 2, *size)).astype(np.float32))  # many are equal
        x.requires_grad_()
        y = numbers(3, 2 * kernel[0] * kernel[1], _windows(size, how))

        @compile
        def run(x: Any, y: Any) -> Any:
            found = _max_pool(x, **pooled), _unfold(x, **how)
            places = _max_pool_index(x, **pooled)
            return found, places, _fold(y, size=size, **how), slopes(list(found), [x])

        random.bit_generator.state = state
        return run(x, y)

    state = random.bit_generator.state
    agrees(program)


def _windows(size: Any, how: dict[str, Any]) -> int:
    rows, columns = window_counts("", size, **how)
    return rows * columns


@pytest.mark.parametrize("dtype", [sl.float32, sl.float16], ids=str)
def test_pooling_hands_on_nan_and_infinity(dtype: Any) -> None:
    """A NaN wins, the last one of several takes the gradient; −∞ all over counts from inside."""
    array = np.array([[np.nan, 1, 5, 5], [2, np.nan, 5, 5], [-np.inf] * 4, [-np.inf, np.inf, 0, 0]])
    how: dict[str, Any] = {"dilation": (1, 1), "ceil_mode": False}
    tiles = {"kernel_size": (2, 2), "stride": (2, 2), "padding": (0, 0), **how}
    crossing = {"kernel_size": (3, 3), "stride": (1, 1), "padding": (1, 1), **how}

    def program(compile: Any) -> Any:
        x = sl.tensor(array.reshape(1, 1, 4, 4), dtype=dtype).requires_grad_()

        @compile
        def run(x: Any) -> Any:
            found = [_max_pool(x, **tiles), _max_pool(x, **crossing)]
            places = [_max_pool_index(x, **tiles), _max_pool_index(x, **crossing)]
            return found, places, sl.grad(found[0].sum() + found[1].sum(), [x])

        return run(x)

    agrees(program)


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 5, 3, padding=1, bias=False), nn.BatchNorm2d(5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(5, 6, (2, 3), stride=2, groups=1), nn.Tanh(), nn.Dropout(0.3),
        nn.Conv2d(6, 6, 1, groups=3), nn.AvgPool2d(2, 1), nn.Flatten(), nn.Linear(6 * 2, 4),
    )  # fmt: skip


def training(compile: Any, steps: int = 20) -> Any:
    """Losses, and parameters and statistics in the end."""
    sl.manual_seed(3)
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

    @compile
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    losses = [
        step(numbers(9, 2, 12, 13, seed=i % 3), labels(9, 4, seed=i % 3)) for i in range(steps)
    ]
    return losses, model.state_dict()


def test_a_network_trains_as_in_eager() -> None:
    agrees(training, rounding={"float32": (1e-3, 1e-4), "int64": (0, 0)})


def test_results_do_not_depend_on_the_number_of_threads() -> None:
    before, results = runtime().threads, []
    try:
        for threads in (1, 2, 3):
            runtime().set_threads(threads)
            losses, state = training(sl.compile, 6)
            results.append([x.detach().numpy().copy() for x in (*losses, *state.values())])
    finally:
        runtime().set_threads(before)
    for others in results[1:]:
        for one, other in zip(results[0], others, strict=True):
            np.testing.assert_array_equal(one, other)


def test_columns_of_a_batch_are_never_made() -> None:
    """Scratch memory is for copies of a few pictures, whatever the size of the batch."""
    how = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}

    def scratch(batch: int) -> int:
        x, weight = numbers(batch, 8, 16, 16), numbers(8, 8, 3, 3)
        return build(trace(lambda x, weight: _convolution(x, weight, **how), x, weight)).workspace

    assert scratch(64) == scratch(1024) < 16 * 2 * 8 * 18 * 18 * 4
