"""The passes over time: sums of one kind of terms, and products that share an operand."""

from __future__ import annotations

import pytest
from tests.compile.passes_text import (
    arguments,
    body,
    check,
    check_stays,
    counts,
    graph,
    lines,
    numbers,
)
from tests.compile.test_passes_random import assert_same

from streetlight.compile.passes import simplify
from streetlight.compile.passes.dead import dead
from streetlight.compile.passes.joins import joins
from streetlight.compile.passes.sums import sums

# ---- sums ----

STEPS = """
argument x: f64[2, 3]
argument y: f64[2, 3]
argument u: f64[2, 3]
argument v: f64[2, 3]
g = tanh(x)
h = tanh(y)
p = sin(u)
q = sin(v)
s = permute(g, dims=(1, 0))
t = permute(h, dims=(1, 0))
"""


def test_a_weight_gradient_over_time_is_one_tall_product() -> None:
    check(
        sums,
        STEPS + body("a = matmul(s, p); b = matmul(t, q); c = add(a, b); return c"),
        """
    g = tanh(x)
    h = tanh(y)
    p = sin(u)
    q = sin(v)
    cat_0 = cat(h, g, dim=0, sizes=(2, 2))
    permute_0 = permute(cat_0, dims=(1, 0))
    cat_1 = cat(q, p, dim=0, sizes=(2, 2))
    c = matmul(permute_0, cat_1)
    return c
    """,
    )


def test_steps_of_different_length_are_joined_too() -> None:
    text = arguments("x: f64[2, 3]; y: f64[5, 3]; u: f64[2, 4]; v: f64[5, 4]")
    text += body("g = sin(x); h = sin(y); s = permute(g, dims=(1, 0)); t = permute(h, dims=(1, 0));"
                 "p = sin(u); q = sin(v); a = matmul(s, p); b = matmul(t, q); c = add(a, b);"
                 "return c")  # fmt: skip
    made = dead(sums(graph(text)))
    assert_same(graph(text), made, numbers(graph(text)))
    assert counts(made)["matmul"] == 1
    assert "sizes=(5, 2)" in lines(made)


@pytest.mark.parametrize("rest", [
    "a = matmul(s, p); b = matmul(t, q); c = add(a, b); return c, a",  # a is read elsewhere
    "a = matmul(s, p); b = matmul(t, q); c = sub(a, b); return c",
    "a = matmul(s, p); c = add(a, a); return c",
    "a = matmul(s, p); z = sum(a, dims=(0,), keepdim=True); c = add(a, z); return c",
])  # fmt: skip
def test_other_uses_of_products_stay(rest: str) -> None:
    check_stays(sums, STEPS + body(rest))


def test_products_of_inputs_are_not_joined_where_copies_cost_more() -> None:
    text = arguments("x: f64[50, 3]; y: f64[50, 3]; u: f64[50, 3]; v: f64[50, 3]")
    text += body("s = permute(x, dims=(1, 0)); t = permute(y, dims=(1, 0)); a = matmul(s, u);"
                 "b = matmul(t, v); c = add(a, b); return c")  # fmt: skip
    check_stays(sums, text)


def test_a_bias_gradient_uses_what_is_joined_already() -> None:
    text = STEPS + body("a = matmul(s, p); b = matmul(t, q); c = add(a, b);"
                        "d = sum(g, dims=(0,), keepdim=False);"
                        "e = sum(h, dims=(0,), keepdim=False); f = add(e, d);"
                        "return c, f")  # fmt: skip
    made = dead(sums(graph(text)))
    assert_same(graph(text), made, numbers(graph(text)))
    assert counts(made)["cat"] == 2
    assert "f = sum(cat_0, dims=(0,), keepdim=False)" in lines(made)


def test_sums_of_what_nobody_joins_stay() -> None:
    text = arguments("x: f64[2, 3]; y: f64[2, 3]")
    text += body("a = sum(x, dims=(0,), keepdim=False); b = sum(y, dims=(0,), keepdim=False);"
                 "c = add(a, b); return c")  # fmt: skip
    check_stays(sums, text)


def test_one_whole_serves_sums_over_different_steps() -> None:
    text = "".join(f"argument x{i}: f64[2, 9]\nargument y{i}: f64[2, 9]\n" for i in range(4))
    for i in range(4):
        text += f"g{i} = tanh(x{i})\nh{i} = sin(y{i})\ns{i} = permute(g{i}, dims=(1, 0))\n"
        text += f"a{i} = matmul(s{i}, h{i})\nb{i} = matmul(s{i}, g{i})\n"
    text += body("c = add(a0, a1); d = add(c, a2); e = add(b0, b1); f = add(e, b2); k = add(f, b3);"
                 "return d, k")  # fmt: skip
    made = dead(sums(graph(text)))
    assert_same(graph(text), made, numbers(graph(text)))
    (whole,) = [n for n in made.nodes if n.op.name == "cat" and n.attributes["sizes"] == (2, 6)]
    assert [value.name for value in whole.values] == ["g3", "cat_0"]


def test_shared_operands_are_factored_out() -> None:
    text = arguments("a: f64[2, 3]; b: f64[2, 3]; w: f64[3, 4]; v: f64[3, 4]")
    right = body("x = matmul(a, w); y = matmul(b, w); z = add(x, y); return z")
    check(sums, text + right, "add_0 = add(a, b)\nz = matmul(add_0, w)\nreturn z")
    left = body("x = matmul(a, w); y = matmul(a, v); z = add(x, y); return z")
    check(sums, text + left, "add_0 = add(w, v)\nz = matmul(a, add_0)\nreturn z")


def test_pieces_side_by_side_are_joined() -> None:
    text = arguments("x: f64[4, 2]; y: f64[4, 3]; z: f64[4]")
    text += body("a = unslice(y, shape=(4, 6), index=(0:4:1, 2:5:1, ...));"
                 "b = unslice(z, shape=(4, 6), index=(0:4:1, 5, ...));"
                 "c = unslice(x, shape=(4, 6), index=(0:4:1, 0:2:1, ...));"
                 "d = add(a, b); e = add(d, c); return e")  # fmt: skip
    check(
        sums,
        text,
        """
    reshape_0 = reshape(z, shape=(4, 1))
    e = cat(x, y, reshape_0, dim=1, sizes=(2, 3, 1))
    return e
    """,
    )


def test_pieces_that_do_not_cover_all_stay_in_zeros() -> None:
    text = arguments("x: f64[2, 3]; y: f64[2, 3]; z: f64[9, 3]")
    text += body("a = unslice(x, shape=(9, 3), index=(1:3:1, 0:3:1, ...)); b = add(z, a);"
                 "c = unslice(y, shape=(9, 3), index=(3:5:1, 0:3:1, ...)); d = add(b, c);"
                 "return d")  # fmt: skip
    check(
        sums,
        text,
        """
    cat_0 = cat(x, y, dim=0, sizes=(2, 2))
    unslice_0 = unslice(cat_0, shape=(9, 3), index=(1:5:1, 0:3:1, ...))
    d = add(z, unslice_0)
    return d
    """,
    )


def test_pieces_at_one_place_are_added_first() -> None:
    text = arguments("x: f64[3]; y: f64[3]")
    text += body("a = unslice(x, shape=(2, 3), index=(1, 0:3:1, ...));"
                 "b = unslice(y, shape=(2, 3), index=(1, 0:3:1, ...)); c = add(a, b);"
                 "return c")  # fmt: skip
    after = "add_0 = add(x, y)\nreshape_0 = reshape(add_0, shape=(1, 3))\n"
    after += "c = unslice(reshape_0, shape=(2, 3), index=(1:2:1, 0:3:1, ...))\nreturn c"
    check(sums, text, after)


def test_pieces_that_overlap_or_have_gaps_stay() -> None:
    text = arguments("x: f64[2]; y: f64[2]")
    for place in ("1:3:1", "3:5:1"):
        check_stays(sums, text + body(
            f"a = unslice(x, shape=(6,), index=(0:2:1, ...)); b = unslice(y, shape=(6,), "
            f"index=({place}, ...)); c = add(a, b); return c"))  # fmt: skip


def test_rows_added_at_several_times_are_added_at_one() -> None:
    text = arguments("x: f64[2, 3]; y: f64[4, 3]; i: i64[2]; j: i64[4]")
    text += body("a = unpick(x, i, index=(HERE,), shape=(7, 3));"
                 "b = unpick(y, j, index=(HERE,), shape=(7, 3)); c = add(a, b);"
                 "return c")  # fmt: skip
    check(
        sums,
        text,
        """
    cat_0 = cat(x, y, dim=0, sizes=(2, 4))
    cat_1 = cat(i, j, dim=0, sizes=(2, 4))
    c = unpick(cat_0, cat_1, index=(HERE,), shape=(7, 3))
    return c
    """,
    )


def test_places_of_different_dtypes_stay_apart() -> None:
    text = arguments("x: f64[2, 3]; i: i64[2]; j: i32[2]")
    text += body("a = unpick(x, i, index=(HERE,), shape=(7, 3));"
                 "b = unpick(x, j, index=(HERE,), shape=(7, 3)); c = add(a, b);"
                 "return c")  # fmt: skip
    check_stays(sums, text)


def test_a_sum_of_a_thousand_terms_is_no_deep_recursion() -> None:
    text = arguments("x: f64[3]")
    text += "a0 = unslice(x, shape=(2000, 3), index=(0, 0:3:1, ...))\n"
    for i in range(1, 1500):
        text += f"u{i} = unslice(x, shape=(2000, 3), index=({i}, 0:3:1, ...))\n"
        text += f"a{i} = add(a{i - 1}, u{i})\n"
    made = simplify(graph(text + "return a1499"))
    assert counts(made) == {"reshape": 1, "cat": 1, "unslice": 1}


# ---- joins ----

SLICES = arguments("x: f64[3, 2, 5]; w: f64[5, 4]") + body(
    "a = slice(x, index=(0:3:1, 0, 0:5:1, ...)); b = slice(x, index=(0:3:1, 1, 0:5:1, ...));"
)


def test_products_of_slices_are_slices_of_one_product() -> None:
    check(
        joins,
        SLICES + body("c = matmul(a, w); d = matmul(b, w); return c, d"),
        """
    reshape_0 = reshape(x, shape=(6, 5))
    matmul_0 = matmul(reshape_0, w)
    reshape_1 = reshape(matmul_0, shape=(3, 2, 4))
    c = slice(reshape_1, index=(0:3:1, 0, 0:4:1, ...))
    d = slice(reshape_1, index=(0:3:1, 1, 0:4:1, ...))
    return c, d
    """,
    )


@pytest.mark.parametrize("rest", [
    "c = matmul(a, w); d = neg(b); return c, d",  # half of x would be multiplied in vain
    "c = matmul(a, w); v = neg(w); d = matmul(b, v); return c, d",
])  # fmt: skip
def test_products_of_some_slices_stay(rest: str) -> None:
    check_stays(joins, SLICES + body(rest))


def test_products_of_columns_stay() -> None:
    text = arguments("x: f64[3, 4]; w: f64[2, 4]")
    text += body("a = slice(x, index=(0:3:1, 0:2:1, ...)); b = slice(x, index=(0:3:1, 2:4:1, ...));"
                 "c = matmul(a, w); d = matmul(b, w); return c, d")  # fmt: skip
    check_stays(joins, text)


@pytest.mark.parametrize("dim", [0, 1, 2])
def test_stacked_products_are_one_product(dim: int) -> None:
    shape = [3, 4]
    shape.insert(dim, 1)
    text = arguments("x: f64[3, 5]; y: f64[3, 5]; w: f64[5, 4]")
    text += body("g = tanh(x); h = tanh(y); a = matmul(g, w); b = matmul(h, w);"
                 f"c = reshape(a, shape={tuple(shape)}); d = reshape(b, shape={tuple(shape)});"
                 f"e = cat(c, d, dim={dim}, sizes=(1, 1)); return e")  # fmt: skip
    made = dead(joins(graph(text)))
    assert_same(graph(text), made, numbers(graph(text)))
    assert counts(made)["matmul"] == (1 if dim < 2 else 2)


def test_joined_products_of_inputs_must_be_worth_the_copy() -> None:
    for columns, products in ((4, 2), (16, 1)):
        text = arguments(f"x: f64[3, 5]; y: f64[3, 5]; w: f64[5, {columns}]")
        text += body("a = matmul(x, w); b = matmul(y, w); c = cat(a, b, dim=0, sizes=(3, 3));"
                     "return c")  # fmt: skip
        assert counts(dead(joins(graph(text))))["matmul"] == products
