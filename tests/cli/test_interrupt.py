"""Ctrl-C, and going on afterwards as if nothing had happened."""

from __future__ import annotations

import os
import re
import signal
import subprocess

import pytest

from streetlight.interop import load

EPOCHS = "20"


def weights(run):
    """All weights of a run, bit for bit."""
    tensors = load(run / "model.safetensors")
    return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}


@pytest.fixture(scope="module")
def stopped(streetlight, command, tmp_path_factory):
    """A folder with a run that was stopped by Ctrl-C in its fourth epoch or soon after."""
    folder = tmp_path_factory.mktemp("stopped")
    words = ["train", "digits", "--epochs", EPOCHS, "--seed", "1", "--out", "run"]
    with subprocess.Popen(
        [*command, *words], cwd=folder, encoding="utf-8",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONUTF8": "1"},
    ) as process:  # fmt: skip
        for line in process.stdout:
            if line.startswith("epoch 3/"):
                process.send_signal(signal.SIGINT)
                break
        rest, trouble = process.communicate(timeout=120)
    return folder, process.returncode, rest, trouble


def test_ctrl_c_stops_cleanly_and_says_how_to_resume(stopped):
    _, code, rest, trouble = stopped
    assert code == 130
    assert "right:" not in rest
    assert re.search(r"Kept the best model so far \(epoch \d+\) in run/model", trouble)
    assert "streetlight train digits --resume run" in trouble
    assert "Traceback" not in trouble


def test_the_best_model_so_far_can_be_used(streetlight, stopped):
    folder, *_ = stopped
    assert "right:" in streetlight("evaluate", "run", cwd=folder).stdout


def test_a_resumed_run_ends_bit_for_bit_where_the_whole_one_ends(streetlight, stopped):
    folder, *_ = stopped
    resumed = streetlight("train", "digits", "--resume", "run", cwd=folder)
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert "epoch 1/" not in resumed.stdout
    words = ["--epochs", EPOCHS, "--seed", "1", "--out", "whole", "--quiet"]
    assert streetlight("train", "digits", *words, cwd=folder).returncode == 0
    whole = weights(folder / "whole")
    assert weights(folder / "run") == whole
    again = streetlight("train", "digits", "--resume", "whole", cwd=folder)
    assert f"This run is finished, after {EPOCHS} epochs" in again.stdout
    assert weights(folder / "whole") == whole


def in_a_terminal(command, words, folder, **variables):
    """What a terminal is sent by a command."""
    pty = pytest.importorskip("pty", reason="a terminal to look at needs POSIX")
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", **variables}
    with subprocess.Popen(
        [*command, *words], cwd=folder, env=environment, stdout=follower, stderr=follower
    ) as process:
        os.close(follower)
        sent = b""
        while True:
            try:
                piece = os.read(leader, 4096)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            sent += piece
    os.close(leader)
    return process.returncode, sent.decode()


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_terminal_gets_one_live_line_and_no_color_is_honoured(
    command, tmp_path, variables, coloured
):
    words = ["train", "digits", "--epochs", "3", "--out", "run"]
    code, sent = in_a_terminal(command, words, tmp_path, **variables)
    assert code == 0
    assert "\x1b[2K" in sent
    assert "epoch 3/3" in sent
    assert bool(re.search(r"\x1b\[[\d;]*m", sent)) == coloured
    assert "right:" in sent
