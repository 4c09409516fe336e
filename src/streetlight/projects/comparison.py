"""Four ways to learn the same digits: with labels or without, with weights or by keeping examples.

A method is supervised if it is told what each picture shows, and parametric if the number of its
parameters is fixed before it sees any. A trained network is set beside methods of each kind, which
are scikit-learn's: `streetlight compare RUN`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from streetlight import datasets
from streetlight.errors import MissingDependencyError, UsageError
from streetlight.interop import atomic_write
from streetlight.projects import comparison_pictures, images
from streetlight.projects.book_experiments import LEARNT
from streetlight.projects.image_network import load_network
from streetlight.projects.judgement import judge
from streetlight.projects.pictures import save_figure
from streetlight.projects.run_folder import RunFolder
from streetlight.projects.words import percent
from streetlight.train import History

INSTALL = 'python -m pip install "streetlight[classic]"'
CLUSTERS, STARTS, NEIGHBOURS, INK, REACH = 10, 4, 3, 0.5, 0.7
KINDS = {  # supervised, parametric
    "network": ("yes", "yes"),
    "counting": ("yes", "see below"),
    "nearest neighbours": ("yes", "no"),
    "k-means": ("no", "yes"),
    "growing clusters": ("no", "no"),
}
HEADINGS = (
    "method", "supervised", "parametric", "labels used",
    "test accuracy", "s to learn", "s to answer", "numbers kept",
)  # fmt: skip
NOTES = """\
supervised: told what each picture shows. Clusters are found without being told; only then does each
  get the name of the digit that most of its pictures show.
parametric: the number of its parameters is fixed before it sees a picture; otherwise they decide
  it: nearest neighbours keeps all of them, growing clusters begin anew with what is far from each.
counting: for each digit, how often each pixel has ink (naive Bayes). Nothing is tuned, so the book
  calls it non-parametric; the number of its counts is fixed, so the field calls it parametric."""


Labelled = tuple[NDArray[np.float32], NDArray[np.int64]]  # pictures as rows, and their classes


class Method(Protocol):
    """What learns from pictures and their classes, and then names others."""

    def fit(self, pictures: NDArray[np.float32], labels: NDArray[np.int64]) -> Any:
        """Learn from pictures (n, pixels) and their classes (n,)."""

    def predict(self, pictures: NDArray[np.float32]) -> NDArray[np.int64]:
        """Name each of the pictures (n, pixels)."""


class NamedClusters:
    """Clusters found without labels, each named afterwards by what most of its pictures show.

    Attributes:
        clusterer: scikit-learn's, with `fit_predict` and `predict`.
        counts: (clusters, 10) how many training pictures of each digit a cluster holds.
    """

    def __init__(self, clusterer: Any) -> None:
        self.clusterer = clusterer
        self.counts = np.zeros((0, 10), np.int64)

    def fit(self, pictures: NDArray[np.float32], labels: NDArray[np.int64]) -> NamedClusters:
        """Find clusters among pictures (n, pixels), then count the labels (n,) in each."""
        found = self.clusterer.fit_predict(pictures)
        self.counts = np.zeros((found.max() + 1, 10), np.int64)
        np.add.at(self.counts, (found, labels), 1)
        return self

    def predict(self, pictures: NDArray[np.float32]) -> NDArray[np.int64]:
        """The name of the nearest cluster, for each picture."""
        return self.counts.argmax(axis=1)[self.clusterer.predict(pictures)]


@dataclass(frozen=True)
class Row:
    """What was measured of one method.

    Attributes:
        method: its name, one of `KINDS`.
        labels: what it uses the labels for.
        accuracy: share of the test pictures named rightly.
        learning, answering: seconds to learn, and to name all test pictures.
        numbers: how many numbers it keeps to answer with.
    """

    method: str
    labels: str
    accuracy: float
    learning: float
    answering: float
    numbers: int

    def cells(self) -> list[str]:
        """The line of the table, under `HEADINGS`."""
        return [
            self.method, *KINDS[self.method], self.labels, percent(self.accuracy),
            f"{self.learning:.2f}", f"{self.answering:.2f}", f"{self.numbers:,}",
        ]  # fmt: skip


def compare(path: Path) -> None:
    """Set the network of a run beside clusters, counts and neighbours, on the same digits.

    Prints a table, and leaves it as `comparison.csv` with a picture, `comparison.png`, in the run.

    Raises:
        UsageError: it is no run of digits.
        MissingDependencyError: scikit-learn is not installed.
        UnknownNameError, FileAccessError, FileFormatError: there is no trained run, or it is
            damaged.
    """
    run = RunFolder.open(path)
    if run.project not in ("digits", "mnist"):
        raise UsageError(
            f"{path} is a run of {run.project}, and only runs of digits are compared",
            fix="streetlight train digits, and compare that run",
        )
    run.check_trained()
    learnt, test = _digits(run)
    methods = classic_methods(run.settings["seed"], learnt[0])
    print(f"{len(learnt[0]):,} digits to learn from, {len(test[0]):,} others to test with\n")
    print(_line(HEADINGS))
    rows = [_measure_network(run)]
    print(_line(rows[0].cells()), flush=True)
    for name, method in methods.items():
        rows.append(measure(name, method, learnt, test))
        print(_line(rows[-1].cells()), flush=True)
    _leave(run, rows, methods)
    print(f"\n{NOTES}\n\ntable and picture: {run.path / 'comparison.csv'}, comparison.png")


def _digits(run: RunFolder) -> list[Labelled]:
    """What the run learns from and what it is tested with."""
    train, test = {"digits": datasets.digits, "mnist": datasets.mnist}[run.project]()
    first = len(LEARNT) if run.settings.get("part") == "book" else len(train)
    parts = train[:first], test[:]
    return [(pixels.flatten(1).numpy(), labels.numpy()) for pixels, labels in parts]


def classic_methods(seed: int, pictures: NDArray[np.float32]) -> dict[str, Method]:
    """The methods that are no networks, by name.

    Args:
        seed: decides where k-means begins.
        pictures: (n, pixels) what they will learn from. Growing clusters take in what is nearer
            to them than 0.7 times the pictures' root mean square distance to their mean.

    Raises:
        MissingDependencyError: scikit-learn is not installed.
    """
    try:
        from sklearn.cluster import Birch, KMeans
        from sklearn.naive_bayes import BernoulliNB
        from sklearn.neighbors import KNeighborsClassifier
    except ImportError:
        words = "the comparison needs scikit-learn, which is not installed"
        raise MissingDependencyError(words, fix=INSTALL) from None
    reach = REACH * float(np.sqrt(pictures.var(axis=0).sum()))
    return {
        "counting": BernoulliNB(alpha=1.0, binarize=INK),
        "nearest neighbours": KNeighborsClassifier(NEIGHBOURS, algorithm="brute"),
        "k-means": NamedClusters(KMeans(CLUSTERS, n_init=STARTS, random_state=seed)),
        "growing clusters": NamedClusters(Birch(threshold=reach, n_clusters=None)),
    }


def measure(name: str, method: Method, learnt: Labelled, test: Labelled) -> Row:
    """Let one method learn from (pictures, labels) and name others, with a clock beside it."""
    learning, _ = _timed(lambda: method.fit(*learnt))
    answering, said = _timed(lambda: method.predict(test[0]))
    count, pixels = learnt[0].shape
    labels, kept = "to learn", count
    if isinstance(method, NamedClusters):
        kept = len(method.counts)
        labels = f"to name {kept} clusters"
    elif name == "counting":
        kept = len(np.unique(learnt[1]))
    accuracy = float((said == test[1]).mean())
    return Row(name, labels, accuracy, learning, answering, kept * (pixels + 1))


def _measure_network(run: RunFolder) -> Row:
    """The network's line; how long it learnt is in the run's history."""
    model, network = load_network(run.model)
    held_out = images.held_out(network.project)
    answering, outcome = _timed(lambda: judge(model, held_out))
    learning = sum(History.from_csv(run.path / "history.csv")["seconds"])
    numbers = sum(parameter.numel() for parameter in model.parameters())
    return Row("network", "to learn", outcome.accuracy, learning, answering, numbers)


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Do something, and give how many seconds it took with what came of it."""
    begin = time.perf_counter()
    result = work()
    return time.perf_counter() - begin, result


def _line(cells: Sequence[str]) -> str:
    """One line of the table: words to the left, numbers to the right."""
    words, numbers = cells[:4], cells[4:]
    left = "".join(f"{word:<{width}}" for word, width in zip(words, (20, 12, 12, 24), strict=True))
    return left + "".join(f"{number:>14}" for number in numbers)


def _leave(run: RunFolder, rows: Sequence[Row], methods: Mapping[str, Any]) -> None:
    """Write the table and draw the picture."""
    lines = ["method,supervised,parametric,labels,accuracy,learning,answering,numbers"]
    for row in rows:
        figures = f"{row.accuracy:.4f},{row.learning:.3f},{row.answering:.3f},{row.numbers}"
        lines.append(f"{row.method},{','.join(KINDS[row.method])},{row.labels},{figures}")
    with atomic_write(run.path / "comparison.csv") as file:
        file.write("\n".join([*lines, ""]).encode())
    clusters, weights = methods["k-means"], next(load_network(run.model)[0].parameters())
    figure = comparison_pictures.insides(
        clusters.clusterer.cluster_centers_, clusters.counts,
        np.exp(methods["counting"].feature_log_prob_), weights.detach().flatten(1).numpy(),
        _headline(rows),
    )  # fmt: skip
    save_figure(figure, run.path / "comparison.png")


def _headline(rows: Sequence[Row]) -> str:
    """Who named how many rightly."""
    shares = {row.method: percent(row.accuracy) for row in rows}
    told = [f"{name} {shares[name]}" for name in ("k-means", "counting", "network")]
    return "Named rightly: " + ", ".join(told)
