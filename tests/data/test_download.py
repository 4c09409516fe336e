"""Downloads over a real connection: whole and checked, or not there at all."""

from __future__ import annotations

import gzip
import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from streetlight.datasets.download import RemoteFile, download, verified
from streetlight.errors import ChecksumError, DownloadError, FileAccessError

CONTENT = b"".join(hashlib.sha256(bytes([i % 256, i // 256])).digest() for i in range(20_000))
PACKED = gzip.compress(CONTENT, mtime=0)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HALF, CHUNK = len(PACKED) // 2, 1 << 16
FILE = RemoteFile("set.gz", SHA256, len(PACKED))


def fetch(path: Path, *homes: str) -> None:
    download(FILE, homes, path)


def program(home, path: Path) -> str:
    return f"""if True:
        from pathlib import Path
        from streetlight.datasets.download import RemoteFile, download
        download({FILE!r}, ({home.url()!r},), Path({str(path)!r}))
    """


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "set" / "set.gz"


@pytest.fixture
def part(path: Path) -> Path:
    path.parent.mkdir(parents=True)
    return path.with_name("set.gz.part")


def assert_whole(path: Path) -> None:
    assert path.read_bytes() == PACKED
    assert [file.name for file in path.parent.iterdir()] == ["set.gz"]


def test_downloads_into_folders_that_it_makes(home, path):
    home.files["/a/set.gz"] = PACKED
    fetch(path, home.url("a/"))
    assert_whole(path)
    assert home.requests == [("/a/set.gz", None)]


def test_a_home_may_pack_differently_or_not_at_all(home, path):
    home.files["/set.gz"] = CONTENT
    fetch(path, home.url())
    assert verified(path, SHA256) == CONTENT


@pytest.mark.parametrize("status", [404, 403, 500, 503])
def test_asks_the_mirror_when_a_home_refuses(home, path, status):
    home.files |= {"/a/set.gz": b"", "/b/set.gz": PACKED}
    home.behaviour["/a/set.gz"] = status
    fetch(path, home.url("a/"), home.url("b/"))
    assert_whole(path)


def test_asks_the_mirror_when_a_home_cannot_be_reached(home, path):
    home.files["/b/set.gz"] = PACKED
    fetch(path, "http://127.0.0.1:9/", home.url("b/"))
    assert_whole(path)


def test_mirror_goes_on_where_a_home_broke_off(home, path):
    home.files |= {"/a/set.gz": PACKED, "/b/set.gz": PACKED}
    home.behaviour["/a/set.gz"] = "truncate"
    fetch(path, home.url("a/"), home.url("b/"))
    assert_whole(path)
    address, asked = home.requests[1]
    assert address == "/b/set.gz"
    assert HALF - CHUNK < int(asked.removeprefix("bytes=")[:-1]) <= HALF


def test_mirror_replaces_wrong_bytes(home, path):
    home.files |= {"/a/set.gz": b"<html>please log in</html>", "/b/set.gz": PACKED}
    fetch(path, home.url("a/"), home.url("b/"))
    assert_whole(path)
    assert home.requests[1] == ("/b/set.gz", None)


def test_goes_on_with_an_earlier_part(home, path, part):
    part.write_bytes(PACKED[:1000])
    home.files["/set.gz"] = PACKED
    fetch(path, home.url())
    assert_whole(path)
    assert home.requests == [("/set.gz", "bytes=1000-")]


def test_starts_over_where_the_home_knows_no_ranges(home, path, part):
    part.write_bytes(PACKED[:1000])
    home.files["/set.gz"] = PACKED
    home.behaviour["/set.gz"] = "no ranges"
    fetch(path, home.url())
    assert_whole(path)


@pytest.mark.parametrize("left", [b"rubbish", bytes(len(PACKED)), bytes(len(PACKED) + 5)])
def test_starts_over_from_a_bad_part(home, path, part, left):
    part.write_bytes(left)
    home.files["/set.gz"] = PACKED
    fetch(path, home.url())
    assert_whole(path)
    assert home.requests == [("/set.gz", f"bytes={len(left)}-"), ("/set.gz", None)]


def test_takes_a_part_that_was_whole_already(home, path, part):
    part.write_bytes(PACKED)
    home.files["/set.gz"] = PACKED
    fetch(path, home.url())
    assert_whole(path)
    assert len(home.requests) == 1


def test_killed_in_the_middle_goes_on_later(home, path):
    home.files["/set.gz"] = PACKED
    home.behaviour["/set.gz"] = "stall"
    child = subprocess.Popen([sys.executable, "-c", program(home, path)])
    part = path.with_name("set.gz.part")
    while child.poll() is None and not (part.exists() and part.stat().st_size > 100_000):
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert not path.exists()

    kept = part.stat().st_size
    home.behaviour.clear()
    fetch(path, home.url())
    assert_whole(path)
    assert 0 < kept < len(PACKED)
    assert home.requests[-1] == ("/set.gz", f"bytes={kept}-")


def test_no_home_answers(home, path):
    home.behaviour["/a/set.gz"] = 503
    home.files["/b/set.gz"] = PACKED
    home.behaviour["/b/set.gz"] = "truncate"
    with pytest.raises(DownloadError, match="could not be fetched from any of its homes") as caught:
        fetch(path, home.url("a/"), home.url("b/"), home.url("c/"), "http://127.0.0.1:9/")
    text = str(caught.value)
    assert "answered 503 Service Unavailable" in text
    assert "broke off in the middle" in text
    assert "answered 404 Not Found" in text
    assert "could not be reached" in text
    assert "STREETLIGHT_DATA" in text
    assert not path.exists()
    kept = path.with_name("set.gz.part").read_bytes()
    assert len(kept) > HALF - CHUNK
    assert PACKED.startswith(kept)


def test_all_homes_send_something_else(home, path):
    home.files |= {"/a/set.gz": b"<html>", "/b/set.gz": PACKED[:-9]}
    with pytest.raises(ChecksumError, match="could not be fetched from any of its homes"):
        fetch(path, home.url("a/"), home.url("b/"))
    assert list(path.parent.iterdir()) == []


def test_full_disk(home, path, part):
    if not Path("/dev/full").exists():
        pytest.skip("/dev/full, a disk that is always full, is a thing of Linux")
    part.symlink_to("/dev/full")
    home.files["/set.gz"] = PACKED
    with pytest.raises(FileAccessError, match=r"cannot write .*: no space left on device"):
        fetch(path, home.url())
    assert not path.exists()


def test_folder_where_the_part_belongs(home, path, part):
    part.mkdir()
    home.files["/set.gz"] = PACKED
    with pytest.raises(FileAccessError, match=r"cannot write .*: is a directory"):
        fetch(path, home.url())


def test_file_where_the_cache_folder_belongs(home, path):
    path.parent.parent.write_text("in the way")
    with pytest.raises(FileAccessError, match=r"cannot write .*: not a directory"):
        fetch(path, home.url())


def test_no_permission_in_the_cache_folder(home, path, part, unprivileged):
    path.parent.chmod(0o500)
    home.files["/set.gz"] = PACKED
    with unprivileged(), pytest.raises(FileAccessError, match=r"write .*: permission denied"):
        fetch(path, home.url())


def test_no_permission_to_read(path, part, unprivileged):
    path.write_bytes(PACKED)
    path.chmod(0o000)
    with unprivileged(), pytest.raises(FileAccessError, match=r"cannot read .*: permission denied"):
        verified(path, SHA256)


@pytest.mark.parametrize(
    "content", [b"", PACKED[:-10], PACKED[:100], PACKED + b"more", b"\x1f\x8bnot gzip", CONTENT[1:]]
)
def test_damaged_file(tmp_path, content):
    (tmp_path / "set.gz").write_bytes(content)
    with pytest.raises(ChecksumError, match=r"set\.gz is damaged, cut short or another file"):
        verified(tmp_path / "set.gz", SHA256)


def test_folder_where_a_file_belongs(tmp_path):
    with pytest.raises(FileAccessError, match=r"cannot read .*: is a directory"):
        verified(tmp_path, SHA256)


def errors_of_a_download(home, path, stderr) -> None:
    home.files["/set.gz"] = PACKED
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "80"}
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        environment.pop(name, None)
    command = [sys.executable, "-c", program(home, path)]
    subprocess.run(command, stderr=stderr, env=environment, check=True)


def test_progress_bar_on_a_terminal(home, path):
    pty = pytest.importorskip("pty", reason="a pseudo-terminal is a thing of Unix")
    reader, writer = pty.openpty()
    errors_of_a_download(home, path, writer)
    os.close(writer)
    shown = os.read(reader, 100_000).decode()
    os.close(reader)
    assert "set.gz" in shown
    size = f"{len(PACKED) / 1000:.1f}"
    assert f"{size}/{size} kB" in shown


def test_no_progress_bar_in_a_pipe(home, path, tmp_path):
    with open(tmp_path / "errors", "w+b") as errors:
        errors_of_a_download(home, path, errors)
        errors.seek(0)
        assert errors.read() == b""
