"""The pass that computes cheap values again in the backward walk: what goes, and what stays."""

from __future__ import annotations

from tests.compile.passes_text import body, check, check_stays, graph

from streetlight.compile.passes.recompute import recompute
from streetlight.graph import Graph

GIVEN = "argument x: f64[128, 128]\nargument g: f64[128, 128]\n"  # 128 KB each


def walk(forward: str, backward: str, inputs: str = GIVEN) -> Graph:
    """A graph whose last lines belong to the backward walk; its results are the last value's."""
    read = graph(inputs + body(f"{forward}; {backward}"))
    for node in read.nodes[len(forward.split(";")) :]:
        node.gradient_of = read.nodes[0].output.name
    return read


def test_a_cheap_value_of_a_kept_one_is_computed_again() -> None:
    given = walk("e = exp(x); y = mul(e, 2.0)", "a = mul(g, e); d = mul(a, y); return d")
    check(recompute, given, "e = exp(x)\na = mul(g, e)\ny_again = mul(e, 2.0)\n"
                            "d = mul(a, y_again)\nreturn d")  # fmt: skip


def test_one_value_is_kept_in_the_place_of_two_that_come_from_it() -> None:
    given = walk(
        "e = exp(x); s = sin(e); c = mul(s, 2.0); h = add(s, 1.0)",
        "a = mul(g, c); d = mul(a, h); return d",
    )
    assert [node.output.name for node in recompute(given).nodes] == [
        "e", "s", "c", "h", "c_again", "a", "h_again", "d",
    ]  # fmt: skip


def test_one_value_is_not_kept_in_the_place_of_one() -> None:
    check_stays(recompute, walk("e = exp(x); y = mul(e, 2.0)", "d = mul(g, y); return d"))


def test_what_lies_between_is_computed_again_too_and_views_are_seen_through() -> None:
    given = walk(
        "e = exp(x); h = mul(e, 0.5); r = reshape(h, shape=(16384,)); y = add(r, 1.0)",
        "f = reshape(e, shape=(16384,)); p = reshape(g, shape=(16384,)); a = mul(p, f);"
        "d = mul(a, y); return d",
    )
    names = [node.output.name for node in recompute(given).nodes]
    assert names[4:] == ["f", "p", "a", "h_again", "r_again", "y_again", "d"]


def test_dear_small_and_returned_values_are_kept() -> None:
    dear = walk("e = exp(x); y = tanh(e)", "a = mul(g, e); d = mul(a, y); return d")
    check_stays(recompute, dear)
    small = GIVEN.replace("128, 128", "16, 16")
    cheap = "e = exp(x); y = mul(e, 2.0)"
    check_stays(recompute, walk(cheap, "a = mul(g, e); d = mul(a, y); return d", small))
    check_stays(recompute, walk(cheap, "a = mul(g, e); d = mul(a, y); return d, y"))


def test_a_value_that_forward_nodes_alone_read_stays() -> None:
    check_stays(recompute, walk("e = exp(x); y = mul(e, 2.0); z = add(y, e)", "d = mul(g, z)"
                                "; return d"))  # fmt: skip
