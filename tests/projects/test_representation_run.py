"""A whole run of `streetlight train contrastive` on few digits, and what it leaves and says."""

from __future__ import annotations

import csv
import sys
from contextlib import redirect_stdout
from io import StringIO

import numpy as np
import pytest
from PIL import Image

from streetlight import datasets
from streetlight.cli.app import run as streetlight
from streetlight.datasets import handwriting
from streetlight.projects.representation import (
    contrastive,
    drawings,
    efficiency,
    findings,
    report,
)
from streetlight.projects.representation.catalogue import find_task
from streetlight.projects.run_folder import RunFolder, RunOptions
from streetlight.train import History


@pytest.fixture(scope="module")
def few(large_digits):
    """Digits in place of MNIST, and few updates of all that measures: a run takes seconds."""
    small = large_digits(240, 60)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "mnist", lambda: small)
        patch.setattr(contrastive, "COUNTS", (10,))
        patch.setattr(contrastive, "DRAWS", 1)
        patch.setattr(efficiency, "UPDATES", 2)
        patch.setattr(findings, "UPDATES", 20)
        yield small


@pytest.fixture(scope="module")
def trained(few, tmp_path_factory):
    """The folder of a run of two epochs, and what it printed."""
    folder = tmp_path_factory.mktemp("contrastive") / "run"
    printed = StringIO()
    with redirect_stdout(printed):
        assert streetlight(["train", "contrastive", "--epochs", "2", "--out", str(folder)]) == 0
    return folder, printed.getvalue()


def say(capsys, *words):
    """What a command prints, its complaints, and its exit code."""
    capsys.readouterr()
    code = streetlight([str(word) for word in words])
    return *capsys.readouterr(), code


def test_the_folder_holds_model_history_pictures_and_a_table(trained):
    folder, _ = trained
    names = {path.name for path in folder.iterdir()}
    pictures = {"curves.png", "map.png", "neighbours.png", "labels.png"}
    assert names == pictures | {
        "run.json", "model.safetensors", "checkpoint.safetensors", "history.csv", "summary.txt",
        "labels.csv",
    }  # fmt: skip
    for name in pictures:
        assert (folder / name).read_bytes().startswith(b"\x89PNG")
    assert len(History.from_csv(folder / "history.csv")) == 2
    with (folder / "labels.csv").open() as file:
        head, *rows = csv.reader(file)
    assert head[:3] == ["labels", "draw", "linear probe, encoder frozen"]
    assert [row[:2] for row in rows] == [["10", "0"]]


def test_it_is_said_what_was_learnt_and_evaluate_says_it_again(trained, capsys):
    folder, out = trained
    assert out.startswith("Learning 240 handwritten digits without their labels (ntxent), 2 epochs")
    assert "frozen features, test digits   learnt  untrained" in out
    assert "The encoder has seen no label; the probe and the neighbours know 240 labels" in out
    assert "with 10 labels: a linear probe" in out
    again, err, code = say(capsys, "evaluate", folder)
    assert (err, code) == ("", 0)
    for line in again.splitlines():
        assert line in out


def test_a_pretext_shows_its_answers_and_is_resumed_without_naming_it(few, tmp_path, capsys):
    words = ["train", "contrastive", "--pretext", "jigsaw", "--epochs", 1]
    out, _, code = say(capsys, *words, "--out", tmp_path / "run")
    assert code == 0
    assert "without their labels (jigsaw)" in out
    assert "jigsaw: " in out
    assert (tmp_path / "run" / "pretext.png").read_bytes().startswith(b"\x89PNG")
    out, _, code = say(capsys, "train", "contrastive", "--resume", tmp_path / "run")
    assert code == 0
    assert "This run is finished, after 1 epoch" in out


def test_a_loss_with_labels_says_so_at_once(few, tmp_path, capsys):
    run = RunFolder(tmp_path, {"epochs": 3})
    contrastive._announce(find_task("triplet"), run, few[0], RunOptions())
    assert capsys.readouterr().out.startswith(
        "Learning 240 handwritten digits with their labels (triplet), 3 epochs: about "
    )


def test_predict_names_the_most_similar_digits(few, trained, tmp_path, capsys):
    image, _ = few[0][3]
    photo = tmp_path / "photo.png"
    Image.fromarray((255 - image.numpy()[0] * 255).astype(np.uint8)).resize((200, 200)).save(photo)
    out, err, code = say(capsys, "predict", trained[0], photo)
    assert (err, code) == ("", 0)
    first, second = out.splitlines()
    assert first.startswith(f"{photo}: ")
    assert second.startswith("  most like these training digits: ")
    assert len(second.split(":")[1].split(",")) == 10
    _, err, code = say(capsys, "predict", trained[0], tmp_path / "none.png")
    assert code == 1
    assert "none.png cannot be read" in err


def test_wrong_words_are_refused_before_anything_is_learnt(few, trained, tmp_path, capsys):
    words = ["train", "contrastive", "--out", tmp_path / "new"]
    for more, complaint in (
        (["--loss", "ntxend"], "there is no loss 'ntxend'"),
        (["--pretext", "sudoku"], "there is no pretext 'sudoku'"),
        (["--loss", "supcon", "--pretext", "jigsaw"], "are two different tasks"),
    ):
        _, err, code = say(capsys, *words, *more)
        assert code == 2
        assert complaint in err
    _, err, code = say(capsys, "train", "contrastive", "--loss", "supcon", "--resume", trained[0])
    assert code == 2
    assert "a resumed run keeps its command" in err
    assert not (tmp_path / "new").exists()


def test_missing_data_are_told(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(datasets, "mnist", handwriting.mnist)
    monkeypatch.setenv("STREETLIGHT_DATA", str(tmp_path / "gone"))
    _, err, code = say(capsys, "train", "contrastive", "--out", tmp_path / "new")
    assert code == 1
    assert "STREETLIGHT_DATA does not name a folder" in err


def test_without_scikit_learn_all_but_the_map_is_there(few, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    encoder = contrastive.EncoderNetwork("ntxent").build()
    note = report.leave_map(tmp_path, findings.Frozen.of(encoder, *few))
    assert note == (
        'no map.png, for want of scikit-learn: python -m pip install "streetlight[classic]"'
    )
    assert not list(tmp_path.iterdir())


# ---- pictures ----


def texts(figure):
    """All that is written in a figure."""
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def test_the_map_names_each_digit():
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 10
    figure = drawings.embedding_map(rng.normal(size=(40, 2)), labels, "headline", "note")
    assert {"headline", "note", *map(str, range(10))} <= set(texts(figure))
    assert len(figure.axes[0].collections) == 10
    assert len(set(drawings.DIGITS)) == 10


def test_neighbours_of_another_digit_are_framed():
    images = np.zeros((2, 3, 28, 28), np.float32)
    names = np.array([[1, 2, 1], [2, 2, 2]])
    figure = drawings.neighbour_strips(images[:, 0], np.array([1, 2]), images, names, "headline")
    frames = [axes.spines["left"].get_edgecolor() for axes in figure.axes if axes.images]
    wrong = [colour[:3] for colour in frames if colour[0] > 0.7 > 0.5 > colour[2]]
    assert len(frames) == 8
    assert len(wrong) == 1
    assert any("framed: another digit" in text for text in texts(figure))


def test_curves_of_labels_are_named_at_their_ends():
    shares = {way: np.array([[0.5, 0.9], [0.7, 0.92]]) for way in ("probe", "tuned", "new")}
    figure = drawings.efficiency_curves([10, 100], shares, "headline")
    names = {"── probe 91.0 %", "╌╌ tuned 91.0 %", "── new 91.0 %"}
    assert names | {"10", "100"} <= set(texts(figure))
    places = [text.xy[1] for text in figure.axes[0].texts]
    assert len({round(place, 4) for place in places}) == 3
