"""Run folders: begun, opened, resumed, and refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from streetlight.errors import FileAccessError, FileFormatError, UnknownNameError, UsageError
from streetlight.projects.run_folder import RunFolder, RunOptions


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def begin(project="digits", epochs=10, part=None, **options):
    extra = {"part": part} if part else {}
    command = f"streetlight train {project}"
    return RunFolder.begin(project, command, RunOptions(**options), epochs, **extra)


def test_a_new_run_gets_a_folder_and_keeps_its_settings():
    run = begin()
    assert re.fullmatch(r"runs/digits-\d{4}-\d\d-\d\d-\d{6}", run.path.as_posix())
    assert RunFolder.open(run.path).settings == {
        "project": "digits", "command": "streetlight train digits", "seed": 0, "epochs": 10,
    }  # fmt: skip
    assert run.project == "digits"
    assert run.top == run.path


def test_runs_of_one_second_do_not_meet():
    paths = [begin().path for _ in range(3)]
    assert len(set(paths)) == 3


def test_what_the_user_chooses_goes_first():
    run = begin(seed=7, epochs=10, out=Path("here/mine"))
    assert run.path == Path("here/mine")
    assert run.settings["seed"] == 7
    assert begin(out=Path("long"), epochs=3).settings["epochs"] == 3


def test_a_folder_with_other_things_in_it_is_left_alone():
    Path("mine").mkdir()
    Path("mine/curves.png").write_text("keep me")
    with pytest.raises(UsageError, match="mine holds other files") as caught:
        begin(out=Path("mine"))
    assert "such as --out mine/digits" in str(caught.value)
    assert [path.name for path in Path("mine").iterdir()] == ["curves.png"]
    Path("mine/curves.png").unlink()
    assert begin(out=Path("mine")).path == Path("mine")


def test_a_run_is_never_overwritten():
    begin(out=Path("mine"))
    with pytest.raises(UsageError, match="mine holds a run already") as caught:
        begin(out=Path("mine"))
    assert "--resume mine" in str(caught.value)


def test_resuming_opens_the_run_with_its_own_settings():
    begin(out=Path("mine"), seed=3, epochs=4)
    for options in ({}, {"seed": 3}, {"out": Path("mine")}):
        assert begin(resume=Path("mine"), **options).settings["seed"] == 3


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"project": "mnist"}, "mine is a run of digits, not of mnist"),
        ({"seed": 4}, "a resumed run keeps its seed"),
        ({"part": "book"}, "a resumed run keeps its part"),
        ({"out": Path("other")}, "a resumed run stays in its folder"),
    ],
)
def test_a_run_is_not_resumed_as_another_one(options, text):
    begin(out=Path("mine"), seed=3, part="full")
    with pytest.raises(UsageError, match=text):
        begin(resume=Path("mine"), **options)


def test_an_unknown_run_is_answered_with_near_ones():
    for name in ("apple", "pear"):
        begin(out=Path("runs") / name)
    with pytest.raises(UnknownNameError, match=r"did you mean runs/apple\?"):
        RunFolder.open("runs/aple")
    with pytest.raises(UnknownNameError, match="name a run, such as runs/apple, runs/pear"):
        RunFolder.open("somewhere")
    Path("runs").rename("gone")
    with pytest.raises(UnknownNameError, match="begin with `streetlight train digits`"):
        RunFolder.open("/nowhere/at/all")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"project": 3}', "\x00"])
def test_a_damaged_record_is_told(text):
    Path("mine").mkdir()
    Path("mine/run.json").write_text(text)
    with pytest.raises(FileFormatError, match=r"mine/run\.json is not the record of a run"):
        RunFolder.open("mine")


def test_a_file_in_the_way_is_told():
    Path("file").write_text("")
    with pytest.raises(FileAccessError, match="file cannot be made: file exists") as caught:
        begin(out=Path("file"))
    assert "fix:  choose another folder\n" in str(caught.value)
    with pytest.raises(FileAccessError, match="file/new cannot be made: not a directory"):
        begin(out=Path("file/new"))


def test_a_part_has_its_own_files_and_resumes_through_the_whole():
    part = begin(out=Path("mine")).part("dropout", 50)
    assert part.model == Path("mine/dropout/model.safetensors")
    assert part.settings["epochs"] == 50
    assert part.top == Path("mine")
    assert json.loads(Path("mine/run.json").read_text())["epochs"] == 10


def test_a_run_without_a_model_is_one_to_go_on_with():
    run = begin(out=Path("mine"))
    with pytest.raises(FileAccessError, match="mine has no model yet: its training was") as caught:
        run.check_trained()
    assert "streetlight train digits --resume mine" in str(caught.value)
    run.model.write_text("here")
    run.check_trained()


def test_quiet_runs_say_nothing(capsys):
    RunOptions(quiet=True).say("hello")
    RunOptions().say("there")
    assert capsys.readouterr().out == "there\n"
