"""A compiled step beside its matrix products alone: `python -m benchmarks.matmuls [WORKLOAD ...]`.

The products are those that the algebra cannot spare: the table of letters times the input's
weights, the hidden state times its weights at each time step, forward and backward, one tall
product over time for the gradient of these weights, and the output. They are made by the same BLAS
with the same threads as the compiled step's, in the same process, in alternating rounds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks import command_line, processes
from benchmarks.workloads import OWN, find, prepare
from benchmarks.workloads.recurrent import GATES, Recurrent

ROUNDS, STEPS, BAR = 11, 5, 1.6
ROW = "{:<12} {:>10} {:>10} {:>8} {:>8} {:>7} {:>6}"


@dataclass(frozen=True)
class Matrix:
    """Rows of a matrix by name; `transposed` as the product takes it."""

    name: str
    rows: int
    columns: int
    first_row: int = 0
    transposed: bool = False

    @property
    def T(self) -> Matrix:  # noqa: N802
        """The transposed matrix."""
        return Matrix(self.name, self.rows, self.columns, self.first_row, not self.transposed)

    @property
    def shape(self) -> tuple[int, int]:
        """The sizes as the product takes them."""
        sizes = self.rows, self.columns
        return sizes[::-1] if self.transposed else sizes

    def text(self) -> str:
        """Its address in C."""
        return f"{self.name} + {self.first_row * self.columns}"


Product = tuple[Matrix, Matrix, Matrix]  # the factors and the result


def products(sizes: Recurrent) -> list[Product]:
    """List the products of one step in the order of the step."""
    width, letters, gates = sizes.width, sizes.vocabulary, GATES[sizes.kind] * sizes.width
    count = sizes.batch * sizes.steps

    def at(name: str, columns: int, time: int) -> Matrix:
        return Matrix(name, sizes.batch, columns, sizes.batch * time)

    table, table_gates = Matrix("table", letters, width), Matrix("table_gates", letters, gates)
    enter, again = Matrix("input_weight", gates, width), Matrix("hidden_weight", gates, width)
    hidden, weighed = Matrix("hidden", count, width), Matrix("gates", count, gates)
    output, logits = Matrix("output_weight", letters, width), Matrix("logits", count, letters)
    steps = range(sizes.steps)
    forward = [(at("hidden", width, t), again.T, at("gates", gates, t)) for t in steps]
    backward = [(at("gates", gates, t), again, at("hidden", width, t)) for t in steps[:0:-1]]
    return [
        (table, enter.T, table_gates),
        *forward,
        (hidden, output.T, logits),
        (logits, output, hidden),
        (logits.T, hidden, Matrix("output_gradient", letters, width)),
        *backward,
        (weighed.T, hidden, Matrix("hidden_gradient", gates, width)),
        (table_gates.T, table, Matrix("input_gradient", gates, width)),
        (table_gates, enter, Matrix("table_gradient", letters, width)),
    ]


def operations(product: Product) -> float:
    """Count multiplications and additions."""
    (rows, inner), (_, columns) = product[0].shape, product[1].shape
    return 2.0 * rows * inner * columns


def as_c(product: Product) -> str:
    """Write a product as a call of the BLAS."""
    a, b, c = product
    turned = f"{int(a.transposed)}, {int(b.transposed)}"
    sizes = f"{a.shape[0]}, {b.shape[1]}, {a.shape[1]}"
    factors = f"{a.text()}, {a.columns}, {b.text()}, {b.columns}"
    return f"  sl_gemm_f32({turned}, {sizes}, 1, {factors}, 0, {c.text()}, {c.columns});"


def program(wanted: list[Product]) -> Any:
    """Compile a program that makes these products, and nothing else."""
    from streetlight.compile.build import build
    from streetlight.compile.program import Program
    from streetlight.graph import Graph

    matrices = [matrix for product in wanted for matrix in product]
    sizes: dict[str, int] = {}
    for one in matrices:
        end = (one.first_row + one.rows) * one.columns
        sizes[one.name] = max(end, sizes.get(one.name, 0))
    pointers = [f"  float *{name} = call->buffers[{i}];" for i, name in enumerate(sizes)]
    lines = [*pointers, *map(as_c, wanted), "  return 0;"]
    text = "\n".join(["static int64_t step(sl_call *call) {", *lines, "}"])
    source = replace(build(Graph("products", [], [], [])), text=text, inputs=list(sizes))
    random = np.random.default_rng(0)
    arrays = {name: random.standard_normal(size, np.float32) for name, size in sizes.items()}
    return Program(source, arrays)


def measure(workload: str, framework: str) -> dict[str, float]:
    """Return the microseconds of a step and of its products, and the median of their ratios."""
    step, alone = prepare(workload, framework), program(products(find(workload)))
    times: dict[str, list[float]] = {"step": [], "products": []}
    for number in range((ROUNDS + 1) * STEPS):
        for name, call in (("step", lambda n=number: step(n).item()), ("products", alone.run)):
            start = perf_counter()
            call()
            times[name].append((perf_counter() - start) * 1e6)
    pairs = [
        [median(values[first : first + STEPS]) for values in times.values()]
        for first in range(STEPS, (ROUNDS + 1) * STEPS, STEPS)  # the first round compiles
    ]
    step_us, products_us = (median(values) for values in zip(*pairs, strict=True))
    return {"step": step_us, "products": products_us, "ratio": median(a / b for a, b in pairs)}


def main() -> None:
    """Measure, print the table and write it as JSON."""
    if command_line.measuring(measure):
        return
    command = command_line.parser("benchmarks.matmuls", __doc__)
    options = command_line.read(command, ["rnn", "lstm", "lstm-small"])
    if strange := [w for w in options.workloads if not isinstance(find(w), Recurrent)]:
        command.error(f"{strange}: only for recurrent workloads the products are known")
    load = processes.load_of_others()
    print(ROW.format("workload", "step us", "alone us", "number", "GFLOP/s", "ratio", "bar"))
    results = {}
    for workload in options.workloads:
        row = results[workload] = processes.ask("matmuls", workload, OWN)
        wanted = products(find(workload))
        speed = sum(map(operations, wanted)) / row["products"] / 1e3
        cells = [f"{row['step']:,.0f}", f"{row['products']:,.0f}", len(wanted), f"{speed:.0f}"]
        bar = BAR if workload == "lstm" else ""
        print(ROW.format(workload, *cells, f"{row['ratio']:.2f}", bar), flush=True)
    processes.write(options.json, {"load": load, "workloads": results})


if __name__ == "__main__":
    main()
