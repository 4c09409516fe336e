"""Safetensors files: what goes in comes out, PyTorch reads them, and bad files are refused."""

import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest

import streetlight as sl
from streetlight.errors import ArgumentError, FileAccessError, FileFormatError
from streetlight.interop import load_metadata

DTYPES = ["float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool"]


def raw_file(path, header, body=b""):
    """A file by the format's own rule: header length (8 bytes, little endian), header, body."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)
    return path


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (1,), (0, 3), (2, 3, 4)])
def test_every_dtype_and_shape_comes_back(tmp_path, dtype, shape):
    array = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    sl.save({"a": sl.tensor(array)}, tmp_path / "a.safetensors")
    loaded = sl.load(tmp_path / "a.safetensors")["a"].numpy()
    assert loaded.dtype == array.dtype
    assert loaded.shape == shape
    assert np.array_equal(loaded, array)


def test_non_contiguous_shared_and_special_values(tmp_path):
    base = np.array([[1.5, np.nan, -np.inf], [-0.0, 2.0**-149, 3.0]], np.float32)
    tensor = sl.from_numpy(base)
    sl.save({"t": tensor.T, "flip": tensor[:, ::2], "same": tensor}, tmp_path / "x.safetensors")
    loaded = sl.load(tmp_path / "x.safetensors")
    assert loaded["t"].numpy().tobytes() == np.ascontiguousarray(base.T).tobytes()
    assert loaded["flip"].numpy().tobytes() == np.ascontiguousarray(base[:, ::2]).tobytes()
    assert loaded["same"].numpy().tobytes() == base.tobytes()


def test_loaded_tensors_can_be_changed(tmp_path):
    sl.save({"a": sl.zeros(3)}, tmp_path / "a.safetensors")
    loaded = sl.load(tmp_path / "a.safetensors")["a"]
    loaded[1] = 5.0
    assert loaded.tolist() == [0.0, 5.0, 0.0]
    assert sl.load(tmp_path / "a.safetensors")["a"].tolist() == [0.0, 0.0, 0.0]


def test_parameters_that_need_gradients_are_saved(tmp_path):
    model = sl.nn.Linear(3, 2)
    sl.save(dict(model.named_parameters()), tmp_path / "m.safetensors")
    assert sl.load(tmp_path / "m.safetensors")["weight"].tolist() == model.weight.tolist()


def test_metadata(tmp_path):
    path = tmp_path / "m.safetensors"
    sl.save({"a": sl.zeros(1)}, path, {"größe": "3 ≤ 4\n"})
    assert load_metadata(path) == {"größe": "3 ≤ 4\n"}
    sl.save({}, path)
    assert load_metadata(path) == {}
    assert sl.load(path) == {}


def test_pytorch_and_streetlight_read_one_another(tmp_path):
    torch = pytest.importorskip("torch", reason="parity tests need torch==2.13.0")
    safe = pytest.importorskip("safetensors.torch")
    state = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.BatchNorm1d(5)).state_dict()
    safe.save_file(state, tmp_path / "torch.safetensors")
    ours = sl.load(tmp_path / "torch.safetensors")
    sl.save(ours, tmp_path / "ours.safetensors")
    back = safe.load_file(tmp_path / "ours.safetensors")
    assert set(back) == set(state)
    for name, tensor in state.items():
        assert torch.equal(back[name], tensor)
        assert back[name].dtype == tensor.dtype


def tensor_entry(shape, begin, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


HOSTILE = {
    "overlapping": ({"a": tensor_entry([2], 0, 8), "b": tensor_entry([2], 4, 12)}, 12),
    "out of range": ({"a": tensor_entry([2], 0, 800)}, 8),
    "beyond the end": ({"a": tensor_entry([200], 0, 800)}, 8),
    "negative size": ({"a": tensor_entry([-2], 0, 8)}, 8),
    "backwards": ({"a": tensor_entry([0], 8, 0)}, 8),
    "overflowing size": ({"a": tensor_entry([2**62, 8], 0, 8)}, 8),
    "shape that does not fit": ({"a": tensor_entry([3], 0, 8)}, 8),
    "a gap": ({"a": tensor_entry([1], 4, 8)}, 8),
    "too many dimensions": ({"a": tensor_entry([1] * 70, 0, 4)}, 4),
    "unknown dtype": ({"a": tensor_entry([2], 0, 8, "F99")}, 8),
    "list": (b"[]", 0),
    "deep": (b"[" * 100_000, 0),
    "not utf-8": (b'{"\xff": 1}', 0),
    "metadata of numbers": ({"__metadata__": {"a": 1}}, 0),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_headers_are_refused(tmp_path, name):
    header, size = HOSTILE[name]
    path = raw_file(tmp_path / "bad.safetensors", header, b"\0" * size)
    with pytest.raises(FileFormatError, match=r"bad\.safetensors is not a sound safetensors file"):
        sl.load(path)


@pytest.mark.parametrize("length", [2**63, 10**8 - 1, 100])
def test_huge_headers_are_refused(tmp_path, length):
    path = tmp_path / "huge.safetensors"
    path.write_bytes(struct.pack("<Q", length) + b"{}")
    with pytest.raises(FileFormatError, match="not a sound safetensors file"):
        sl.load(path)
    with pytest.raises(FileFormatError, match="not a sound safetensors file"):
        load_metadata(path)


def test_numbers_that_numpy_lacks(tmp_path):
    path = raw_file(tmp_path / "b.safetensors", {"a": tensor_entry([4], 0, 8, "BF16")}, b"\0" * 8)
    with pytest.raises(FileFormatError, match="a kind of number that NumPy does not have"):
        sl.load(path)


def test_a_file_cut_anywhere_is_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    sl.save({"a": sl.ones(5), "b": sl.zeros(2, 2)}, path, {"unit": "gram"})
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(FileFormatError):
            sl.load(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(FileFormatError):
        sl.load(path)


class Bomb:
    def __reduce__(self):
        return os._exit, (3,)


def test_a_pickle_is_named_and_not_run(tmp_path):
    path = tmp_path / "weights.pt"
    path.write_bytes(pickle.dumps({"weights": [1.5] * 20, "bomb": Bomb()}))
    with pytest.raises(FileFormatError, match="it is a pickle"):
        sl.load(path)


def test_a_zip_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "weights.pt", "w") as archive:
        archive.writestr("data.pkl", pickle.dumps([1, 2]))
    with pytest.raises(FileFormatError, match=r"a zip archive, as torch\.save writes"):
        sl.load(tmp_path / "weights.pt")


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(FileAccessError, match=r"none\.safetensors cannot be read: no such file"):
        sl.load(tmp_path / "none.safetensors")
    with pytest.raises(FileAccessError, match="cannot be read: it is a folder"):
        sl.load(tmp_path)
    with pytest.raises(FileAccessError, match="cannot be written: it is a folder"):
        sl.save({}, tmp_path)
    with pytest.raises(FileAccessError, match="cannot be written: no such file or directory"):
        sl.save({}, tmp_path / "no" / "a.safetensors")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes in the file system")
def test_a_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileAccessError, match="cannot be read: it is a folder or device"):
        sl.load(tmp_path / "pipe")


CHILD = """
import os, sys, safetensors.numpy, streetlight as sl
from streetlight.errors import StreetlightError
if os.geteuid() == 0:
    os.setuid(65534)  # the administrator may read everything
try:
    exec(sys.argv[1])
except StreetlightError as error:
    print(error.code, error.what)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
def test_no_permission(tmp_path):
    path = tmp_path / "secret.safetensors"
    sl.save({"a": sl.zeros(1)}, path)
    path.chmod(0)
    tmp_path.chmod(0o555)
    for code, done in (("sl.load(path)", "read"), ("sl.save({}, path)", "written")):
        command = [sys.executable, "-c", CHILD, f"path = {str(path)!r}; {code}"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert said == f"E502 {path} cannot be {done}: permission denied\n"
    tmp_path.chmod(0o755)


@pytest.mark.parametrize(
    ("tensors", "metadata", "words"),
    [
        ([1], None, "tensors is no mapping"),
        (sl.nn.Linear(1, 1), None, "tensors is no mapping"),
        ({"a": 1.5}, None, "the entry 'a' is no named tensor"),
        ({3: sl.zeros(1)}, None, "the entry 3 is no named tensor"),
        ({"__metadata__": sl.zeros(1)}, None, "is no named tensor"),
        ({}, {"lr": 0.1}, "metadata holds something else than texts"),
        ({}, "text", "metadata is no mapping"),
    ],
)
def test_wrong_arguments(tmp_path, tensors, metadata, words):
    with pytest.raises(ArgumentError, match=words):
        sl.save(tensors, tmp_path / "a.safetensors", metadata)
    assert list(tmp_path.iterdir()) == []


def test_importing_streetlight_does_not_import_safetensors():
    code = "import sys, streetlight.train, streetlight.interop; print(sorted(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"safetensors", "rich", "matplotlib", "IPython", "requests", "PIL", "typer"}
    assert heavy & set(eval(said.stdout)) == set()
