"""`streetlight train mnist` on the real images, shortened."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from streetlight.train import History

HERE = Path(os.environ.get("STREETLIGHT_DATA", "nowhere")) / "mnist"
pytestmark = pytest.mark.skipif(not HERE.is_dir(), reason="STREETLIGHT_DATA has no mnist folder")


def test_one_epoch_of_all_images_is_a_good_beginning(streetlight, tmp_path):
    done = streetlight("train", "mnist", "--full", "--epochs", 1, "--out", "run", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Learning 60,000 handwritten digits of 28×28 pixels")
    assert float(re.search(r"([\d.]+) % right: [\d,]+ of 10,000", done.stdout)[1]) > 95
    again = streetlight("evaluate", "run", cwd=tmp_path)
    assert again.stdout in done.stdout


def test_the_book_is_compared_experiment_by_experiment(streetlight, tmp_path):
    done = streetlight("train", "mnist", "--book", "--epochs", 2, "--out", "run", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    run = tmp_path / "run"
    rows = [line.split(",") for line in (run / "book.csv").read_text().splitlines()]
    assert rows[0] == ["experiment", "here", "the book"]
    assert [float(row[2]) for row in rows[1:]] == [0.707, 0.811, 0.819, 0.807, 0.870]
    for name, here, book in rows[1:]:
        printed = f"{name} +{100 * float(here):.1f} % +{100 * float(book):.1f} %"
        assert re.search(printed, done.stdout)
    assert min(float(row[1]) for row in rows[1:]) > 0.3
    for name in ("plain", "dropout", "mini-batch", "tanh-softmax"):
        assert len(History.from_csv(run / name / "history.csv")) == 2
    assert (run / "book.png").stat().st_size > 1000
    assert streetlight("evaluate", run).stdout in done.stdout


def test_a_run_of_another_project_is_not_resumed(streetlight, tmp_path):
    words = ["train", "digits", "--epochs", 1, "-q", "--out", "run"]
    assert streetlight(*words, cwd=tmp_path).returncode == 0
    done = streetlight("train", "mnist", "--resume", "run", cwd=tmp_path)
    assert done.returncode == 2
    assert "run is a run of digits, not of mnist" in done.stderr


def test_the_two_ways_exclude_each_other(streetlight):
    done = streetlight("train", "mnist", "--book", "--full")
    assert done.returncode == 2
    assert "--book and --full are two different runs" in done.stderr
