"""Finding compilers, trying them out, and what is said when none of them works."""

from __future__ import annotations

import ctypes
import importlib.util
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.compile.native import answer, script

from streetlight.compile import cache, toolchain
from streetlight.compile.toolchain import FLAGS, CompilerFailed, candidates, examine
from streetlight.errors import CompileError

CC = shutil.which("cc")
ZIG = importlib.util.find_spec("ziglang")
needs_cc = pytest.mark.skipif(not CC, reason="this machine has no cc")
needs_zig = pytest.mark.skipif(not ZIG, reason="the wheel ziglang is not installed")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREETLIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CC", raising=False)


def only(monkeypatch: pytest.MonkeyPatch, folder: Path, zig: bool = False) -> None:
    """Leave no compilers but those in a folder, and the wheel if it is said."""
    monkeypatch.setenv("PATH", str(folder))
    if not zig:
        monkeypatch.setitem(sys.modules, "ziglang", None)


@needs_cc
def test_the_compiler_of_the_system_knows_all_flags():
    compiler = examine((CC,))
    assert compiler.version
    assert not compiler.refused


@needs_cc
def test_one_compiler_under_several_names_is_tried_once(tmp_path, monkeypatch):
    for name in ("cc", "gcc", "clang"):
        (tmp_path / name).symlink_to(CC)
    only(monkeypatch, tmp_path)
    assert candidates() == [(str(tmp_path / "cc"),)]


@needs_cc
def test_the_compiler_that_cc_names_comes_first(tmp_path, monkeypatch):
    mine = script(tmp_path / "mine", f'exec {CC} "$@"')
    monkeypatch.setenv("CC", f"{mine} -pipe")
    assert candidates()[0] == (str(mine), "-pipe")
    monkeypatch.setenv("CC", "'an open quotation mark")
    assert candidates()[0] == (CC,)


@needs_cc
def test_a_flag_that_a_compiler_does_not_know_is_left_out(tmp_path):
    refuse = 'for flag; do [ "$flag" = -march=native ] && exit 1; done'
    compiler = examine((str(script(tmp_path / "old", f'{refuse}\nexec {CC} "$@"')),))
    assert compiler.refused == {"-march=native"}
    (tmp_path / "a.c").write_text(answer(1))
    compiler.build(tmp_path / "a.c", tmp_path / "a.so")
    assert ctypes.CDLL(str(tmp_path / "a.so")).answer


def test_no_compiler_is_answered_with_the_line_to_install(tmp_path, monkeypatch):
    only(monkeypatch, tmp_path)
    monkeypatch.setenv("CC", "mycc -m64")
    with pytest.raises(CompileError) as caught:
        cache.load(answer(1))
    words = str(caught.value)
    assert words.startswith("[E602] no C compiler here could make the step\n")
    assert "not found: mycc -m64, cc, gcc, clang, the wheel ziglang" in words
    assert 'python -m pip install "streetlight[compile]"' in words


def test_a_compiler_that_fails_is_quoted(tmp_path, monkeypatch):
    bad = script(tmp_path / "cc", "echo 'the disk of the compiler is on fire' >&2; exit 3")
    only(monkeypatch, tmp_path)
    with pytest.raises(CompileError) as caught:
        cache.load(answer(1))
    words = f"{bad} ended with 3\n    the disk of the compiler is on fire"
    assert words in str(caught.value)
    assert "not found: gcc, clang, the wheel ziglang" in str(caught.value)


def test_a_compiler_that_makes_nothing_is_said(tmp_path, monkeypatch):
    script(tmp_path / "cc", "exit 0")
    only(monkeypatch, tmp_path)
    with pytest.raises(CompileError, match="ended without a word and without a result"):
        cache.load(answer(1))


def test_a_compiler_that_makes_rubbish_is_said(tmp_path, monkeypatch):
    write = 'while [ "$1" != -o ]; do shift; [ $# = 0 ] && exit 0; done; echo rubbish > "$2"'
    script(tmp_path / "cc", write)
    only(monkeypatch, tmp_path)
    with pytest.raises(CompileError, match="made what cannot be loaded"):
        cache.load(answer(1))


def test_a_compiler_that_cannot_be_run_is_said(tmp_path, monkeypatch):
    (tmp_path / "cc").write_bytes(b"\x7fELF is not enough")
    (tmp_path / "cc").chmod(0o755)
    only(monkeypatch, tmp_path)
    with pytest.raises(CompileError, match="cannot be run"):
        cache.load(answer(1))


def test_a_compiler_that_hangs_is_stopped_with_its_children(tmp_path, monkeypatch):
    sleep = shutil.which("sleep")
    beat = f"(while :; do echo beat >> {tmp_path}/pulse; {sleep} 0.05; done) &"
    script(tmp_path / "cc", f"{beat}\n{sleep} 600")
    only(monkeypatch, tmp_path)
    monkeypatch.setattr(toolchain, "SECONDS", 0.5)
    with pytest.raises(CompileError, match=r"had not ended after 0\.5 s and was stopped"):
        cache.load(answer(1))
    pulse = (tmp_path / "pulse").read_bytes()
    time.sleep(0.3)
    assert (tmp_path / "pulse").read_bytes() == pulse


def test_the_words_of_a_compiler_are_cut_short(tmp_path):
    chatty = script(
        tmp_path / "cc", "for i in 1 2 3 4 5 6 7 8 9 10; do echo line $i >&2; done; exit 1"
    )
    with pytest.raises(CompilerFailed) as caught:
        examine((str(chatty),))
    assert "line 8" in str(caught.value)
    assert "line 9" not in str(caught.value)


@needs_cc
def test_a_broken_compiler_is_passed_over(tmp_path, monkeypatch):
    script(tmp_path / "cc", "exit 1")
    script(tmp_path / "clang", f'PATH=/usr/bin:/bin exec {CC} "$@"')
    only(monkeypatch, tmp_path)
    assert cache.load(answer(1)).answer


@needs_cc
def test_c_that_is_wrong_is_quoted(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ziglang", None)
    with pytest.raises(CompileError, match="nonsense"):
        cache.load("nonsense here;")


@needs_zig
def test_the_wheel_is_used_where_the_system_has_no_compiler(tmp_path, monkeypatch):
    only(monkeypatch, tmp_path, zig=True)
    [command] = candidates()
    assert command[1:] == ("cc",)
    assert not examine(command).refused
    function = cache.load(answer(42)).answer
    function.restype = ctypes.c_double
    assert function() == 42


def test_zig_has_a_folder_to_write_to_without_a_home(tmp_path, monkeypatch):
    tool = script(tmp_path / "zig", 'echo "told: $ZIG_GLOBAL_CACHE_DIR" >&2; exit 1')
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("ZIG_GLOBAL_CACHE_DIR", raising=False)
    for home, own in [(tmp_path / "nowhere", True), (tmp_path, False)]:
        monkeypatch.setenv("HOME", str(home))
        with pytest.raises(CompilerFailed) as caught:
            examine((str(tool),))
        folder = str(caught.value).partition("told: ")[2]
        assert Path(folder).is_dir() if own else not folder


SPECIAL = """
#include <math.h>
#include <stdint.h>
void special(const float *x, const float *y, float *out, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    out[0 * n + i] = x[i] == x[i];
    out[1 * n + i] = isnan(x[i] + y[i]);
    out[2 * n + i] = x[i] < y[i];
    out[3 * n + i] = x[i] > y[i] ? x[i] : y[i];
    out[4 * n + i] = x[i] * 0;
    out[5 * n + i] = x[i] - x[i];
    out[6 * n + i] = 1 / x[i];
    out[7 * n + i] = x[i] + 0.0f;
    out[8 * n + i] = -(y[i] - x[i]);
    out[9 * n + i] = sqrtf(x[i]);
    out[10 * n + i] = isinf(x[i]) != 0;
    out[11 * n + i] = (float)(_Float16)x[i];
  }
}
float total(const float *x, int64_t n) {
  float sum = 0;
#pragma omp simd reduction(+:sum)
  for (int64_t i = 0; i < n; i++) sum += x[i];
  return sum;
}
int32_t wrap(int32_t x) { return x + 1 > x; }
"""


@pytest.mark.parametrize(
    "kind", [pytest.param("cc", marks=needs_cc), pytest.param("zig", marks=needs_zig)]
)
def test_our_flags_keep_nan_infinity_and_signed_zeros(tmp_path, monkeypatch, kind):
    assert not {"-ffast-math", "-Ofast", "-ffinite-math-only", "-fno-signed-zeros"} & {*FLAGS}
    if kind == "zig":
        only(monkeypatch, tmp_path, zig=True)
    library = cache.load(SPECIAL)
    edge = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5, -3.0, 1e-45, 3e38, 70000.0]
    x, y = (a.ravel().astype(np.float32) for a in np.meshgrid(edge, edge))
    out = np.empty((12, x.size), np.float32)
    addresses = [ctypes.c_void_p(a.ctypes.data) for a in (x, y, out)]
    library.special(*addresses, ctypes.c_int64(x.size))
    with np.errstate(all="ignore"):
        wanted = [
            x == x, np.isnan(x + y), x < y, np.where(x > y, x, y), x * np.float32(0), x - x, 1 / x,
            x + np.float32(0), -(y - x), np.sqrt(x), np.isinf(x), x.astype(np.float16),
        ]  # fmt: skip
    wanted = np.array(wanted, np.float32)
    np.testing.assert_array_equal(out, wanted)
    finite = ~np.isnan(wanted)
    assert np.array_equal(np.signbit(out[finite]), np.signbit(wanted[finite]))
    library.total.restype = ctypes.c_float
    assert np.isnan(library.total(addresses[0], ctypes.c_int64(x.size)))
    assert library.wrap(ctypes.c_int32(2**31 - 1)) == 0
