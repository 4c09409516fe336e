"""CSV files as users save them, and what is said about those that cannot be read."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from streetlight.errors import FileAccessError, TableError
from streetlight.projects.table_file import CHUNK, Table, read_table


@pytest.fixture
def table(tmp_path: Path):
    """Write a file and read it as a table."""

    def read(content: str | bytes) -> Table:
        path = tmp_path / "t.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_table(path)

    return read


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_delimiters_and_newlines(table, delimiter, newline):
    rows = [["a", "b c", "d"], ["1", "x y", "2.5"], ["3", "z", ""]]
    read = table(newline.join(delimiter.join(row) for row in rows))
    assert read.names == ["a", "b c", "d"]
    assert read.texts("b c") == ["x y", "z"]
    assert read.texts("d") == ["2.5", ""]
    assert read.lines == [2, 3]
    said = any("parted by" in note for note in read.notes)
    assert said == (delimiter != ",")


def test_a_byte_order_mark_is_no_part_of_the_first_name(table):
    assert table(b"\xef\xbb\xbfa,b\n1,2\n").names == ["a", "b"]


def test_commas_inside_of_semicolon_fields(table):
    read = table('a;b\n1,5;"x, y"\n2,25;z\n')
    assert read.texts("a") == ["1,5", "2,25"]
    assert read.texts("b") == ["x, y", "z"]


def test_quotes_hold_delimiters_quotes_and_newlines(table):
    read = table('a,b\n"1,5","say ""hi"""\n"two\nlines",x\n7,y\n')
    assert read.texts("a") == ["1,5", "two\nlines", "7"]
    assert read.texts("b") == ['say "hi"', "x", "y"]
    assert read.lines == [2, 3, 5]


def test_what_counts_as_missing(table):
    read = table("a,b\n NA ,1\nNaN,2\nnull,3\n?,4\n-,5\nnone,6\n#N/A,7\n0,8\n")
    assert read.texts("a") == [""] * 7 + ["0"]


def test_empty_lines_are_skipped_and_counted_if_they_have_delimiters(table):
    read = table("a,b\n\n1,2\n , \n,\n3,4\n\n")
    assert read.texts("b") == ["2", "4"]
    assert read.lines == [3, 6]
    assert read.notes == ["2 lines without any value skipped: line 4, 5"]


def test_windows_text_is_read_and_said(table):
    read = table("stadt;wert\nKöln;1\nMünchen;2\n".encode("cp1252"))
    assert read.texts("stadt") == ["Köln", "München"]
    assert "not UTF-8 (byte 0xF6 in line 2), read as Windows-1252" in read.notes


def test_more_rows_than_a_chunk(tmp_path):
    path = tmp_path / "long.csv"
    count = 2 * CHUNK + 17
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["n", "text"])
        writer.writerows((n, f"t{n % 7}") for n in range(count))
    read = read_table(path)
    assert len(read) == count
    assert read.texts("n") == [str(n) for n in range(count)]
    assert read.texts("text")[-1] == f"t{(count - 1) % 7}"
    assert read.lines[-1] == count + 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        (" \n\n", "is empty"),
        ("a,b\n", "has a header and nothing below it"),
        ("a,b\n,\n", "has a header and nothing below it"),
        ("a,b,c\n1,2,3\n4,5\n", r"line 3: 2 fields.*(\n.*)*expected: 3, as in the header"),
        (
            "a,b\n1,2\n1,2,3,4\n",
            r"line 3: 4 fields.*(\n.*)*put a field that holds a comma into quo",
        ),
        ('a,b\n"x\ny",2\n3\n', r"line 4: 1 field\n.*(\n.*)*is missing here"),
        ("a,b,a\n1,2,3\n", "line 1: columns 1 and 3 are both called 'a'"),
        ("a,,c\n1,2,3\n", r"line 1: column 2 has no name.*(\n.*)*index=False"),
        ('a,b\n1,2\n"open,3\n4,5\n', "line 3: a quoted field begins here and does not end"),
        ('a,b\n"x"y,3\n', "line 2: text goes on after a closing quote"),
        (b"a,b\n1,\x00\n", "is a binary file"),
        (b"PK\x03\x04rest", "is an Excel or zip file"),
        ("a,b\n1,2\n".encode("utf-16"), "is UTF-16 text"),
        (b"\x1f\x8bxx", "is a gzip file"),
        (b"%PDF-1.7", "is a PDF file"),
        ("a,b\nä,1\n".encode() + b"\xff,2\n", r"line 3: byte 0xFF \(at offset 9\) is not UTF-8"),
        (b"a,b\n1,2\n\x81,3\n", r"line 3: byte 0x81 \(at offset 8\) is not UTF-8 text"),
    ],
)
def test_broken_files(table, content, words):
    with pytest.raises(TableError, match=words):
        table(content)


def test_a_missing_file_offers_near_names(tmp_path):
    (tmp_path / "houses.csv").write_text("a,b\n1,2\n")
    with pytest.raises(FileAccessError, match=r"there is no file(.|\n)*did you mean houses.csv\?"):
        read_table(tmp_path / "house.csv")
    with pytest.raises(FileAccessError, match="check the path of the table"):
        read_table(tmp_path / "nowhere" / "x.csv")


def test_a_folder_is_no_table(tmp_path):
    with pytest.raises(FileAccessError, match=r"is a folder, not a table(.|\n)*name a CSV file"):
        read_table(tmp_path)
    (tmp_path / "in.csv").write_text("a,b\n1,2\n")
    with pytest.raises(FileAccessError, match=r"name a file in it: .*in\.csv"):
        read_table(tmp_path)


def test_no_permission(tmp_path, monkeypatch):
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(FileAccessError, match="cannot be read: permission denied"):
        read_table(tmp_path / "locked.csv")


def test_a_missing_column_offers_near_names(table):
    read = table("Price,rooms\n1,2\n")
    with pytest.raises(TableError, match=r"no column 'price'(.|\n)*did you mean 'Price'\?"):
        read.require("price")
    with pytest.raises(TableError, match=r"one of Price, rooms(.|\n)*name one of its columns"):
        read.require("xyz")
    read.require("rooms")


def test_a_file_without_a_header_is_recognised(table):
    read = table("5.1,3.5,setosa\n4.9,3.0,setosa\n")
    assert any("first line looks like data, not like names" in note for note in read.notes)
    with pytest.raises(TableError, match="first line looks like data, not like names"):
        read.require("species")
    for content in ("3.5,3.5,setosa\n1,2,x\n", "1,,2,3\n1,2,3,4\n"):
        with pytest.raises(TableError, match="first line looks like data, not like names"):
            table(content)
    assert table("country,2019,2020\nX,1,2\n").notes == []


def test_many_columns_are_not_all_listed(table):
    read = table(",".join(f"c{n}" for n in range(40)) + "\n" + ",".join("1" * 40) + "\n")
    with pytest.raises(TableError, match=r"c11, \.\.\.\n"):
        read.require("zzz")
