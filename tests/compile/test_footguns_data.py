"""Ways in which compilers were caught with wrong numbers: odd layouts, shapes and numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.compile.programs import agrees, numbers, same_error

import streetlight as sl
from streetlight.errors import IndexOutOfRangeError

# ---- odd memory, odd shapes ----


def layouts(x: Any) -> list[Any]:
    """One matrix (4, 6) in memory of every kind."""
    wide = np.zeros((8, 12), x.dtype)
    wide[::2, ::2] = x
    bytes_ = np.zeros(x.nbytes + 1, np.uint8)
    odd = bytes_[1:].view(x.dtype).reshape(x.shape)
    odd[:] = x
    locked = x.copy()
    locked.flags.writeable = False
    backwards = np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1]
    return [x, wide[::2, ::2], np.asfortranarray(x), backwards, odd, locked]


def test_arguments_may_lie_in_memory_in_any_way() -> None:
    @agrees
    def program(compile: Any) -> Any:
        f = compile(lambda x, y: (x @ y.T, (x * y).sum(0), x[1:].exp(), x + y.mean()))
        arrays = layouts(numbers(4, 6).numpy())
        tensors = [sl.Tensor(array) for array in arrays]
        tensors.append(numbers(6)[None].expand(4, 6))
        return [f(x, y) for x in tensors for y in tensors[:3]]


def test_parameters_may_lie_in_memory_in_any_way() -> None:
    @agrees
    def program(compile: Any) -> Any:
        weight = sl.nn.Parameter(numbers(4, 6))

        @compile
        def step(x: Any) -> Any:
            weight.grad = None
            (x @ weight.T).tanh().sum().backward()
            with sl.no_grad():
                weight.sub_(weight.grad * 0.1)
            return weight.grad

        seen = []
        for array in layouts(numbers(4, 6).numpy())[:5]:
            weight.data = sl.Tensor(array)
            seen += [step(numbers(3, 6)), weight.data]
        return seen


@pytest.mark.parametrize("shape", [(), (0,), (1,), (0, 3), (3, 0), (1, 1), (2, 0, 3)])
def test_tensors_without_elements_and_without_dimensions(shape: Any) -> None:
    @agrees
    def program(compile: Any) -> Any:
        @compile
        def f(x: Any) -> Any:
            y = (x * 2 + 1).reshape(-1)
            return x.tanh(), y, y.sum(), x.sum(), sl.cat([y, y]), y[:1], (x > 0), x.unsqueeze(-1)

        return [f(numbers(*shape, seed=i)) for i in range(2)]


def test_products_of_nothing_are_zeros() -> None:
    @agrees
    def program(compile: Any) -> Any:
        f = compile(lambda a, b: a @ b)
        return (
            f(numbers(2, 0), numbers(0, 3)),
            f(numbers(0, 2), numbers(2, 3)),
            f(numbers(3, 2, 0), numbers(3, 0, 1)),
        )


def test_large_tensors_are_shared_among_threads() -> None:
    @agrees
    def program(compile: Any) -> Any:
        @compile
        def f(x: Any) -> Any:
            y = sl.softmax(x, 1)
            return y.sum(0), y.sum(1), x.sum(), x.amax(0), (x * 2).T.contiguous()[::97], x.mean(1)

        return [f(numbers(701, 997, seed=i, dtype=sl.float64)) for i in range(2)]


# ---- odd numbers ----


def test_nan_and_infinities_go_through_as_in_eager() -> None:
    @agrees
    def program(compile: Any) -> Any:
        @compile
        def f(x: Any) -> Any:
            return (
                x * 0, x - x, x.relu(), x.sum(), x.amax(), x.max(0), x.maximum(x.flip(0)),
                x.isnan(), x.isfinite(), sl.where(x > 0, x, -x), x.clamp(-1, 1), x.tanh(), x.exp(),
                sl.softmax(x, 0), sl.logsumexp(x, 0), x == x, x != x, x < x, x.sign(), x.argmax(),
                x.sort().values, x.norm(), x.prod(), x.cumsum(0),
            )  # fmt: skip

        nan, inf = float("nan"), float("inf")
        rows = [[nan, 1, 2], [inf, 1, -inf], [-inf, -inf, -inf], [inf, inf, 0], [-0.0, 0.0, nan]]
        return [
            f(sl.tensor(row, dtype=dtype)) for row in rows for dtype in (sl.float32, sl.float64)
        ]


def test_numbers_below_the_normal_ones_are_kept() -> None:
    """A compiler that flushes them to zero gives x / tiny = 0 where eager gives 0.5."""

    def program(compile: Any) -> Any:
        f = compile(lambda x, tiny: ((x * 0.5) / tiny, x * 1e-3, x - tiny, (x @ x.T) == 0))
        small = [f(sl.full((2, 2), 1e-310, dtype=sl.float64), 1e-310)]
        return [*small, f(sl.full((2, 2), 1e-40), 1e-40)]

    agrees(program, rounding={})


def test_literals_are_written_exactly() -> None:
    literals = [0.1, 1 / 3, 1e-320, 5e-324, 1.7e308, 1e22, -0.0, float("inf"), float("-inf"), 2**53]

    def program(compile: Any) -> Any:
        def f(x: Any) -> Any:
            return [x + n for n in literals], sl.where(x > 0, x, float("nan")), x * float("nan")

        return [compile(f)(sl.tensor([0.0, -0.0], dtype=d)) for d in (sl.float64, sl.float32)]

    agrees(program, rounding={})


def test_whole_numbers_go_round_and_stay_exact() -> None:
    @agrees
    def program(compile: Any) -> Any:
        def f(x: Any) -> Any:
            return x * 3 + 1, x * x, -x, x.sum(), x.cumsum(0), x // 7, x % 7, x == 2**53 + 1

        values = [2**53 + 1, 2**62, -(2**63), 2**63 - 1, -8]
        small = [127, -128, 100, 3, -8]
        return compile(f)(sl.tensor(values)), compile(f)(sl.tensor(small, dtype=sl.int8))


def test_ties_are_decided_as_in_eager() -> None:
    @agrees
    def program(compile: Any) -> Any:
        @compile
        def f(x: Any) -> Any:
            top = x.max(1)
            slope = sl.grad(x.amax(1).sum() + x.maximum(x.flip(1)).sum() + top.values.sum(), x)
            return top, x.argmin(), x.sort(), x.topk(3), x.argsort(descending=True), slope

        x = sl.tensor([[1.0, 3, 3, 1], [2, 2, 2, 2]], requires_grad=True)
        return [f(x) for _ in range(2)]


def test_an_index_out_of_range_is_refused_as_in_eager() -> None:
    """A compiler that reads beyond the table gives numbers of somebody else."""

    def program(compile: Any) -> Any:
        table = numbers(5, 3)
        f = compile(lambda i: table[i].sum())
        return [f(sl.tensor([0, 4])), f(sl.tensor([-1, -5])), f(sl.tensor([2, 5]))]

    same_error(program, IndexOutOfRangeError, "index 5 is out of bounds in dimension 0")


def test_a_label_that_is_no_class_is_refused_as_in_eager() -> None:
    def program(compile: Any) -> Any:
        f = compile(sl.nn.functional.cross_entropy)
        return f(numbers(3, 4), sl.tensor([0, 1, 3])), f(numbers(3, 4), sl.tensor([0, 1, 4]))

    same_error(program, IndexOutOfRangeError, "label 4 at position [2] is not one of the 4")


DTYPES = [sl.bool, sl.uint8, sl.int32, sl.int64, sl.float16, sl.float32, sl.float64]


@pytest.mark.parametrize("first", DTYPES, ids=str)
def test_mixed_dtypes_are_promoted_as_in_eager(first: Any) -> None:
    """With dimensions, without, and as plain numbers: each counts differently."""

    @agrees
    def program(compile: Any) -> Any:
        @compile
        def f(x: Any, others: Any) -> Any:
            seen = [op(x, y) for y in others for op in (sl.mul, sl.add, sl.lt, sl.maximum)]
            return [*seen, *[sl.where(x > 0, x, y) for y in others], sl.cat([x, *others[1::2]])]

        others = [y for d in DTYPES for y in (sl.tensor(1, dtype=d), sl.ones(2, dtype=d))]
        return f(sl.tensor([0, 1]).to(first), others), f(sl.tensor([1, 1]).to(first), others)


def test_indices_of_every_dtype_and_sign_choose_the_same() -> None:
    @agrees
    def program(compile: Any) -> Any:
        @compile
        def f(x: Any, i: Any) -> Any:
            y = x * 1
            y[i] = 5.0
            return x[i], x[i, 1:], x[:, i.abs() % 3], x[1, i], x[i, i.abs() % 3], y, x[None, i]

        return [
            f(numbers(4, 4), sl.tensor([0, -1, 3, -4], dtype=dtype))
            for dtype in (sl.int64, sl.int32, sl.int8)
        ]
