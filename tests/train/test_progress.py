"""Progress: one live line in a terminal, none of it in a pipe, no flood in a notebook."""

import os
import re
import subprocess
import sys
import time
from types import ModuleType, SimpleNamespace

import pytest

from streetlight.train import Callback

JOB = """
import time
import numpy as np
from streetlight import nn, optim
from streetlight.train import Callback, Trainer
from streetlight.utils.data import DataLoader, TensorDataset

class Slow(Callback):
    def on_batch_end(self, trainer):
        time.sleep(0.01)

x = np.ones((40, 2), np.float32)
loader = DataLoader(TensorDataset(x, np.zeros(40, np.int64)), 2)
model = nn.Linear(2, 2)
trainer = Trainer(model, optim.SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss(), ["accuracy"])
began = time.perf_counter()
trainer.fit(loader, loader, epochs=3, callbacks=[Slow()])
print("seconds", time.perf_counter() - began)
"""
LINE = re.compile(
    r"epoch (\d+)/3  loss 0\.\d{4}  accuracy [01]\.\d{4}  "
    r"validation loss 0\.\d{4}  validation accuracy [01]\.\d{4}  \d+\.\d s"
)


def in_terminal(**environment):
    """What the job writes when its standard output is a terminal."""
    pty = pytest.importorskip("pty", reason="the system has no pseudo-terminals")
    ours, theirs = pty.openpty()
    names = {"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "30"}
    clean = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "CI", "FORCE_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-c", JOB], stdout=theirs, env=clean | names | environment
    )
    os.close(theirs)
    data = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not piece:
            break
        data += piece
    os.close(ours)
    assert process.wait() == 0
    return data.decode()


def test_a_terminal_has_one_live_line():
    text = in_terminal()
    seconds = float(re.search(r"seconds (\S+)", text)[1])
    live = text[: text.index("seconds")]
    assert live.count("\n") <= 2  # all redraws are of the same line
    redraws = live.count(" left  loss")
    assert 2 <= redraws <= 10 * seconds + 1
    assert re.search(r"epoch 2/3 .*\d:\d\d left  loss 0\.\d{4}  accuracy [01]\.\d{4}  valid", live)
    assert re.search(r"epoch 3/3 .*took 0:0\d  loss 0\.\d{4}", live)
    assert "\x1b[?25h" in live  # the cursor is back
    assert re.search(r"\x1b\[36m━", live)  # colour


def test_a_narrow_terminal_has_the_figures_of_the_validation():
    live = in_terminal(COLUMNS="80")
    assert re.search(r" 0:0\d left  loss 0\.\d{4}  val loss 0\.\d{4}  val acc [01]\.\d{4}", live)
    assert "…" not in live


def test_no_color_is_honoured():
    text = in_terminal(NO_COLOR="1")
    assert " left  loss" in text
    assert not re.search(r"\x1b\[[\d;]*[349]\d[\d;]*m", text)


def test_a_terminal_without_abilities_gets_plain_lines():
    text = in_terminal(TERM="dumb")
    assert "\x1b" not in text
    assert [m[1] for m in map(LINE.fullmatch, text.splitlines()) if m] == ["1", "2", "3"]


def test_a_pipe_gets_one_plain_line_per_epoch():
    narrow = {**os.environ, "COLUMNS": "40"}  # lines are for programs too, and so never wrapped
    process = subprocess.run(
        [sys.executable, "-c", JOB], capture_output=True, text=True, env=narrow
    )
    *lines, last = process.stdout.splitlines()
    assert [LINE.fullmatch(line)[1] for line in lines] == ["1", "2", "3"]
    assert last.startswith("seconds")
    assert process.stderr == ""


def test_quiet_says_nothing(problem, capfd):
    made = problem.make()
    made.trainer.fit(made.training, made.validation, epochs=2, quiet=True)
    assert capfd.readouterr() == ("", "")


class Slow(Callback):
    def on_batch_end(self, trainer):
        time.sleep(0.005)


@pytest.fixture
def notebook(monkeypatch):
    """Stands in for IPython in a notebook: what is displayed and how often it is updated."""
    shown = []

    def display(data, raw, display_id):
        shown.append(data["text/plain"])
        return SimpleNamespace(update=lambda data, raw: shown.append(data["text/plain"]))

    shell = type("ZMQInteractiveShell", (), {})()
    ipython, inner = ModuleType("IPython"), ModuleType("IPython.display")
    ipython.get_ipython, inner.display = lambda: shell, display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", inner)
    return shown


def test_a_notebook_is_not_flooded(problem, notebook, capfd):
    made = problem.make()
    began = time.perf_counter()
    made.trainer.fit(made.training, epochs=10, callbacks=[Slow()])
    seconds = time.perf_counter() - began
    assert capfd.readouterr() == ("", "")  # one display, replaced in place
    assert notebook[0] == ""
    assert 2 <= len(notebook) <= 10 * seconds + 2
    assert re.match(r"epoch \d+/10  \d:\d\d left  loss 0\.\d{4}  accuracy 0\.", notebook[1])
    assert re.match(r"epoch 10/10  took 0:0\d  loss", notebook[-1])


def test_a_run_that_stops_early_ends_with_its_last_epoch(problem, notebook):
    class Stop(Callback):
        def on_epoch_end(self, trainer):
            if trainer.epoch == 3:
                trainer.stop()

    made = problem.make()
    assert len(made.trainer.fit(made.training, epochs=10, callbacks=[Stop()])) == 3
    assert notebook[-1].startswith("epoch 3/10  took")


def test_the_live_line_is_closed_after_an_error(problem, notebook):
    class Break(Callback):
        def on_batch_end(self, trainer):
            raise RuntimeError

    made = problem.make()
    with pytest.raises(RuntimeError):
        made.trainer.fit(made.training, callbacks=[Break()])
    assert notebook == [""]
    assert made.trainer.fit(made.training).interrupted is False


def test_ipython_in_a_terminal_is_no_notebook(problem, notebook, monkeypatch, capsys):
    shell = type("TerminalInteractiveShell", (), {})()
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: shell)
    made = problem.make()
    made.trainer.fit(made.training)
    assert notebook == []
    assert capsys.readouterr().out.startswith("epoch 1/1  loss")
