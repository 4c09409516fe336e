"""The list of data sets: what is there, where it lies, and whether it is what it should be."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib

import pytest

from streetlight import datasets
from streetlight.datasets import registry
from streetlight.errors import ChecksumError, DownloadError, FileAccessError, UnknownNameError

CONTENTS = {"one.gz": b"first " * 100, "two.gz": b"second " * 100}


@pytest.fixture
def toy(home, tmp_path, monkeypatch):
    """A data set of two files at a home that works, with a cache and without an offline folder."""
    files = tuple(
        registry.RemoteFile(name, hashlib.sha256(content).hexdigest(), 60)
        for name, content in CONTENTS.items()
    )
    home.files = {f"/{name}": gzip.compress(content) for name, content in CONTENTS.items()}
    info = registry.DatasetInfo("toy", "two files", "public", files, (home.url(),))
    monkeypatch.setitem(registry.DATASETS, "toy", info)
    monkeypatch.setenv("STREETLIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("STREETLIGHT_DATA", raising=False)
    return info


@pytest.fixture
def offline(toy, tmp_path, monkeypatch):
    folder = tmp_path / "offline"
    (folder / "toy").mkdir(parents=True)
    for name, content in CONTENTS.items():
        (folder / "toy" / name).write_bytes(gzip.compress(content, 1))
    monkeypatch.setenv("STREETLIGHT_DATA", str(folder))
    return folder / "toy"


def test_get_downloads_once_into_the_cache(toy, home, tmp_path):
    assert datasets.status("toy") == {"one.gz": None, "two.gz": None}
    expected = [tmp_path / "cache" / "toy" / name for name in CONTENTS]
    assert datasets.get("toy") == datasets.get("toy") == datasets.verify("toy") == expected
    assert datasets.status("toy") == dict(zip(CONTENTS, expected, strict=True))
    assert registry.read("toy") == CONTENTS
    assert len(home.requests) == 2


def test_damaged_file_in_the_cache_is_downloaded_again(toy, home):
    first, _ = datasets.get("toy")
    first.write_bytes(b"rubbish")
    with pytest.raises(ChecksumError, match=r"one\.gz is damaged"):
        datasets.verify("toy")
    datasets.get("toy")
    assert datasets.verify("toy")[0] == first
    assert [path for path, _ in home.requests] == ["/one.gz", "/two.gz", "/one.gz"]


def test_offline_folder_comes_first(offline, home):
    assert datasets.get("toy") == [offline / name for name in CONTENTS]
    assert registry.read("toy") == CONTENTS
    assert home.requests == []


def test_damaged_offline_file_is_named_and_left_alone(offline, home):
    (offline / "two.gz").write_bytes(b"rubbish")
    for use in (datasets.get, datasets.verify, registry.read):
        with pytest.raises(ChecksumError, match=r"offline/toy/two\.gz is damaged"):
            use("toy")
    assert (offline / "two.gz").read_bytes() == b"rubbish"
    assert home.requests == []


def test_what_the_offline_folder_lacks_is_downloaded(offline, home, tmp_path):
    (offline / "two.gz").unlink()
    assert datasets.get("toy") == [offline / "one.gz", tmp_path / "cache" / "toy" / "two.gz"]


def test_offline_folder_that_is_none(toy, tmp_path, monkeypatch):
    monkeypatch.setenv("STREETLIGHT_DATA", str(tmp_path / "typo"))
    with pytest.raises(FileAccessError, match="STREETLIGHT_DATA does not name a folder"):
        datasets.get("toy")


def test_folder_where_a_cached_file_belongs(toy, tmp_path):
    (tmp_path / "cache" / "toy" / "one.gz").mkdir(parents=True)
    with pytest.raises(FileAccessError, match=r"cannot read .*one\.gz: is a directory"):
        datasets.get("toy")


def test_verify_of_what_is_not_here(toy):
    with pytest.raises(FileAccessError, match=r"one\.gz of the data set toy is not here") as caught:
        datasets.verify("toy")
    assert "streetlight data get toy" in str(caught.value)


def test_no_home_has_it(toy, home):
    home.files.clear()
    with pytest.raises(DownloadError, match=r"one\.gz could not be fetched"):
        datasets.get("toy")


@pytest.mark.parametrize(
    ("wrong", "offer"), [("mnits", "mnist"), ("MNIST", "mnist"), ("digit", "digits")]
)
def test_unknown_name_offers_near_matches(wrong, offer):
    for use in (datasets.lookup, datasets.status, datasets.get, datasets.verify):
        with pytest.raises(UnknownNameError, match=f"no data set named '{wrong}'") as caught:
            use(wrong)
        assert f"did you mean {offer}" in str(caught.value)


def test_unknown_name_with_nothing_near_points_to_the_list():
    with pytest.raises(UnknownNameError, match="streetlight data list"):
        datasets.lookup("zzz")


def test_default_cache_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("STREETLIGHT_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("STREETLIGHT_DATA", raising=False)
    (tmp_path / ".cache" / "streetlight" / "mnist").mkdir(parents=True)
    kept = tmp_path / ".cache" / "streetlight" / "mnist" / "t10k-labels-idx1-ubyte.gz"
    kept.touch()
    assert datasets.status("mnist")[kept.name] == kept


def test_registry_is_complete():
    for info in datasets.available():
        assert datasets.lookup(info.name) is info
        assert info.size == sum(file.size for file in info.files) > 0
        assert all(home.startswith("https://") and home.endswith("/") for home in info.homes)
        assert all(dataclasses.asdict(info)[field] for field in ("description", "licence"))
