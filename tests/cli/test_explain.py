"""`streetlight explain`: every code has a page, and unknown codes are helped on."""

from __future__ import annotations

import pytest

from streetlight.cli.explain import explain, find, overview, page
from streetlight.errors import ShapeError, StreetlightError, UnknownNameError


@pytest.mark.parametrize("asked", ["E101", "e101", "[E101]", "ShapeError", "shapeerror"])
def test_a_code_is_found_as_people_write_it(asked):
    assert find(asked) is ShapeError


@pytest.mark.parametrize("code", sorted(StreetlightError.registry))
def test_every_page_has_a_name_a_meaning_and_fits_its_width(code):
    text = page(find(code), 70)
    name, meaning, *_ = text.split("\n\n")
    assert name == f"{code}  {StreetlightError.registry[code].__name__}"
    assert len(meaning) > 30
    assert max(map(len, text.splitlines())) <= 70


def test_the_page_says_how_to_catch_it():
    assert page(ShapeError, 80).endswith(
        "In code, catch it as sl.errors.ShapeError or ValueError or RuntimeError."
    )


def test_the_overview_lists_every_code_once():
    text = overview(80)
    starts = [line.split()[0] for line in text.splitlines() if line.startswith("E")]
    assert starts == sorted(StreetlightError.registry)
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("E1001", "there is no error code 'E1001'(.|\n)*did you mean .*E101"),
        ("ShapeErr", r"did you mean E101 \(ShapeError\)"),
        ("?!", "streetlight explain lists them all"),
    ],
)
def test_unknown_codes_are_helped_on(asked, words):
    with pytest.raises(UnknownNameError, match=words):
        find(asked)


def test_the_command_prints_the_page_or_the_list(capsys):
    explain("E305")
    assert capsys.readouterr().out.startswith("E305  TableError\n\nA table (CSV file)")
    explain("")
    assert "E101  ShapeError" in capsys.readouterr().out
