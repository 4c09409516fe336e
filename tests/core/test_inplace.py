"""Changes in place and views: PyTorch's numbers and gradients, or an error, never wrong numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.core.parity import both_refuse, compare, numbers, torch

import streetlight as sl
from streetlight.errors import DTypeError, InPlaceError, ShapeError

X, W = np.abs(numbers(3, 2)) + 0.5, numbers(3, 2, seed=1)
METHODS: dict[str, Any] = {
    "add_": lambda y, w: y.add_(w), "add_ alpha": lambda y, w: y.add_(w, alpha=0.5),
    "sub_": lambda y, w: y.sub_(w), "sub_ alpha": lambda y, w: y.sub_(2, alpha=3),
    "mul_": lambda y, w: y.mul_(w), "div_": lambda y, w: y.div_(w), "pow_": lambda y, w: y.pow_(2),
    "pow_ tensor": lambda y, w: y.pow_(w), "exp_": lambda y, w: y.exp_(),
    "sqrt_": lambda y, w: y.sqrt_(), "neg_": lambda y, w: y.neg_(), "abs_": lambda y, w: y.abs_(),
    "relu_": lambda y, w: y.relu_(), "tanh_": lambda y, w: y.tanh_(),
    "sigmoid_": lambda y, w: y.sigmoid_(), "clamp_": lambda y, w: y.clamp_(0.7, 1.5),
    "copy_": lambda y, w: y.copy_(w), "fill_": lambda y, w: y.fill_(2.5),
    "zero_": lambda y, w: y.zero_(),
    "masked_fill_": lambda y, w: y.masked_fill_(w.detach() > 0, 4.0),
    "add_ number": lambda y, w: y.add_(1.5),
    "add_ broadcast": lambda y, w: y.add_(w[0]), "sub_ 0-d": lambda y, w: y.sub_(w.sum()),
}  # fmt: skip
VIEWS: dict[str, Any] = {
    "itself": lambda y: y, "number": lambda y: y[1], "slice": lambda y: y[1:],
    "column": lambda y: y[:, 0], "view of view": lambda y: y[1:].T[0],
    "turned": lambda y: y.T, "reshaped": lambda y: y.view(2, 3),
    "deep": lambda y: y.view(6)[1:5].view(2, 2)[:, 1], "unsqueezed": lambda y: y.unsqueeze(1)[2],
    "narrow": lambda y: y.narrow(0, 1, 2), "flat": lambda y: y.flatten(),
    "swapped": lambda y: y.transpose(0, 1)[1:],
}  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
def test_methods(name: str) -> None:
    """On a recorded tensor, on one without history, and under no_grad."""
    change = METHODS[name]

    def recorded(T: Any, x: Any, w: Any) -> Any:
        y = x * 1
        z = change(y, w)
        assert z is y
        return y, y * x

    def fresh(T: Any, x: Any, w: Any) -> Any:
        y = T.ones(3, 2, dtype=T.float64) * 2
        return change(y, w), y * w

    def unrecorded(T: Any, x: Any, w: Any) -> Any:
        with T.no_grad():
            return change(x, w)

    for arrays in ((X, W), (X.astype(np.float32), W.astype(np.float32))):
        compare(recorded, *arrays, tolerance=1e-5 if arrays[0].dtype == np.float32 else None)
    compare(fresh, X, W)
    compare(unrecorded, X, W)


@pytest.mark.parametrize(
    "name", ["add_ number", "mul_", "copy_", "fill_", "clamp_", "pow_", "relu_"]
)
@pytest.mark.parametrize("view", VIEWS)
def test_methods_on_views(view: str, name: str) -> None:
    """The change reaches the base, its other views and their gradients."""
    take, change = VIEWS[view], METHODS[name]

    def function(T: Any, x: Any, w: Any) -> Any:
        y = x * 1
        row, whole = y[0], y.view(-1)
        change(take(y), take(w))
        return y * x, row * 2, whole * 3, take(y), y[1:]

    compare(function, X, W)


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_changed_again_and_again(view: str) -> None:
    take = VIEWS[view]

    def function(T: Any, x: Any, w: Any) -> Any:
        y = x * 1
        part, other = take(y), y[1:]
        part.mul_(2)
        a = y.sum()
        other.add_(take(w).sum())
        b = part.sum()
        y.mul_(3)
        part.sub_(1)
        return a, b, y, part, other, y * part.sum()

    compare(function, X, W)


@pytest.mark.parametrize("start", ["recorded", "plain"])
def test_plain_memory_that_receives_a_recorded_value(start: str) -> None:
    """PyTorch's usual way to fill a buffer: the views see where the values came from."""

    def function(T: Any, x: Any, w: Any) -> Any:
        out = x * 1 if start == "recorded" else T.zeros(3, 2, dtype=T.float64)
        first = out[0]
        for i in range(3):
            out[i] = x[i] * w[i]
        return out, first, out.T[1], out.sum()

    compare(function, X, W)


def test_augmented_assignment() -> None:
    def function(T: Any, x: Any, w: Any) -> Any:
        y = x * 1
        same = y
        y += w
        y -= 1
        y *= w
        y /= 2
        y **= 2
        y %= 3
        assert y is same
        y[0] += w[1]
        y[1:, 0] *= w[1:, 1]
        y[w > 0] -= 1.5
        y.T[0][2] /= 3
        return y

    compare(function, X, W)


def test_sharing_a_source_keeps_histories_apart() -> None:
    """After b.copy_(a), what happens to b does not reach a's gradient."""

    def function(T: Any, x: Any) -> Any:
        a, b = x * 2, T.zeros(3, 2, dtype=T.float64)
        b.copy_(a)
        b.retain_grad()
        a.retain_grad()
        (a.sum() + (b * b).sum()).backward()
        return a.grad, b.grad, x.grad

    compare(function, X)


def test_copy_casts_and_broadcasts() -> None:
    def function(T: Any, x: Any) -> Any:
        y = T.zeros(2, 3, 2)
        y.copy_(x)
        z = T.zeros(3, 2, dtype=T.int64)
        z.copy_(x.detach() * 3)
        return y, z

    compare(function, X)
    error = both_refuse(lambda T, x: x.copy_(T.zeros(4, 2)), X)
    assert isinstance(error, ShapeError)


# ---- what is refused ----


@pytest.mark.parametrize("name", ["add_", "mul_", "zero_", "copy_", "clamp_", "exp_"])
def test_a_leaf_keeps_its_value(name: str) -> None:
    def function(T: Any, x: Any, w: Any) -> Any:
        return METHODS[name](x.requires_grad_(), w)

    error = both_refuse(function, X, W)
    assert isinstance(error, InPlaceError)
    assert "a leaf that requires a gradient is changed in place" in str(error)
    assert "inside of no_grad()" in str(error)
    both_refuse(lambda T, x, w: METHODS[name](x.requires_grad_()[0], w[0]), X, W)
    both_refuse(lambda T, x, w: x.requires_grad_().__setitem__(0, w[0]), X, W)
    both_refuse(lambda T, x, w: x.requires_grad_().__setitem__([0, 1], w[:2]), X, W)


@pytest.mark.parametrize("use", [
    lambda y, w: y * y, lambda y, w: y.exp(), lambda y, w: y @ w.T, lambda y, w: y.tanh(),
    lambda y, w: w / y, lambda y, w: y.sigmoid(), lambda y, w: y**2, lambda y, w: y.max(),
    lambda y, w: y.softmax(1), lambda y, w: y.norm(), lambda y, w: y.prod(), lambda y, w: y[0] * w,
    lambda y, w: y.sqrt(),
])  # fmt: skip
@pytest.mark.parametrize("change", [
    lambda y, z: y.add_(1), lambda y, z: y[0].zero_(), lambda y, z: y.detach().mul_(2),
    lambda y, z: y.view(-1).fill_(3), lambda y, z: y.__setitem__(0, 5.0),
])  # fmt: skip
def test_a_saved_value_must_not_change(use: Any, change: Any) -> None:
    """Of the operation's input or result, whichever it needs."""

    def gradient(T: Any, part: str, safe: bool) -> Any:
        x, w = (T.tensor(array, requires_grad=True) for array in (X, W))
        y = x * 1
        z = use(y.clone() if safe else y, w)
        z = z.clone() if safe else z
        changed = y if part == "input" else z
        change(changed if changed.ndim else changed.view(1), z)
        z.sum().backward()
        return x.grad.numpy()

    for part in ("input", "result"):
        try:
            ours = gradient(sl, part, safe=False)
        except InPlaceError as error:
            assert "changed in place after its use" in error.what  # noqa: PT017
            with pytest.raises(RuntimeError, match="modified by an inplace operation"):
                gradient(torch, part, safe=False)
        else:
            np.testing.assert_allclose(
                ours, gradient(torch, part, safe=True), rtol=1e-12, atol=1e-12
            )


def test_the_message_names_the_operation() -> None:
    x = sl.tensor([1.0, 2.0], requires_grad=True)
    y = x * 1
    z = y.exp() * y
    y += 1
    words = r"(?s)E106\] backward: a value that mul needs was changed.*float32 \(2,\).*x = x \+ 1"
    with pytest.raises(InPlaceError, match=words):
        z.sum().backward()


def test_changes_that_do_no_harm() -> None:
    def function(T: Any, x: Any, w: Any) -> Any:
        y = x * 1
        z = y + w  # needs no values
        y.mul_(2)
        u = y.exp()
        a = u.sum()
        y.zero_()  # exp needs its result only
        v = x.relu()
        v2 = v * 1
        v2.add_(1)
        return z, a, v, v2

    compare(function, X, W)


def test_integers_cannot_hold_fractions() -> None:
    for change in (lambda T, x: x.add_(1.5), lambda T, x: x.div_(2), lambda T, x: x.exp_(),
                   lambda T, x: x.mul_(T.tensor(0.5))):  # fmt: skip
        error = both_refuse(change, np.array([1, 2]))
        assert isinstance(error, DTypeError)
        assert "int64 cannot hold the float32 result" in str(error)
    compare(lambda T, x: (x.add_(True), x.mul_(3), x.pow_(2), x.neg_()), np.array([1, 2]))


def test_shapes_do_not_grow() -> None:
    for change in (lambda T, x: x.add_(T.ones(2, 3)), lambda T, x: x.__iadd__(T.ones(2, 1))):
        error = both_refuse(change, numbers(3))
        assert isinstance(error, ShapeError)
        assert "add_: the result has another shape than the tensor changed in place" in str(error)


def test_expanded_memory() -> None:
    for change in (lambda T, x: x.expand(2, 3).add_(1), lambda T, x: x.expand(2, 3).zero_()):
        with pytest.raises(InPlaceError, match="several elements of the tensor lie in one place"):
            change(sl, sl.ones(3))
    with pytest.raises(InPlaceError, match="lie in one place"):
        sl.ones(2, 3)[:, ::2].expand(2, 2, 2).zero_()
    part = (sl.ones(3, requires_grad=True) * 1).expand(2, 3)[0]
    with pytest.raises(InPlaceError, match="lie in one place"):
        part.mul_(2)  # the gradient would have to know of the other row
    x = sl.ones(1, 3)
    x.expand(1, 3).add_(1)  # nothing is repeated
    assert x.tolist() == [[2.0, 2.0, 2.0]]


# ---- the ways of an optimiser ----


def test_steps_under_no_grad_keep_later_graphs_right() -> None:
    def train(T: Any, w: Any, x: Any) -> Any:
        parameter = w.detach().clone().requires_grad_()
        row = parameter.detach()[0]  # a view from outside sees the change
        for _ in range(3):
            loss = ((x.detach() * parameter) ** 2).sum()
            loss.backward()
            with T.no_grad():
                parameter -= 0.1 * parameter.grad
                parameter[0] += 0.01
            parameter.grad = None
        return parameter.detach(), row, loss.detach()

    compare(train, X, W, grad=False)


def test_a_step_between_forward_and_backward_is_seen() -> None:
    x = sl.tensor([1.0, 2.0], requires_grad=True)
    loss = (x * x).sum()
    with sl.no_grad():
        x -= 0.1
    with pytest.raises(InPlaceError, match="a value that mul needs"):
        loss.backward()


def test_detached_data() -> None:
    x = sl.tensor([1.0, 2.0], requires_grad=True)
    x.data.fill_(5)
    assert x.tolist() == [5.0, 5.0]
    x.data = sl.tensor([7.0])
    assert x.tolist() == [7.0]
    assert x.requires_grad
    y = x * 1
    assert y.detach_() is y
    assert y.is_leaf
    assert not y.requires_grad


def test_random_filling_in_place() -> None:
    x = sl.zeros(1000)
    assert x.uniform_(2, 3) is x
    assert 2.0 <= x.min().item() < x.max().item() < 3.0
    x.normal_(5, 0.1)
    assert abs(x.mean().item() - 5) < 0.02
    for wrong in (sl.zeros(2, dtype=sl.int64), sl.ones(2).bool()):
        for name in ("uniform_", "normal_"):
            words = f"{name[:-1]}: random numbers are floating-point, not {wrong.dtype}"
            with pytest.raises(DTypeError, match=words):
                getattr(wrong, name)()


def test_views_taken_under_no_grad_stay_constants() -> None:
    """However often the base changes; and they are not changed where gradients are recorded."""

    y = sl.tensor(X, requires_grad=True) * 1
    with sl.no_grad():
        part = y[0]
        y.mul_(2)
    y.mul_(3)  # from here on PyTorch would refuse to use `part`
    assert part.tolist() == (6 * X[0]).tolist()
    assert not (part * 1).requires_grad
    for view in (part, part[1:]):
        with pytest.raises(InPlaceError, match="a view that was taken under no_grad"):
            view.mul_(2)
    part = sl.tensor(X[0])
    assert part.detach().mul_(2).tolist() == (2 * X[0]).tolist()
