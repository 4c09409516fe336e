"""Convolution and its relatives: PyTorch's numbers and gradients, and the words of errors."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import streetlight as sl
import streetlight.nn.functional as F
from streetlight.errors import ArgumentError, DTypeError, ShapeError
from streetlight.testing import gradcheck

LEADS = [(), (1,), (3,)]  # a single picture, and batches


@pytest.fixture
def small(numbers):
    """Numbers whose sums over windows stay near 1, where float32 is fine."""
    return functools.partial(numbers, scale=0.5)


@pytest.mark.parametrize(("lead", "groups"), [((), 1), ((2,), 1), ((2,), 2), ((1,), 4)])
@pytest.mark.parametrize(
    ("size", "kernel", "how"),
    [
        ((5,), (3,), {}),
        ((7,), (2,), {"stride": 3, "padding": 1}),
        ((6,), (3,), {"stride": (2,), "padding": (2,), "dilation": (2,)}),
        ((1,), (1,), {}),
        ((5, 4), (3, 2), {}),
        ((7, 6), (3, 3), {"stride": 2, "padding": 1}),
        ((5, 8), (2, 3), {"stride": (3, 1), "padding": (0, 2), "dilation": (2, 1)}),
        ((4, 5), (4, 5), {"dilation": 1}),
        ((3, 3), (1, 1), {"stride": 2}),
    ],
)
def test_convolution_equals_pytorch(lead, groups, size, kernel, how, against_torch, small):
    name = f"conv{len(size)}d"
    x, weight = small(*lead, 4, *size), small(8, 4 // groups, *kernel, seed=1)
    against_torch(
        lambda F, T, *all: getattr(F, name)(*all, **how, groups=groups),
        x, weight, *[small(8, seed=2)] * (groups > 1),
    )  # fmt: skip


@pytest.mark.parametrize(("lead", "groups"), [((), 1), ((2,), 2)])
@pytest.mark.parametrize(
    ("size", "kernel", "how"),
    [
        ((5,), (3,), {}),
        ((4,), (2,), {"stride": 3, "padding": 1, "output_padding": 2}),
        ((3,), (3,), {"stride": (2,), "padding": (2,), "dilation": (2,)}),
        ((4,), (2,), {"padding": 1, "output_padding": 2, "dilation": 3}),
        ((3, 4), (3, 2), {}),
        ((4, 3), (3, 3), {"stride": 2, "padding": 1, "output_padding": 1}),
        ((2, 5), (2, 3), {"stride": (3, 1), "padding": (0, 2), "dilation": (2, 1)}),
        ((2, 3), (3, 2), {"stride": (2, 1), "output_padding": (2, 1), "dilation": (3, 2)}),
    ],
)
def test_transposed_convolution_equals_pytorch(
    lead, groups, size, kernel, how, against_torch, small
):
    name = f"conv_transpose{len(size)}d"
    x, weight = small(*lead, 4, *size), small(4, 6 // groups, *kernel, seed=1)
    against_torch(
        lambda F, T, *all: getattr(F, name)(*all, **how, groups=groups),
        x, weight, small(6, seed=2),
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
@pytest.mark.parametrize("dims", [1, 2])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(("kernel", "dilation"), [(1, 1), (2, 1), (3, 2), (4, 3)])
def test_padding_by_name_equals_pytorch(dims, padding, kernel, dilation, against_torch, small):
    kernel = (kernel, 3)[-dims:]
    how = {"padding": padding, "dilation": dilation}
    x, weight = small(2, 1, *(10, 9)[-dims:]), small(2, 1, *kernel, seed=1)
    against_torch(lambda F, T, *all: getattr(F, f"conv{dims}d")(*all, **how), x, weight)


def test_an_empty_batch(against_torch, numbers):
    weight = numbers(3, 2, 3, 2)
    against_torch(lambda F, T, x, w: F.conv2d(x, w), numbers(0, 2, 4, 5), weight)
    against_torch(lambda F, T, x, w: F.conv_transpose2d(x, w), numbers(0, 3, 4, 5), weight)


def test_gradients_of_gradients_of_a_small_network():
    def network(x, first, second):
        seen = F.conv2d(x, first, padding=1, stride=2).tanh()
        return (F.conv_transpose2d(seen, second, stride=2) ** 2).sum()

    rng = np.random.default_rng(0)
    shapes = [(1, 2, 4, 3), (2, 1, 3, 3), (2, 1, 2, 2)]
    arrays = [sl.tensor(rng.normal(size=shape), requires_grad=True) for shape in shapes]
    arrays[1] = sl.tensor(rng.normal(size=(2, 2, 3, 3)), requires_grad=True)
    assert gradcheck(network, arrays)


def test_whole_numbers_are_convolved_as_in_pytorch():
    x, weight = sl.ones(1, 3, dtype=sl.int64), sl.ones(1, 1, 2, dtype=sl.int64)
    result = F.conv1d(x, weight)
    assert (result.tolist(), result.dtype) == ([[2, 2]], sl.int64)


@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize(
    "how",
    [
        {"kernel_size": 2},
        {"kernel_size": (2, 3), "dilation": (2, 1), "padding": (1, 0), "stride": (1, 2)},
        {"kernel_size": 3, "padding": 1, "stride": 3},
    ],
)
def test_unfold_and_fold_equal_pytorch(lead, how, against_torch, numbers):
    x = numbers(*lead, 2, 5, 6)
    against_torch(lambda F, T, x: F.unfold(x, **how), x)
    columns = F.unfold(sl.tensor(x), **how).numpy()
    against_torch(lambda F, T, x: F.fold(x, (5, 6), **how), columns)


@pytest.mark.parametrize("shape", [(2, 4), (1, 4, 3), (3, 4, 2, 3), (0, 4, 2)])
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("parameters", [0, 1, 2])
def test_group_norm_equals_pytorch(shape, groups, parameters, against_torch, numbers):
    more = [numbers(4, seed=seed) for seed in range(1, parameters + 1)]
    if shape == (2, 4) and groups == 4:
        return  # every group is a single number: both give 0, and differ in rounding only
    against_torch(lambda F, T, x, *all: F.group_norm(x, groups, *all, eps=0.1), numbers(*shape),
                  *more)  # fmt: skip


@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize("dims", [1, 2])
def test_dropout_of_channels_drops_whole_ones(lead, dims):
    x = sl.ones(*lead, 200, *(5, 4)[-dims:], requires_grad=True)
    generator = sl.Generator().manual_seed(0)
    result = getattr(F, f"dropout{dims}d")(x, 0.4, generator=generator)
    result.sum().backward()
    found = result.detach().numpy()
    channels = found.reshape(-1, np.prod(x.shape[-dims:]))
    assert (channels == channels[:, :1]).all()
    assert set(np.unique(found)) == {np.float32(0), np.float32(1 / 0.6)}
    assert abs((channels[:, 0] == 0).mean() - 0.4) < 0.12
    np.testing.assert_array_equal(x.grad.numpy(), found)
    assert getattr(F, f"dropout{dims}d")(x, 0.4, training=False) is x


# ---- what does not fit ----

X, W = sl.zeros(2, 4, 5, 6), sl.zeros(6, 4, 3, 2)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: F.conv2d(X, sl.zeros(6, 3, 3, 3)),
         r"(?s)conv2d: the input has 4 channels, but the weight takes 3.*in_channels"),
        (lambda: F.conv2d(X, sl.zeros(6, 4, 3, 3), groups=2), "4 channels, but the weight takes 8"),
        (lambda: F.conv2d(X, sl.zeros(5, 2, 3, 3), groups=2),
         r"(?s)a weight of \(5, 2, 3, 3\) cannot be cut into 2 groups.*out_channels, in_ch"),
        (lambda: F.conv2d(X, sl.zeros(6, 4, 3)), r"conv2d: a weight of \(6, 4, 3\) cannot"),
        (lambda: F.conv_transpose2d(X, sl.zeros(6, 4, 3, 2)),
         "conv_transpose2d: the input has 4 channels, but the weight takes 6"),
        (lambda: F.conv2d(X, W, sl.zeros(4)), r"conv2d: bias is \(4,\), but weight gives 6"),
        (lambda: F.conv_transpose1d(sl.zeros(4, 5), sl.zeros(4, 3, 2), sl.zeros(3), groups=2),
         r"bias is \(3,\), but weight gives 6 channels"),
        (lambda: F.conv2d(X, sl.zeros(1, 4, 6, 2)),
         r"(?s)a kernel that reaches over \(6, 2\) does not fit into pictures of \(5, 6\).*fix:"),
        (lambda: F.conv2d(X, W, dilation=(3, 1)), r"reaches over \(7, 2\) does not fit"),
        (lambda: F.conv2d(sl.zeros(5, 6), W), r"conv2d: the input has 2 dimensions"),
        (lambda: F.conv1d(X, W), r"(?s)conv1d: the input has 4 dimensions.*\(N, C, L\) or "),
        (lambda: F.conv_transpose2d(X, sl.zeros(4, 1, 1, 1), padding=3),
         "conv_transpose2d: a padding of 3 takes away all of the output"),
        (lambda: F.unfold(sl.zeros(3), 2), "unfold: the input has 1 dimensions"),
        (lambda: F.fold(X, 4, 2), r"(?s)fold: the input has 4 dimensions.*C · kh · kw"),
        (lambda: F.fold(sl.zeros(1, 4, 8), 4, 2), r"are not those of \(3, 3\) windows"),
        (lambda: F.group_norm(X, 3), "group_norm: 4 channels cannot be cut into 3 groups"),
        (lambda: F.group_norm(sl.zeros(4), 2), "group_norm: 0 channels cannot be cut into 2"),
        (lambda: F.group_norm(X, 2, sl.zeros(3)), r"4 channels, but a parameter is \(3,\)"),
        (lambda: F.group_norm(sl.zeros(1, 4), 4), "a single value for each group has no variance"),
        (lambda: F.dropout2d(sl.zeros(4)), "dropout2d: the input has 1 dimensions"),
    ],
)  # fmt: skip
def test_shapes_that_do_not_fit(call, words):
    with pytest.raises(ShapeError, match=words):
        call()


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"stride": 0}, r"(?s)conv2d: stride=0 makes no sense.*at least 1, or a pair of them"),
        ({"stride": (1, -1)}, r"stride=\(1, -1\) makes no sense"),
        ({"stride": "two"}, "stride='two' makes no sense"),
        ({"stride": 1.5}, "stride=1.5 makes no sense"),
        ({"stride": (1, 1, 1)}, r"stride=\(1, 1, 1\) makes no sense"),
        ({"stride": ()}, r"stride=\(\) makes no sense"),
        ({"padding": -1}, "(?s)padding=-1 makes no sense.*at least 0"),
        ({"padding": "full"}, "padding='full' makes no sense"),
        ({"padding": "same", "stride": 2}, "padding='same' is for strides of 1"),
        ({"dilation": 0}, "dilation=0 makes no sense"),
        ({"groups": 0}, "groups=0 makes no sense"),
        ({"groups": "all"}, "groups='all' makes no sense"),
    ],
)
def test_sizes_that_make_no_sense(how, words):
    with pytest.raises(ArgumentError, match=words):
        F.conv2d(X, W, **how)


def test_output_padding_is_less_than_the_stride():
    with pytest.raises(ArgumentError, match=r"(?s)output_padding=2 makes no.*less than the stride"):
        F.conv_transpose2d(X, sl.zeros(4, 1, 2, 2), stride=2, output_padding=2)


def test_dtypes_that_do_not_go_together():
    with pytest.raises(DTypeError, match=r"(?s)the input is float64, but the weight is float32"):
        F.conv2d(X.double(), W)
    with pytest.raises(DTypeError, match="conv2d: the input is no tensor"):
        F.conv2d(X.numpy(), W)
    with pytest.raises(DTypeError, match="dropout: cannot scale int64"):
        F.dropout2d(sl.ones(2, 3, 4, 4, dtype=sl.int64))
