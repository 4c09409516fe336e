"""Passes tested in graph notation: a graph goes in without types, lines come out without types."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from tests.compile.test_passes_random import assert_same

from streetlight.compile.passes.dead import dead
from streetlight.compile.passes.rewrite import infer
from streetlight.graph import Graph, parse, verify
from streetlight.graph.text import line_of

Pass = Callable[[Graph], Graph]


def arguments(shapes: str) -> str:
    """Lines for inputs, written as `x: f64[2, 3]; y: i64[4]`."""
    return "".join(f"argument {part.strip()}\n" for part in shapes.split(";"))


def body(text: str) -> str:
    """Lines that are separated by semicolons."""
    return "\n".join(line.strip() for line in text.split(";"))


def counts(read: Graph) -> Counter[str]:
    """How often each operation occurs."""
    return Counter(node.op.name for node in read.nodes)


def graph(text: str) -> Graph:
    """Read a graph in which only the inputs have types."""
    lines = ["graph g draws from 1 generator", *textwrap.dedent(text).strip().splitlines()]
    typed = [f"{line} : f64[]" if " = " in line else line for line in lines]
    read = parse("\n".join(typed))
    for node in read.nodes:
        node.output.shape, node.output.dtype = infer(node.op, node.inputs, node.attributes)
        numbers = [x.number for x in node.values]
        node.output.number = node.op.name != "cast" and any(numbers)
    verify(read)
    return read


def constants(read: Graph, **arrays: Any) -> Graph:
    """Turn inputs of a graph into constants with these numbers."""
    for given in read.inputs:
        if given.value.name in arrays:
            given.kind = "constant"
            given.data = np.asarray(arrays[given.value.name], given.value.dtype)
    return read


def numbers(read: Graph, seed: int = 5) -> dict[str, Any]:
    """Numbers for the inputs; indices are 0 or 1."""
    random = np.random.default_rng(seed)
    found: dict[str, Any] = {}
    for given in read.inputs:
        value = given.value
        if value.number:
            found[value.name] = 0.25
        elif given.kind != "constant":
            drawn = random.standard_normal(value.shape)
            found[value.name] = (
                drawn if value.dtype.kind == "f" else (drawn > 0).astype(value.dtype)
            )
    return found


def lines(read: Graph) -> str:
    """The operations, updates and results of a graph."""
    found = [line_of(node).rsplit(" : ", 1)[0] for node in read.nodes]
    found += [f"{old.name} <- {new.name}" for old, new in read.updates.items()]
    return "\n".join([*found, "return " + ", ".join(value.name for value in read.outputs)])


def check(one: Pass, before: Graph | str, after: str) -> None:
    """Run a pass and compare lines and numbers with what is expected."""
    given = graph(before) if isinstance(before, str) else before
    made = dead(one(given))
    assert_same(given, made, numbers(given))
    found = lines(made)
    assert found == textwrap.dedent(after).strip(), found


def check_stays(one: Pass, before: Graph | str) -> None:
    """Run a pass that must find nothing to do."""
    given = graph(before) if isinstance(before, str) else before
    assert one(given) is given
