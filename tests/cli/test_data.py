"""`streetlight data list | get | verify`, on the data set of the package and on a folder."""

from __future__ import annotations

import pytest

from streetlight.cli import data
from streetlight.datasets import lookup
from streetlight.errors import ChecksumError, FileAccessError, UnknownNameError


@pytest.fixture(autouse=True)
def no_data(tmp_path, monkeypatch):
    """An empty cache and no offline folder."""
    monkeypatch.setenv("STREETLIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("STREETLIGHT_DATA", raising=False)


def test_the_list_tells_what_where_and_how_to_get_it(capsys):
    data.list_all()
    out = capsys.readouterr().out
    assert "1,797 handwritten digits" in out
    assert "CC BY 4.0" in out
    assert "comes with the package" in out
    assert "not here; get it: streetlight data get mnist" in out
    assert "11.6 MB" in out


def test_the_list_counts_the_files_of_half_a_data_set(tmp_path, capsys, monkeypatch):
    folder = tmp_path / "offline" / "mnist"
    folder.mkdir(parents=True)
    names = [file.name for file in lookup("mnist").files]
    for name in names[:3]:
        (folder / name).write_bytes(b"x")
    monkeypatch.setenv("STREETLIGHT_DATA", str(folder.parent))
    data.list_all()
    assert "3 of 4 files here; get it: streetlight data get mnist" in capsys.readouterr().out
    (folder / names[3]).write_bytes(b"x")
    data.list_all()
    assert f"found in {folder}, not verified" in capsys.readouterr().out


def test_a_folder_that_is_not_there_does_not_stop_the_list(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("STREETLIGHT_DATA", str(tmp_path / "nowhere"))
    data.list_all()
    told = capsys.readouterr()
    assert "not here; get it: streetlight data get mnist" in told.out
    assert f"STREETLIGHT_DATA names {tmp_path / 'nowhere'}, which is no folder" in told.err


def test_get_and_verify_name_the_files(capsys):
    data.get("digits")
    assert "here and whole: " in capsys.readouterr().out
    data.verify("digits")
    assert "digits.npz" in capsys.readouterr().out


def test_a_damaged_file_is_told(tmp_path, monkeypatch):
    folder = tmp_path / "offline" / "mnist"
    folder.mkdir(parents=True)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(b"not it")
    monkeypatch.setenv("STREETLIGHT_DATA", str(folder.parent))
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(b"\x1f\x8bnot it")
    with pytest.raises(
        ChecksumError, match="of the 4 files of mnist these are not right"
    ) as caught:
        data.verify("mnist")
    text = str(caught.value)
    assert "train-images-idx3-ubyte.gz is damaged, cut short or another file" in text
    assert "train-labels-idx1-ubyte.gz is damaged, cut short or another file: it cannot be" in text
    assert "t10k-images-idx3-ubyte.gz of the data set mnist is not here" in text
    assert "remove what is damaged, then `streetlight data get mnist`" in text


def test_names_that_are_not_here_or_not_known():
    with pytest.raises(FileAccessError, match="streetlight data get mnist"):
        data.verify("mnist")
    with pytest.raises(UnknownNameError, match=r"did you mean mnist\?"):
        data.get("mnst")
