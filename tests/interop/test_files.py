"""Atomic writing: whatever goes wrong, the name holds the old file or the new one, whole."""

import errno
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from streetlight.errors import FileAccessError
from streetlight.interop import atomic_write
from streetlight.interop.files import access_error


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write(path, data):
    with atomic_write(path) as file:
        file.write(data)


def test_a_new_and_a_replaced_file(tmp_path):
    write(tmp_path / "a.txt", b"one")
    write(tmp_path / "a.txt", b"two")
    assert (tmp_path / "a.txt").read_bytes() == b"two"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, ValueError])
def test_an_error_in_the_block_leaves_the_old_file(tmp_path, kind):
    write(tmp_path / "a.txt", b"old")

    def fail():
        with atomic_write(tmp_path / "a.txt") as file:
            file.write(b"half")
            raise kind

    with pytest.raises(kind):
        fail()
    assert (tmp_path / "a.txt").read_bytes() == b"old"
    assert names(tmp_path) == ["a.txt"]


def test_the_name_shows_nothing_before_the_end(tmp_path):
    with atomic_write(tmp_path / "a.txt") as file:
        file.write(b"half")
        file.flush()
        assert not (tmp_path / "a.txt").exists()


def test_folder_missing_or_in_the_way(tmp_path):
    with pytest.raises(FileAccessError, match=r"a\.txt cannot be written: no such file") as raised:
        write(tmp_path / "none" / "a.txt", b"")
    assert "the folder must exist" in str(raised.value)
    with pytest.raises(FileAccessError, match="cannot be written: it is a folder") as raised:
        write(tmp_path, b"")
    assert "fix:  name a file" in str(raised.value)
    (tmp_path / "file").touch()
    with pytest.raises(FileAccessError, match="cannot be written: not a directory") as raised:
        write(tmp_path / "file" / "a.txt", b"")
    assert "a file stands where a folder belongs" in str(raised.value)


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="there is no /dev/full here")
def test_devices_are_left_alone() -> None:
    with pytest.raises(FileAccessError, match="it is a device"), atomic_write("/dev/full") as file:
        file.write(b"x")
    assert Path("/dev/full").is_char_device()


FULL = """
import resource, signal, sys
from streetlight.errors import FileAccessError
from streetlight.interop import atomic_write
from streetlight.interop.files import access_error
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    with atomic_write(sys.argv[1]) as file:
        file.write(b"x" * 5000)
except FileAccessError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the limit on file sizes is one of Unix")
def test_no_room_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    command = [sys.executable, "-c", FULL, str(path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "a.txt cannot be written: file too large" in said
    assert "make room on the disk" in said
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.txt"]


KILLED = """
import sys, time
from streetlight.interop import atomic_write
from streetlight.interop.files import access_error
with atomic_write(sys.argv[1]) as file:
    file.write(b"half")
    file.flush()
    print("half", flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps open files from being removed")
def test_a_killed_writer_harms_nothing_and_the_next_one_tidies_up(tmp_path):
    path = tmp_path / "a [1].txt"
    path.write_bytes(b"old")
    command = [sys.executable, "-c", KILLED, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "half\n"
        write(tmp_path / "b.txt", b"")  # a neighbour's part is not touched
        write(path, b"new")  # nor is that of a writer that lives
        assert len(names(tmp_path)) == 3
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert path.read_bytes() == b"new"
    write(path, b"newer")
    assert names(tmp_path) == ["a [1].txt", "b.txt"]


def test_a_read_only_disk_is_not_said_to_be_full():
    error = access_error("written", "a.txt", OSError(errno.EROFS, "Read-only file system"))
    assert error.what == "a.txt cannot be written: read-only file system"
    assert "fix:  choose another folder\n" in str(error)
