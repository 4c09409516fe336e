"""Every layer against PyTorch: same weights, same inputs, same outputs and gradients."""

from __future__ import annotations

import numpy as np
import pytest

import streetlight as sl
from streetlight import nn
from streetlight.errors import ArgumentError, IndexOutOfRangeError, ShapeError

torch = pytest.importorskip("torch", reason="parity tests need torch==2.13.0")

# How a layer is built (in both frameworks alike), and the shapes it is tried on.
LAYERS = {
    "linear": (lambda n: n.Linear(5, 3), [(5,), (1, 5), (7, 5), (2, 3, 5), (0, 5), (2, 0, 5)]),
    "linear, no bias": (lambda n: n.Linear(4, 1, bias=False), [(6, 4), (2, 1, 3, 4)]),
    "identity": (lambda n: n.Identity(3, name="x"), [(2, 3), ()]),
    "flatten": (lambda n: n.Flatten(), [(2, 3, 4), (2, 3), (0, 2, 2), (1, 2, 3, 4)]),
    "flatten some": (lambda n: n.Flatten(0, 1), [(2, 3, 4), (5, 1)]),
    "relu": (lambda n: n.ReLU(inplace=False), [(3, 4), (1,), (0, 2)]),
    "leaky relu": (lambda n: n.LeakyReLU(0.2), [(3, 4), (2, 1, 3)]),
    "elu": (lambda n: n.ELU(0.7), [(3, 4), (5,)]),
    "gelu": (lambda n: n.GELU(), [(3, 4), (5,)]),
    "gelu tanh": (lambda n: n.GELU(approximate="tanh"), [(3, 4), (5,)]),
    "silu": (lambda n: n.SiLU(), [(3, 4), (5,)]),
    "sigmoid": (lambda n: n.Sigmoid(), [(3, 4), (5,)]),
    "tanh": (lambda n: n.Tanh(), [(3, 4), (5,)]),
    "softmax": (lambda n: n.Softmax(dim=1), [(3, 4), (2, 3, 5), (2, 1)]),
    "log softmax": (lambda n: n.LogSoftmax(dim=-1), [(3, 4), (5,), (2, 1, 3)]),
    "softplus": (lambda n: n.Softplus(2.0, 3.0), [(3, 4), (5,)]),
    "layer norm": (lambda n: n.LayerNorm(6), [(6,), (4, 6), (2, 3, 6)]),
    "layer norm, two sizes": (lambda n: n.LayerNorm((3, 2), eps=1e-3), [(3, 2), (4, 3, 2)]),
    "layer norm, no bias": (lambda n: n.LayerNorm([4], bias=False), [(3, 4)]),
    "layer norm, plain": (lambda n: n.LayerNorm(4, elementwise_affine=False), [(3, 4)]),
    "rms norm": (lambda n: n.RMSNorm(6), [(6,), (4, 6), (2, 3, 6)]),
    "rms norm, plain": (lambda n: n.RMSNorm((2, 3), 1e-3, elementwise_affine=False), [(4, 2, 3)]),
    "batch norm": (lambda n: n.BatchNorm1d(4), [(5, 4), (2, 4), (3, 4, 2), (1, 4, 6)]),
    "batch norm, average": (lambda n: n.BatchNorm1d(3, 1e-3, momentum=None), [(5, 3), (2, 3, 3)]),
    "batch norm, plain": (lambda n: n.BatchNorm1d(3, affine=False), [(5, 3)]),
    "batch norm, untracked": (lambda n: n.BatchNorm1d(3, track_running_stats=False), [(5, 3)]),
    "batch norm 2d": (lambda n: n.BatchNorm2d(3), [(2, 3, 4, 5), (1, 3, 1, 2), (3, 3, 1, 1)]),
    "batch norm 2d, plain": (lambda n: n.BatchNorm2d(2, affine=False), [(3, 2, 2, 3)]),
    "group norm": (lambda n: n.GroupNorm(2, 4), [(3, 4), (1, 4, 5), (2, 4, 3, 2), (0, 4, 2)]),
    "group norm, plain": (lambda n: n.GroupNorm(3, 3, 1e-3, affine=False), [(2, 3, 4, 1)]),
    "dropout of nothing": (lambda n: n.Dropout(0.0), [(3, 4)]),
    "dropout 1d of nothing": (lambda n: n.Dropout1d(0.0), [(3, 4, 5)]),
    "dropout 2d of nothing": (lambda n: n.Dropout2d(0.0), [(3, 4, 5, 2)]),
    "conv 1d": (lambda n: n.Conv1d(2, 4, 3), [(3, 2, 7), (2, 3), (0, 2, 4)]),
    "conv 1d, options": (
        lambda n: n.Conv1d(4, 6, 3, 2, padding=1, dilation=(2,), groups=2, bias=False),
        [(3, 4, 9), (4, 4)],
    ),
    "conv 1d, same": (lambda n: n.Conv1d(2, 1, 3, padding="same"), [(3, 2, 7), (1, 2, 1)]),
    "conv 2d": (lambda n: n.Conv2d(1, 3, 3), [(2, 1, 5, 6), (1, 3, 4), (0, 1, 3, 3)]),
    "conv 2d, options": (
        lambda n: n.Conv2d(4, 6, (3, 2), (2, 1), (1, 0), (1, 2), 2),
        [(2, 4, 5, 7), (4, 1, 3)],
    ),
    "conv 2d, each channel": (
        lambda n: n.Conv2d(3, 6, 3, groups=3, padding="same", dilation=2),
        [(2, 3, 4, 5)],
    ),
    "conv 2d, valid": (lambda n: n.Conv2d(2, 3, (1, 3), 2, padding="valid"), [(2, 2, 5, 6)]),
    "conv transpose 1d": (lambda n: n.ConvTranspose1d(2, 3, 4, 3), [(2, 2, 5), (2, 1)]),
    "conv transpose 1d, options": (
        lambda n: n.ConvTranspose1d(4, 2, 3, 2, 1, 1, 2, False, 2),
        [(2, 4, 5), (4, 3)],
    ),
    "conv transpose 2d": (lambda n: n.ConvTranspose2d(2, 3, 3), [(2, 2, 3, 4), (2, 1, 1)]),
    "conv transpose 2d, options": (
        lambda n: n.ConvTranspose2d(4, 6, (3, 2), (2, 3), (1, 0), (1, 2), 2, dilation=(1, 2)),
        [(2, 4, 3, 4), (4, 2, 1)],
    ),
    "max pool 1d": (lambda n: n.MaxPool1d(2), [(2, 3, 7), (3, 4), (0, 3, 4)]),
    "max pool 2d": (lambda n: n.MaxPool2d(2), [(2, 3, 4, 7), (3, 4, 2), (0, 3, 4, 4)]),
    "max pool 2d, options": (
        lambda n: n.MaxPool2d((3, 2), (2, 1), (1, 0), (1, 2), ceil_mode=True),
        [(2, 3, 6, 7)],
    ),
    "avg pool 1d": (lambda n: n.AvgPool1d(3, 2, 1, True, False), [(2, 3, 8), (2, 5)]),
    "avg pool 2d": (lambda n: n.AvgPool2d((2, 3)), [(2, 3, 4, 7), (1, 2, 4)]),
    "avg pool 2d, options": (lambda n: n.AvgPool2d(3, 2, 1, True, False, 5), [(2, 3, 6, 7)]),
    "adaptive avg pool 1d": (lambda n: n.AdaptiveAvgPool1d(3), [(2, 3, 7), (2, 2)]),
    "adaptive avg pool 2d": (lambda n: n.AdaptiveAvgPool2d((None, 2)), [(2, 3, 4, 7), (3, 4, 6)]),
    "global avg pool": (lambda n: n.AdaptiveAvgPool2d(1), [(2, 3, 4, 7), (3, 1, 1)]),
    "adaptive max pool 1d": (lambda n: n.AdaptiveMaxPool1d(3), [(2, 3, 7), (2, 6)]),
    "adaptive max pool 2d": (lambda n: n.AdaptiveMaxPool2d((3, 2)), [(2, 3, 4, 7), (3, 3, 2)]),
    "unfold": (lambda n: n.Unfold((2, 3), 2, 1, (1, 2)), [(2, 3, 4, 7), (1, 3, 5)]),
    "fold": (lambda n: n.Fold((4, 5), (2, 3), padding=1), [(2, 12, 25), (6, 25)]),
    "unflatten": (lambda n: n.Unflatten(1, (2, 3)), [(4, 6), (1, 6, 2), (0, 6)]),
    "upsample": (lambda n: n.Upsample(scale_factor=2), [(2, 3, 4), (1, 2, 3, 2)]),
    "upsample bilinear": (
        lambda n: n.Upsample((5, 3), mode="bilinear", align_corners=True),
        [(1, 2, 3, 4)],
    ),
    "sequential": (
        lambda n: n.Sequential(n.Linear(4, 6), n.BatchNorm1d(6), n.Tanh(), n.Linear(6, 2)),
        [(5, 4), (2, 4)],
    ),
}
CASES = [(name, shape) for name, (_, shapes) in LAYERS.items() for shape in shapes]


def randomised(ours, theirs, rng):
    """Give both modules the same random parameters and buffers."""
    state = {}
    for name, tensor in theirs.state_dict().items():
        value = rng.normal(size=tuple(tensor.shape))
        if name.endswith("running_var"):
            value = np.abs(value) + 0.5
        if name.endswith("num_batches_tracked"):
            value = np.array(3)
        state[name] = value.astype(str(tensor.dtype).removeprefix("torch."))
    ours.load_state_dict(state)
    theirs.load_state_dict({name: torch.tensor(value) for name, value in state.items()})


def close(ours, theirs, what=""):
    assert ours.shape == tuple(theirs.shape), what
    assert str(ours.dtype) == str(theirs.dtype).removeprefix("torch."), what
    np.testing.assert_allclose(
        ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-9, atol=1e-11, err_msg=what
    )


def compare(ours, theirs, arrays, rng):
    """Run both forward and backward; outputs and all gradients must agree."""
    mine = [sl.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
    other = [torch.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
    out, expected = ours(*mine), theirs(*other)
    close(out, expected, "output")
    if not expected.requires_grad:
        assert not out.requires_grad
        return
    direction = rng.normal(size=out.shape)
    out.backward(sl.tensor(direction))
    expected.backward(torch.tensor(direction))
    for one, two in zip(mine, other, strict=True):
        if two.grad is not None:
            close(one.grad, two.grad, "input gradient")
    parameters = dict(theirs.named_parameters())
    assert [name for name, _ in ours.named_parameters()] == list(parameters)
    for name, parameter in ours.named_parameters():
        close(parameter.grad, parameters[name].grad, name)


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize(("name", "shape"), CASES)
def test_layer_agrees_with_pytorch(name, shape, mode):
    rng = np.random.default_rng(len(name) + sum(shape))
    build = LAYERS[name][0]
    ours, theirs = build(nn).double(), build(torch.nn).double()
    randomised(ours, theirs, rng)
    getattr(ours, mode)()
    getattr(theirs, mode)()
    for _ in range(2):  # the second call finds the running statistics moved
        ours.zero_grad()
        theirs.zero_grad()
        compare(ours, theirs, [rng.normal(size=shape)], rng)
    for key, tensor in theirs.state_dict().items():
        close(ours.state_dict()[key], tensor, key)


@pytest.mark.parametrize("name", LAYERS)
def test_repr_and_state_dict_keys_are_pytorchs(name):
    ours, theirs = LAYERS[name][0](nn), LAYERS[name][0](torch.nn)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    shapes = {key: tuple(value.shape) for key, value in theirs.state_dict().items()}
    assert {key: value.shape for key, value in ours.state_dict().items()} == shapes


@pytest.mark.parametrize("padding_idx", [None, 0, -1])
@pytest.mark.parametrize("shape", [(), (3,), (2, 5), (0,), (2, 1, 3)])
def test_embedding_agrees_with_pytorch(shape, padding_idx):
    rng = np.random.default_rng(0)
    ours = nn.Embedding(7, 3, padding_idx).double()
    theirs = torch.nn.Embedding(7, 3, padding_idx).double()
    assert repr(ours) == repr(theirs)
    if padding_idx is not None:
        assert ours.weight[padding_idx].tolist() == [0.0, 0.0, 0.0]
    randomised(ours, theirs, rng)
    compare(ours, theirs, [np.asarray(rng.integers(0, 7, size=shape))], rng)


def test_embedding_refuses_a_padding_row_that_is_not_there():
    with pytest.raises(IndexOutOfRangeError, match="padding_idx=7 is not one of 7 rows"):
        nn.Embedding(7, 3, padding_idx=7)


def test_dropout_drops_scales_and_follows_its_generator():
    x = sl.ones(200, 50)
    layer = nn.Dropout(0.3, generator=sl.Generator().manual_seed(1))
    out = layer(x).numpy()
    assert set(np.unique(out)) == {np.float32(0), np.float32(1 / 0.7)}
    assert abs((out == 0).mean() - 0.3) < 0.02  # 4 standard deviations
    again = nn.Dropout(0.3, generator=sl.Generator().manual_seed(1))
    assert (again(x).numpy() == out).all()
    assert (layer(x).numpy() != out).any()
    assert (layer.eval()(x).numpy() == 1).all()
    assert repr(layer) == repr(torch.nn.Dropout(0.3))


def test_a_layer_that_calls_a_function_can_be_derived_from():
    class Noted(nn.LeakyReLU):
        name: str
        seen: int = 0

        def forward(self, input):
            self.seen += 1
            return super().forward(input)

    layer = Noted(0.5)
    assert layer(sl.tensor([-1.0])).tolist() == [-0.5]
    assert layer.seen == 1
    assert repr(layer) == "Noted(negative_slope=0.5)"


def test_dropout_masks_the_gradient_as_the_value():
    x = sl.ones(40, 5, requires_grad=True)
    out = nn.Dropout(0.5)(x)
    out.sum().backward()
    assert (x.grad.numpy() == out.detach().numpy()).all()


@pytest.mark.parametrize(
    ("build", "shape", "words"),
    [
        (nn.BatchNorm1d, (4,), r"(?s)BatchNorm1d: the input has 1 .*\(N, 4\) or \(N, 4, L\)"),
        (nn.BatchNorm1d, (2, 4, 3, 3), "BatchNorm1d: the input has 4 dimensions"),
        (nn.BatchNorm2d, (2, 4), r"(?s)BatchNorm2d: the input has 2 dimensions.*\(N, 4, H, W\)"),
    ],
)
def test_batch_norm_refuses_other_dimensions(build, shape, words):
    with pytest.raises(ShapeError, match=words):
        build(4)(sl.ones(*shape))


def test_reset_parameters_begins_anew():
    norm = nn.BatchNorm1d(2)
    fresh = {key: value.tolist() for key, value in norm.state_dict().items()}
    norm(sl.tensor([[1.0, 2.0], [3.0, 5.0]])).sum()
    with sl.no_grad():
        norm.weight.fill_(3.0)
    norm.reset_parameters()
    assert {key: value.tolist() for key, value in norm.state_dict().items()} == fresh
    for layer in (nn.LayerNorm(3), nn.RMSNorm(3), nn.LayerNorm(3, elementwise_affine=False)):
        fresh = {key: value.tolist() for key, value in layer.state_dict().items()}
        with sl.no_grad():
            for parameter in layer.parameters():
                parameter.fill_(3.0)
        layer.reset_parameters()
        assert {key: value.tolist() for key, value in layer.state_dict().items()} == fresh


def test_default_beginnings_have_pytorchs_distributions():
    sl.manual_seed(0)
    layer = nn.Linear(64, 500)
    for values in (layer.weight.detach().numpy(), layer.bias.detach().numpy()):
        assert np.abs(values).max() <= 1 / 8
        assert np.abs(values).max() > 0.99 / 8
        assert abs(values.std() / (1 / 8 / np.sqrt(3)) - 1) < 0.1
        assert abs(values.mean()) < 0.012
    table = nn.Embedding(300, 40).weight.detach().numpy()
    assert abs(table.mean()) < 0.03
    assert abs(table.std() - 1) < 0.03
    again = nn.Linear(64, 500)
    assert (again.weight.detach().numpy() != layer.weight.detach().numpy()).any()


def test_layers_take_a_dtype():
    for build in (
        lambda **more: nn.Linear(2, 3, **more),
        lambda **more: nn.LayerNorm(3, **more),
        lambda **more: nn.RMSNorm(3, **more),
        lambda **more: nn.BatchNorm1d(3, **more),
        lambda **more: nn.Embedding(3, 2, **more),
    ):
        layer = build(dtype=sl.float64, device="cpu")
        assert {parameter.dtype for parameter in layer.parameters()} == {sl.float64}


@pytest.mark.parametrize("build", [nn.LayerNorm, nn.RMSNorm])
def test_sizes_are_checked_when_a_layer_is_made(build):
    with pytest.raises(ArgumentError, match=r"\(2\.5,\) is not a shape"):
        build(2.5)


def test_sizes_may_be_numpy_integers():
    assert nn.LayerNorm(np.int64(3)).normalized_shape == (3,)
    assert nn.Linear(np.int64(3), np.int64(2)).weight.shape == (2, 3)


def test_an_empty_linear_layer():
    assert nn.Linear(0, 3)(sl.zeros(2, 0)).shape == (2, 3)
    assert nn.Linear(3, 0)(sl.zeros(2, 3)).shape == (2, 0)


def test_float32_gives_float32():
    model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.GELU(), nn.BatchNorm1d(4))
    assert model(sl.ones(5, 3)).dtype == sl.float32
