"""What layers of networks that see do beyond PyTorch's numbers: beginnings, words, summaries."""

from __future__ import annotations

import numpy as np
import pytest

import streetlight as sl
from streetlight import nn
from streetlight.errors import ArgumentError, ShapeError

torch = pytest.importorskip("torch", reason="parity tests need torch==2.13.0")


def network(n):
    return n.Sequential(
        n.Conv2d(1, 4, 3, padding=1), n.BatchNorm2d(4), n.ReLU(), n.MaxPool2d(2),
        n.Conv2d(4, 6, 3, groups=2), n.GroupNorm(3, 6), n.AdaptiveAvgPool2d(2),
        n.ConvTranspose2d(6, 2, 2, stride=2), n.Dropout2d(0.5), n.Flatten(), n.Linear(32, 3),
    )  # fmt: skip


def test_a_network_of_pytorchs_weights_gives_its_outputs():
    ours, theirs = network(nn), network(torch.nn)
    state = {key: value.numpy() for key, value in theirs.state_dict().items()}
    ours.load_state_dict(state)
    picture = np.random.default_rng(0).normal(size=(2, 1, 9, 8)).astype(np.float32)
    with torch.no_grad():
        expected = theirs.eval()(torch.tensor(picture)).numpy()
    np.testing.assert_allclose(
        ours.eval()(sl.tensor(picture)).detach().numpy(), expected, atol=1e-6
    )


def test_a_network_learns_in_training():
    sl.manual_seed(0)
    model = network(nn)
    pictures, labels = sl.randn(6, 1, 9, 8), sl.tensor([0, 1, 2, 0, 1, 2])
    optimizer = sl.optim.Adam(model.parameters(), lr=0.02)
    losses = []
    for _ in range(30):
        loss = nn.functional.cross_entropy(model(pictures), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


@pytest.mark.parametrize(
    ("build", "numbers_seen"),
    [
        (lambda n: n.Conv1d(16, 400, 4), 64),
        (lambda n: n.Conv2d(32, 200, (2, 4), groups=4), 64),
        (lambda n: n.ConvTranspose1d(300, 16, 4), 64),
        (lambda n: n.ConvTranspose2d(400, 32, 4, groups=8), 64),
    ],
)
def test_weights_begin_uniform_as_in_pytorch(build, numbers_seen):
    sl.manual_seed(0)
    torch.manual_seed(0)
    bound = numbers_seen**-0.5
    for library in (nn, torch.nn):
        weight = build(library).weight.detach().numpy()
        assert 0.99 * bound < np.abs(weight).max() <= bound
        assert abs(weight.mean()) < 0.02 * bound
        assert abs(weight.std() * np.sqrt(3) / bound - 1) < 0.02
    layer = build(nn)
    assert np.abs(layer.bias.detach().numpy()).max() <= bound
    before = layer.weight.detach().numpy().copy()
    layer.reset_parameters()
    assert (layer.weight.detach().numpy() != before).any()


@pytest.mark.parametrize(
    ("build", "error", "words"),
    [
        (lambda: nn.Conv2d(4, 6, 3, groups=4), ShapeError,
         "Conv2d: 4 in_channels and 6 out_channels cannot be cut into 4 groups"),
        (lambda: nn.ConvTranspose1d(3, 6, 3, groups=2), ShapeError,
         "ConvTranspose1d: 3 in_channels and 6 out_channels cannot be cut into 2 groups"),
        (lambda: nn.Conv2d(4, 6, 3, groups=0), ArgumentError, "Conv2d: groups=0 makes no sense"),
        (lambda: nn.Conv2d(1, 6, 0), ArgumentError, "Conv2d: kernel_size=0 makes no sense"),
        (lambda: nn.Conv1d(1, 6, "3"), ArgumentError, "Conv1d: kernel_size='3' makes no sense"),
        (lambda: nn.Conv2d(1, 6, 3, stride=-1), ArgumentError, "Conv2d: stride=-1 makes no sense"),
        (lambda: nn.Conv2d(1, 6, 3, padding=(1, -1)), ArgumentError, r"padding=\(1, -1\) makes no"),
        (lambda: nn.Conv2d(1, 6, 3, padding="full"), ArgumentError, "padding='full' makes no"),
        (lambda: nn.Conv2d(1, 6, 3, stride=2, padding="same"), ArgumentError,
         r"padding='same' is for strides of 1"),
        (lambda: nn.Conv2d(1, 6, 3, padding_mode="reflect"), ArgumentError,
         r"(?s)Conv2d: padding_mode='reflect' is not there.*\"zeros\""),
        (lambda: nn.Conv2d(1, 6, 3)(sl.zeros(2, 3, 8, 8)), ShapeError,
         "conv2d: the input has 3 channels, but the weight takes 1"),
        (lambda: nn.Conv2d(1, 6, 5)(sl.zeros(2, 1, 4, 8)), ShapeError,
         r"a kernel that reaches over \(5, 5\) does not fit into pictures of \(4, 8\)"),
        (lambda: nn.GroupNorm(4, 6), ShapeError, "GroupNorm: 6 channels cannot be cut into 4"),
        (lambda: nn.BatchNorm2d(3)(sl.zeros(1, 3, 1, 1)), ShapeError,
         r"(?s)a single value for each channel has no variance.*drop_last=True"),
        (lambda: nn.Unflatten(1, (2, 4))(sl.zeros(3, 6)), ShapeError,
         r"Unflatten: 6 elements do not fit the shape \(2, 4\)"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said(build, error, words):
    with pytest.raises(error, match=words):
        build()


def test_one_picture_is_enough_for_batch_norm():
    assert nn.BatchNorm2d(3)(sl.ones(1, 3, 2, 1)).shape == (1, 3, 2, 1)
    assert nn.BatchNorm2d(3).eval()(sl.ones(1, 3, 1, 1)).shape == (1, 3, 1, 1)


def test_dropout_of_channels_follows_its_generator_and_rests_in_evaluation():
    x = sl.ones(30, 8, 2, 3)
    layers = [nn.Dropout2d(0.3, generator=sl.Generator().manual_seed(1)) for _ in range(2)]
    first, second = (layer(x).numpy() for layer in layers)
    np.testing.assert_array_equal(first, second)
    assert (first == first[:, :, :1, :1]).all()
    assert set(np.unique(first)) == {np.float32(0), np.float32(1 / 0.7)}
    assert layers[0].eval()(x) is x


def test_max_pool_gives_back_places():
    values, places = nn.MaxPool2d(2, return_indices=True)(sl.arange(8.0).reshape(1, 2, 4))
    assert (values.tolist(), places.tolist()) == ([[[5.0, 7.0]]], [[[5, 7]]])
    values, places = nn.AdaptiveMaxPool1d(1, return_indices=True)(sl.tensor([[1.0, 3.0, 2.0]]))
    assert (values.tolist(), places.tolist()) == ([[3.0]], [[1]])


def test_layers_take_a_dtype():
    for build in (nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d):
        layer = build(2, 4, 3, dtype=sl.float64, device="cpu")
        assert {parameter.dtype for parameter in layer.parameters()} == {sl.float64}
    assert nn.GroupNorm(2, 4, dtype=sl.float64).weight.dtype == sl.float64


def test_summary_tells_the_pictures_that_each_layer_gives():
    lines = network(nn).summary((2, 1, 9, 8)).splitlines()
    table = {line.split()[0]: line.split(maxsplit=2)[2] for line in lines[2:-2]}
    assert table["0"].split("  ")[0] == "(2, 4, 9, 8)"
    assert table["0"].endswith(" 40")
    assert table["3"] == "(2, 4, 4, 4)"
    assert table["7"].split("  ")[0] == "(2, 2, 4, 4)"
    assert table["7"].endswith(" 50")
