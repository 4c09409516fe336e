"""C for a fused kernel: a function with one loop over rows and, in it, one loop per phase.

Input: a settled Loop and the places of its values. Output: a Function, whose text does not depend
on the names of the values, so that equal kernels of a program are written once.
"""

from __future__ import annotations

from dataclasses import replace

from streetlight.compile.access import Index, View, broadcast, index_of
from streetlight.compile.c_text import converted, expression, literal, memory_type, register_type
from streetlight.compile.function import Function
from streetlight.compile.fuse import Fuser
from streetlight.compile.joining import REDUCTIONS
from streetlight.compile.kernels import Loop
from streetlight.compile.memory import Memory
from streetlight.dtypes import DType
from streetlight.graph.graph import RANDOM, Node, Operand, Value

LONGEST_FLOAT_SUM = 1024  # longer rows of float32 are summed up in float64


class LoopWriter:
    """Writes one fused kernel."""

    def __init__(self, fuser: Fuser, memory: Memory, loop: Loop) -> None:
        self.fuser, self.memory, self.loop = fuser, memory, loop
        self.function = Function()
        self.loaded: set[str] = set()  # elements read in the loop at hand
        self.loaded_rows: set[str] = set()
        self.row, self.column = ("0", "i") if loop.is_flat else ("r", "c")

    # ---- the whole ----

    def write(self) -> Function:
        """Return the function of the kernel."""
        loop, put = self.loop, self.function.put
        for value, level in loop.level.items():
            if level == "after":
                self._begin_after(value)
        if loop.is_flat:
            self._columns(0, "int64_t i = begin; i < end; i++")
        else:
            single = loop.rows == 1 and not loop.parts
            if single:
                put("const int64_t r = 0;")
            else:
                put("for (int64_t r = begin; r < end; r++) {")
            self._row_of_phases()
            if not single:
                put("}")
        for value, level in loop.level.items():
            if level == "after":
                self._end_after(value)
        return self.function

    def _row_of_phases(self) -> None:
        loop, put = self.loop, self.function.put
        for value in loop.row_memory:
            name = self.function.name(("row", value), f"{value.name}_row")
            put(f"{register_type(value.dtype)} {name}[{loop.columns}];")
        phases = [reading(loop, n) for n in loop.nodes if loop.level[n.output] != "row"]
        phases += [loop.phase[n.output] - 1 for n in loop.nodes if self._reduces_row(n)]
        for phase in range(max(phases, default=-1) + 1):
            self._rows_before(phase)
            self._columns(phase, f"int64_t c = 0; c < {loop.columns}; c++")
        self._rows_before(max(phases, default=-1) + 1)

    def _reduces_row(self, node: Node) -> bool:
        return self.loop.level[node.output] == "row" and node.op.name in REDUCTIONS

    def _rows_before(self, phase: int) -> None:
        """What is computed once a row, before the loop of a phase."""
        for node in self.loop.nodes:
            value = node.output
            if self.loop.level[value] != "row" or self.loop.phase[value] != phase:
                continue
            if node.op.name in REDUCTIONS:
                self._end_reduction(node)
            elif node.op.name == "gather":
                self._pick(node)
            else:
                self._compute(node, phase, in_row=True)
            if value in self.loop.writes:
                self.function.put(f"{self._pointer(value)}[{self.row}] = {self._name(value)};")

    # ---- one phase: a loop over the columns ----

    def _columns(self, phase: int, header: str) -> None:
        loop, put = self.loop, self.function.put
        elements = [n for n in loop.nodes if loop.level[n.output] == "element"]
        elements = [n for n in elements if loop.phase[n.output] == phase]
        sums = [n for n in loop.nodes if n.op.name in REDUCTIONS and reading(loop, n) == phase]
        if not elements and not sums:
            return
        pragma = []
        for node in sums:
            pragma += self._begin_reduction(node)
        put(f"#pragma omp simd{''.join(f' reduction({p})' for p in pragma)}")
        put(f"for ({header}) {{")
        self.loaded.clear()
        for node in [n for n in loop.nodes if n in elements or n in sums]:
            if node in sums:
                self._accumulate(node, phase)
            else:
                self._compute(node, phase, in_row=False)
        for node in elements:  # at the end: an update may lie where its input is read
            self._keep(node.output)
        put("}")

    def _keep(self, value: Value) -> None:
        name, put = self._name(value), self.function.put
        if value in self.loop.row_memory:
            put(f"{self.function.name(('row', value), '')}[c] = {name};")
        if value in self.loop.writes:
            put(f"{self._pointer(value)}[{self._own_index(value)}] = {name};")

    def _own_index(self, value: Value) -> str:
        if self.loop.is_flat or self.loop.rows == 1:
            return self.column
        return f"r * {self.loop.columns} + c" if self.loop.columns > 1 else "r"

    # ---- names ----

    def _name(self, value: Value) -> str:
        return self.function.name(("value", value), value.name)

    def _moved(self, view: View, index: Index) -> tuple[str, Index]:
        """The pointer to the view's first element, and the index from there.

        So loops over equal parts of something are equal. Memory that is written keeps one pointer.
        """
        place, root = self.memory.places[view.root], view.root
        written = any(self.memory.places[value] == place for value in self.loop.writes)
        if written or not index.offset:
            return self._pointer(root), index
        pointer = self.function.pointer(place, root, wanted=root.name, offset=index.offset)
        return pointer, replace(index, offset=0)

    def _pointer(self, root: Value) -> str:
        place = self.memory.places[root]
        written = root in self.loop.writes
        wanted = f"{root.name}_out" if root in self.loop.level else root.name
        return self.function.pointer(place, root, written, wanted)

    # ---- operands ----

    def _operand(self, node: Node, operand: Operand, phase: int, in_row: bool, dtype: DType) -> str:
        """C of an operand at the element (or row) at hand; what is read is read once."""
        if not isinstance(operand, Value):
            return literal(operand, dtype)
        view = self.fuser.views[operand]
        root = view.root
        if root in self.fuser.literals:
            return literal(self.fuser.literals[root], root.dtype)
        if self.fuser.is_scalar(operand):
            return self.function.scalar(root)
        level = self.loop.level.get(root)
        if level == "row" or (level == "element" and self.loop.phase[root] == phase):
            return self._name(root)
        if level == "element" and root in self.loop.row_memory:
            return f"{self.function.name(('row', root), '')}[c]"
        return self._load(node, view, operand, in_row)

    def _load(self, node: Node, view: View, value: Value, in_row: bool) -> str:
        shape = node.values[0].shape if node.op.name in REDUCTIONS else node.output.shape
        columns = 1 if in_row else self.loop.columns
        index = index_of(shape, broadcast(view, shape), view.offset, columns)
        if index is None:
            raise IndexError(f"{node.output.name}: no stride walks a row of {value.name}")
        pointer, index = self._moved(view, index)
        element = f"{pointer}[{index.text(self.row, '0' if in_row else self.column)}]"
        kind = register_type(value.dtype)
        name = self.function.name(("load", value, in_row), f"{value.name}_{'r' if in_row else 'i'}")
        loaded = self.loaded_rows if in_row else self.loaded
        if name not in loaded:
            loaded.add(name)
            self.function.put(f"const {kind} {name} = {element};")
        return name

    # ---- statements ----

    def _compute(self, node: Node, phase: int, in_row: bool) -> None:
        value = node.output
        if node.op.name in RANDOM:
            text = self._random(node, in_row)
        elif node.op.name == "scatter_add":
            text = self._put_there(node, phase)
        elif node.op.name == "pick":
            text = self._row_of_table(node)
        else:
            dtype = operand_dtype(node)
            texts = [self._operand(node, x, phase, in_row, dtype) for x in node.inputs]
            if node.op.name == "cast":
                source = node.inputs[0]
                source_dtype = source.dtype if isinstance(source, Value) else dtype
                text = converted(texts[0], source_dtype, value.dtype)
            else:
                text = expression(node, texts, dtype)
        self.function.put(f"const {register_type(value.dtype)} {self._name(value)} = {text};")

    def _random(self, node: Node, in_row: bool) -> str:
        words = self.fuser.words[node]
        word = self._load(node, self.fuser.views[words], words, in_row)
        if node.op.name == "bernoulli":
            limit = round(node.attributes["probability"] * 2**32)
            text = f"({word} < {limit}u)" if limit < 2**32 else "1"
        else:
            text = f"((float)(int32_t)({word} >> 8) * 5.9604645e-8f)"
        return text

    def _chosen(self, index: Value) -> str:
        """C of the index that belongs to the row."""
        view = self.fuser.views[index]
        place = index_of(index.shape, view.strides, view.offset, 1) or Index((), 0, 0)
        pointer, place = self._moved(view, place)
        return f"{pointer}[{place.text(self.row, '0')}]"

    def _row_of_table(self, node: Node) -> str:
        table, index = node.values
        root, columns = self.fuser.views[table].root, self.loop.columns
        return f"{self._pointer(root)}[{self._chosen(index)} * {columns} + {self.column}]"

    def _put_there(self, node: Node, phase: int) -> str:
        source, index = node.values
        chosen = self._chosen(index)
        value = self._operand(node, source, phase, False, source.dtype)
        return f"({self.column} == {chosen} ? {value} : 0)"

    def _pick(self, node: Node) -> None:
        source, index = node.values
        chosen = self._chosen(index)
        wide = self.fuser.views[source]
        if wide.root in self.loop.row_memory:
            element = f"{self.function.name(('row', wide.root), '')}[{chosen}]"
        else:
            shape = source.shape
            where = index_of(shape, wide.strides, wide.offset, self.loop.columns)
            if where is None:
                raise IndexError(f"{node.output.name}: no stride walks a row of {source.name}")
            element = f"{self._pointer(wide.root)}[{where.text(self.row, chosen)}]"
        kind = register_type(node.output.dtype)
        self.function.put(f"const {kind} {self._name(node.output)} = {element};")

    # ---- reductions ----

    def _sum_type(self, dtype: DType) -> str:
        if dtype.kind != "f":
            return "int64_t"
        long = self.loop.columns > LONGEST_FLOAT_SUM
        return "double" if dtype.name == "float64" or long else "float"

    def _running(self, node: Node) -> str:
        return self.function.name(("running", node.output), f"{node.output.name}_so_far")

    def _begin_reduction(self, node: Node) -> list[str]:
        """Declare what a row's reduction is gathered in; returns the clauses of the pragma."""
        value, put = node.output, self.function.put
        if self.loop.level[value] == "after":
            total = self._is_total(node)
            return [f"+ : {self._running(node)}"] if total else []
        name = self._running(node)
        if node.op.name == "sum":
            put(f"{self._sum_type(value.dtype)} {name} = 0;")
            return [f"+ : {name}"]
        sign = "-" if node.op.name == "amax" else ""
        if value.dtype.kind != "f":
            bits = {"bool": "UINT8", "uint8": "UINT8"}.get(
                value.dtype.name, value.dtype.name.upper()
            )
            least = "0" if "U" in bits else f"{bits}_MIN"
            start = least if node.op.name == "amax" else f"{bits}_MAX"
            put(f"{register_type(value.dtype)} {name} = {start};")
            return [f"{node.op.name[1:]} : {name}"]
        put(f"{register_type(value.dtype)} {name} = {sign}INFINITY;")
        nan = self.function.name(("nan", value), f"{value.name}_nan")
        put(f"int {nan} = 0;")
        return [f"{node.op.name[1:]} : {name}", f"| : {nan}"]

    def _accumulate(self, node: Node, phase: int) -> None:
        put, value = self.function.put, node.output
        x = self._operand(node, node.inputs[0], phase, False, value.dtype)
        name = self._running(node)
        if self.loop.level[value] == "after" and not self._is_total(node):
            put(f"{self.function.result(value)}[c] += {x};")
        elif node.op.name == "sum":
            put(f"{name} += {x};")
        else:
            relation = ">" if node.op.name == "amax" else "<"
            put(f"{name} = {x} {relation} {name} ? {x} : {name};")
            if value.dtype.kind == "f":
                put(f"{self.function.name(('nan', value), '')} |= {x} != {x};")

    def _end_reduction(self, node: Node) -> None:
        value = node.output
        name, kind = self._running(node), register_type(value.dtype)
        text = name
        if node.op.name == "sum":
            text = (
                f"(float)(_Float16){name}" if value.dtype.name == "float16" else f"({kind}){name}"
            )
        elif value.dtype.kind == "f":
            text = f"{self.function.name(('nan', value), '')} ? NAN : {name}"
        self.function.put(f"const {kind} {self._name(value)} = {text};")

    def _is_total(self, node: Node) -> bool:
        return node.output.size == 1

    def _begin_after(self, value: Value) -> None:
        node = next(n for n in self.loop.nodes if n.output is value)
        result = self.function.result(value)
        if self._is_total(node):
            kind = "int64_t" if value.dtype.kind != "f" else "double"
            self.function.put(f"{kind} {self._running(node)} = 0;")
        else:
            size = f"{value.size} * sizeof(*{result})"
            self.function.put(f"memset({result}, 0, {size});")

    def _end_after(self, value: Value) -> None:
        node = next(n for n in self.loop.nodes if n.output is value)
        if self._is_total(node):
            kind = memory_type(value.dtype)
            text = f"({kind}){self._running(node)}"
            self.function.put(f"{self.function.result(value)}[0] = {text};")


def reading(loop: Loop, node: Node) -> int:
    """The phase in which a node reads its elements."""
    row = loop.level[node.output] == "row" and node.op.name in REDUCTIONS
    return loop.phase[node.output] - (1 if row else 0)


def operand_dtype(node: Node) -> DType:
    """The dtype that an elementwise operation computes in: that of its last value."""
    values = node.values
    return values[-1].dtype if values else node.output.dtype
