"""The digit networks: built, kept as texts, and built again."""

from __future__ import annotations

import pytest

import streetlight as sl
from streetlight.errors import FileAccessError, FileFormatError, StateDictError
from streetlight.interop import save
from streetlight.projects.image_network import ImageNetwork, load_network

SMALL = ImageNetwork("digits", side=8, box=8, hidden=(5, 3), dropout=0.5, shift=1.0)
SEEING = ImageNetwork(
    "mnist", 9, 8, hidden=(5,), dropout=0.5, kernels=(3, 4), pooled=(2,), padding=1, norm=True
)


def test_layers_are_named_and_idle_ones_left_out():
    first, second = ["hidden1", "relu1", "dropout1"], ["hidden2", "relu2", "dropout2"]
    names = ["pixels", *first, *second, "output"]
    assert list(dict(SMALL.build().named_children())) == names
    plain = ImageNetwork("mnist", 28, 20, (40,), activation="tanh", pixel_dropout=0.2, bias=False)
    model = plain.build()
    names = ["pixel_dropout", "pixels", "hidden1", "tanh1", "output"]
    assert list(dict(model.named_children())) == names
    assert [tuple(p.shape) for p in model.parameters()] == [(40, 784), (10, 40)]


def test_convolutions_come_before_dense_layers():
    model = SEEING.build()
    first, second = ["conv1", "norm1", "relu1"], ["conv2", "pool2", "norm2", "relu2"]
    dense = ["features", "dropout", "hidden3", "relu3", "dropout3", "output"]
    assert list(dict(model.named_children())) == [*first, *second, *dense]
    assert SEEING.maps == [(1, 9), (3, 9), (4, 4)]
    assert model.hidden3.weight.shape == (5, 64)
    assert model.conv1.bias is None


def test_the_book_s_convolution_is_one_layer_and_an_output():
    book = ImageNetwork("mnist", 28, 20, (), "tanh", dropout=0.5, bias=False, kernels=(16,))
    model = book.build()
    names = ["conv1", "tanh1", "features", "dropout", "output"]
    assert list(dict(model.named_children())) == names
    assert [tuple(p.shape) for p in model.parameters()] == [(16, 1, 3, 3), (10, 10_816)]


@pytest.mark.parametrize("settings", [SMALL, SEEING])
def test_what_was_saved_answers_the_same(settings, tmp_path):
    model = settings.build().eval()
    save(model.state_dict(), tmp_path / "m.safetensors", settings.metadata())
    again, network = load_network(tmp_path / "m.safetensors")
    assert network == settings
    assert not again.training
    images = sl.rand(3, 1, settings.side, settings.side)
    assert sl.equal(model(images), again(images))


def test_a_run_from_before_there_were_convolutions_is_loaded(tmp_path):
    old = (
        '{"project": "digits", "side": 8, "box": 8, "hidden": [5, 3], "dropout": 0.5, "bias": true}'
    )
    model = SMALL.build().eval()
    save(model.state_dict(), tmp_path / "m.safetensors", {"network": old})
    again, network = load_network(tmp_path / "m.safetensors")
    assert (network.hidden, network.kernels) == ((5, 3), ())
    images = sl.rand(3, 1, 8, 8)
    assert sl.equal(model(images), again(images))


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"network": "["},
        {"network": "[]"},
        {"network": "{}"},
        {"network": '{"side": 8, "hidden": [4], "wings": 2}'},
        {"network": '{"project": "digits", "side": 8, "box": 8, "hidden": [4], "activation": "x"}'},
    ],
)
def test_a_file_that_does_not_say_what_it_holds_is_told(tmp_path, metadata):
    save({"a": sl.ones(2)}, tmp_path / "m.safetensors", metadata)
    with pytest.raises(FileFormatError, match="does not say which network it holds"):
        load_network(tmp_path / "m.safetensors")


def test_other_weights_damaged_files_and_missing_ones_are_told(tmp_path):
    path = tmp_path / "m.safetensors"
    with pytest.raises(FileAccessError, match="cannot be read"):
        load_network(path)
    path.write_bytes(b"not at all")
    with pytest.raises(FileFormatError, match="not a sound safetensors file"):
        load_network(path)
    save({"a": sl.ones(2)}, path, SMALL.metadata())
    with pytest.raises(StateDictError):
        load_network(path)
