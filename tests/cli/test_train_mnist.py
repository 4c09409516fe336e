"""`streetlight train mnist` on the real images, shortened."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from streetlight import datasets
from streetlight.train import History

HERE = Path(os.environ.get("STREETLIGHT_DATA", "nowhere")) / "mnist"
pytestmark = pytest.mark.skipif(not HERE.is_dir(), reason="STREETLIGHT_DATA has no mnist folder")


@pytest.fixture(scope="module")
def trained(streetlight, tmp_path_factory):
    """The folder around a run of one epoch on all images, and what was printed."""
    folder = tmp_path_factory.mktemp("mnist")
    done = streetlight("train", "mnist", "--full", "--epochs", 1, "--out", "run", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    return folder, done


def test_one_epoch_of_all_images_is_a_good_beginning(streetlight, trained):
    folder, done = trained
    assert done.stdout.startswith("Learning 60,000 handwritten digits of 28×28 pixels")
    assert float(re.search(r"([\d.]+) % right: [\d,]+ of 10,000", done.stdout)[1]) > 95
    again = streetlight("evaluate", "run", cwd=folder)
    assert again.stdout in done.stdout


def test_the_book_s_experiments_are_not_compared_when_cut_short(streetlight, tmp_path):
    done = streetlight("train", "mnist", "--book", "--epochs", 2, "--out", "run", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    run = tmp_path / "run"
    assert "Not compared with the book, as --epochs cut it short: plain network" in done.stdout
    assert not (run / "book.csv").exists()
    assert not (run / "book.png").exists()
    assert not (run / "overfitting.csv").exists()
    for name in ("plain", "wide", "dropout", "mini-batch", "tanh-softmax"):
        assert len(History.from_csv(run / name / "history.csv")) == 2
    assert streetlight("evaluate", run).stdout in done.stdout


def test_a_run_of_another_project_is_not_resumed(streetlight, tmp_path):
    words = ["train", "digits", "--epochs", 1, "-q", "--out", "run"]
    assert streetlight(*words, cwd=tmp_path).returncode == 0
    done = streetlight("train", "mnist", "--resume", "run", cwd=tmp_path)
    assert done.returncode == 2
    assert "run is a run of digits, not of mnist" in done.stderr


@pytest.mark.parametrize("ways", [("--book", "--full"), ("--cnn", "--full")])
def test_the_ways_exclude_each_other(streetlight, ways):
    done = streetlight("train", "mnist", *ways)
    assert done.returncode == 2
    assert "--book, --full and --cnn are different runs" in done.stderr


def test_photos_of_mnist_digits_are_read(streetlight, trained, photo, tmp_path):
    test = datasets.mnist()[1]
    labels = test.labels[:20].tolist()
    for number, pixels in enumerate(test.images.numpy()[:20, 0]):
        photo(pixels, number % 2 == 0, number).save(tmp_path / f"{number:02}.jpg")
    done = streetlight("predict", trained[0] / "run", *sorted(tmp_path.glob("*.jpg")))
    said = [int(digit) for digit in re.findall(r"\.jpg: (\d)", done.stdout)]
    assert sum(a == b for a, b in zip(said, labels, strict=True)) >= 18
