"""Reading a table: a CSV file as its user has saved it, or an error that names the line.

The fields of a column are kept joined, about as large as the file; they are split and turned into
numbers one column at a time, so that a table of 200,000 rows needs little memory.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import islice
from pathlib import Path

from streetlight.errors import FileAccessError, TableError
from streetlight.interop.files import access_error
from streetlight.projects.words import plural

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
MISSING = frozenset(["", "na", "n/a", "#n/a", "nan", "null", "none", "?", "-"])
FOREIGN = {
    b"PK\x03\x04": "an Excel or zip file",
    b"\x1f\x8b": "a gzip file",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
    b"%PDF": "a PDF file",
}
SEPARATOR = "\0"
CHUNK = 10_000
NAMES_SHOWN = 12
HEADLESS = (
    "the first line looks like data, not like names: write a line with the names of the columns "
    "above it"
)


@dataclass
class Table:
    """The fields of a CSV file by column, and the line in which each row begins.

    Attributes:
        path: the file, for messages.
        delimiter: what stands between the fields.
        lines: the line of the file in which each row begins.
        chunks: for each column, pieces of its joined fields.
        notes: what was done with the file that its user should know.
        known: what was found out about the file as a whole, so that it is found out once.
    """

    path: Path
    delimiter: str
    lines: list[int]
    chunks: dict[str, list[str]]
    notes: list[str] = field(default_factory=list)
    known: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def names(self) -> list[str]:
        """The names of the columns, in the order of the file."""
        return list(self.chunks)

    def texts(self, name: str, chunks: int | None = None) -> list[str]:
        """The fields of one column, without the spaces around them; missing ones are empty."""
        pieces = self.chunks[name][:chunks]
        fields = [text for piece in pieces for text in piece.split(SEPARATOR)]
        return ["" if text.lower() in MISSING else text for text in fields]

    def _looks_like_value(self, name: str) -> bool:
        """Whether the name of a column is a number, or also stands further down in the column."""
        return _is_number(name) or name in self.texts(name, chunks=1)

    def require(self, name: str, fix: str = "name one of its columns") -> None:
        """Raise a TableError that offers near matches, or else `fix`, for a missing column."""
        if name in self.chunks:
            return
        shown = ", ".join(self.names[:NAMES_SHOWN]) + (", ..." if len(self.names) > 12 else "")
        lowered = {known.lower(): known for known in self.names}
        near = [lowered[match] for match in get_close_matches(name.lower(), lowered, n=3)]
        fix = "did you mean " + " or ".join(map(repr, near)) + "?" if near else fix
        if sum(map(self._looks_like_value, self.names)) > len(self.names) / 2:
            fix = HEADLESS
        raise TableError(
            f"{self.path} has no column {name!r}",
            expected=f"one of {shown}",
            fix=fix,
        )


def read_table(path: Path, purpose: str = "to learn from") -> Table:
    """Read a CSV file: UTF-8 or Windows-1252, fields parted by comma, semicolon, tab or bar.

    Args:
        path: the file.
        purpose: what its rows are for, to say so where there are none.

    Raises:
        FileAccessError: the file is missing, a folder, or may not be read.
        TableError: the file is empty, not text, or its header or one of its lines is broken.
    """
    notes: list[str] = []
    text = _decode(path, _read_bytes(path), notes)
    delimiter = _find_delimiter(text)
    if delimiter != ",":
        notes.append(f"fields are parted by {DELIMITERS[delimiter]}s")
    records = _records(path, text, delimiter)
    _, header = next(records, (1, []))
    names = [name.strip() for name in header]
    _check_header(path, names)
    table = Table(path, delimiter, [], {name: [] for name in names}, notes)
    _fill(table, records)
    if len(table) and all(map(table._looks_like_value, names)):
        notes.append(HEADLESS)
    if not len(table):
        raise TableError(
            f"{path} has a header and nothing below it: there are no rows {purpose}",
            fix="add them; the first line only names the columns",
        )
    return table


def _fill(table: Table, records: Iterator[tuple[int, list[str]]]) -> None:
    """Append the rows to the columns, a chunk at a time; skip rows without any value."""
    width, empty = len(table.names), []
    while chunk := list(islice(records, CHUNK)):
        rows: list[list[str]] = []
        for line, row in chunk:
            if not any(text and not text.isspace() for text in row):
                empty.append(line)
                continue
            if len(row) != width:
                raise _ragged(table, line, row)
            table.lines.append(line)
            rows.append([text.strip() for text in row])
        for pieces, column in zip(table.chunks.values(), zip(*rows, strict=True), strict=False):
            pieces.append(SEPARATOR.join(column))
    if empty:
        some = ", ".join(map(str, empty[:3])) + (", ..." if len(empty) > 3 else "")
        table.notes.append(f"{plural(len(empty), 'line')} without any value skipped: line {some}")


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        siblings = [p.name for p in path.parent.glob("*.*")] if path.parent.is_dir() else []
        near = get_close_matches(path.name, siblings, n=3)
        raise FileAccessError(
            f"there is no file {path}",
            fix=f"did you mean {' or '.join(near)}?" if near else "check the path of the table",
        ) from None
    except IsADirectoryError:
        tables = sorted(p.name for p in path.glob("*.csv"))[:3]
        raise FileAccessError(
            f"{path} is a folder, not a table",
            fix=f"name a file in it: {path / tables[0]}" if tables else "name a CSV file",
        ) from None
    except OSError as error:
        raise access_error("read", path, error) from None


def _decode(path: Path, data: bytes, notes: list[str]) -> str:
    """Bytes to text: UTF-8, or Windows-1252 if nothing in the file speaks for UTF-8."""
    if not data.strip():
        raise TableError(f"{path} is empty", expected="a header line and rows below it")
    foreign = next((name for magic, name in FOREIGN.items() if data.startswith(magic)), "")
    if foreign or b"\0" in data:
        raise TableError(
            f"{path} is {foreign or 'a binary file'}, not a table in plain text",
            expected="a CSV file in UTF-8",
            fix="open it where it was made and save it as CSV (UTF-8)",
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        start, byte = error.start, data[error.start]
    line = data.count(b"\n", 0, start) + 1
    if data[:start].isascii():
        try:
            text = data.decode("cp1252")
            notes.append(f"not UTF-8 (byte 0x{byte:02X} in line {line}), read as Windows-1252")
            return text
        except UnicodeDecodeError:
            pass
    raise TableError(
        f"{path}, line {line}: byte 0x{byte:02X} (at offset {start}) is not UTF-8 text",
        expected="UTF-8 throughout; nor is the file readable as Windows-1252 (Latin-1)",
        fix="save the table as CSV (UTF-8), or mend that line",
    )


def _find_delimiter(text: str) -> str:
    """The delimiter that cuts the first rows into as many fields as the header, at least two."""
    best, best_score = ",", (0.0, 1)
    sample = text[: 1 << 16]
    for delimiter in DELIMITERS:
        try:
            reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
            rows = list(islice(reader, 50))
        except csv.Error:
            continue
        width = len(rows[0]) if rows else 0
        agreeing = [len(row) == width for row in rows if row][:-1] or [True]
        score = (round(sum(agreeing) / len(agreeing), 1), width)
        if width > 1 and score > best_score:
            best, best_score = delimiter, score
    return best


def _records(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The records of the file with the line in which each begins; blank lines are passed over."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _broken_quotes(path, line, str(error)) from None
        if record:
            yield line, record


def _broken_quotes(path: Path, line: int, reason: str) -> TableError:
    if "expected after" in reason:
        return TableError(
            f"{path}, line {line}: text goes on after a closing quote",
            fix='double the quotes inside of a quoted field: "say ""hello"" twice"',
        )
    return TableError(
        f"{path}, line {line}: a quoted field begins here and does not end",
        fix='close it with ", or remove the quote',
    )


def _check_header(path: Path, names: list[str]) -> None:
    headless = sum(map(_is_number, names)) > len(names) / 2
    if "" in names:
        position = names.index("") + 1
        raise TableError(
            f"{path}, line 1: column {position} has no name",
            fix=HEADLESS
            if headless
            else "name it, or take the column out (pandas: to_csv(..., index=False))",
        )
    for position, name in enumerate(names, 1):
        first = names.index(name) + 1
        if first != position:
            raise TableError(
                f"{path}, line 1: columns {first} and {position} are both called {name!r}",
                fix=HEADLESS if headless else "give each column a name of its own",
            )


def _ragged(table: Table, line: int, row: list[str]) -> TableError:
    width, mark = len(table.names), DELIMITERS[table.delimiter]
    begins = table.delimiter.join(row)
    return TableError(
        f"{table.path}, line {line}: {plural(len(row), 'field')}",
        expected=f"{width}, as in the header",
        got={f"line {line}": begins if len(begins) <= 60 else begins[:57] + "..."},
        fix=f'put a field that holds a {mark} into quotes: "..."'
        if len(row) > width
        else f"a {mark} or a whole field is missing here; leave unknown fields empty",
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
