"""The cache of compiled programs: used again, shared by processes, and never believed blindly."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from tests.compile.native import ANSWER, answer, printed, python, script

from streetlight.compile import cache

CC = shutil.which("cc")
pytestmark = pytest.mark.skipif(not CC, reason="this machine has no cc")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a compiler that notes in `log` each program that it makes."""
    log = f'case "$*" in *program.c*) echo made >> {tmp_path}/log;; esac'
    monkeypatch.setenv("CC", str(script(tmp_path / "noting", f'{log}\nexec {CC} "$@"')))
    monkeypatch.setenv("STREETLIGHT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "compiled"


def made(folder: Path) -> int:
    """How many programs have been compiled."""
    log = folder.parent.parent / "log"
    return len(log.read_text().splitlines()) if log.exists() else 0


def programs(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if (path / "program.so").exists())


def whole(entry: Path) -> bool:
    name = "program.so" if (entry / "program.so").exists() else "compiler.json"
    digest = hashlib.sha256((entry / name).read_bytes()).hexdigest()
    return (entry / "sha256").read_text() == digest


def test_a_program_is_made_once_for_all_processes(folder):
    assert printed(python(ANSWER, "4", "5")) == "4.0\n5.0\n"
    assert made(folder) == 2
    assert printed(python(ANSWER, "5", "4")) == "5.0\n4.0\n"
    assert made(folder) == 2
    texts = {(entry / "program.c").read_text() for entry in programs(folder)}
    assert any("return 4" in text for text in texts)
    assert all(map(whole, folder.iterdir()))


def test_a_compiler_is_examined_once_for_all_processes(tmp_path, monkeypatch):
    log = f'case "$*" in *--version*|*probe.c*) echo asked >> {tmp_path}/asked;; esac'
    monkeypatch.setenv("CC", str(script(tmp_path / "other", f'{log}\nexec {CC} "$@"')))
    printed(python(ANSWER, "4"))
    asked = (tmp_path / "asked").read_text()
    printed(python(ANSWER, "5"))
    assert (tmp_path / "asked").read_text() == asked
    os.utime(tmp_path / "other", (1, 1))  # another compiler in its place
    printed(python(ANSWER, "5"))
    assert len((tmp_path / "asked").read_text()) == 2 * len(asked)


def test_what_decides_the_machine_code_decides_the_entry(folder):
    for flags in (("-O1",), ("-O2",), ("-O1",)):
        cache.load(answer(4), flags)
    cache.load(answer(5), ("-O1",))
    assert made(folder) == 3


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGE = {
    "a flipped bit": lambda entry: flip(entry / "program.so"),
    "a file cut short": lambda entry: os.truncate(entry / "program.so", 100),
    "an empty file": lambda entry: os.truncate(entry / "program.so", 0),
    "no program": lambda entry: (entry / "program.so").unlink(),
    "no checksum": lambda entry: (entry / "sha256").unlink(),
    "another checksum": lambda entry: flip(entry / "sha256"),
    "a checksum that is no text": lambda entry: (entry / "sha256").write_bytes(b"\xff\x00"),
    "nothing in it": lambda entry: [file.unlink() for file in entry.iterdir()],
}


def copied(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache after one program was made, in files that this process has not loaded."""
    cache.load(answer(4))
    other = folder.parent.with_name("copy")
    shutil.copytree(folder.parent, other)
    monkeypatch.setenv("STREETLIGHT_CACHE", str(other))
    return other / "compiled"


def loaded_answer() -> float:
    function = cache.load(answer(4)).answer
    function.restype = ctypes.c_double
    return function()


def test_a_copy_of_the_cache_is_as_good(folder, monkeypatch):
    copied(folder, monkeypatch)
    assert loaded_answer() == 4
    assert made(folder) == 1


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_damaged_is_made_again(folder, monkeypatch, damage):
    copy = copied(folder, monkeypatch)
    [entry] = programs(copy)
    DAMAGE[damage](entry)
    assert loaded_answer() == 4
    assert made(folder) == 2
    assert programs(copy) == [entry]
    assert whole(entry)


def test_a_damaged_note_about_a_compiler_is_not_believed(folder):
    cache.load(answer(4))
    [note] = [path for path in folder.iterdir() if (path / "compiler.json").exists()]
    flip(note / "compiler.json")
    assert printed(python(ANSWER, "4")) == "4.0\n"
    assert whole(note)


def wait_for(path: Path) -> None:
    for _ in range(3000):
        if path.exists():
            return
        time.sleep(0.01)
    pytest.fail(f"{path} does not appear")


def test_a_process_killed_while_it_compiles_leaves_nothing(folder, tmp_path, monkeypatch):
    slow = f'case "$*" in *program.c*) echo > {tmp_path}/begun; sleep 600;; esac'
    monkeypatch.setenv("CC", str(script(tmp_path / "slow", f'{slow}\nexec {CC} "$@"')))
    process = python(ANSWER, "4")
    wait_for(tmp_path / "begun")
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert programs(folder) == []


KILLED = """
import os, signal, sys
from streetlight.compile import cache
name = sys.argv[1]
def stop(event, arguments):
    if event == "open" and str(arguments[0]).endswith(name) and "half-written" in str(arguments[0]):
        os.kill(os.getpid(), signal.SIGKILL)
    if event == "os.rename" and name == "rename":
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(stop)
cache.load("double answer(void) { return 4; }")
"""


@pytest.mark.parametrize("moment", ["program.so", "program.c", "sha256", "rename"])
def test_a_process_killed_while_it_writes_leaves_nothing_to_believe(folder, moment):
    cache.load(answer(3))  # the compiler is known
    process = python(KILLED, moment)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    half = [path for path in folder.iterdir() if path.name.startswith(cache.HALF_WRITTEN)]
    assert len(half) == 1
    assert loaded_answer() == 4
    os.utime(half[0], (0, 0))  # long ago
    cache.load(answer(5))
    assert not half[0].exists()


def test_processes_that_make_the_same_do_not_disturb_each_other(folder):
    numbers = [str(number) for number in range(6)]
    processes = [python(ANSWER, *numbers) for _ in range(4)]
    wanted = "".join(f"{number}.0\n" for number in numbers)
    assert [printed(process) for process in processes] == [wanted] * 4
    assert len(programs(folder)) == 6
    assert all(map(whole, folder.iterdir()))


def test_a_cache_that_cannot_be_written_is_said_once(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("STREETLIGHT_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="cannot be kept in .*STREETLIGHT_CACHE") as caught:
        first = cache.load(answer(4), ("-O1",)).answer
    assert len(caught) == 1
    second = cache.load(answer(5), ("-O1",)).answer
    first.restype = second.restype = ctypes.c_double
    assert (first(), second()) == (4, 5)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_what_lies_in_a_read_only_cache_is_used(folder):
    printed(python(ANSWER, "4"))
    folder.chmod(0o555)
    try:
        assert printed(python(ANSWER, "4")) == "4.0\n"
        with pytest.warns(UserWarning, match="cannot be kept"):
            cache.load(answer(5))
    finally:
        folder.chmod(0o755)
    assert made(folder) == 2


FULL = """
import sys, warnings
from streetlight.compile import cache
def fill(event, arguments):  # no room where the cache lies, as of now
    if event == "open" and "half-written" in str(arguments[0]) and str(arguments[1])[0] == "w":
        raise OSError(28, "No space left on device")
sys.addaudithook(fill)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    print(bool(cache.load("double answer(void) { return 4; }").answer), len(caught))
    print(caught[0].message)
"""


def test_a_full_disk_is_said_and_does_no_harm(folder):
    out = printed(python(FULL))
    assert out.startswith("True 1\n")
    assert "(No space left on device)" in out
    assert list(folder.iterdir()) == []


def test_what_was_not_used_for_longest_is_removed(folder, monkeypatch):
    for number in range(4):
        cache.load(answer(number))
    for age, entry in enumerate(sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)):
        os.utime(entry, (1000 + age, 1000 + age))
    assert cache.load(answer(0)).answer  # used again
    monkeypatch.setattr(cache, "MOST_ENTRIES", 3)
    cache.load(answer(9))
    kept = {(entry / "program.c").read_text() for entry in programs(folder)}
    assert kept == {answer(9), answer(0), answer(3)}


def test_a_cache_that_is_too_big_is_made_smaller(folder, monkeypatch):
    for number in range(4):
        cache.load(answer(number))
    size = max(sum(f.stat().st_size for f in entry.iterdir()) for entry in programs(folder))
    monkeypatch.setattr(cache, "MOST_BYTES", 2 * size + size // 2)
    cache.load(answer(9))
    kept = [(entry / "program.c").read_text() for entry in programs(folder)]
    assert len(kept) == 2
    assert answer(9) in kept


def test_without_a_name_the_cache_lies_in_the_home_folder(tmp_path):
    out = printed(python(ANSWER, "4", HOME=str(tmp_path), STREETLIGHT_CACHE=""))
    assert out == "4.0\n"
    assert list((tmp_path / ".cache" / "streetlight" / "compiled").iterdir())
