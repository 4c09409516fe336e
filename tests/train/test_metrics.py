"""Metrics against scikit-learn and NumPy, batch by batch; names; and what does not fit."""

import numpy as np
import pytest

import streetlight as sl
from streetlight.errors import ArgumentError, IndexOutOfRangeError, ShapeError, UnknownNameError
from streetlight.train import MSE, R2, Accuracy, ConfusionMatrix, Metric, TopK
from streetlight.train.metrics import find_metric

sklearn = pytest.importorskip("sklearn.metrics", reason="the reference is scikit-learn")


def gather(metric, outputs, targets, sizes):
    """The metric's figure, taken in batches of these sizes."""
    start = 0
    for size in sizes:
        rows = slice(start, start + size)
        metric.update(sl.tensor(outputs[rows]), sl.tensor(targets[rows]))
        start += size
    assert start == len(outputs)
    return metric.compute()


def classification(samples=57, classes=7, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(size=(samples, classes)), random.integers(0, classes, samples)


@pytest.mark.parametrize("sizes", [[57], [20, 20, 17], [1] * 57])
def test_accuracy_top_k_and_confusion(sizes):
    outputs, targets = classification()
    said = outputs.argmax(1)
    assert gather(Accuracy(), outputs, targets, sizes) == pytest.approx(np.mean(said == targets))
    for k in (1, 3, 7, 20):
        expected = 1.0 if k > 6 else sklearn.top_k_accuracy_score(targets, outputs, k=k)
        assert gather(TopK(k), outputs, targets, sizes) == pytest.approx(expected)
    matrix = gather(ConfusionMatrix(), outputs, targets, sizes)
    assert matrix.dtype == np.int64
    assert matrix.tolist() == sklearn.confusion_matrix(targets, said).tolist()


@pytest.mark.parametrize("shape", [(57,), (57, 1), (57, 3)])
@pytest.mark.parametrize("sizes", [[57], [20, 20, 17], [1] * 57])
def test_mse_and_r2(shape, sizes):
    random = np.random.default_rng(1)
    targets = 1e4 + random.normal(size=shape)  # a large mean is where sums of squares fail
    outputs = targets + random.normal(size=shape) * 0.3
    expected = sklearn.mean_squared_error(targets, outputs)
    assert gather(MSE(), outputs, targets, sizes) == pytest.approx(expected)
    expected = sklearn.r2_score(targets, outputs)
    assert gather(R2(), outputs, targets, sizes) == pytest.approx(expected)


@pytest.mark.parametrize(("outputs", "expected"), [([2.0, 2.0], 1.0), ([2.0, 3.0], 0.0)])
def test_r2_of_constant_targets(outputs, expected):
    assert gather(R2(), np.array(outputs), np.array([2.0, 2.0]), [2]) == expected
    assert sklearn.r2_score([2.0, 2.0], outputs) == expected


def test_accuracy_of_single_scores():
    scores, truth = np.array([-1.0, 0.2, 3.0, -2.0]), np.array([0, 1, 1, 1])
    columns = scores[:, None], truth[:, None]
    for outputs, targets in ((scores, truth), columns, (columns[0], truth.astype(np.float32))):
        assert gather(Accuracy(), outputs, targets, [3, 1]) == 0.75
    probabilities = np.array([0.1, 0.6, 0.4])
    assert gather(Accuracy(0.5), probabilities, np.array([0, 1, 1]), [3]) == pytest.approx(2 / 3)


def test_accuracy_of_probabilities_and_of_pictures():
    outputs, targets = classification(samples=20)
    one_hot = np.eye(7)[targets]
    expected = np.mean(outputs.argmax(1) == targets)
    assert gather(Accuracy(), outputs, one_hot, [20]) == pytest.approx(expected)
    random = np.random.default_rng(2)
    pictures, classes = random.normal(size=(4, 3, 5, 2)), random.integers(0, 3, (4, 5, 2))
    expected = np.mean(pictures.argmax(1) == classes)
    assert gather(Accuracy(), pictures, classes, [3, 1]) == pytest.approx(expected)


def test_equal_scores_do_not_count_as_hits():
    outputs = np.zeros((10, 10))
    assert gather(TopK(3), outputs, np.arange(10), [10]) == pytest.approx(0.3)


@pytest.mark.parametrize("name", ["accuracy", "top2", "mse", "r2"])
def test_reset_and_no_samples(name):
    metric = find_metric(name)
    assert metric.name == name
    metric.reset()
    assert np.isnan(metric.compute())
    outputs, targets = classification(samples=5)
    targets = targets if name in ("accuracy", "top2") else outputs + 1
    first = gather(metric, outputs, targets, [5])
    metric.reset()
    assert gather(metric, outputs, targets, [2, 3]) == pytest.approx(first)


@pytest.mark.parametrize("name", ["accuracy", "top2", "mse", "r2", "confusion_matrix"])
def test_state_goes_on_in_another_metric(name):
    outputs, targets = classification(samples=12)
    targets = outputs + targets[:, None] if name in ("mse", "r2") else targets
    whole = gather(find_metric(name), outputs, targets, [5, 7])
    first, second = find_metric(name), find_metric(name)
    gather(first, outputs[:5], targets[:5], [5])
    second.load_state_dict(first.state_dict())
    assert np.array_equal(gather(second, outputs[5:], targets[5:], [7]), whole)


def test_names():
    assert find_metric("top10").k == 10
    assert isinstance(find_metric("confusion_matrix"), ConfusionMatrix)
    metric = Metric()
    assert find_metric(metric) is metric
    with pytest.raises(UnknownNameError, match="there is no metric 'acuracy'") as raised:
        find_metric("acuracy")
    assert "did you mean 'accuracy'?" in str(raised.value)
    with pytest.raises(UnknownNameError, match="there is no metric 'top0'"):
        find_metric("top0")


@pytest.mark.parametrize("method", ["reset", "compute"])
def test_the_base_class_measures_nothing(method):
    with pytest.raises(NotImplementedError):
        getattr(Metric(), method)()
    with pytest.raises(NotImplementedError):
        Metric().update(sl.zeros(1), sl.zeros(1))


def test_what_does_not_fit():
    scores = sl.zeros(4, 3)
    with pytest.raises(ShapeError, match="accuracy: outputs and targets do not fit together"):
        Accuracy().update(scores, sl.zeros(5))
    with pytest.raises(ShapeError, match="accuracy: outputs and targets do not fit together"):
        Accuracy().update(scores, sl.zeros(4, 2))
    with pytest.raises(ShapeError, match="mse: outputs and targets do not fit together") as raised:
        MSE().update(sl.zeros(4, 1), sl.zeros(4))
    assert "outputs.squeeze(1)" in str(raised.value)
    with pytest.raises(ShapeError, match="r2: outputs and targets do not fit together"):
        R2().update(sl.zeros(4, 1), sl.zeros(4))
    for metric in (TopK(), ConfusionMatrix()):
        with pytest.raises(ShapeError, match=f"{metric.name}: outputs and targets do not fit"):
            metric.update(scores, sl.zeros(4))
        with pytest.raises(IndexOutOfRangeError, match="a target is not among the classes") as r:
            metric.update(scores, sl.tensor([0, 1, 2, 3]))
        assert "classes from 0 to 2" in str(r.value)
    with pytest.raises(ArgumentError, match="TopK: k is not a count"):
        TopK(0)
    confusion = ConfusionMatrix()
    confusion.update(scores, sl.tensor([0, 0, 0, 0]))
    with pytest.raises(ShapeError, match="confusion_matrix: outputs and targets do not fit"):
        confusion.update(sl.zeros(1, 5), sl.tensor([0]))
