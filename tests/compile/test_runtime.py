"""The runtime of compiled programs: its threads, its random words, its way into arrays."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from tests.compile.native import printed, python, step

from streetlight.compile.program import Program
from streetlight.compile.runtime import runtime, thread_count
from streetlight.random import Generator

# Counts in buffer 0 how often each number of 0..count was visited, notes in buffer 1 where each
# part began, and starts a region within the region.
REGION = """
typedef struct { int64_t *visits, *begins; int64_t count; } data;
static void inner(const void *context, int64_t begin, int64_t end) {
  int64_t *visits = (int64_t *)context;
  for (int64_t i = begin; i < end; i++) visits[i]++;
}
static void task(const void *context, int64_t begin, int64_t end) {
  const data *d = context;
  for (int64_t i = begin; i < end; i++) d->begins[i] = begin;
  sl_parallel(inner, d->visits + begin, end - begin);
}
"""
BODY = """
  data d = {call->buffers[0], call->buffers[1], (int64_t)call->numbers[0]};
  for (int64_t i = 0; i < (int64_t)call->numbers[1]; i++) sl_parallel(task, &d, d.count);
"""


@pytest.fixture
def threads() -> Iterator[None]:
    before = runtime().threads
    yield
    runtime().set_threads(before)


def region() -> Program:
    return Program(step(BODY, REGION, inputs=["visits", "begins"], numbers=["count", "times"]), {})


def visited(program: Program, count: int, times: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """How often each number was visited, and where the part began in which it was."""
    arrays = np.zeros(max(count, 1), np.int64), np.zeros(max(count, 1), np.int64)
    program.buffers[:] = [array.ctypes.data for array in arrays]
    program.numbers[:] = [count, times]
    assert program.run() == 0
    return arrays[0][:count], arrays[1][:count]


@pytest.mark.parametrize("number", [1, 2, 3, 8, 32])
def test_each_number_is_visited_once_in_parts_of_equal_size(threads, number):
    runtime().set_threads(number)
    program = region()
    for count in (0, 1, 2, 3, 7, 8, 31, 32, 33, 1000):
        for _ in range(5):
            visits, begins = visited(program, count)
            assert (visits == 1).all()
            sizes = np.unique(begins, return_counts=True)[1]
            assert len(sizes) == min(count, number)
            assert np.ptp(sizes) <= 1 if count else True


def test_many_regions_one_after_the_other(threads):
    runtime().set_threads(3)
    visits, _ = visited(region(), 100, times=20_000)
    assert (visits == 20_000).all()


def test_workers_that_sleep_are_woken(threads):
    runtime().set_threads(2)
    program = region()
    for _ in range(20):
        assert (visited(program, 10)[0] == 1).all()
        threading.Event().wait(0.002)  # ten times as long as they stay awake


def test_threads_of_python_share_the_pool(threads):
    runtime().set_threads(3)
    wrong = []

    def use() -> None:
        program = region()
        for _ in range(20):
            visits, _ = visited(program, 1000, times=200)
            wrong.extend(visits[visits != 200])

    users = [threading.Thread(target=use) for _ in range(4)]
    for user in users:
        user.start()
    for _ in range(50):
        runtime().set_threads(2)
        runtime().set_threads(3)
    for user in users:
        user.join()
    assert not wrong


def test_the_number_of_threads_is_kept_within_limits(threads):
    for asked, given in [(0, 1), (-3, 1), (5, 5), (1000, 32)]:
        runtime().set_threads(asked)
        assert runtime().threads == given


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no affinity on this system")
def test_the_number_of_threads_is_that_of_numpy(monkeypatch):
    for name in ("STREETLIGHT_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    cores = len(os.sched_getaffinity(0))
    assert thread_count() == cores
    for wrong in ("", "many", "0", "-1", "1,2"):
        monkeypatch.setenv("OMP_NUM_THREADS", wrong)
        assert thread_count() == cores
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert thread_count() == 1
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", str(cores + 5))
    assert thread_count() == cores
    monkeypatch.setenv("STREETLIGHT_NUM_THREADS", "1")
    assert thread_count() == 1


# ---- processes ----

SETUP = """
import os, sys, threading
import numpy as np
from tests.compile.test_runtime import region, visited
from streetlight.compile.runtime import runtime
runtime().set_threads(3)
program = region()
def works():
    return bool((visited(program, 100, times=50)[0] == 50).all())
def tasks():
    return len(os.listdir("/proc/self/task"))
"""

FORK = """
import multiprocessing
before = tasks()
print(works(), tasks() > before)
def child(results):
    results.put((works(), tasks()))
context = multiprocessing.get_context("fork")
results = context.Queue()
children = [context.Process(target=child, args=(results,)) for _ in range(3)]
for process in children:
    process.start()
print(*(results.get()[0] for _ in children))
for process in children:
    process.join()
print(*(process.exitcode for process in children), works())
"""

FORK_IN_A_REGION = """
stop = False
def use():
    other = region()
    while not stop:
        visited(other, 1000, times=100)
users = [threading.Thread(target=use) for _ in range(2)]
for user in users:
    user.start()
for _ in range(20):
    child = os.fork()
    if not child:
        os._exit(0 if works() else 1)
    print(os.waitpid(child, 0)[1], end=" ")
stop = True
for user in users:
    user.join()
print(works())
"""

needs_tasks = pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="needs Linux's /proc")


@needs_tasks
def test_forked_workers_have_pools_of_their_own():
    out = printed(python(SETUP + FORK)).splitlines()
    assert out == ["True True", "True True True", "0 0 0 True"]


@needs_tasks
def test_a_fork_while_others_are_at_work():
    code = "import warnings\nwarnings.simplefilter('ignore', DeprecationWarning)\n"
    assert printed(python(code + SETUP + FORK_IN_A_REGION)) == "0 " * 20 + "True\n"


@needs_tasks
def test_no_worker_is_there_when_a_process_has_been_forked():
    before, after = "before = tasks()\nworks()\n", "os.wait()\nprint(tasks() - before)"
    assert printed(python(f"{SETUP}{before}if not os.fork(): os._exit(0)\n{after}")) == "0\n"


@needs_tasks
def test_processes_end_while_workers_sleep_or_wait():
    for pause in ("0", "0.05"):
        code = f"import time\nprint(works())\ntime.sleep({pause})"
        assert printed(python(SETUP + code)) == "True\n"


def test_signals_are_left_to_python():
    code = """
import signal, time
signal.signal(signal.SIGUSR1, lambda *_: print("seen by", threading.current_thread().name))
works()
os.kill(os.getpid(), signal.SIGUSR1)
works()
"""
    assert printed(python(SETUP + code)) == "seen by MainThread\n"


# ---- random words ----


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 31, 1000, 100_001])
def test_random_words_are_those_of_the_generator(count):
    body = "sl_random_words(call->generators[0], call->buffers[0], (int64_t)call->numbers[0]);"
    program = Program(step(body, inputs=["words"], numbers=["count"], generators=1), {})
    mine, numpys = Generator().manual_seed(3), Generator().manual_seed(3)
    for _ in range(3):
        words = np.zeros(count + 1, np.uint32)
        program.buffers[0] = words.ctypes.data
        program.numbers[0] = count
        program.states[0] = mine._bits.ctypes.state_address
        assert program.run() == 0
        np.testing.assert_array_equal(words[:count], numpys.words(count))
        assert words[count] == 0
        assert mine.state() == numpys.state()
    np.testing.assert_array_equal(mine.normal((3,)), numpys.normal((3,)))


# ---- arrays ----


def test_c_finds_in_arrays_what_numpy_says():
    assert runtime().reads_arrays
    fortran = np.zeros((3, 4), np.int16, order="F")
    for array in (fortran, fortran[1:, ::2], np.array(5.0), np.ones(3, ">i8")):
        assert runtime()._reads(array)


def test_an_array_that_c_reads_wrongly_is_noticed():
    class Liar:
        """Says of itself what is not so."""

        ndim, shape, dtype = 1, (3,), np.dtype("float32")
        ctypes, flags = np.ones(3).ctypes, np.ones(3).flags

    assert not runtime()._reads(Liar())
