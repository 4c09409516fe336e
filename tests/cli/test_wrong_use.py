"""What the command line says, and with which exit code, when it is used wrongly or hindered."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from streetlight.cli import main

SHORT = ("train", "digits", "--epochs", "1", "--quiet")


@pytest.fixture(scope="module")
def folder(streetlight, tmp_path_factory):
    """A folder with a short run in `runs/first`."""
    folder = tmp_path_factory.mktemp("use")
    (folder / "runs").mkdir()
    assert streetlight(*SHORT, "--out", "runs/first", cwd=folder).returncode == 0
    (folder / "file").write_text("in the way")
    foreign = folder / "runs" / "foreign"
    foreign.mkdir()
    (foreign / "run.json").write_text(json.dumps({"project": "poems"}))
    damaged = folder / "runs" / "damaged"
    damaged.mkdir()
    (damaged / "run.json").write_text("{")
    return folder


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("train", "cats"), 2, "No such command 'cats'"),
        (("train", "cats"), 2, "[E501]"),
        (("train", "digits", "--epochs", "0"), 2, "--epochs"),
        (("train", "digits", "--epoch", "1"), 2, "see streetlight train digits --help"),
        ((*SHORT, "--out", ""), 2, "a folder must have a name"),
        ((*SHORT, "--out", "runs"), 2, "runs holds other files"),
        (("train", "digits", "--epochs", "many"), 2, "--epochs"),
        ((*SHORT, "--out", "runs/first"), 2, "runs/first holds a run already"),
        (("evaluate", "runs/fist"), 2, "did you mean runs/first?"),
        (("predict", "file", "x.png"), 2, "file is not the folder of a run"),
        (("evaluate", "runs/foreign"), 2, "is a run of 'poems', which this version does not know"),
        (("evaluate", "runs/damaged"), 1, "is not the record of a run"),
        (("train", "digits", "--resume", "runs/nowhere"), 2, "is not the folder of a run"),
        ((*SHORT, "--seed", "5", "--resume", "runs/first"), 2, "a resumed run keeps its seed"),
        (("train", "digits", "--epochs", "9", "--resume", "runs/first"), 2, "keeps its epochs"),
        ((*SHORT, "--out", "new", "--resume", "runs/first"), 2, "stays in its folder"),
        ((*SHORT, "--out", "file"), 1, "file cannot be made: file exists"),
        ((*SHORT, "--out", "file/new"), 1, "file/new cannot be made: not a directory"),
        (("predict", "runs/first", "runs"), 1, "runs is a folder, not a picture"),
        (("explain", "E999"), 2, "E999"),
    ],
)
def test_it_says_what_is_wrong(streetlight, folder, words, code, text):
    done = streetlight(*words, cwd=folder)
    assert done.returncode == code
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.skipif(sys.platform != "linux", reason="/sys refuses new folders even to root")
def test_a_protected_place_is_named(streetlight):
    done = streetlight(*SHORT, "--out", "/sys/streetlight")
    assert done.returncode == 1
    assert "/sys/streetlight cannot be made: " in done.stderr
    assert "choose another folder" in done.stderr


def test_a_traceback_is_shown_to_those_who_ask(streetlight, folder):
    done = streetlight("evaluate", "runs/damaged", "--traceback", cwd=folder)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "is not the record of a run" in done.stderr


def test_the_package_can_be_run_and_says_its_version(streetlight):
    done = subprocess.run(
        [sys.executable, "-m", "streetlight", "--version"], capture_output=True, text=True
    )
    assert done.stdout == streetlight("--version").stdout
    assert re.fullmatch(r"streetlight \d+\.\d+\.\d+\S*\n", done.stdout)


def test_ctrl_c_in_the_first_moments_is_no_traceback(monkeypatch, capsys):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("streetlight.cli.app.run", interrupted)
    with pytest.raises(SystemExit) as leave:
        main()
    assert leave.value.code == 130
    assert capsys.readouterr().err == "stopped\n"


def test_help_tells_how_many_epochs_there_are(streetlight):
    told = streetlight("train", "digits", "--help", env={"COLUMNS": "200"})
    assert "80 if not given" in told.stdout


def test_without_words_it_shows_what_it_can_do(streetlight):
    done = streetlight()
    assert done.returncode == 2
    assert "train" in done.stdout + done.stderr


def test_a_full_disk_leaves_no_half_written_file(streetlight, tmp_path):
    resource = pytest.importorskip("resource", reason="limits of a process need POSIX")

    def full():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    done = streetlight(*SHORT, "--out", "run", cwd=tmp_path, preexec_fn=full)
    assert done.returncode == 1
    assert "cannot be written: file too large" in done.stderr
    assert "make room on the disk" in done.stderr
    assert "Traceback" not in done.stderr
    assert os.listdir(tmp_path / "run") == ["run.json"]


def test_a_run_that_was_never_trained_cannot_be_asked(streetlight, folder):
    empty = folder / "runs" / "empty"
    empty.mkdir(exist_ok=True)
    (empty / "run.json").write_text(json.dumps({"project": "digits"}))
    done = streetlight("evaluate", "runs/empty", cwd=folder)
    assert done.returncode == 1
    assert "runs/empty has no model yet: its training was interrupted" in done.stderr
    assert "--resume runs/empty" in done.stderr
