"""The walk back: graphs of every form, what is kept and freed, hooks, switches, orders."""

from __future__ import annotations

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import streetlight as sl
from streetlight.errors import ArgumentError, DTypeError, GradientError, ShapeError


def leaf(*values: float, dtype: Any = sl.float64) -> sl.Tensor:
    return sl.tensor(list(values), dtype=dtype, requires_grad=True)


# ---- graphs of every form; expected values by hand ----


def test_a_tensor_used_many_times() -> None:
    x = leaf(2.0, 3.0)
    (x + x).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
    (x * x + x * 3 - x).sum().backward()  # adds to what is there
    assert x.grad.tolist() == [2 + 2 * 2 + 2, 2 + 2 * 3 + 2]


def test_the_result_of_a_sum_used_twice() -> None:
    """c = a + b; d = c + c: visited in a wrong order, a would get half of its gradient."""
    a, b = leaf(1.0), leaf(2.0)
    c = a + b
    d = c * 3 + c
    e = d + c
    e.backward()
    assert a.grad.tolist() == b.grad.tolist() == [5.0]


def test_diamonds_in_a_row() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(50):
        y = y * 0.75 + y * 0.75
    y.backward()
    assert x.grad.item() == pytest.approx(1.5**50, rel=1e-12)


def test_unused_branches() -> None:
    x, unused = leaf(2.0), leaf(5.0)
    y = x * 3
    _ = (y * unused).exp()
    dead = y.detach() * unused
    y.backward()
    assert x.grad.tolist() == [3.0]
    assert unused.grad is None
    assert dead.requires_grad


def test_gradients_have_the_shapes_of_what_was_broadcast() -> None:
    shapes = [(), (1,), (3,), (1, 3), (2, 1), (2, 3)]
    for shape in shapes:
        x = sl.ones(shape, requires_grad=True)
        (x * sl.ones(2, 3)).sum().backward()
        assert x.grad.shape == shape
        assert x.grad.sum().item() == 6.0


def test_dtypes_are_kept() -> None:
    x, y = leaf(1.5, dtype=sl.float32), leaf(2.5)
    (sl.stack([x[0], y[0].float()]) * y.half()).double().sum().backward()
    assert x.grad.dtype == sl.float32
    assert y.grad.dtype == sl.float64


def test_a_chain_of_100_000_operations() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(50_000):
        y = (y + 1e-5) * 1.00001
    assert y.requires_grad
    y.backward()
    assert x.grad.item() == pytest.approx(1.00001**50_000, rel=1e-9)
    z = x
    for _ in range(50_000):
        z = z * 1.0
    del z  # a long chain that is dropped without a walk


def test_what_requires_a_gradient() -> None:
    x, y = leaf(1.0), sl.ones(1)
    assert (x + y).requires_grad
    assert not (y + y).requires_grad
    assert not (x > 0).requires_grad
    assert not x.long().requires_grad
    assert not x.argmax().requires_grad
    assert x.is_leaf
    assert not (x + y).is_leaf
    assert (x + y).grad_fn.name() == "add"
    assert x.grad_fn is None


# ---- backward and grad ----


def test_the_gradient_that_a_walk_starts_with() -> None:
    x = leaf(2.0, 3.0)
    (x * x).backward(sl.tensor([1.0, 10.0], dtype=sl.float64))
    assert x.grad.tolist() == [4.0, 60.0]
    x.grad = None
    (x * x).backward(gradient=sl.tensor([1.0, 1.0]))  # float32 is cast
    assert x.grad.dtype == sl.float64
    x.grad = None
    x.sum().backward()
    sl.ones(3, requires_grad=True)[1].backward()
    assert x.grad.tolist() == [1.0, 1.0]


def test_starting_at_a_leaf_and_at_infinity() -> None:
    x = leaf(2.0)
    x.backward()
    assert x.grad.tolist() == [1.0]
    y = leaf(0.0)
    (1 / y).backward()
    assert y.grad.tolist() == [-np.inf]


def test_words_for_a_wrong_start() -> None:
    x = leaf(1.0, 2.0)
    words = r"(?s)backward: the tensor has 2 elements, not one.*float64 \(2,\).*\.sum\(\) or \.mean"
    with pytest.raises(GradientError, match=words):
        (x * 2).backward()
    with pytest.raises(ShapeError, match="backward: the gradient does not have the tensor's shape"):
        (x * 2).backward(sl.ones(3))
    with pytest.raises(DTypeError, match="backward: the gradient is a float"):
        x.sum().backward(1.0)
    for plain in (sl.ones(1), sl.ones(1) * 2, x.sum().detach()):
        with pytest.raises(GradientError, match="backward: the tensor does not depend on anything"):
            plain.backward()
    with sl.no_grad():
        y = x.sum()
    with pytest.raises(GradientError, match=r"(?s)compute outside of no_grad\(\)"):
        y.backward()


def test_a_second_walk() -> None:
    x = leaf(3.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [12.0]
    with pytest.raises(GradientError, match=r"(?s)the values that (sum|mul) saved are freed already"
                       r".*one backward walk.*retain_graph=True"):  # fmt: skip
        y.backward()
    z = x * x
    z.sum().backward()
    with pytest.raises(GradientError, match="freed already"):
        (z * 2).sum().backward()  # a new graph on top of a freed one


def test_grad_and_backward_agree() -> None:
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = (x * w).exp().sum() * w.sum()
    gx, gw = sl.autograd.grad(y, [x, w], retain_graph=True)
    assert x.grad is None
    y.backward()
    np.testing.assert_array_equal(gx.numpy(), x.grad.numpy())
    np.testing.assert_array_equal(gw.numpy(), w.grad.numpy())


def test_grad_of_inner_tensors_and_of_several_outputs() -> None:
    x = leaf(2.0)
    y = x * 3
    z = y * y
    gy, gx, gz = sl.autograd.grad(z, (y, x, z), retain_graph=True)
    assert (gy.item(), gx.item(), gz.item()) == (12.0, 36.0, 1.0)
    (both,) = sl.autograd.grad([z, y], x, [sl.tensor([2.0]), sl.tensor([10.0])])
    assert both.item() == 2 * 36 + 10 * 3


def test_grad_of_what_does_not_matter() -> None:
    x, other = leaf(2.0), leaf(1.0)
    assert sl.autograd.grad(x * 2, [x, other], allow_unused=True)[1] is None
    with pytest.raises(
        GradientError, match=r"(?s)grad: the outputs do not depend on input 1.*allow"
    ):
        sl.autograd.grad(x * 2, [x, other])
    with pytest.raises(GradientError, match="grad: the outputs do not depend on input 0"):
        sl.autograd.grad(x * 2, sl.ones(1), allow_unused=True)
    with pytest.raises(ArgumentError, match="grad: 1 outputs, but 2 grad_outputs"):
        sl.autograd.grad(x * 2, x, [sl.ones(1), sl.ones(1)])


def test_no_gradient_shares_memory() -> None:
    """Neither with another gradient nor with the one the walk began with."""
    for create_graph in (False, True):
        a, b, c = leaf(1.0, 2.0), leaf(3.0, 4.0), leaf(5.0, 6.0)
        start = sl.ones(2, dtype=sl.float64)
        total = a + b + c.view(2, 1).view(2).clone()
        given = sl.autograd.grad(total, [a, b, c, total], start, True, create_graph)
        total.backward(start, create_graph=create_graph)
        parts = [*given, a.grad, b.grad, c.grad, start]
        for i, first in enumerate(parts):
            for second in parts[i + 1 :]:
                assert not np.shares_memory(first.detach().numpy(), second.detach().numpy())
        with sl.no_grad():
            a.grad.zero_()
        assert b.grad.tolist() == [1.0, 1.0]


def test_adding_to_a_gradient_that_has_a_graph() -> None:
    x = leaf(3.0)
    (x**3).backward(create_graph=True)
    assert x.grad.requires_grad
    (x * 2).backward()
    assert x.grad.tolist() == [29.0]
    x.grad = None
    (x**3).backward(create_graph=True)
    (x**2).backward(create_graph=True)
    assert x.grad.tolist() == [33.0]
    assert sl.autograd.grad(x.grad, x)[0].tolist() == [6 * 3.0 + 2]


def test_gradients_of_third_order() -> None:
    x = leaf(0.5, -1.5)
    values = [x.sin().sum()]
    expected = [np.cos, lambda v: -np.sin(v), lambda v: -np.cos(v)]
    for derivative in expected:
        (g,) = sl.autograd.grad(values[-1], x, create_graph=True)
        np.testing.assert_allclose(g.detach().numpy(), derivative(x.detach().numpy()), rtol=1e-15)
        values.append(g.sum())


def test_a_penalty_on_the_gradient() -> None:
    """d/dx of |f'(x)|² = 2 f'(x) f''(x), for f = x⁴."""
    x = leaf(1.0, 2.0)
    (g,) = sl.autograd.grad((x**4).sum(), x, create_graph=True)
    (g * g).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [2 * 4 * 12, 2 * 32 * 48])


# ---- memory ----


def test_memory_is_freed_as_the_walk_goes() -> None:
    """When the gradient reaches the first operation, the later ones hold nothing any more."""
    x = leaf(*range(10))
    first = x * 1.5
    middle = first.exp()
    last = middle.tanh()
    arrays = [weakref.ref(t._data) for t in (middle, last)]
    nodes = [weakref.ref(t._node) for t in (middle, last)]
    alive: list[Any] = []
    first.register_hook(lambda g: alive.append([r() is not None for r in (*arrays, *nodes)]))
    loss = last.sum()
    del middle, last
    gc.disable()
    try:
        loss.backward()
        assert alive == [[False, False, True, True]]  # nodes live as long as the loss does
        del loss, first
        assert [ref() for ref in nodes] == [None, None]  # without help of the cycle collector
    finally:
        gc.enable()


def test_results_that_are_dropped_leave_nothing() -> None:
    gc.disable()
    try:
        x = leaf(1.0, 2.0)
        kept = [weakref.ref((x * 2).exp()), weakref.ref((x[0] * x.sum()).sigmoid())]
        assert [ref() for ref in kept] == [None, None]
    finally:
        gc.enable()


# ---- hooks and retained gradients ----


def test_hooks_on_leaves_and_inside() -> None:
    seen: list[Any] = []
    x = leaf(1.0, 2.0)
    y = x * 3
    x.register_hook(lambda g: seen.append(("x", g.tolist())))
    handle = y.register_hook(lambda g: g * 10)
    y.register_hook(lambda g: seen.append(("y", g.tolist())))
    (y + y).sum().backward()
    assert seen == [("y", [20.0, 20.0]), ("x", [60.0, 60.0])]  # once each, when complete
    assert x.grad.tolist() == [60.0, 60.0]
    handle.remove()
    handle.remove()
    y = x * 3
    x.grad = None
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]
    with pytest.raises(
        GradientError, match="register_hook: the tensor does not require a gradient"
    ):
        sl.ones(1).register_hook(print)


def test_a_hook_on_a_leaf_may_replace_the_gradient() -> None:
    x, fixed = leaf(1.0), sl.tensor([7.0], dtype=sl.float64)
    handle = x.register_hook(lambda g: fixed)
    (x * 2).backward()
    assert x.grad.tolist() == [7.0]
    x.grad.zero_()
    assert fixed.tolist() == [7.0]
    handle.remove()
    (x * 2).backward()
    assert x.grad.tolist() == [2.0]


def test_retained_gradients() -> None:
    x = leaf(2.0)
    y = x * 3
    y.retain_grad()
    x.retain_grad()  # a leaf keeps its own anyway
    z = (y * y).sum()
    z.backward(retain_graph=True)
    z.backward()
    assert y.grad.tolist() == [24.0]
    assert x.grad.tolist() == [72.0]
    with pytest.raises(GradientError, match="retain_grad: the tensor does not require a gradient"):
        sl.ones(1).retain_grad()


def test_hooks_follow_a_change_in_place() -> None:
    x = leaf(1.0, 2.0)
    y = x * 1
    part = y[0]
    y.mul_(3)
    part.register_hook(lambda g: g * 100)
    part.retain_grad()
    (part * 2).backward()
    assert x.grad.tolist() == [600.0, 0.0]
    assert part.grad.item() == 200.0


# ---- switches ----


def test_switches_as_contexts() -> None:
    x = leaf(1.0)
    with sl.no_grad():
        assert not sl.is_grad_enabled()
        assert not (x * 2).requires_grad
        with sl.enable_grad():
            assert (x * 2).requires_grad
            with sl.set_grad_enabled(False):
                assert not sl.is_grad_enabled()
            assert sl.is_grad_enabled()
        assert not sl.is_grad_enabled()
    assert sl.is_grad_enabled()
    with pytest.raises(ZeroDivisionError), sl.no_grad():
        _ = 1 / 0
    assert sl.is_grad_enabled()
    switch = sl.no_grad()
    with switch, switch:
        pass
    assert sl.is_grad_enabled()


def test_switching_for_good() -> None:
    try:
        sl.set_grad_enabled(False)
        assert not sl.is_grad_enabled()
    finally:
        sl.set_grad_enabled(True)
    assert sl.is_grad_enabled()


@pytest.mark.parametrize(
    "switch", [sl.no_grad, lambda: sl.no_grad, lambda: sl.set_grad_enabled(False)]
)
def test_switches_as_decorators(switch: Any) -> None:
    @switch()
    def inner(depth: int) -> bool:
        """Add up."""
        return sl.is_grad_enabled() or (depth > 0 and inner(depth - 1))

    assert sl.is_grad_enabled()
    for _ in range(3):
        assert not inner(2)
        assert sl.is_grad_enabled()
    assert inner.__name__ == "inner"
    with sl.no_grad():
        assert not inner(1)
        assert sl.enable_grad()(sl.is_grad_enabled)()
        assert not sl.is_grad_enabled()


def test_threads_have_their_own_switch() -> None:
    barrier = threading.Barrier(2)
    x = leaf(2.0)

    @sl.no_grad()
    def quiet(rounds: int) -> list[bool]:
        barrier.wait()
        seen = [sl.is_grad_enabled() for _ in range(rounds)]
        barrier.wait()
        return seen

    def loud(rounds: int) -> list[bool]:
        barrier.wait()
        seen = [(x * 2).requires_grad for _ in range(rounds)]
        barrier.wait()
        return seen

    with ThreadPoolExecutor(2) as pool, sl.no_grad():
        silent, recording = pool.submit(quiet, 50), pool.submit(loud, 50)
        assert not any(silent.result())
        assert all(recording.result())
    for _ in range(2):  # the same decorated function in both threads at once
        with ThreadPoolExecutor(2) as pool:
            states = pool.map(lambda _: (quiet(20), sl.is_grad_enabled())[1], range(2))
            assert all(states)


def test_walks_in_threads() -> None:
    def work(seed: int) -> float:
        x = leaf(float(seed))
        for _ in range(20):
            (x * x).sum().backward()
        return x.grad.item()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(8))) == [40.0 * seed for seed in range(8)]


def test_requires_grad_is_for_fractions() -> None:
    words = (
        r"(?s)requires_grad: \w+ tensors have no gradient.*a floating-point tensor.*x\.float\(\)"
    )
    for make in (lambda: sl.tensor([1], requires_grad=True),
                 lambda: sl.ones(2).bool().requires_grad_(),
                 lambda: sl.zeros(2, dtype=sl.int64, requires_grad=True)):  # fmt: skip
        with pytest.raises(DTypeError, match=words):
            make()
    x = leaf(1.0)
    with pytest.raises(GradientError, match="requires_grad: only leaves can be switched off"):
        (x * 2).requires_grad_(False)
    assert x.requires_grad_(False) is x
    assert not (x * 2).requires_grad
