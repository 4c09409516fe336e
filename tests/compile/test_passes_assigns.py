"""The pass `assigns`: tensors that are filled piece by piece are put together once."""

from __future__ import annotations

import pytest
from tests.compile.passes_text import arguments, body, check, check_stays, counts, graph, numbers
from tests.compile.test_passes_random import assert_same

from streetlight.compile.passes import simplify
from streetlight.compile.passes.assigns import assigns

INPUTS = arguments("x: f64[2, 3]; a: f64[3]; b: f64[3]")


def put(name: str, into: str, value: str, index: str) -> str:
    return f"{name} = assign({into}, {value}, view=slice, attributes={{index: {index}}})"


def test_a_tensor_filled_row_by_row_is_a_cat() -> None:
    text = INPUTS + body(
        f"{put('c', 'x', 'a', '(1, ...)')}; {put('d', 'c', 'b', '(0, ...)')}; return d"
    )
    check(
        assigns,
        text,
        """
    reshape_0 = reshape(b, shape=(1, 3))
    reshape_1 = reshape(a, shape=(1, 3))
    d = cat(reshape_0, reshape_1, dim=0, sizes=(1, 1))
    return d
    """,
    )


def test_what_is_not_filled_stays() -> None:
    text = INPUTS.replace("x: f64[2, 3]", "x: f64[4, 3]") + body(
        f"{put('c', 'x', 'a', '(1, ...)')}; {put('d', 'c', 'b', '(2, ...)')}; return d"
    )
    check(
        assigns,
        text,
        """
    reshape_0 = reshape(a, shape=(1, 3))
    reshape_1 = reshape(b, shape=(1, 3))
    cat_0 = cat(reshape_0, reshape_1, dim=0, sizes=(1, 1))
    d = assign(x, cat_0, view=slice, attributes={index: (1:3:1, 0:3:1, ...)})
    return d
    """,
    )


def test_the_last_assignment_counts() -> None:
    text = INPUTS + body(
        f"{put('c', 'x', 'a', '(1, ...)')}; {put('d', 'c', '0.0', '(0, ...)')};"
        f"{put('e', 'd', 'b', '(1, ...)')}; f = slice(e, index=(1, ...)); g = neg(f); return g"
    )
    made = simplify(graph(text))
    assert_same(graph(text), made, numbers(graph(text)))
    assert counts(made) == {"neg": 1}


def test_slices_see_through_what_is_assigned_elsewhere() -> None:
    text = INPUTS + body(
        f"{put('c', 'x', 'a', '(1, ...)')}; s = slice(c, index=(0, ...));"
        "t = slice(c, index=(1, ...)); u = mul(s, t); return u"
    )
    check(
        assigns,
        text,
        """
    s = slice(x, index=(0, 0:3:1, ...))
    u = mul(s, a)
    return u
    """,
    )


def test_a_slice_in_between_sees_what_was_there_then() -> None:
    text = INPUTS + body(
        f"{put('c', 'x', 'a', '(1, ...)')}; {put('d', 'c', 'b', '(1, ...)')};"
        "s = slice(c, index=(1, ...)); t = slice(d, index=(1, ...)); u = sub(s, t); return u"
    )
    made = simplify(graph(text))
    assert_same(graph(text), made, numbers(graph(text)))
    assert counts(made) == {"sub": 1}


def test_values_are_repeated_to_fit_their_place() -> None:
    text = arguments("x: f64[2, 2, 3]; a: f64[3]") + body(
        f"{put('c', 'x', 'a', '(:, 0, ...)')}; s = slice(c, index=(:, 0, ...));t = neg(s); return t"
    )
    made = simplify(graph(text))
    assert_same(graph(text), made, numbers(graph(text)))
    assert counts(made) == {"neg": 1, "expand": 1}


@pytest.mark.parametrize("text", [
    f"{put('c', 'x', 'a', '(1, ...)')}; return c",
    f"{put('c', 'x', '0.0', '(:, ::2, ...)')}; s = slice(c, index=(0:1:1, 0:3:1, ...)); return s",
    f"{put('c', 'x', 'a', '(0, ...)')}; s = slice(c, index=(0:2:1, 0:1:1, ...)); return s",
    "c = assign(x, 0.0, view=permute, attributes={dims: (1, 0)}); s = slice(c, index=(0, ...));"
    "return s",
])  # fmt: skip
def test_what_does_not_fit_stays(text: str) -> None:
    check_stays(assigns, INPUTS + body(text))


def test_a_tensor_that_is_replaced_as_a_whole_is_the_value() -> None:
    text = arguments("x: f64[]; a: f64[]; y: f64[2, 3]; b: f64[3]") + body(
        f"{put('c', 'x', 'a', '(...,)')}; d = neg(c); {put('e', 'y', 'b', '(:, ...)')}; return d, e"
    )
    check(assigns, text, "d = neg(a)\ne = expand(b, shape=(2, 3))\nreturn d, e")


def test_pieces_that_overlap_in_part_are_left_alone() -> None:
    text = arguments("x: f64[5]; a: f64[2]") + body(
        f"{put('c', 'x', 'a', '(0:2:1, ...)')}; {put('d', 'c', 'a', '(1:3:1, ...)')};"
        "s = slice(d, index=(0:2:1, ...)); return s, d"
    )
    made = simplify(graph(text))
    assert_same(graph(text), made, numbers(graph(text)))
    assert counts(made)["assign"] == 2


def test_a_thousand_steps_are_no_deep_recursion() -> None:
    text = arguments("x: f64[1500, 2]; a: f64[2]") + put("c0", "x", "a", "(0, ...)") + "\n"
    for i in range(1, 1500):
        text += put(f"c{i}", f"c{i - 1}", "a", f"({i}, ...)") + "\n"
        text += f"s{i} = slice(c{i}, index=({i // 2}, ...))\n"
    made = simplify(graph(text + "t = add(s1400, s700)\nreturn c1499, t"))
    assert counts(made) == {"reshape": 1, "cat": 1, "add": 1}
