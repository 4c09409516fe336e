"""Loaded programs: what they are called with, what they refuse, how they fail and repeat."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest
from tests.compile.native import F32, printed, python, step

from streetlight.compile.program import Argument, Program, program_text
from streetlight.compile.runtime import runtime
from streetlight.errors import CompileError

ADD = step(
    """
  const float *x = call->buffers[0], *weight = call->buffers[1];
  float *y = call->buffers[2];
  for (int i = 0; i < 6; i++) y[i] = x[i] + weight[i] * (float)call->numbers[0];
  call->numbers[1] = call->numbers[0] + 1;
  if (x[0] < 0) return sl_fail(call, SL_INDEX, 7, (int64_t)x[0]);
""",
    inputs=["x", "weight"],
    outputs=[((2, 3), F32)],
    numbers=["rate"],
    number_outputs=1,
)
WEIGHT = np.arange(6, dtype=np.float32).reshape(2, 3)
X, Y = Argument(0, (2, 3), F32), Argument(2, (2, 3), F32, written=True)


@pytest.fixture(params=["in C", "in Python"])
def program(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A program whose entries look at their arrays here or there."""
    monkeypatch.setattr(runtime(), "reads_arrays", request.param == "in C")
    return Program(ADD, {"weight": WEIGHT})


def test_the_text_has_headers_before_and_behind():
    text = program_text(ADD)
    assert text.index("sl_call;") < text.index(ADD.text) < text.index("int64_t sl_run(")


def test_a_step_with_the_tables_as_they_stand(program):
    x, y = np.ones((2, 3), np.float32), np.empty((2, 3), np.float32)
    program.buffers[0], program.buffers[2] = x.ctypes.data, y.ctypes.data
    program.numbers[0] = 2.5
    assert program.run() == 0
    np.testing.assert_array_equal(y, 1 + 2.5 * WEIGHT)
    assert list(program.numbers) == [2.5, 3.5]


def test_an_entry_takes_arrays(program):
    enter = program.entry([X, Y])
    for rate in range(10):  # more than are measured
        x = np.full((2, 3), rate, np.float32)
        y = np.empty((2, 3), np.float32)
        program.numbers[0] = rate
        assert enter(x, y) == 0
        np.testing.assert_array_equal(y, rate + rate * WEIGHT)
    assert [program.buffers[0], program.buffers[2]] == [x.ctypes.data, y.ctypes.data]
    assert program.entry([Y, X])(y, x) == 0
    assert program.entry([X])(x) == 0


class Subclass(np.ndarray):
    """An array of another type."""


def read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


def misaligned() -> np.ndarray:
    return np.zeros(25, np.uint8)[1:].view(np.float32).reshape(2, 3)


REFUSED = {
    "another dtype": np.ones((2, 3)),
    "another byte order": np.ones((2, 3), ">f4"),
    "another shape": np.ones((3, 2), np.float32),
    "more dimensions": np.ones((1, 2, 3), np.float32),
    "fewer dimensions": np.ones(6, np.float32),
    "columns first": np.ones((2, 3), np.float32, order="F"),
    "every second element": np.ones((2, 6), np.float32)[:, ::2],
    "expanded": np.broadcast_to(np.float32(1), (2, 3)),
    "not aligned": misaligned(),
    "a subclass": np.ones((2, 3), np.float32).view(Subclass),
    "a list": [[1, 2, 3], [4, 5, 6]],
    "a number": 1.0,
    "None": None,
}


@pytest.mark.parametrize("kind", REFUSED)
def test_an_array_that_the_program_was_not_made_for_is_refused(program, kind):
    x, y = np.ones((2, 3), np.float32), np.zeros((2, 3), np.float32)
    enter = program.entry([X, Y])
    for arrays in ((REFUSED[kind], y), (x, REFUSED[kind])):
        assert enter(*arrays) is NotImplemented
    assert not y.any()
    assert enter(x, y) == 0


def test_only_what_is_written_must_be_writeable(program):
    one, other = (np.ones((2, 3), np.float32) for _ in range(2))
    enter = program.entry([X, Y])
    assert enter(one, read_only(other)) is NotImplemented
    assert enter(read_only(one), np.empty((2, 3), np.float32)) == 0


def test_arrays_that_lie_where_the_program_writes_are_refused(program):
    memory, y = np.ones(30, np.float32), np.empty((2, 3), np.float32)
    enter = program.entry([X, Y])
    first, size = memory.ctypes.data, memory.itemsize
    program.keep_out([(first, first + 4), (first + 10 * size, first + 12 * size)])
    taken = [enter(memory[i : i + 6].reshape(2, 3), y) == 0 for i in range(24)]
    assert taken == [0 < i <= 4 or i >= 12 for i in range(24)]
    program.keep_out([])
    assert enter(memory[:6].reshape(2, 3), y) == 0


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_number_of_arrays_is_checked(program, count):
    arrays = [np.ones((2, 3), np.float32)] * count
    with pytest.raises((TypeError, ValueError)):
        program.entry([X, Y])(*arrays)


def test_an_entry_takes_no_names(program):
    with pytest.raises(TypeError):
        program.entry([X])(x=np.ones((2, 3), np.float32))


def test_a_step_that_fails_says_why(program):
    x, y = np.full((2, 3), -4, np.float32), np.empty((2, 3), np.float32)
    assert program.entry([X, Y])(x, y) == 1
    assert list(program.error)[:3] == [1, 7, -4]


def test_an_entry_keeps_alive_what_it_needs():
    program = Program(ADD, {"weight": WEIGHT.copy()})
    program.keep_out([(0, 8)] * 1000)
    enter, gone = program.entry([X, Y]), weakref.ref(program)
    del program
    gc.collect()
    assert gone() is None
    x, y = np.ones((2, 3), np.float32), np.empty((2, 3), np.float32)
    assert enter(x, y) == 0
    np.testing.assert_array_equal(y, x)


def test_entries_do_not_leak():
    program = Program(ADD, {"weight": WEIGHT})
    enter = program.entry([X, Y])
    x, y = np.ones((2, 3), np.float32), np.empty((2, 3), np.float32)
    import sys

    before = [sys.getrefcount(thing) for thing in (x, y, F32)]
    for _ in range(100):
        enter(x, y)
        enter(x, None)
    assert [sys.getrefcount(thing) for thing in (x, y, F32)] == before


def test_constants_may_be_of_any_order(program):
    turned = Program(ADD, {"weight": np.asfortranarray(WEIGHT)})
    y = np.empty((2, 3), np.float32)
    turned.numbers[0] = 1
    assert turned.entry([X, Y])(np.zeros((2, 3), np.float32), y) == 0
    np.testing.assert_array_equal(y, WEIGHT)


def test_the_workspace_is_aligned_and_as_long_as_asked():
    body = """
  memset(call->workspace, 1, 1000003);
  call->numbers[0] = (double)((uintptr_t)call->workspace % 64);
"""
    program = Program(step(body, number_outputs=1, workspace=1_000_003), {})
    assert program.run() == 0
    assert program.numbers[0] == 0


def test_c_that_is_wrong_is_a_compile_error():
    with pytest.raises(CompileError, match="nonsense"):
        Program(step("nonsense;"), {})


# ---- many steps ----

RUNNING = step(
    """
  const double *x = call->buffers[0]; double *sum = call->buffers[1], *y = call->buffers[2];
  if (x[0] < 0) return sl_fail(call, SL_DIVISION, 3, 4);
  call->numbers[0] += 1;
  y[0] = sum[0] += x[0];
""",
    inputs=["x", "sum"],
    outputs=[((), np.dtype("float64"))],
    numbers=["steps"],
)


def running() -> tuple[Program, np.ndarray, np.ndarray]:
    program, total, y = Program(RUNNING, {}), np.zeros(()), np.zeros(1000)
    program.buffers[1], program.buffers[2] = total.ctypes.data, y.ctypes.data
    return program, total, y


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 1000])
def test_repeated_steps_move_on(count):
    program, total, y = running()
    x = np.random.default_rng(0).uniform(size=1000)
    program.buffers[0] = x.ctypes.data
    before = list(program.buffers)
    assert program.repeat(count, [8, 0, 8]) == 0
    np.testing.assert_allclose(y[:count], np.cumsum(x[:count]))
    assert not y[count:].any()
    assert total == (y[count - 1] if count else 0)
    assert list(program.buffers) == before
    assert program.numbers[0] == count
    assert program.repeat(count, [8]) == 0
    assert program.numbers[0] == 2 * count


def test_repeated_steps_stop_at_the_first_error():
    program, total, y = running()
    x = np.ones(1000)
    x[37] = -1
    program.buffers[0] = x.ctypes.data
    before = list(program.buffers)
    assert program.repeat(1000, [8, 0, 8]) == 2
    assert list(program.error) == [2, 3, 4, 37]
    assert total == 37
    assert y[36:38].tolist() == [37, 0]
    assert list(program.buffers) == before


def test_a_long_repetition_goes_on_in_pieces():
    """Steps of half a millisecond, so that it is left and entered again many times."""
    body = """
  double *seen = call->buffers[0];
  clock_t end = clock() + CLOCKS_PER_SEC / 2000;
  while (clock() < end) continue;
  seen[0] = ++call->numbers[0];
"""
    program = Program(step(body, "#include <time.h>", inputs=["x"], numbers=["steps"]), {})
    x = np.zeros(700)
    program.buffers[0] = x.ctypes.data
    assert program.repeat(700, [8]) == 0
    assert x.tolist() == list(range(1, 701))


ENDLESS = """
import signal, threading
from streetlight.compile.program import Program
from tests.compile.native import step
program = Program(step("call->numbers[0] += 1;", numbers=["steps"]), {})
threading.Timer(0.3, signal.raise_signal, [signal.SIGINT]).start()
try:
    program.repeat(10**15, [])
except KeyboardInterrupt:
    print("interrupted", program.numbers[0] > 1000)
"""


def test_a_long_repetition_can_be_interrupted():
    assert printed(python(ENDLESS)) == "interrupted True\n"


# ---- threads ----

# Waits until another thread has set buffer 0, or half a minute.
WAIT = """
  volatile float *flag = call->buffers[0];
  time_t end = time(NULL) + 30;
  while (!flag[0]) if (time(NULL) > end) return sl_fail(call, SL_INDEX, 0, 0);
"""


@pytest.mark.parametrize("way", ["entry", "repeat"])
def test_other_threads_go_on_while_a_step_runs(way):
    program = Program(step(WAIT, "#include <time.h>", inputs=["flag"]), {})
    flag, begun = np.zeros(1, np.float32), threading.Event()

    def set_flag() -> None:
        begun.wait()
        flag[0] = 1

    thread = threading.Thread(target=set_flag)
    thread.start()
    program.buffers[0] = flag.ctypes.data
    begun.set()
    code = program.run() if way == "entry" else program.repeat(1, [0])
    thread.join()
    assert code == 0


def test_programs_run_in_several_threads_at_once():
    wrong = []

    def use(seed: int) -> None:
        program = Program(ADD, {"weight": WEIGHT})
        program.numbers[0] = seed
        enter = program.entry([X, Y])
        x, y = np.full((2, 3), seed, np.float32), np.empty((2, 3), np.float32)
        for _ in range(300):
            y[...] = 0
            if enter(x, y) or not np.array_equal(y, seed + seed * WEIGHT):
                wrong.append(seed)

    threads = [threading.Thread(target=use, args=(seed,)) for seed in range(1, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
