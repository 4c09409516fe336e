"""History: columns, CSV files that come back exactly, and curves."""

import numpy as np
import pytest

from streetlight.errors import (
    ArgumentError,
    DataError,
    FileAccessError,
    TableError,
    UnknownNameError,
)
from streetlight.train import History

matplotlib = pytest.importorskip("matplotlib")


def some_history(epochs=4):
    history = History()
    for epoch in range(1, epochs + 1):
        row = {"loss": 1 / epoch, "accuracy": 1 - 0.1 / epoch}
        validation = {f"validation_{name}": value * 1.1 for name, value in row.items()}
        history.append({"epoch": epoch, **row, **validation, "learning_rate": 0.1, "seconds": 0.3})
    return history


def test_columns_and_rows():
    history = some_history()
    assert len(history) == 4
    assert history["loss"] == [1, 1 / 2, 1 / 3, 1 / 4]
    assert history.last()["epoch"] == 4
    assert repr(history).startswith("History(4 epochs: epoch 4  loss 0.25  accuracy 0.975")
    assert (len(History()), History().last(), repr(History())) == (0, {}, "History(0 epochs)")
    with pytest.raises(UnknownNameError, match="there is no column 'valdation_loss'") as raised:
        history["valdation_loss"]
    assert "did you mean 'validation_loss'" in str(raised.value)
    with pytest.raises(ArgumentError, match=r"History\.append: the row has other names"):
        history.append({"epoch": 5})


def test_csv_comes_back_exactly(tmp_path):
    history = some_history()
    history.append({**history.last(), "loss": float("nan"), "accuracy": float("inf"), "epoch": 5})
    history.to_csv(tmp_path / "history.csv")
    text = (tmp_path / "history.csv").read_text()
    assert text.startswith("epoch,loss,accuracy,validation_loss,validation_accuracy,learning_rate")
    assert text.splitlines()[1].startswith("1,1.0,0.9,1.1,")
    back = History.from_csv(tmp_path / "history.csv")
    assert list(back.columns) == list(history.columns)
    for name in history.columns:
        assert np.array_equal(back[name], history[name], equal_nan=True)
    assert back["epoch"] == [1, 2, 3, 4, 5]
    assert isinstance(back["epoch"][0], int)


def test_an_empty_history_as_csv(tmp_path):
    History().to_csv(tmp_path / "history.csv")
    assert len(History.from_csv(tmp_path / "history.csv")) == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("epoch,loss\n1,0.5\n2\n", "line 3 has another number of fields than the header"),
        ("epoch,loss\n1,0.5,3\n", "line 2 has another number of fields than the header"),
        ("epoch,loss\n1,low\n", "line 2 holds something else than numbers"),
        ("epoch,loss\n1,\n", "line 2 holds something else than numbers"),
        ("epoch\n\x80\n", "line 2 holds something else than numbers"),
        ("epoch\n²\n", "line 2 holds something else than numbers"),
        ("\n1\n", "line 2 has another number of fields than the header"),
    ],
)
def test_broken_csv(tmp_path, text, words):
    (tmp_path / "history.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(TableError, match=words):
        History.from_csv(tmp_path / "history.csv")


def test_files_that_cannot_be(tmp_path):
    with pytest.raises(FileAccessError, match=r"none\.csv cannot be read: no such file"):
        History.from_csv(tmp_path / "none.csv")
    with pytest.raises(FileAccessError, match="cannot be written: no such file"):
        some_history().to_csv(tmp_path / "none" / "history.csv")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(FileAccessError, match="cannot be written: it is a folder"):
        some_history().plot(tmp_path / "folder.png")
    with pytest.raises(ArgumentError, match=r"curves\.txt does not end like a picture"):
        some_history().plot(tmp_path / "curves.txt")
    with pytest.raises(DataError, match="there is nothing to draw yet"):
        History().plot(tmp_path / "curves.png")


@pytest.mark.parametrize(
    ("ending", "head"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
@pytest.mark.parametrize("epochs", [1, 4])
def test_pictures(tmp_path, ending, head, epochs):
    some_history(epochs).plot(tmp_path / f"curves.{ending}")
    assert (tmp_path / f"curves.{ending}").read_bytes().startswith(head)
    assert [path.name for path in tmp_path.iterdir()] == [f"curves.{ending}"]


def test_curves_are_labelled_and_told_apart_without_colour():
    from matplotlib.figure import Figure

    figure = Figure()
    some_history().draw(figure)
    assert [axes.get_title() for axes in figure.axes] == ["loss", "accuracy"]
    for axes in figure.axes:
        training, validation = axes.lines
        assert training.get_linestyle() != validation.get_linestyle()
        assert training.get_color() != validation.get_color()
        assert [text.get_text().split()[0] for text in axes.texts] == ["training", "validation"]
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), [1, 1 / 2, 1 / 3, 1 / 4])
    np.testing.assert_allclose(figure.axes[0].lines[0].get_xdata(), [1, 2, 3, 4])


def test_plot_without_a_path_makes_a_pyplot_figure(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    from matplotlib import pyplot

    pyplot.close("all")
    some_history().plot()
    assert len(pyplot.get_fignums()) == 1
    assert len(pyplot.gcf().axes) == 2
    pyplot.close("all")
