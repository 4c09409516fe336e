"""`streetlight train table`: from a CSV file to a run folder, and the questions asked later."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import streetlight as sl
from streetlight.errors import FileFormatError, TableError, UsageError
from streetlight.projects import table
from streetlight.projects.run_folder import RunFolder, RunOptions
from streetlight.projects.table import TableNet
from streetlight.projects.table_columns import NumberColumn, remarks
from streetlight.projects.table_file import read_table

PNG = b"\x89PNG\r\n\x1a\n"


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def shops(count: int = 240) -> list[dict[str, object]]:
    """Sales that depend on the town, the size, and whether the size is known; a class and a sum."""
    generator = np.random.default_rng(7)
    rows = []
    for number in range(count):
        town, size = int(generator.integers(24)), float(generator.normal(100, 20))
        known, colour = generator.random() > 0.2, ["red", "blue"][int(generator.integers(2))]
        sales = 3 * (town % 4) + (size - 100) / 10 * known + (colour == "red") * 4
        rows.append(
            {
                "id": number, "town": f"town {town}", "size": f"{size:.2f}" if known else "",
                "colour": colour, "country": "X", "sales": f"{sales:.3f}",
                "good": "good" if sales > 6 else "bad",
            }
        )  # fmt: skip
    return rows


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two runs on the same table, one that learns a class, one that learns a number."""
    folder = tmp_path_factory.mktemp("table")
    both = shops()
    runs = {}
    for target, other in (("good", "sales"), ("sales", "good")):
        rows = [{name: row[name] for name in row if name != other} for row in both]
        file = write(folder / f"{target}.csv", rows)
        options = RunOptions(epochs=60, out=folder / f"run-{target}", quiet=True)
        runs[target] = (file, table.train_table(file, target, options))
    return runs


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


# --- what a run leaves --------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["good", "sales"])
def test_a_run_leaves_its_files(trained, target):
    _, run = trained[target]
    pictures = {"curves", "mistakes", "weights"}
    pictures |= {"confusion"} if target == "good" else {"predicted-against-true"}
    assert {path.stem for path in run.path.glob("*.png")} == pictures
    assert all(path.read_bytes().startswith(PNG) for path in run.path.glob("*.png"))
    assert "Embedding" in (run.path / "summary.txt").read_text()
    assert len(rows_of(run.path / "history.csv")) <= 60
    assert run.checkpoint.exists()
    encoding = json.loads(sl.load_metadata(run.model)["encoding"])
    kinds = {column["name"]: column["kind"] for column in encoding["columns"]}
    assert kinds == {"size": "number", "colour": "text", "town": "text"}
    assert set(encoding["dropped"]) == {"id", "country"}


def test_the_class_is_learnt_and_the_mistakes_are_true_ones(trained):
    file, run = trained["good"]
    source = rows_of(file)
    mistakes = rows_of(run.path / "mistakes.csv")
    assert 0 < len(mistakes) <= 48 * 0.2
    for mistake in mistakes:
        row = source[int(mistake["line"]) - 2]
        assert mistake["said"] != mistake["true"] == row["good"]
        assert mistake["size"] == row["size"]
        assert 0.5 <= float(mistake["chance"]) <= 1
    chances = [float(mistake["chance"]) for mistake in mistakes]
    assert chances == sorted(chances, reverse=True)


def test_the_number_is_learnt_and_the_worst_rows_come_first(trained):
    file, run = trained["sales"]
    mistakes = rows_of(run.path / "mistakes.csv")
    assert len(mistakes) == 48
    off = [float(mistake["off by"]) for mistake in mistakes]
    assert [abs(value) for value in off] == sorted(map(abs, off), reverse=True)
    true = np.array([float(mistake["true"]) for mistake in mistakes])
    assert np.mean(np.square(off)) < 0.15 * true.var()
    sales = float(rows_of(file)[int(mistakes[0]["line"]) - 2]["sales"])
    assert true[0] == pytest.approx(sales, rel=1e-4)


def test_what_is_said(tmp_path, capsys):
    rows = shops(60)
    rows[5]["good"] = ""
    for row in rows[6:12]:
        row["colour"] = ""
    file = write(tmp_path / "shops.csv", rows)
    table.train_table(file, "good", RunOptions(epochs=2, out=tmp_path / "run"))
    out = capsys.readouterr().out
    assert "Learning 'good' from 4 columns of shops.csv on the CPU: 60 rows, at most about" in out
    assert "2 classes, since the column holds 'bad' or 'good'" in out
    assert "left out     1 for want of a target" in out
    assert "not used     id: numbers the rows" in out
    assert "not used     country: always 'X'" in out
    assert "gaps         size: they become the median, and are marked" in out
    assert "gaps         colour: an empty field counts as a text of its own" in out
    assert "held-out rows" in out
    assert "always saying" in out
    assert f"all of it lies in {tmp_path / 'run'}" in out
    assert f"try it: streetlight predict {tmp_path / 'run'} ROWS.csv" in out


def test_a_hopeless_target_is_called_so(tmp_path, capsys):
    generator = np.random.default_rng(3)
    rows = [{"x": f"{generator.random():.4f}", "coin": generator.integers(2)} for _ in range(200)]
    table.train_table(
        write(tmp_path / "c.csv", rows), "coin", RunOptions(epochs=5, out=tmp_path / "run")
    )
    out = capsys.readouterr().out
    assert "That is no better than guessing: these columns do not tell 'coin'" in out
    assert "\nno column counts\n" in out
    assert "counts most" not in out


def test_the_same_seed_gives_the_same_model_and_another_one_another(tmp_path):
    file = write(tmp_path / "shops.csv", shops(60))
    models = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        options = RunOptions(seed=seed, epochs=3, out=tmp_path / name, quiet=True)
        models.append(table.train_table(file, "good", options).model.read_bytes())
    assert models[0] == models[1] != models[2]


def test_quiet_prints_nothing(tmp_path, capfd):
    file = write(tmp_path / "shops.csv", shops(60))
    table.train_table(file, "good", RunOptions(epochs=2, out=tmp_path / "run", quiet=True))
    assert capfd.readouterr() == ("", "")


def test_a_broken_table_leaves_no_folder(tmp_path):
    file = tmp_path / "broken.csv"
    file.write_text("a,b\n1,2\n3\n")
    with pytest.raises(TableError, match="line 3: 1 field"):
        table.train_table(file, "a", RunOptions(out=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


# --- going on -----------------------------------------------------------------------------------


def test_a_resumed_run_ends_where_the_whole_run_ends(tmp_path, monkeypatch):
    file = write(tmp_path / "shops.csv", shops(60))
    whole = table.train_table(
        file, "good", RunOptions(seed=5, epochs=6, out=tmp_path / "whole", quiet=True)
    )
    stop = table.Trainer._end_epoch

    def interrupt(trainer: table.Trainer, *args: float) -> None:
        stop(trainer, *args)
        if trainer.epoch == 3:
            trainer._interrupt()

    options = RunOptions(seed=5, epochs=6, out=tmp_path / "part", quiet=True)
    monkeypatch.setattr(table.Trainer, "_end_epoch", interrupt)
    with pytest.raises(KeyboardInterrupt):
        table.train_table(file, "good", options)
    monkeypatch.undo()
    resumed = table.train_table(file, "good", RunOptions(resume=tmp_path / "part", quiet=True))
    assert resumed.model.read_bytes() == whole.model.read_bytes()


def test_a_run_is_resumed_with_its_own_table_alone(tmp_path):
    file = write(tmp_path / "shops.csv", shops(60))
    out = tmp_path / "run"
    table.train_table(file, "good", RunOptions(epochs=2, out=out, quiet=True))
    with pytest.raises(UsageError, match="a resumed run keeps its target"):
        table.train_table(file, "colour", RunOptions(resume=out, quiet=True))
    write(file, shops(61))
    with pytest.raises(UsageError, match="the table has changed since"):
        table.train_table(file, "good", RunOptions(resume=out, quiet=True))


# --- asking -------------------------------------------------------------------------------------


def test_evaluate_measures_the_held_out_rows_again(trained, capsys):
    _, run = trained["good"]
    mistakes = len(rows_of(run.path / "mistakes.csv"))
    table.evaluate(run.path)
    assert f"right for {100 - mistakes / 0.48:.1f} % of 48 held-out rows" in capsys.readouterr().out
    table.evaluate(trained["sales"][1].path)
    assert "R² 0." in capsys.readouterr().out


def test_evaluate_refuses_a_table_that_has_changed(trained, tmp_path):
    _, run = trained["good"]
    other = RunFolder(tmp_path, {**run.settings, "file": str(tmp_path / "changed.csv")})
    write(tmp_path / "changed.csv", shops(50))
    (tmp_path / "run.json").write_text(json.dumps(other.settings))
    with pytest.raises(UsageError, match=r"has changed since the run(.|\n)*streetlight predict"):
        table.evaluate(tmp_path)


def test_predictions_with_chances(trained, tmp_path, capsys):
    _, run = trained["good"]
    new = [
        {"town": "town 3", "size": "180", "colour": "red"},
        {"town": "nowhere", "size": "", "colour": "green"},
    ]
    table.predict(run.path, [write(tmp_path / "new.csv", new)])
    out = capsys.readouterr().out
    assert "new.csv: 2 rows" in out
    assert "line 2      good 99.9 %, bad 0.0 %" in out
    first, second = rows_of(run.path / "predictions-new.csv")
    assert (first["line"], first["good"]) == ("2", "good")
    for row in (first, second):
        chances = float(row["chance of bad"]) + float(row["chance of good"])
        assert chances == pytest.approx(1, abs=2e-4)


def test_predictions_tell_what_is_unlike_the_rows_learnt(trained, tmp_path, capsys):
    file = tmp_path / "odd.csv"
    file.write_text("town,size,colour\ntown 3,1e9,red\n,,\nUlm,100,green\ntown 3,,pink\n")
    _, run = trained["good"]
    table.predict(run.path, [file])
    out = capsys.readouterr().out
    assert "odd.csv: 3 rows" in out
    assert "note: 1 line without any value skipped: line 3" in out
    assert "note: size: 1 value far from all that was learnt: '1e9' (line 2)" in out
    assert "note: colour: 2 values not learnt: 'green' (line 4), 'pink' (line 5)" in out
    assert "note: town: 1 value not learnt: 'Ulm' (line 4)" in out
    column = NumberColumn("size", 30.0, 0.0, 1.0, gaps=False)
    assert remarks(column, read_table(file))[1] == "size: 1 value missing, taken as 30: '' (line 5)"


def test_predictions_are_never_overwritten(trained, tmp_path):
    _, run = trained["good"]
    for folder, colour in (("a", "red"), ("b", "blue"), ("c", "red")):
        (tmp_path / folder).mkdir()
        rows = [{"town": "town 3", "size": "100", "colour": colour}]
        table.predict(run.path, [write(tmp_path / folder / "same.csv", rows)])
    names = {path.name for path in run.path.glob("predictions-same*")}
    assert names == {f"predictions-same{number}.csv" for number in ("", "-2", "-3")}


def test_no_rows_to_predict(trained, tmp_path):
    (tmp_path / "header.csv").write_text("town,size,colour\n")
    with pytest.raises(TableError, match="there are no rows to predict"):
        table.predict(trained["good"][1].path, [tmp_path / "header.csv"])


def test_predictions_are_compared_where_the_target_is_there(trained, capsys):
    file, run = trained["good"]
    table.predict(run.path, [file])
    out = capsys.readouterr().out
    assert "and 230 more" in out
    said = [row["good"] for row in rows_of(run.path / "predictions-good.csv")]
    right = np.mean([name == row["good"] for name, row in zip(said, rows_of(file), strict=True)])
    assert "(rows learnt from may be among them)" in out
    assert f"right for {100 * right:.1f} % of 240 rows" in out


def test_predicted_numbers_are_on_the_scale_of_the_table(trained, tmp_path, capsys):
    _, run = trained["sales"]
    new = [{"town": "town 3", "size": "100", "colour": colour} for colour in ("red", "blue")]
    table.predict(run.path, [write(tmp_path / "new.csv", new)])
    red, blue = (float(row["sales"]) for row in rows_of(run.path / "predictions-new.csv"))
    assert red == pytest.approx(13, abs=2)
    assert blue == pytest.approx(9, abs=2)
    assert f"line 2      {red:,.3f}" in capsys.readouterr().out


def test_large_numbers_keep_their_digits(tmp_path, capsys):
    rows = [{"x": f"{n / 100}", "price": 161_562_781 + 1_000_003 * n} for n in range(60)]
    file = write(tmp_path / "prices.csv", rows)
    run = table.train_table(file, "price", RunOptions(epochs=1, out=tmp_path / "run", quiet=True))
    prices = {str(row["price"]) for row in rows}
    for mistake in rows_of(run.path / "mistakes.csv"):
        assert mistake["true"] in prices
        assert int(mistake["said"]) - int(mistake["true"]) == pytest.approx(
            int(mistake["off by"]), abs=1
        )
    table.predict(run.path, [file])
    said = rows_of(run.path / "predictions-prices.csv")[0]["price"]
    assert len(said) == 9
    assert f"line 2      {int(said):,}" in capsys.readouterr().out


def test_predicting_without_a_needed_column(trained, tmp_path):
    file = write(tmp_path / "new.csv", [{"town": "town 3", "Size": "1", "colour": "red"}])
    with pytest.raises(TableError, match=r"no column 'size'(.|\n)*did you mean 'Size'\?"):
        table.predict(trained["good"][1].path, [file])


def test_a_model_of_something_else_is_refused(trained, tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(trained["good"][1].settings))
    sl.save({"layers.0.weight": sl.zeros(2, 2)}, tmp_path / "model.safetensors")
    with pytest.raises(FileFormatError, match="does not say how its table is encoded"):
        table.predict(tmp_path, [])


# --- the network --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numbers", "embeddings", "hidden"), [(3, [], [8]), (0, [5], [4, 2]), (2, [40, 900], [6])]
)
def test_the_network_takes_numbers_and_embeddings(numbers, embeddings, hidden):
    sl.manual_seed(0)
    network = TableNet(numbers, embeddings, hidden, outputs=3).eval()
    rows = sl.zeros(7, numbers + len(embeddings))
    assert tuple(network(rows).shape) == (7, 3)
    for place in range(len(embeddings)):
        changed = rows.clone()
        changed[3, numbers + place] = 4
        difference = (network(changed) - network(rows)).abs().sum(1)
        assert (difference > 0).tolist() == [row == 3 for row in range(7)]
