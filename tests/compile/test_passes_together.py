"""The pass `together`: independent products that share an operand are one product."""

from __future__ import annotations

import pytest
from tests.compile.passes_text import arguments, body, check, check_stays, counts, graph, numbers
from tests.compile.test_passes_random import assert_same

from streetlight.compile.passes import simplify
from streetlight.compile.passes.dead import dead
from streetlight.compile.passes.sums import sums
from streetlight.compile.passes.together import together
from streetlight.graph import Graph

HEADS = arguments("x: f64[20, 5]; v: f64[3, 5]; w: f64[4, 5]") + body(
    "s = permute(v, dims=(1, 0)); t = permute(w, dims=(1, 0)); a = matmul(x, s); b = matmul(x, t)"
)


def test_products_of_one_tensor_are_columns_of_one() -> None:
    check(
        together,
        HEADS + "\nc = tanh(a)\nreturn c, b",
        """
    cat_0 = cat(v, w, dim=0, sizes=(3, 4))
    permute_0 = permute(cat_0, dims=(1, 0))
    matmul_0 = matmul(x, permute_0)
    a = slice(matmul_0, index=(0:20:1, 0:3:1, ...))
    b = slice(matmul_0, index=(0:20:1, 3:7:1, ...))
    c = tanh(a)
    return c, b
    """,
    )


def test_products_with_one_matrix_are_rows_of_one() -> None:
    text = arguments("x: f64[2, 5]; y: f64[3, 5]; w: f64[5, 20]")
    check(
        together,
        text + body("a = matmul(x, w); b = matmul(y, w); return a, b"),
        """
    cat_0 = cat(x, y, dim=0, sizes=(2, 3))
    matmul_0 = matmul(cat_0, w)
    a = slice(matmul_0, index=(0:2:1, 0:20:1, ...))
    b = slice(matmul_0, index=(2:5:1, 0:20:1, ...))
    return a, b
    """,
    )


def test_transposed_operands_are_joined_before_they_are_transposed() -> None:
    text = arguments("g: f64[9, 2]; h: f64[9, 3]; x: f64[9, 20]")
    text += body("s = permute(g, dims=(1, 0)); t = permute(h, dims=(1, 0)); a = matmul(s, x);"
                 "b = matmul(t, x); return a, b")  # fmt: skip
    made = dead(together(graph(text)))
    assert_same(graph(text), made, numbers(graph(text)))
    assert [node.op.name for node in made.nodes] == ["cat", "permute", "matmul", "slice", "slice"]


@pytest.mark.parametrize("text", [
    # one follows from the other
    arguments("x: f64[2, 20]; w: f64[20, 20]")
    + body("a = matmul(x, w); b = tanh(a); c = matmul(b, w); return c"),
    # too few rows to make up for a copy of the weights
    HEADS.replace("f64[20, 5]", "f64[2, 5]") + "\nreturn a, b",
    # wide enough alone
    HEADS.replace("[3, 5]", "[65, 5]").replace("[4, 5]", "[66, 5]") + "\nreturn a, b",
    # batches
    arguments("x: f64[20, 3, 5]; v: f64[20, 5, 4]; w: f64[20, 5, 2]")
    + body("a = matmul(x, v); b = matmul(x, w); return a, b"),
])  # fmt: skip
def test_others_stay(text: str) -> None:
    check_stays(together, text)


def test_readers_wait_for_the_last_product() -> None:
    text = HEADS.replace("b = matmul(x, t)", "c = tanh(a)\nd = neg(w)")
    text += "\n" + body("z = permute(d, dims=(1, 0)); b = matmul(x, z); return b, c")
    made = dead(together(graph(text)))
    assert_same(graph(text), made, numbers(graph(text)))
    assert counts(made)["matmul"] == 1


def losses(steps: int, generator: str = "") -> Graph:
    """A recurrence with a loss at each step, and noise in it."""
    text = arguments("h: f64[2, 20]; w: f64[20, 20]; v: f64[20, 16]")
    drawn = "uniform(shape=(2, 20), generator=@0, dtype=f64)"
    for step in range(steps):
        before = f"h{step - 1}" if step else "h"
        text += body(f"a{step} = matmul({before}, w); h{step} = tanh(a{step});"
                     f"b{step} = matmul(h{step}, v); c{step} = sin(b{step});"
                     f"d{step} = {drawn}; e{step} = sum(d{step}, dims=(0, 1), keepdim=False);"
                     f"f{step} = mul(c{step}, e{step});") + "\n"  # fmt: skip
    return graph(text + f"return {', '.join(f'f{step}' for step in range(steps))}")


def test_a_loss_at_each_step_needs_one_product_for_all_steps() -> None:
    given = losses(5)
    made = simplify(given)
    assert_same(given, made, numbers(given))
    assert counts(made)["matmul"] == 5 + 1
    order = [node.output.name for node in made.nodes if node.op.name == "uniform"]
    assert order == ["d0", "d1", "d2", "d3", "d4"]


def test_groups_that_need_each_other_are_not_both_joined() -> None:
    text = arguments("x: f64[2, 16]; y: f64[2, 16]; v: f64[16, 16]; w: f64[16, 16]")
    text += body("a = matmul(x, v); b = tanh(a); c = matmul(b, w); d = matmul(y, w); e = tanh(d);"
                 "f = matmul(e, v); return c, f")  # fmt: skip
    made = dead(together(graph(text)))
    assert_same(graph(text), made, numbers(graph(text)))
    assert counts(made)["matmul"] == 3


def test_gradients_of_narrow_products_are_one_wide_product() -> None:
    text = arguments("g: f64[16, 3]; h: f64[16, 4]; v: f64[3, 5]; w: f64[4, 5]")
    text += body("a = matmul(g, v); b = matmul(h, w); c = add(a, b); return c")
    check_stays(sums, text)
    given = graph(text)
    for node in given.nodes:
        node.gradient_of = "x"
    check(
        sums,
        given,
        """
    cat_0 = cat(g, h, dim=1, sizes=(3, 4))
    cat_1 = cat(v, w, dim=0, sizes=(3, 4))
    c = matmul(cat_0, cat_1)
    return c
    """,
    )
