"""The book's experiments: their loss, their first weights, and who decides when to stop."""

from __future__ import annotations

import re

import numpy as np
import pytest

import streetlight as sl
from streetlight.projects import book
from streetlight.projects.run_folder import RunFolder, RunOptions


def test_the_squared_error_is_half_the_distance_to_one_hot():
    outputs = np.array([[0.5, 0.2, 0.0], [1.0, -1.0, 2.0]], np.float32)
    wanted = np.array([[1, 0, 0], [0, 0, 1]], np.float32)
    found = book.squared_error(sl.tensor(outputs), sl.tensor([0, 2]))
    assert found.item() == pytest.approx(0.5 * ((outputs - wanted) ** 2).sum() / 2)


@pytest.mark.parametrize("name", list(book.EXPERIMENTS))
def test_networks_are_the_books(name):
    experiment = book.EXPERIMENTS[name]
    first, second = book.prepare(experiment, 0).model.parameters()
    units = 40 if name == "plain" else 100
    assert tuple(first.shape) == (units, 784)
    assert tuple(second.shape) == (10, units)
    assert abs(first.detach().numpy()).max() == pytest.approx(experiment.reach, rel=0.01)
    assert abs(second.detach().numpy()).max() == pytest.approx(0.1, rel=0.05)


def test_one_batch_makes_one_update_of_the_book_s_rule():
    """w += alpha * inputᵀ · (target − output) / n, for each layer, by hand."""
    trainer = book.prepare(book.EXPERIMENTS["plain"], 0)
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


def test_all_five_are_compared_and_what_was_added_is_said(tmp_path, capsys):
    run = RunFolder(tmp_path, {"project": "mnist"})
    book.compare(run, dict.fromkeys(book.BOOK, 0.82), RunOptions())
    said = capsys.readouterr().out
    assert "cut it short" not in said
    assert "The tanh network has pixel dropout of 0.4 added (the book's own recipe" in said


def test_what_is_learnt_and_what_is_watched_never_meet():
    assert not set(book.LEARNT) & set(book.WATCHED)
    assert (len(book.LEARNT), len(book.WATCHED)) == (1_000, 5_000)
