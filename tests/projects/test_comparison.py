"""Methods that are no networks, beside one: what they learn, what is counted, what is left."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from streetlight import datasets
from streetlight.errors import FileAccessError, MissingDependencyError, UsageError
from streetlight.projects import comparison, comparison_pictures, digits
from streetlight.projects.run_folder import RunFolder, RunOptions

pytest.importorskip("sklearn", reason="the methods are scikit-learn's")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A digits run of one epoch."""
    folder = tmp_path_factory.mktemp("compared") / "run"
    digits.train_digits(RunOptions(epochs=1, out=folder, quiet=True))
    return folder


@pytest.fixture(scope="module")
def learnt():
    """The training digits of the package, as rows, and their classes."""
    images, labels = datasets.digits()[0][:]
    return images.flatten(1).numpy(), labels.numpy()


@pytest.fixture(scope="module")
def test():
    """The same of those held out."""
    images, labels = datasets.digits()[1][:]
    return images.flatten(1).numpy(), labels.numpy()


def test_the_table_has_a_line_for_each_kind_and_all_beat_guessing(run, capsys):
    comparison.compare(run)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "1,198 digits to learn from, 599 others to test with"
    table = [line.partition("  ")[0] for line in lines[3:8]]
    assert table == ["network", "counting", "nearest neighbours", "k-means", "growing clusters"]
    assert {comparison.KINDS[name] for name in table} >= {
        ("yes", "yes"), ("yes", "no"), ("no", "yes"), ("no", "no"),
    }  # fmt: skip
    rows = [line.split(",") for line in (run / "comparison.csv").read_text().splitlines()]
    assert [row[0] for row in rows[1:]] == table
    shares = {row[0]: float(row[4]) for row in rows[1:]}
    assert min(shares.values()) > 0.5
    assert shares["nearest neighbours"] > 0.97
    assert (run / "comparison.png").read_bytes().startswith(b"\x89PNG")


def test_counting_is_counting(learnt, test):
    """Bayes' rule over counts of ink with one added, by hand."""
    pictures, labels = learnt
    ink, asked = pictures > 0.5, test[0] > 0.5
    scores = []
    for digit in range(10):
        own = ink[labels == digit]
        share = (own.sum(axis=0) + 1) / (len(own) + 2)
        logs = np.where(asked, np.log(share), np.log(1 - share)).sum(axis=1)
        scores.append(logs + np.log(len(own) / len(labels)))
    expected = float((np.argmax(scores, axis=0) == test[1]).mean())
    method = comparison.classic_methods(0, pictures)["counting"]
    row = comparison.measure("counting", method, learnt, test)
    assert row.accuracy == expected
    assert row.numbers == 10 * 65


def test_clusters_see_no_label_and_are_named_by_the_most():
    class Halves:
        def fit_predict(self, pictures):
            return self.predict(pictures)

        def predict(self, pictures):
            return (pictures[:, 0] > 0.5).astype(np.int64)

    pictures = np.array([[0.0], [0.1], [0.2], [0.9], [1.0]])
    clusters = comparison.NamedClusters(Halves()).fit(pictures, np.array([3, 3, 7, 7, 7]))
    assert clusters.counts[:, [3, 7]].tolist() == [[2, 1], [0, 2]]
    assert clusters.counts.sum() == 5
    assert clusters.predict(np.array([[0.3], [0.8]])).tolist() == [3, 7]


def test_what_is_not_parametric_grows_with_the_data(learnt, test):
    few = learnt[0][:300], learnt[1][:300]
    kept = {}
    for part in (few, learnt):
        for name, method in comparison.classic_methods(0, part[0]).items():
            kept.setdefault(name, []).append(comparison.measure(name, method, part, test).numbers)
    for name, (before, after) in kept.items():
        assert (after > before) == (comparison.KINDS[name][1] == "no"), name


def test_the_seed_decides_where_k_means_begins(learnt):
    def centres(seed):
        method = comparison.classic_methods(seed, learnt[0])["k-means"]
        return method.fit(*learnt).clusterer.cluster_centers_.tolist()

    assert centres(1) == centres(1)
    assert centres(1) != centres(2)


def test_the_book_s_runs_are_compared_on_its_thousand_images(monkeypatch, tmp_path, learnt):
    monkeypatch.setattr(datasets, "mnist", datasets.digits)
    whole, book = ({"project": "mnist", "part": part} for part in ("full", "book"))
    assert len(comparison._digits(RunFolder(tmp_path, whole))[0][0]) == 1198
    assert len(comparison._digits(RunFolder(tmp_path, book))[0][0]) == 1000


def test_clusters_are_drawn_in_the_order_of_their_names():
    random = np.random.default_rng(0)
    counts = np.eye(10, dtype=np.int64)[::-1] * 8 + 1
    tiles = random.random((10, 16))
    figure = comparison_pictures.insides(tiles, counts, tiles, random.normal(size=(3, 16)), "t")
    titles = [axes.get_title() for axes in figure.axes[:10]]
    assert titles == [f"“{digit}”" for digit in range(10)]
    first = np.asarray(figure.axes[0].images[0].get_array())
    np.testing.assert_array_equal(first.ravel(), tiles[9])
    heights = [bar.get_height() for bar in figure.axes[10].patches]
    assert heights == pytest.approx([9 / 18, *[1 / 18] * 9])


def test_only_trained_runs_of_digits_are_compared(tmp_path):
    RunFolder.begin("table", "t", RunOptions(out=tmp_path / "table"), 1)
    with pytest.raises(UsageError, match="run of table, and only runs of digits are compared"):
        comparison.compare(tmp_path / "table")
    RunFolder.begin("digits", "d", RunOptions(out=tmp_path / "new"), 1)
    with pytest.raises(FileAccessError, match="has no model yet"):
        comparison.compare(tmp_path / "new")


def test_without_scikit_learn_it_says_how_to_get_it(monkeypatch, learnt):
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    with pytest.raises(MissingDependencyError, match="needs scikit-learn") as caught:
        comparison.classic_methods(0, learnt[0])
    assert 'python -m pip install "streetlight[classic]"' in str(caught.value)
