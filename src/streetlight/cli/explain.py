"""`streetlight explain CODE`: the page of one error code, or the list of all of them."""

from __future__ import annotations

import inspect
import re
import shutil
import textwrap
from difflib import get_close_matches
from typing import Annotated

import typer

from streetlight.errors import StreetlightError, UnknownNameError

WIDEST = 88


def explain(
    code: Annotated[
        str, typer.Argument(metavar="[CODE]", help="Such as E101; without it, all are listed.")
    ] = "",
) -> None:
    """Tell what an error code means and what to do about it."""
    width = min(shutil.get_terminal_size().columns, WIDEST)
    typer.echo(page(find(code), width) if code else overview(width))


def find(code: str) -> type[StreetlightError]:
    """The error class of a code or a class name, in any case: "E101", "e101", "ShapeError".

    Raises:
        UnknownNameError: there is none; near matches are offered.
    """
    known = {name.lower(): error for name, error in StreetlightError.registry.items()}
    known |= {error.__name__.lower(): error for error in StreetlightError.registry.values()}
    asked = code.strip("[] ").lower()
    if asked in known:
        return known[asked]
    matches = {known[match]: None for match in get_close_matches(asked, known, n=3)}
    near = [f"{error.code} ({error.__name__})" for error in matches]
    raise UnknownNameError(
        f"there is no error code {code!r}",
        fix=f"did you mean {' or '.join(near)}?" if near else "streetlight explain lists them all",
    )


def page(error: type[StreetlightError], width: int) -> str:
    """The page of one error: its name, what it means, what helps, how to catch it.

    >>> print(page(find("E304"), 60).splitlines()[0])
    E304  UnknownNameError
    """
    bases = [base.__name__ for base in error.__bases__ if base is not StreetlightError]
    catch = " or ".join([f"sl.errors.{error.__name__}", *bases])
    paragraphs = [*_paragraphs(error), f"In code, catch it as {catch}."]
    wrapped = [textwrap.fill(text, width, break_on_hyphens=False) for text in paragraphs]
    return "\n\n".join([f"{error.code}  {error.__name__}", *wrapped])


def overview(width: int) -> str:
    """All codes in order, each with its class and the first sentence of its page."""
    errors = sorted(StreetlightError.registry.values(), key=lambda error: error.code)
    longest = max(len(error.__name__) for error in errors)
    lines = []
    for error in errors:
        head = f"{error.code}  {error.__name__:<{longest}}  "
        sentence = re.split(r"[.;:](?:\s|$)", _paragraphs(error)[0])[0]
        lines.append(textwrap.fill(head + sentence, width, subsequent_indent=" " * len(head)))
    return "\n".join([*lines, "", "streetlight explain CODE tells more about one of them."])


def _paragraphs(error: type[StreetlightError]) -> list[str]:
    """The docstring's paragraphs, each on one line."""
    text = inspect.cleandoc(error.__doc__ or "")
    return [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
