"""The passes that look at a few nodes at a time: dead, common, fold, views, broadcast, products."""

from __future__ import annotations

import numpy as np
import pytest
from tests.compile.passes_text import body, check, check_stays, constants, graph

from streetlight.compile.passes import simplify
from streetlight.compile.passes.broadcast import broadcast
from streetlight.compile.passes.dead import dead
from streetlight.compile.passes.fold import fold
from streetlight.compile.passes.products import products
from streetlight.compile.passes.rewrite import rewrite
from streetlight.compile.passes.views import views
from streetlight.graph import Graph

X = "argument x: f64[4, 6]\n"
XY = X + "argument y: f64[4, 6]\n"


def common(read: Graph) -> Graph:
    return rewrite(read, {})


def test_what_no_result_needs_is_left_out() -> None:
    check(dead, XY + body("s = add(x, y); p = mul(x, y); return p"), "p = mul(x, y)\nreturn p")


def test_draws_checks_and_updates_are_never_dead() -> None:
    text = """
    argument rows: i64[3]
    parameter w: f64[2]
    n = normal(shape=(2,), generator=@0, dtype=f64)
    r = in_range(rows, size=2)
    v = neg(w)
    return
    w <- v
    """
    given = graph(text.replace("return\n    w <- v", "w <- v\nreturn w"))
    check_stays(dead, given)


def test_unused_constants_go_and_other_inputs_stay() -> None:
    given = constants(graph(X + "argument c: f64[2]\nz = neg(x)\nreturn z"), c=[1, 2])
    assert [i.value.name for i in dead(given).inputs] == ["x"]


# ---- common ----


def test_equal_nodes_are_one() -> None:
    text = X + body("a = sum(x, dims=(0,), keepdim=False); b = sum(x, dims=(0,), keepdim=False);"
                    "c = mul(a, b); return c")  # fmt: skip
    check(common, text, "a = sum(x, dims=(0,), keepdim=False)\nc = mul(a, a)\nreturn c")


def test_slices_and_turned_sums_are_compared_too() -> None:
    text = XY + body("a = slice(x, index=(1:3, ...)); b = slice(x, index=(1:3, ...));"
                     "c = add(x, y); d = add(y, x); return a, b, c, d")  # fmt: skip
    check(common, text, "a = slice(x, index=(1:3, ...))\nc = add(x, y)\nreturn a, a, c, c")


@pytest.mark.parametrize("pair", [
    ("mul(x, 0.0)", "mul(x, -0.0)"), ("mul(x, 2)", "mul(x, 2.0)"), ("sub(x, y)", "sub(y, x)"),
    ("slice(x, index=(0, ...))", "slice(x, index=(1, ...))"),
    ("cast(x, dtype=f32)", "cast(x, dtype=f16)"),
    ("expand(x, shape=(1, 4, 6))", "reshape(x, shape=(1, 4, 6))"),
    ("bernoulli(shape=(2,), probability=0.5, generator=@0, dtype=f64)",
     "bernoulli(shape=(2,), probability=0.5, generator=@0, dtype=f64)"),
])  # fmt: skip
def test_different_nodes_stay_two(pair: tuple[str, str]) -> None:
    check_stays(common, XY + body(f"a = {pair[0]}; b = {pair[1]}; return a, b"))


def test_equal_constants_are_one() -> None:
    given = graph(X + "argument c: f64[6]\nargument d: f64[6]\n"
                  + body("a = add(x, c); b = mul(a, d); return b"))  # fmt: skip
    constants(given, c=range(6), d=range(6))
    check(common, given, "a = add(x, c)\nb = mul(a, c)\nreturn b")


# ---- fold ----


@pytest.mark.parametrize("same", [
    "mul(x, 1.0)", "mul(1, x)", "div(x, 1)", "sub(x, 0)", "sub(x, 0.0)", "pow(x, 1.0)",
    "cast(x, dtype=f64)", "copy(x)", "where(m, x, x)",
])  # fmt: skip
def test_what_changes_nothing_is_left_out(same: str) -> None:
    text = X + f"argument m: bool[4, 6]\na = {same}\nb = tanh(a)\nreturn b"
    check(fold, text, "b = tanh(x)\nreturn b")


@pytest.mark.parametrize("other", [
    "add(x, 0.0)", "sub(0.0, x)", "mul(x, 0.0)", "mul(x, True)", "pow(1.0, x)", "div(1.0, x)",
    "add(x, x)", "mul(x, 2.0)", "cast(x, dtype=f32)",
])  # fmt: skip
def test_what_may_change_something_stays(other: str) -> None:
    check_stays(fold, X + f"a = {other}\nreturn a")


def test_one_that_broadcasts_is_not_left_out() -> None:
    given = constants(graph("argument x: f64[]\nargument one: f64[3]\n"
                            "a = mul(x, one)\nreturn a"), one=[1, 1, 1])  # fmt: skip
    check_stays(fold, given)


def test_minus_signs_and_squares() -> None:
    text = X + body("a = mul(x, -1); b = neg(a); c = pow(b, 2); return c")
    check(fold, text, "c = mul(x, x)\nreturn c")


def test_factors_are_multiplied() -> None:
    text = X + body("a = mul(x, 0.5); b = mul(3, a); return b")
    check(fold, text, "b = mul(x, 1.5)\nreturn b")


@pytest.mark.parametrize("factors", [("1e-300", "1e-300"), ("1e300", "1e300"), ("0.0", "2.0")])
def test_factors_that_may_overflow_or_vanish_stay(factors: tuple[str, str]) -> None:
    check_stays(fold, X + body(f"a = mul(x, {factors[0]}); b = mul(a, {factors[1]}); return b"))


def test_operations_on_constants_are_computed() -> None:
    given = graph("argument x: f64[3, 3]\nargument i: i64[3]\n" + body(
        "a = reshape(i, shape=(3, 1)); m = ge(a, i); z = where(m, x, 0.0); return z"))  # fmt: skip
    made = dead(fold(constants(given, i=[0, 1, 2])))
    (mask,) = [i for i in made.inputs if i.kind == "constant"]
    np.testing.assert_array_equal(mask.data, np.tri(3, dtype=bool))
    assert [node.op.name for node in made.nodes] == ["where"]


def test_large_results_of_small_constants_are_not_kept() -> None:
    given = graph("argument c: f64[100, 1]\nargument d: f64[100]\na = mul(c, d)\nreturn a")
    check_stays(fold, constants(given, c=np.ones((100, 1)), d=np.arange(100)))


def test_an_operation_on_constants_that_raises_raises_when_it_runs() -> None:
    given = graph("argument i: i64[2]\na = in_range(i, size=2)\nreturn a")
    check_stays(fold, constants(given, i=[0, 7]))


def test_uniform_constants_become_numbers() -> None:
    given = constants(graph(X + "argument c: f64[6]\na = add(x, c)\nreturn a"), c=[2.5] * 6)
    check(fold, given, "a = add(x, 2.5)\nreturn a")


@pytest.mark.parametrize("data", [[0.0, -0.0], [-0.0, -0.0], [1.0, 2.0], [np.nan, np.nan]])
def test_constants_that_are_no_single_number_stay(data: list[float]) -> None:
    given = graph("argument x: f64[3, 2]\nargument c: f64[2]\na = add(x, c)\nreturn a")
    check_stays(fold, constants(given, c=data))


def test_a_constant_that_gives_the_shape_stays() -> None:
    given = graph("argument x: f64[]\nargument c: f64[3]\na = add(x, c)\nreturn a")
    check_stays(fold, constants(given, c=[2.0] * 3))


def test_a_known_condition_decides() -> None:
    given = graph(XY + "argument c: bool[6]\na = where(c, x, y)\nb = neg(a)\nreturn b")
    check(fold, constants(given, c=[False] * 6), "b = neg(y)\nreturn b")


def test_results_that_turn_out_to_be_inputs_are_copied() -> None:
    text = "parameter p: f64[2]\nparameter q: f64[2]\n"
    text += body("a = copy(p); b = mul(q, 1.0); c = neg(a); p <- b; q <- a; return c, a")
    check(fold, text, body("c = neg(p); a = copy(p); b = copy(q); p <- b; q <- a; return c, a"))


def test_numbers_keep_to_themselves() -> None:
    text = "number n: number\nargument x: f64[2]\n"
    text += body("a = mul(n, 1.0); b = pow(a, 2); c = cast(b, dtype=f64); d = mul(x, c); return d")
    check(fold, text, body("b = pow(n, 2); c = cast(b, dtype=f64); d = mul(x, c); return d"))


# ---- views ----


@pytest.mark.parametrize(("chain", "one"), [
    ("a = reshape(x, shape=(24,)); b = reshape(a, shape=(2, 12))", "b = reshape(x, shape=(2, 12))"),
    ("a = permute(x, dims=(1, 0)); b = reshape(a, shape=(1, 6, 4)); c = permute(b, dims=(0, 2, 1))",
     "c = reshape(x, shape=(1, 4, 6))"),
    ("a = matrix_transpose(x)", "a = permute(x, dims=(1, 0))"),
    ("a = slice(x, index=(1:4, ...)); b = slice(a, index=(:, 2, ...))",
     "b = slice(x, index=(1:4:1, 2, ...))"),
    ("a = slice(x, index=(::2, ...)); b = slice(a, index=(-1, ...))",
     "b = slice(x, index=(2, 0:6:1, ...))"),
    ("a = slice(x, index=(::-1, ...)); b = slice(a, index=(1:3, ...))",
     "b = slice(x, index=(2:0:-1, 0:6:1, ...))"),
    ("a = slice(x, index=(..., None, 0:2))",
     "slice_1 = slice(x, index=(0:4:1, 0:2:1, ...))\na = reshape(slice_1, shape=(4, 1, 2))"),
    ("a = slice(x, index=(1:2, ...)); b = reshape(a, shape=(6,))",
     "b = slice(x, index=(1, 0:6:1, ...))"),
    ("a = permute(x, dims=(1, 0)); b = slice(a, index=(2, ...))",
     "b = slice(x, index=(0:4:1, 2, ...))"),
    ("a = expand(x, shape=(1, 4, 6)); b = expand(a, shape=(3, 4, 6))",
     "b = expand(x, shape=(3, 4, 6))"),
    ("a = reshape(x, shape=(1, 4, 6)); b = expand(a, shape=(3, 4, 6))",
     "b = expand(x, shape=(3, 4, 6))"),
    ("a = unslice(x, shape=(4, 8), index=(:, 1:7, ...)); "
     "b = unslice(a, shape=(5, 8), index=(1:, ...))",
     "b = unslice(x, shape=(5, 8), index=(1:5:1, 1:7:1, ...))"),
    ("a = unslice(x, shape=(1, 4, 6), index=(0, ...))", "a = reshape(x, shape=(1, 4, 6))"),
])  # fmt: skip
def test_views_of_views_are_one(chain: str, one: str) -> None:
    last = one.rsplit("\n", 1)[-1].split(" ")[0]
    check(views, X + body(f"{chain}; return {last}"), f"{one}\nreturn {last}")


@pytest.mark.parametrize("nothing", [
    "reshape(x, shape=(4, 6))", "permute(x, dims=(0, 1))", "expand(x, shape=(4, 6))",
    "slice(x, index=(...,))", "slice(x, index=(0:4, ...))",
    "unslice(x, shape=(4, 6), index=(...,))", "cat(x, dim=0, sizes=(4,))",
])  # fmt: skip
def test_views_that_change_nothing_are_left_out(nothing: str) -> None:
    check(views, X + body(f"a = {nothing}; b = neg(a); return b"), "b = neg(x)\nreturn b")


def test_a_slice_of_a_part_is_the_part() -> None:
    text = XY + body("a = cat(x, y, dim=1, sizes=(6, 6)); b = slice(a, index=(:, 6:, ...));"
                     "c = slice(a, index=(:, 7, ...)); d = slice(a, index=(:, 5:7, ...));"
                     "e = neg(b); return c, d, e")  # fmt: skip
    check(
        views,
        text,
        """
    a = cat(x, y, dim=1, sizes=(6, 6))
    c = slice(y, index=(0:4:1, 1, ...))
    d = slice(a, index=(0:4:1, 5:7:1, ...))
    e = neg(y)
    return c, d, e
    """,
    )


def test_slices_side_by_side_are_one() -> None:
    text = X + body("a = slice(x, index=(0:1, ...)); b = slice(x, index=(1:3, ...));"
                    "c = cat(a, b, dim=0, sizes=(1, 2)); return c")  # fmt: skip
    check(views, text, "c = slice(x, index=(0:3:1, 0:6:1, ...))\nreturn c")


def test_columns_below_each_other_are_a_transpose() -> None:
    text = "argument x: f64[4, 2]\n"
    text += body("a = slice(x, index=(:, 0, ...)); b = slice(x, index=(:, 1, ...));"
                 "c = cat(a, b, dim=0, sizes=(4, 4)); return c")  # fmt: skip
    after = "permute_0 = permute(x, dims=(1, 0))\nc = reshape(permute_0, shape=(8,))\nreturn c"
    check(views, text, after)


def test_slices_in_another_order_stay_apart() -> None:
    text = X + body("a = slice(x, index=(0:1:1, 0:6:1, ...));"
                    "b = slice(x, index=(1:2:1, 0:6:1, ...));"
                    "c = cat(b, a, dim=0, sizes=(1, 1)); return c")  # fmt: skip
    check_stays(views, text)


def test_parts_are_joined_before_they_are_reshaped() -> None:
    text = "argument x: f64[2, 3, 4, 5]\nargument y: f64[2, 3, 4, 5]\n"
    text += body("a = permute(x, dims=(0, 2, 1, 3)); b = reshape(a, shape=(2, 4, 15));"
                 "c = permute(y, dims=(0, 2, 1, 3)); d = reshape(c, shape=(2, 4, 15));"
                 "e = cat(b, d, dim=2, sizes=(15, 15)); return e")  # fmt: skip
    check(
        views,
        text,
        """
    a = permute(x, dims=(0, 2, 1, 3))
    c = permute(y, dims=(0, 2, 1, 3))
    cat_0 = cat(a, c, dim=2, sizes=(3, 3))
    e = reshape(cat_0, shape=(2, 4, 30))
    return e
    """,
    )


def test_what_was_cut_out_of_zeros_is_there_again() -> None:
    text = X + body("a = unslice(x, shape=(5, 6), index=(1:, ...)); b = slice(a, index=(1:, ...));"
                    "c = neg(b); return c")  # fmt: skip
    check(views, text, "c = neg(x)\nreturn c")


# ---- broadcast ----

ROW = "argument g: f64[6]\nargument s: f64[]\n" + X


@pytest.mark.parametrize(("chain", "after"), [
    ("a = expand(g, shape=(4, 6)); z = mul(a, x)", "z = mul(g, x)"),
    ("a = expand(g, shape=(4, 6)); z = mul(a, 0.5)",
     "mul_0 = mul(g, 0.5)\nz = expand(mul_0, shape=(4, 6))"),
    ("a = expand(s, shape=(4, 6)); b = expand(g, shape=(4, 6)); z = sub(a, b)",
     "sub_0 = sub(s, g)\nz = expand(sub_0, shape=(4, 6))"),
    ("a = expand(g, shape=(4, 6)); z = cast(a, dtype=f32)",
     "cast_0 = cast(g, dtype=f32)\nz = expand(cast_0, shape=(4, 6))"),
    ("a = expand(g, shape=(4, 6)); z = sum(a, dims=(0,), keepdim=False)", "mul_1 = mul(g, 4.0)"),
    ("a = expand(g, shape=(4, 6)); z = sum(a, dims=(1,), keepdim=True)",
     "sum_1 = sum(g, dims=(0,), keepdim=False)\nz = expand(sum_1, shape=(4, 1))"),
    ("a = expand(g, shape=(4, 6)); z = amax(a, dims=(0, 1), keepdim=False)",
     "amax_1 = amax(g, dims=(0,), keepdim=False)"),
    ("a = sum(x, dims=(1,), keepdim=True); z = sum(a, dims=(0, 1), keepdim=False)",
     "z = sum(x, dims=(0, 1), keepdim=False)"),
    ("a = reshape(x, shape=(2, 2, 6)); z = sum(a, dims=(0, 1), keepdim=False)",
     "z = sum(x, dims=(0,), keepdim=False)"),
    ("a = reshape(x, shape=(2, 2, 6)); z = amax(a, dims=(2,), keepdim=True)",
     "amax_0 = amax(x, dims=(1,), keepdim=False)\nz = reshape(amax_0, shape=(2, 2, 1))"),
    ("a = reshape(x, shape=(2, 2, 6)); b = add(a, g); z = tanh(b)",
     "add_0 = add(x, g)\ntanh_0 = tanh(add_0)\nz = reshape(tanh_0, shape=(2, 2, 6))"),
    ("a = expand(g, shape=(5, 6)); b = permute(x, dims=(1, 0)); z = matmul(a, b)",
     "b = permute(x, dims=(1, 0))\nexpand_0 = expand(g, shape=(1, 6))\n"
     "matmul_0 = matmul(expand_0, b)\nz = expand(matmul_0, shape=(5, 4))"),
])  # fmt: skip
def test_work_is_done_before_repeating(chain: str, after: str) -> None:
    both = lambda read: views(broadcast(read))  # noqa: E731
    last = after.rsplit("\n", 1)[-1].split(" ")[0]
    check(both, ROW + body(f"{chain}; return z"), f"{after}\nreturn {last}")


@pytest.mark.parametrize("chain", [
    "a = reshape(x, shape=(2, 2, 6)); z = sum(a, dims=(0,), keepdim=False)",
    "a = reshape(x, shape=(2, 2, 6)); b = reshape(g, shape=(6, 1, 1)); z = sum(b, dims=(0,), "
    "keepdim=False); y = mul(a, z)",
    "a = reshape(x, shape=(24,)); b = neg(a); y = sum(x, dims=(0,), keepdim=False); z = mul(s, b)",
])  # fmt: skip
def test_what_does_not_fit_stays(chain: str) -> None:
    last = chain.rsplit(";", 1)[-1].split()[0]
    given = graph(ROW + body(f"{chain}; return {last}"))
    ops = [node.op.name for node in broadcast(given).nodes]
    assert ops == [node.op.name for node in given.nodes]


# ---- products ----


def test_linear_is_a_product_of_rows() -> None:
    text = "argument x: f64[2, 3, 5]\nparameter w: f64[4, 5]\ny = linear(x, w)\nreturn y"
    check(
        products,
        text,
        """
    reshape_0 = reshape(x, shape=(6, 5))
    permute_0 = permute(w, dims=(1, 0))
    matmul_0 = matmul(reshape_0, permute_0)
    y = reshape(matmul_0, shape=(2, 3, 4))
    return y
    """,
    )


def test_linear_takes_a_vector() -> None:
    text = "argument x: f64[5]\nparameter w: f64[4, 5]\ny = linear(x, w)\nreturn y"
    check(
        products,
        text,
        """
    reshape_0 = reshape(x, shape=(1, 5))
    permute_0 = permute(w, dims=(1, 0))
    matmul_0 = matmul(reshape_0, permute_0)
    y = reshape(matmul_0, shape=(4,))
    return y
    """,
    )


def test_batches_of_matrices_stay_batches() -> None:
    text = "argument x: f64[2, 3, 5]\nargument y: f64[2, 5, 4]\nz = matmul(x, y)\nreturn z"
    check_stays(products, text)


AB = "argument a: f64[4, 6]\nargument b: f64[6, 5]\n"


def test_a_transposed_product_is_a_product_of_transposes() -> None:
    check(
        products,
        AB + body("c = matmul(a, b); d = permute(c, dims=(1, 0)); return d"),
        """
    permute_0 = permute(b, dims=(1, 0))
    permute_1 = permute(a, dims=(1, 0))
    d = matmul(permute_0, permute_1)
    return d
    """,
    )


def test_a_product_that_is_read_untransposed_too_stays() -> None:
    text = AB + body("c = matmul(a, b); d = permute(c, dims=(1, 0)); return c, d")
    check_stays(products, text)


def test_factors_stand_behind_the_product() -> None:
    text = AB + body("s = mul(a, 0.5); c = matmul(s, b); d = neg(c); return d")
    check(products, text, body("matmul_0 = matmul(a, b); c = mul(matmul_0, 0.5); d = neg(c);"
                               "return d"))  # fmt: skip


@pytest.mark.parametrize("text", [
    AB + body("s = mul(a, 0.5); c = matmul(s, b); return c, s"),
    AB + body("s = mul(a, 0.5); c = matmul(s, b); d = neg(s); return c, d"),
    AB + body("s = mul(a, a); c = matmul(s, b); return c"),
    AB.replace("f64", "f16") + body("s = mul(a, 0.5); c = matmul(s, b); return c"),
])  # fmt: skip
def test_factors_that_are_needed_before_the_product_stay(text: str) -> None:
    check_stays(products, text)


# ---- all together ----


def test_the_gradient_of_a_mean_is_a_number() -> None:
    given = graph(XY + "argument one: f64[]\n" + body(
        "a = mul(one, 0.25); b = expand(a, shape=(4, 1)); c = expand(b, shape=(4, 6));"
        "d = mul(c, x); return d"))  # fmt: skip
    check(simplify, constants(given, one=1.0), "d = mul(0.25, x)\nreturn d")
