"""The passes for tables and updates, and what holds for all passes."""

from __future__ import annotations

import numpy as np
import pytest
from tests.compile.passes_text import arguments, body, check, check_stays, constants, graph

from streetlight.compile.passes import simplify
from streetlight.compile.passes.dead import dead
from streetlight.compile.passes.tables import tables
from streetlight.compile.passes.updates import updates
from streetlight.graph import Graph

# ---- tables ----

TABLE = arguments("t: f64[3, 4]; w: f64[4, 5]; i: i64[8]; g: f64[8, 5]; v: f64[5, 4]")
PICKED = TABLE + "x = pick(t, i, index=(HERE,))\n"


def test_a_product_of_picked_rows_is_picked_from_a_product() -> None:
    check(
        tables,
        PICKED + "y = matmul(x, w)\nreturn y",
        """
    matmul_0 = matmul(t, w)
    y = pick(matmul_0, i, index=(HERE,))
    return y
    """,
    )


def test_rows_of_a_large_table_are_picked_first() -> None:
    check_stays(tables, PICKED.replace("i64[8]", "i64[3]") + "y = matmul(x, w)\nreturn y")


def test_rows_picked_at_all_steps_count_together() -> None:
    text = PICKED.replace("i64[8]", "i64[2]").replace("g:", "j: i64[2]\nargument g:")
    text += body("z = pick(t, j, index=(HERE,)); a = matmul(x, w); b = matmul(z, w); return a, b")
    check(
        tables,
        text,
        """
    matmul_0 = matmul(t, w)
    a = pick(matmul_0, i, index=(HERE,))
    b = pick(matmul_0, j, index=(HERE,))
    return a, b
    """,
    )


def test_a_gradient_is_added_to_rows_before_it_is_multiplied() -> None:
    text = PICKED + body("s = permute(g, dims=(1, 0)); a = matmul(s, x); b = matmul(g, v);"
                         "c = unpick(b, i, index=(HERE,), shape=(3, 4)); return a, c")  # fmt: skip
    check(
        tables,
        text,
        """
    unpick_0 = unpick(g, i, index=(HERE,), shape=(3, 5))
    permute_0 = permute(unpick_0, dims=(1, 0))
    a = matmul(permute_0, t)
    c = matmul(unpick_0, v)
    return a, c
    """,
    )


def test_a_gradient_of_the_other_operand_too() -> None:
    text = PICKED + body("s = permute(x, dims=(1, 0)); a = matmul(s, g); return a")
    check(
        tables,
        text,
        """
    unpick_0 = unpick(g, i, index=(HERE,), shape=(3, 5))
    permute_0 = permute(t, dims=(1, 0))
    a = matmul(permute_0, unpick_0)
    return a
    """,
    )


def test_gradients_of_few_rows_of_a_large_table_are_multiplied_first() -> None:
    text = PICKED.replace("t: f64[3, 4]", "t: f64[9, 4]")
    text += body("s = permute(g, dims=(1, 0)); a = matmul(s, x); b = matmul(g, v);"
                 "c = unpick(b, i, index=(HERE,), shape=(9, 4)); return a, c")  # fmt: skip
    check_stays(tables, text)


def test_arithmetic_on_rows_is_done_on_the_table() -> None:
    text = PICKED + "argument b: f64[4]\n" + body("y = add(b, x); return y")
    check(tables, text, "add_0 = add(b, t)\ny = pick(add_0, i, index=(HERE,))\nreturn y")


@pytest.mark.parametrize("text", [
    PICKED + "y = mul(x, x)\nreturn y",
    PICKED + body("y = tanh(x); return y, x"),
    PICKED.replace("i64[8]", "i64[3]") + body("y = tanh(x); return y"),
    PICKED + "argument b: f64[8, 1]\n" + body("y = add(x, b); return y"),
    PICKED + "argument b: f64[2, 8, 4]\n" + body("y = add(x, b); return y"),
])  # fmt: skip
def test_other_arithmetic_stays(text: str) -> None:
    check_stays(tables, text)


@pytest.mark.parametrize(("view", "after"), [
    ("b = slice(a, index=(1, 0:3:1, 0:4:1, ...))", "slice_0 = slice(i, index=(1, 0:3:1, ...))"),
    ("b = reshape(a, shape=(6, 4))", "reshape_0 = reshape(i, shape=(6,))"),
    ("b = permute(a, dims=(1, 0, 2))", "permute_0 = permute(i, dims=(1, 0))"),
])  # fmt: skip
def test_views_of_rows_are_views_of_indices(view: str, after: str) -> None:
    text = arguments("t: f64[3, 4]; i: i64[2, 3]") + "a = pick(t, i, index=(HERE,))\n"
    name = after.split(" ")[0]
    check(
        tables, f"{text}{view}\nreturn b", f"{after}\nb = pick(t, {name}, index=(HERE,))\nreturn b"
    )


@pytest.mark.parametrize("view", [
    "b = slice(a, index=(0:2:1, 0:3:1, 0:2:1, ...)); return b",
    "b = reshape(a, shape=(2, 12)); return b", "b = permute(a, dims=(0, 2, 1)); return b",
    "b = reshape(a, shape=(6, 4)); c = neg(a); return b, c",
    "b = reshape(a, shape=(6, 4)); return b, a",
])  # fmt: skip
def test_other_views_of_rows_stay(view: str) -> None:
    text = arguments("t: f64[3, 4]; i: i64[2, 3]") + "a = pick(t, i, index=(HERE,))\n"
    check_stays(tables, text + body(view))


def test_masks_are_no_rows() -> None:
    given = graph(arguments("t: f64[3, 4]; m: bool[3]; r: i64[3]") + "a = neg(t)\nreturn a")
    (node,) = graph(arguments("t: f64[3, 4]; i: i64[2]") + body(
        "a = pick(t, i, index=(HERE,)); b = reshape(a, shape=(8,));"
        "return b")).nodes[:1]  # fmt: skip
    node.inputs = (given.inputs[0].value, given.inputs[1].value)
    node.output.shape = (2, 4)
    given.nodes.append(node)
    given.outputs.append(node.output)
    constants(given, m=[True, False, True])
    check_stays(tables, given)


@pytest.mark.parametrize(("seen", "places"), [
    ("b = reshape(x, shape=(2, 3, 4))", "reshape_0 = reshape(i, shape=(6,))"),
    ("b = permute(y, dims=(1, 0, 2))", "permute_0 = permute(i, dims=(1, 0))"),
    ("b = unslice(z, shape=(2, 3, 4), index=(1, 0:3:1, 0:4:1, ...))",
     "slice_0 = slice(i, index=(1, 0:3:1, ...))"),
])  # fmt: skip
def test_rows_are_added_as_they_were_before_a_view(seen: str, places: str) -> None:
    text = arguments("x: f64[6, 4]; y: f64[3, 2, 4]; z: f64[3, 4]; i: i64[2, 3]")
    text += body(f"{seen}; c = unpick(b, i, index=(HERE,), shape=(5, 4)); return c")
    source, name = seen.split("(")[1][0], places.split(" ")[0]
    after = f"{places}\nc = unpick({source}, {name}, index=(HERE,), shape=(5, 4))\nreturn c"
    check(tables, text, after)


def test_rows_in_order_are_a_slice() -> None:
    text = arguments("t: f64[5, 4]; i: i64[3]; g: f64[3, 4]")
    text += body("a = pick(t, i, index=(HERE,)); b = unpick(g, i, index=(HERE,), shape=(5, 4));"
                 "return a, b")  # fmt: skip
    check(
        tables,
        constants(graph(text), i=[1, 2, 3]),
        """
    a = slice(t, index=(1:4:1, ...))
    b = unslice(g, shape=(5, 4), index=(1:4:1, ...))
    return a, b
    """,
    )
    for other in ([0, 2, 3], [-3, -2, -1], [1, 1, 1]):
        check_stays(tables, constants(graph(text), i=other))


# ---- updates ----


def test_rows_are_scaled_before_they_are_added() -> None:
    text = "parameter t: f64[9, 4]\nnumber lr: number\n" + arguments("g: f64[3, 4]; i: i64[3]")
    text += body("a = unpick(g, i, index=(HERE,), shape=(9, 4)); r = cast(lr, dtype=f64);"
                 "b = mul(a, r); c = neg(b); d = add(t, c); t <- d; return d")  # fmt: skip
    check(
        updates,
        text,
        """
    r = cast(lr, dtype=f64)
    mul_0 = mul(g, r)
    neg_0 = neg(mul_0)
    c = unpick(neg_0, i, index=(HERE,), shape=(9, 4))
    d = add(t, c)
    t <- d
    return d
    """,
    )


@pytest.mark.parametrize("rest", [
    "b = mul(a, 0.5); return b, a", "b = mul(a, t); return b",
    "b = mul(a, 0.5); c = tanh(a); return b, c",
])  # fmt: skip
def test_other_factors_stay(rest: str) -> None:
    text = arguments("t: f64[9, 4]; g: f64[3, 4]; i: i64[3]")
    check_stays(updates, text + "a = unpick(g, i, index=(HERE,), shape=(9, 4))\n" + body(rest))


def test_a_table_smaller_than_its_rows_is_scaled_itself() -> None:
    text = arguments("g: f64[9, 4]; i: i64[9]")
    text += body("a = unpick(g, i, index=(HERE,), shape=(3, 4)); b = mul(a, 0.5); return b")
    check_stays(updates, text)


def test_outer_products_are_elementwise() -> None:
    text = arguments("a: f64[4, 1]; b: f64[1, 3]") + "c = matmul(a, b)\nreturn c"
    check(updates, text, "c = mul(a, b)\nreturn c")


# ---- what stays with a node ----


def test_new_nodes_know_where_they_come_from() -> None:
    given = graph(PICKED + "y = matmul(x, w)\nreturn y")
    given.nodes[-1].module, given.nodes[-1].gradient_of = "encoder", "loss"
    made = tables(given).nodes
    assert [(node.module, node.gradient_of) for node in dead(tables(given)).nodes] == [
        ("encoder", "loss")
    ] * 2
    assert len({node.output.name for node in made}) == len(made)


def test_draws_stay_in_order() -> None:
    drawn = "shape=(2,), generator=@0, dtype=f64"
    text = arguments("x: f64[2]") + body(
        f"a = uniform({drawn}); b = normal({drawn}); c = uniform({drawn}); d = mul(c, x);"
        "e = add(d, a); return e")  # fmt: skip
    names = [n.op.name for n in simplify(graph(text)).nodes if n.op.name in ("uniform", "normal")]
    assert names == ["uniform", "normal", "uniform"]


def test_nothing_at_all_is_fine() -> None:
    empty = Graph("empty")
    assert simplify(empty) is empty
    assert np.array_equal(list(simplify(graph("argument x: f64[0]\ny = neg(x)\nreturn y")).nodes[0]
                               .output.shape), [0])  # fmt: skip
