"""The book's experiments: their loss, their first weights, and who decides when to stop."""

from __future__ import annotations

import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.text import Text

import streetlight as sl
from streetlight import nn
from streetlight.projects import book, book_story
from streetlight.projects import book_experiments as experiments
from streetlight.projects.book_story import Outcome, Watch
from streetlight.projects.run_folder import RunFolder, RunOptions


def test_the_squared_error_is_half_the_distance_to_one_hot():
    outputs = np.array([[0.5, 0.2, 0.0], [1.0, -1.0, 2.0]], np.float32)
    wanted = np.array([[1, 0, 0], [0, 0, 1]], np.float32)
    found = experiments.squared_error(sl.tensor(outputs), sl.tensor([0, 2]))
    assert found.item() == pytest.approx(0.5 * ((outputs - wanted) ** 2).sum() / 2)


SHAPES = {"plain": [(40, 784), (10, 40)], "convolution": [(16, 1, 3, 3), (10, 10_816)]}


@pytest.mark.parametrize("name", list(experiments.EXPERIMENTS))
def test_networks_are_the_books(name):
    experiment = experiments.EXPERIMENTS[name]
    weights = list(experiments.prepare(experiment, 0).model.parameters())
    shapes = SHAPES.get(name, [(100, 784), (10, 100)])
    assert [tuple(weight.shape) for weight in weights] == shapes
    first, second = (abs(weight.detach().numpy()).max() for weight in weights)
    assert first == pytest.approx(experiment.reach, rel=0.05)
    assert second == pytest.approx(0.1, rel=0.05)


def test_with_and_without_dropout_all_else_is_the_same():
    wide, dropout = (experiments.EXPERIMENTS[name] for name in ("wide", "dropout"))
    network = replace(wide.network, dropout=0.5)
    assert dropout == replace(wide, title="with dropout", network=network)


def test_one_batch_makes_one_update_of_the_book_s_rule():
    """w += alpha * inputᵀ · (target − output) / n, for each layer, by hand."""
    trainer = experiments.prepare(experiments.EXPERIMENTS["plain"], 0)
    first, second = (p.detach().numpy().copy() for p in trainer.model.parameters())
    images = np.random.default_rng(0).random((4, 1, 28, 28)).astype(np.float32)
    labels = np.array([3, 1, 4, 1])
    trainer.fit([(sl.tensor(images), sl.tensor(labels))], quiet=True)
    pixels = images.reshape(4, 784)
    hidden = np.maximum(pixels @ first.T, 0)
    off = (np.eye(10, dtype=np.float32)[labels] - hidden @ second.T) / 4
    back = (off @ second) * (hidden > 0)
    new_first, new_second = (p.detach().numpy() for p in trainer.model.parameters())
    np.testing.assert_allclose(new_first, first + 0.005 * back.T @ pixels, atol=1e-6)
    np.testing.assert_allclose(new_second, second + 0.005 * off.T @ hidden, atol=1e-6)


def test_only_what_ran_in_full_is_compared_with_the_book(tmp_path, capsys):
    run = RunFolder(tmp_path, {"project": "mnist"})
    book.compare(run, {"with dropout": 0.82, "in mini-batches": 0.8}, RunOptions())
    said = capsys.readouterr().out
    assert "cut it short: plain network to the end, the same stopped in time, tanh and" in said
    assert re.search(r"with dropout +82\.0 % +81\.9 %\nin mini-batches +80\.0 % +80\.7 %\n", said)
    assert "pixel dropout" not in said
    assert (tmp_path / "book.csv").read_text().splitlines()[1:] == [
        "with dropout,0.8200,0.819", "in mini-batches,0.8000,0.807",
    ]  # fmt: skip
    assert (tmp_path / "book.png").read_bytes().startswith(b"\x89PNG")


def test_all_are_compared_and_what_was_added_is_said(tmp_path, capsys):
    run = RunFolder(tmp_path, {"project": "mnist"})
    book.compare(run, dict.fromkeys(book.BOOK, 0.82), RunOptions())
    said = capsys.readouterr().out
    assert "cut it short" not in said
    assert "Added to the book's recipes: tanh and softmax has pixel dropout of 0.4 (86.5 %" in said
    assert "; convolution has images that are turned, moved and bent (85.8 % without)." in said


def test_what_is_learnt_and_what_is_watched_never_meet():
    assert not set(experiments.LEARNT) & set(experiments.WATCHED)
    assert (len(experiments.LEARNT), len(experiments.WATCHED)) == (1_000, 5_000)


def outcome(title, test, kept, learnt=(0.5, 0.9, 1.0)):
    """One that looked after epochs 5, 10 and 15."""
    curves = {"epoch": [5, 10, 15], "training": list(learnt), "test": test}
    return Outcome(title, curves, kept, 0.86)


def test_the_watch_looks_at_both_sets_and_changes_nothing():
    sl.manual_seed(0)
    model = nn.Sequential(nn.Dropout(0.5), nn.Flatten(), nn.Linear(4, 10))
    images, labels = sl.eye(4).reshape(4, 1, 2, 2), sl.arange(4)
    watch = Watch((images, labels), (images[:3], labels[1:]), every=2)
    model[2].weight.detach().numpy()[:] = 9 * np.eye(10, 4)
    for epoch in (1, 2, 3, 4):
        watch.on_epoch_end(SimpleNamespace(model=model, epoch=epoch))
    assert watch.curves == {"epoch": [2, 4], "training": [1.0, 1.0], "test": [0.0, 0.0]}
    assert model.training
    again = Watch((images, labels), (images, labels))
    again.load_state_dict(watch.state_dict())
    assert again.curves == watch.curves


def test_an_outcome_tells_end_and_peak():
    found = outcome("plain network", [0.7, 0.88, 0.82], 10)
    assert (found.learnt, found.end, found.highest) == (1.0, 0.82, (0.88, 10))


def test_the_story_is_one_table_and_one_picture(tmp_path, capsys):
    run = RunFolder(tmp_path, {"project": "mnist"})
    found = {name: outcome(name, [0.7, 0.88, 0.82], 10) for name in book_story.CHAPTER_8}
    book_story.tell(run, found, RunOptions())
    said = capsys.readouterr().out
    assert re.search(r"plain +100 % +82\.0 % +86\.0 % +88\.0 %\n", said)
    lines = (tmp_path / "overfitting.csv").read_text().splitlines()
    assert lines[1] == "plain,1.0000,0.8200,10,0.8600,10,0.8800"
    assert len(lines) == 5
    assert (tmp_path / "overfitting.png").read_bytes().startswith(b"\x89PNG")


def test_a_story_cut_short_is_not_told(tmp_path, capsys):
    run = RunFolder(tmp_path, {"project": "mnist"})
    book_story.tell(run, {}, RunOptions())
    assert capsys.readouterr().out == ""
    book_story.tell(run, {"plain": outcome("plain network", [0.7, 0.8, 0.9], 5)}, RunOptions())
    assert "plain network" in capsys.readouterr().out
    assert not (tmp_path / "overfitting.png").exists()


def test_the_picture_draws_a_panel_for_each_with_what_stopping_keeps():
    first = outcome("plain network", [0.7, 0.88, 0.82], 10)
    figure = book_story.overfitting([first, outcome("with dropout", [0.6, 0.8, 0.85], 15)])
    assert len(figure.axes) == 2
    words = {text.get_text() for text in figure.findobj(Text)}
    assert {"plain network", "with dropout", "82.0 %", "85.0 %", "86.0 %"} <= words
    assert any("6.0 points are lost on new images" in word for word in words)


def test_only_the_plain_network_is_compared_twice():
    found = {
        "plain": outcome("plain network", [0.7, 0.88, 0.82], 10),
        "wide": outcome("wider, no dropout", [0.7, 0.88, 0.82], 10),
        "convolution": outcome("convolution", [0.7, 0.88, 0.82], 10),
    }
    assert book.beside_the_book(found) == {
        "plain network to the end": 0.82, "the same stopped in time": 0.86, "convolution": 0.86,
    }  # fmt: skip
