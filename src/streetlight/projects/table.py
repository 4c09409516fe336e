"""`streetlight train table FILE.csv --target COLUMN`: a network that learns a table of your own.

Read this file from top to bottom: the network, the training, what is left behind, and the
questions that can be asked later. The table itself is read and encoded in `table_file`,
`table_columns` and `table_data`.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import streetlight as sl
from streetlight import nn, optim
from streetlight.errors import UsageError
from streetlight.projects.run_folder import RunFolder, RunOptions
from streetlight.projects.table_columns import NumberColumn, TextColumn
from streetlight.projects.table_data import Encoding, fit_encoding
from streetlight.projects.table_file import Table, read_table
from streetlight.projects.table_pictures import shorten
from streetlight.projects.table_report import leave_pictures, write_predictions
from streetlight.projects.table_result import Outcome, column_importance
from streetlight.projects.table_target import Split, find_target, split_rows, target_numbers
from streetlight.projects.training import drawing, finish_run, learn
from streetlight.projects.words import plural
from streetlight.train import Trainer
from streetlight.train.evaluate import predict as predict_batches
from streetlight.utils.data import DataLoader, TensorDataset

STEPS, LEAST_EPOCHS, MOST_EPOCHS = 12_000, 20, 200


class TableNet(nn.Module):
    """Hidden layers above the numbers of a row and the embeddings of its texts.

    Args:
        numbers: inputs that are numbers; they come first.
        embeddings: rows of each embedding; its input is the number of one of them.
        hidden: units of each hidden layer.
        outputs: classes, or 1.

    >>> TableNet(3, [50], hidden=[8, 4], outputs=2)(sl.zeros(5, 4)).shape
    (5, 2)
    """

    def __init__(
        self, numbers: int, embeddings: list[int], hidden: list[int], outputs: int
    ) -> None:
        widths = [min(16, round(rows**0.5)) for rows in embeddings]
        self.numbers = numbers
        self.embeddings = nn.ModuleList(map(nn.Embedding, embeddings, widths))
        self.layers = nn.Sequential()
        sizes = [numbers + sum(widths), *hidden]
        for before, after in pairwise(sizes):
            self.layers.extend([nn.Linear(before, after), nn.ReLU(), nn.Dropout(0.1)])
        self.layers.append(nn.Linear(sizes[-1], outputs))

    def forward(self, rows: sl.Tensor) -> sl.Tensor:
        """(n, inputs) to (n, outputs)."""
        places = range(self.numbers, rows.shape[1])
        texts = [
            embedding(rows[:, place].long())
            for embedding, place in zip(self.embeddings, places, strict=True)
        ]
        return self.layers(sl.cat([rows[:, : self.numbers], *texts], dim=1))


@dataclass(frozen=True)
class Prepared:
    """A table ready to be learnt: its encoding, inputs (rows, inputs), targets and split."""

    table: Table
    encoding: Encoding
    inputs: NDArray[np.float32]
    values: NDArray[np.float64]
    split: Split

    def dataset(self, rows: NDArray[np.int64]) -> TensorDataset:
        """Inputs and targets of some rows: class numbers, or standardised numbers (rows, 1)."""
        encoding, values = self.encoding, self.values[rows]
        if encoding.target.classes:
            targets = sl.tensor(values.astype(np.int64))
        else:
            scaled = (values - encoding.guess) / encoding.spread
            targets = sl.tensor(scaled[:, None].astype(np.float32))
        return TensorDataset(sl.tensor(self.inputs[rows]), targets)


def train_table(file: Path, target: str, options: RunOptions) -> RunFolder:
    """Learn one column of a CSV file from the others, and leave a run folder.

    Args:
        file: the table.
        target: the name of the column to learn.
        options: of the run.

    Raises:
        TableError, FileAccessError: the table cannot be read, or cannot be learnt from.
        UsageError: the run cannot be resumed like this.
        DivergenceError: the training ran away.
    """
    resumed = RunFolder.open(options.resume).settings if options.resume else {}
    same = resumed.get("file") == str(file.resolve())
    if same and resumed.get("file_sha256") != _digest(file):
        raise UsageError(
            f"the run cannot go on: the table has changed since it began, {file}",
            fix="bring back the table as it was, or begin a new run without --resume",
        )
    ready = prepare(file, target, resumed.get("seed", options.seed or 0))
    rows = len(ready.split.train)
    batch = 32 if rows < 2_000 else 128 if rows < 20_000 else 512
    steps = ceil(rows / batch)
    epochs = min(max(STEPS // steps, LEAST_EPOCHS), MOST_EPOCHS)
    command = f"streetlight train table {shlex.quote(str(file))} --target {shlex.quote(target)}"
    run = RunFolder.begin(
        "table", resumed.get("command", command), options, epochs,
        file=str(file.resolve()), file_sha256=_digest(file), target=target,
    )  # fmt: skip
    _announce(ready, run, steps, options)

    sl.manual_seed(run.settings["seed"])
    hidden = [32] if rows < 1_000 else [64, 32] if rows < 10_000 else [128, 64]
    model = build(ready.encoding, hidden)
    classes = ready.encoding.target.classes
    trainer = Trainer(
        model,
        optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2),
        nn.CrossEntropyLoss() if classes else nn.MSELoss(),
        metrics=["accuracy" if classes else "r2"],
        compile="auto",
    )
    kept = learn(
        run,
        trainer,
        DataLoader(ready.dataset(ready.split.train), batch, shuffle=True),
        DataLoader(ready.dataset(ready.split.validation), 1000),
        {"encoding": ready.encoding.to_json()},
        options,
        patience=max(epochs // 8, 5),
    )
    with drawing(run):
        _finish(run, ready, trainer, kept, options)
    return run


def prepare(file: Path, target_name: str, seed: int) -> Prepared:
    """Read a table, find out what its target is, split it and fit its encoding."""
    table = read_table(file)
    target, values = find_target(table, target_name)
    split = split_rows(target, values, seed)
    encoding, inputs = fit_encoding(table, target, values, split)
    return Prepared(table, encoding, inputs, values, split)


def build(encoding: Encoding, hidden: list[int]) -> TableNet:
    """The network for an encoding, with fresh weights."""
    outputs = len(encoding.target.classes) or 1
    return TableNet(encoding.dense, encoding.embeddings, hidden, outputs)


def load_model(run: RunFolder) -> tuple[TableNet, Encoding]:
    """The trained network of a run, and the encoding that it was trained with.

    Raises:
        FileAccessError, FileFormatError, StateDictError: the model is missing or damaged.
    """
    encoding = Encoding.from_json(sl.load_metadata(run.model).get("encoding", ""))
    state = sl.load(run.model)
    matrices = [name for name in sorted(state) if re.fullmatch(r"layers\.\d\.weight", name)]
    model = build(encoding, [len(state[name]) for name in matrices[:-1]])
    model.load_state_dict(state)
    return model, encoding


def evaluate(path: Path) -> None:
    """Measure the model of a run again on the rows that were held out.

    Raises:
        UsageError: the table has changed since, so that the rows are not the same.
    """
    run = RunFolder.open(path)
    file = Path(run.settings["file"])
    table = read_table(file)
    if _digest(file) != run.settings["file_sha256"]:
        raise UsageError(
            f"{file} has changed since the run, so its held-out rows are not known any more",
            fix=f"ask about the new table with `streetlight predict {path} {file}`",
        )
    model, encoding = load_model(run)
    values = target_numbers(table, encoding.target)
    rows = split_rows(encoding.target, values, run.settings["seed"]).test
    for line in Outcome(encoding, ask(model, encoding.encode(table)[rows]), values[rows]).tell():
        print(line)


def predict(path: Path, files: list[Path]) -> None:
    """Say for each row of each table what the model of a run makes of it.

    The first rows are printed, all are written as CSV into the run's folder; a target column, if
    there is one, is compared.

    Raises:
        TableError: a table lacks a column that the model needs, or has text for numbers.
    """
    run = RunFolder.open(path)
    model, encoding = load_model(run)
    for file in files:
        table = read_table(file, "to predict")
        outputs = ask(model, encoding.encode(table))
        write_predictions(run, table, encoding, outputs)
        if encoding.target.name in table.names:
            values = target_numbers(table, encoding.target)
            known = np.isfinite(values)
            if known.any():
                outcome = Outcome(encoding, outputs[known], values[known])
                print("compared with its own target (rows learnt from may be among them):")
                print(*outcome.tell("row"), sep="\n")


def ask(model: nn.Module, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
    """The network's outputs for (rows, inputs), as float64."""
    return np.asarray(predict_batches(model, inputs).numpy(), dtype=np.float64)


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _announce(ready: Prepared, run: RunFolder, steps: int, options: RunOptions) -> None:
    """Say what was found in the table and what is going to happen."""
    target, split, encoding = ready.encoding.target, ready.split, ready.encoding
    what = f"{len(target.classes)} classes" if target.classes else "a number"
    seconds = run.settings["epochs"] * (0.01 + 5e-4 * steps + 5e-6 * len(split.train))
    count = plural(len(encoding.columns), "column")
    options.say(
        f"Learning {target.name!r} from {count} of {ready.table.path.name} "
        f"on the CPU: {plural(len(ready.table), 'row')}, at most about {ceil(seconds)} s."
    )
    options.say(f"  target       {what}, since the column holds {target.why}")
    options.say(
        f"  rows         {len(split.train):,} to learn from, {len(split.validation):,} to know "
        f"when to stop, {len(split.test):,} held out"
    )
    missing = len(ready.table) - sum(map(len, (split.train, split.validation, split.test)))
    if missing:
        options.say(f"  left out     {missing:,} for want of a target")
    for name, why in encoding.dropped.items():
        options.say(f"  not used     {name}: {why}")
    for column in encoding.columns:
        if isinstance(column, TextColumn) and "" in column.values:
            options.say(f"  gaps         {column.name}: an empty field counts as a text of its own")
        elif isinstance(column, NumberColumn) and column.gaps:
            options.say(f"  gaps         {column.name}: they become the median, and are marked")
    for note in ready.table.notes:
        options.say(f"  note         {note}")


def _finish(
    run: RunFolder, ready: Prepared, trainer: Trainer, kept: int, options: RunOptions
) -> None:
    """Measure on the held-out rows, write what the run leaves, and tell the result."""
    encoding, rows = ready.encoding, ready.split.test
    model = trainer.model
    outcome = Outcome(encoding, ask(model, ready.inputs[rows]), ready.values[rows])
    unseen = np.concatenate([ready.split.validation, rows])
    inputs = ready.inputs[unseen]
    wider = Outcome(encoding, ask(model, inputs), ready.values[unseen])
    lost, counting = column_importance(lambda x: ask(model, x), wider, inputs, run.settings["seed"])

    target = encoding.target
    measures = ["loss", "accuracy" if target.classes else "r2"]
    title = f"{shorten(target.name, 30)}: epoch {kept} of {len(trainer.history)} is kept"
    finish_run(run, trainer, kept, title, measures, (1, ready.inputs.shape[1]))
    leave_pictures(run, ready.table, rows, outcome, lost, counting)
    options.say("\n".join(["", *outcome.tell()]))
    most = ", ".join(counting[:3])
    options.say(f"what counts most: {most}" if most else "no column counts")
    options.say(f"all of it lies in {run.path}")
    options.say(f"try it: streetlight predict {run.path} ROWS.csv")
