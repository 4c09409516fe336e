"""Pooling and other sizes: PyTorch's numbers and gradients, and the words of errors."""

from __future__ import annotations

import numpy as np
import pytest

import streetlight as sl
import streetlight.nn.functional as F
from streetlight.errors import ArgumentError, DTypeError, ShapeError

SHAPES = [(3, 7), (2, 5, 8), (4, 5, 6), (2, 1, 7, 8)]  # of sequences, and of pictures
WINDOWS = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 1, "padding": 1},
    {"kernel_size": 3, "stride": 2, "ceil_mode": True},
    {"kernel_size": 3, "stride": 3, "padding": 1, "ceil_mode": True},
]
PAIRS = [
    {"kernel_size": (3, 2), "stride": (1, 3), "padding": (1, 0)},
    {"kernel_size": (2, 3), "stride": (3, 2), "padding": (0, 1), "ceil_mode": True},
]
CASES = [(dims, how) for dims in (1, 2) for how in WINDOWS] + [(2, how) for how in PAIRS]


def several(dims):
    return [shape for shape in SHAPES if len(shape) in (dims + 1, dims + 2)]


@pytest.mark.parametrize(("dims", "how"), CASES)
@pytest.mark.parametrize("dilation", [1, 2])
def test_max_pool_equals_pytorch(dims, how, dilation, against_torch, numbers):
    def pool(F, T, x):
        return getattr(F, f"max_pool{dims}d")(x, **how, dilation=dilation)

    for shape in several(dims):
        against_torch(pool, numbers(*shape))


@pytest.mark.parametrize(("dims", "how"), CASES)
def test_places_of_maxima_equal_pytorch(dims, how, numbers):
    torch = pytest.importorskip("torch", reason="parity tests need torch==2.13.0")
    for shape in several(dims):
        array = np.round(numbers(*shape))  # so that some are equal
        name = f"max_pool{dims}d"
        values, index = getattr(F, name)(sl.tensor(array), **how, return_indices=True)
        theirs = getattr(torch.nn.functional, name)(torch.tensor(array), **how, return_indices=True)
        np.testing.assert_array_equal(values.numpy(), theirs[0].numpy())
        np.testing.assert_array_equal(index.numpy(), theirs[1].numpy())
        assert index.dtype == sl.int64


def test_equal_maxima_give_the_gradient_to_the_first(against_torch):
    against_torch(lambda F, T, x: F.max_pool2d(x, 2), np.zeros((1, 4, 4)), orders=1)
    against_torch(lambda F, T, x: F.max_pool2d(x, 3, 1, 1), np.zeros((1, 4, 5)), orders=1)


def test_max_pool_passes_on_what_is_not_a_number():
    picture = sl.tensor([[[1.0, float("nan")], [float("-inf"), float("-inf")]]])
    assert np.isnan(F.max_pool2d(picture, 2).item())
    assert F.max_pool2d(picture, 1)[0, 1].tolist() == [float("-inf")] * 2


@pytest.mark.parametrize(("dims", "how"), CASES)
@pytest.mark.parametrize("count_include_pad", [True, False])
def test_avg_pool_equals_pytorch(dims, how, count_include_pad, against_torch, numbers):
    def pool(F, T, x):
        return getattr(F, f"avg_pool{dims}d")(x, **how, count_include_pad=count_include_pad)

    for shape in several(dims):
        against_torch(pool, numbers(*shape))


@pytest.mark.parametrize("how", WINDOWS + PAIRS)
def test_avg_pool_with_another_divisor_equals_pytorch(how, against_torch, numbers):
    pool = lambda F, T, x: F.avg_pool2d(x, **how, divisor_override=3)  # noqa: E731
    against_torch(pool, numbers(2, 3, 5, 6))


@pytest.mark.parametrize("kind", ["avg", "max"])
@pytest.mark.parametrize("output", [1, 2, 3, 5, 9, (1, 3), (None, 2), (4, None), (7, 8)])
def test_adaptive_pools_equal_pytorch(kind, output, against_torch, numbers):
    for dims in (1, 2) if isinstance(output, int) else (2,):
        name = f"adaptive_{kind}_pool{dims}d"
        for shape in several(dims):
            against_torch(lambda F, T, x: getattr(F, name)(x, output), numbers(*shape))  # noqa: B023


@pytest.mark.parametrize("output", [1, 2, 3, 9])
@pytest.mark.parametrize("shape", SHAPES)
def test_places_of_adaptive_maxima_equal_pytorch(shape, output, numbers):
    torch = pytest.importorskip("torch", reason="parity tests need torch==2.13.0")
    array = np.round(numbers(*shape))
    for dims in (1, 2):
        if len(shape) in (dims + 1, dims + 2):
            name = f"adaptive_max_pool{dims}d"
            mine = getattr(F, name)(sl.tensor(array), output, return_indices=True)
            theirs = getattr(torch.nn.functional, name)(torch.tensor(array), output, True)
            np.testing.assert_array_equal(mine[0].numpy(), theirs[0].numpy())
            np.testing.assert_array_equal(mine[1].numpy(), theirs[1].numpy())


def test_pools_of_an_empty_batch(against_torch, numbers):
    for name in ("max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d"):
        against_torch(lambda F, T, x: getattr(F, name)(x, 2), numbers(0, 3, 4, 5))  # noqa: B023


@pytest.mark.parametrize(
    "how",
    [
        {"size": 3}, {"size": 7}, {"size": 10}, {"size": 1}, {"scale_factor": 2},
        {"scale_factor": 3.0}, {"scale_factor": 0.5}, {"scale_factor": 1.7}, {"scale_factor": 1},
    ],
)  # fmt: skip
@pytest.mark.parametrize("mode", ["nearest", "linear", "aligned"])
def test_interpolate_equals_pytorch(how, mode, against_torch, numbers):
    for shape in [(2, 3, 5), (2, 1, 5, 4), (1, 2, 2, 6)]:
        smooth = "linear" if len(shape) == 3 else "bilinear"
        options = {"mode": mode} if mode == "nearest" else {"mode": smooth}
        options |= {"align_corners": True} if mode == "aligned" else {}
        against_torch(lambda F, T, x: F.interpolate(x, **how, **options), numbers(*shape))  # noqa: B023


@pytest.mark.parametrize("how", [{"size": (3, 7)}, {"scale_factor": (2, 1.5)}])
@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_interpolate_takes_a_size_for_each_side(how, mode, against_torch, numbers):
    against_torch(lambda F, T, x: F.interpolate(x, **how, mode=mode), numbers(2, 1, 5, 4))


# ---- what does not fit ----

X = sl.zeros(2, 3, 5, 6)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: F.max_pool2d(X, 6), r"a kernel that reaches over \(6, 6\) does not fit into"),
        (lambda: F.max_pool2d(X, 2, padding=2), "max_pool: padding is more than half of the"),
        (lambda: F.avg_pool2d(X, (2, 7)), r"(?s)avg_pool2d: a kernel that reaches over \(2, 7\)"),
        (lambda: F.avg_pool2d(X, 2, padding=2), "avg_pool2d: padding is more than half of the"),
        (lambda: F.max_pool1d(X, 2), "max_pool1d: the input has 4 dimensions"),
        (lambda: F.avg_pool2d(sl.zeros(3, 4), 2), "avg_pool2d: the input has 2 dimensions"),
        (lambda: F.adaptive_avg_pool2d(sl.zeros(5), 2), "adaptive_avg_pool2d: the input has 1"),
        (lambda: F.adaptive_max_pool2d(sl.zeros(1, 2, 0, 3), 1),
         r"adaptive_max_pool2d: there is nothing in pictures of \(0, 3\)"),
        (lambda: F.interpolate(sl.zeros(3, 4), 2), "mode 'nearest' is not for an input of 2 dim"),
        (lambda: F.interpolate(sl.zeros(1, 3, 4), 2, mode="bilinear"), "'bilinear' is not for an"),
        (lambda: F.interpolate(X, 2, mode="cubic"), "mode 'cubic' is not for an input of 4"),
    ],
)  # fmt: skip
def test_shapes_that_do_not_fit(call, words):
    with pytest.raises(ShapeError, match=words):
        call()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: F.max_pool2d(X, 0), "max_pool2d: kernel_size=0 makes no sense"),
        (lambda: F.max_pool2d(X, 2, stride=0), "max_pool2d: stride=0 makes no sense"),
        (lambda: F.max_pool2d(X, "2"), "kernel_size='2' makes no sense"),
        (lambda: F.avg_pool2d(X, 2, -1), "avg_pool2d: stride=-1 makes no sense"),
        (lambda: F.avg_pool2d(X, 2, divisor_override=0), "divisor_override=0 makes no sense"),
        (lambda: F.adaptive_avg_pool2d(X, 0), r"output_size=\[0, 0\] makes no sense"),
        (lambda: F.adaptive_avg_pool2d(X, (1, 2, 3)), r"output_size=\[1, 2, 3\] makes no sense"),
        (lambda: F.adaptive_max_pool1d(sl.zeros(2, 3), "all"), "output_size=.* makes no sense"),
        (lambda: F.interpolate(X), "size=None and scale_factor: one of them is needed, not both"),
        (lambda: F.interpolate(X, 3, 2.0), "size=3 and scale_factor: one of them is needed"),
        (lambda: F.interpolate(X, 0), "size=0 makes no sense"),
        (lambda: F.interpolate(X, scale_factor=-1.0), "scale_factor=-1.0 makes no sense"),
        (lambda: F.interpolate(X, scale_factor=0.1), "scale_factor=0.1 makes no sense"),
        (lambda: F.interpolate(X, scale_factor="2"), "scale_factor='2' makes no sense"),
        (lambda: F.interpolate(X, scale_factor=(1.0,)), r"scale_factor=\(1.0,\) makes no sense"),
        (lambda: F.interpolate(X, 3, align_corners=True), "align_corners=True makes no sense"),
    ],
)  # fmt: skip
def test_arguments_that_make_no_sense(call, words):
    with pytest.raises(ArgumentError, match=words):
        call()


def test_means_are_no_whole_numbers():
    whole = sl.ones(1, 4, 4, dtype=sl.int64)
    assert F.max_pool2d(whole, 2).dtype == sl.int64
    for call in (F.avg_pool2d, F.adaptive_avg_pool2d):
        with pytest.raises(DTypeError, match="avg_pool2d: int64 has no fractions"):
            call(whole, 2)
    with pytest.raises(DTypeError, match="interpolate: int64 has no fractions"):
        F.interpolate(whole.unsqueeze(0), 2, mode="bilinear")
