"""C for a whole program: its kernels as functions, and the step that calls them in order.

Input: kernels and their memory. Output: C text, with every different kernel written once.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from types import MappingProxyType

from streetlight.compile import convolution, pooling, special
from streetlight.compile.c_text import (
    converted,
    expression,
    literal,
    memory_type,
    register_type,
)
from streetlight.compile.function import Function, Parameter, identifier, indented
from streetlight.compile.fuse import Fuser
from streetlight.compile.kernels import (
    AddRows,
    Check,
    Convolution,
    Draw,
    Kernel,
    Loop,
    Planes,
    Product,
    Special,
    Store,
)
from streetlight.compile.loops import LoopWriter, operand_dtype
from streetlight.compile.memory import Memory
from streetlight.compile.products import ProductWriter
from streetlight.compile.shape_loops import PARTS
from streetlight.compile.strided import Array
from streetlight.graph.graph import Node, Operand, Value

INLINED = (
    60  # programs with more kernels keep them as functions: compilers take long over long ones
)

ADD_PARTS = """\
static void {name}({kind} *sum, const {kind} *parts, int64_t size) {{
  memcpy(sum, parts, size * sizeof(*sum));
  for (int64_t part = 1; part < {parts}; part++)
    for (int64_t i = 0; i < size; i++) sum[i] += parts[part * size + i];
}}"""


class StepWriter:
    """Writes the C text of one program."""

    def __init__(self, fuser: Fuser, memory: Memory) -> None:
        self.fuser, self.memory = fuser, memory
        self.functions: list[str] = []
        self.known: dict[Hashable, str] = {}
        self.names: dict[Value, str] = {}
        self.taken: set[str] = set()
        self.pointers: dict[Value, str] = {}
        self.products = ProductWriter(fuser, memory)
        self.head: list[str] = []
        self.body: list[str] = []
        nodes = fuser.graph.nodes
        self.numbers_of_nodes = {node: number for number, node in enumerate(nodes)}
        self.inline = "" if len(fuser.kernels) <= INLINED else "__attribute__((noinline)) "

    # ---- the whole ----

    def write(self) -> str:
        """Return kernels and step."""
        self._numbers()
        for kernel in [*self.fuser.checks, *self.fuser.kernels]:
            self._kernel(kernel)
        self._write_numbers_back()
        fails = any("status" in line for line in self.body)
        lines = [
            "static int64_t step(sl_call *call) {",
            *(["int64_t status;"] if fails else []),
            *self.head,
            *self.body,
            "return 0;",
            "}",
        ]
        return "\n\n".join([*self.functions, "\n".join(indented(lines))]) + "\n"

    def _kernel(self, kernel: Kernel) -> None:
        if isinstance(kernel, Loop):
            self._loop(kernel)
        elif isinstance(kernel, Product):
            self._product(kernel)
        elif isinstance(kernel, Special) and kernel.node is not None:
            self._special(kernel.node)
        elif isinstance(kernel, Convolution) and kernel.node is not None:
            self._convolution(kernel.node, kernel.writes[1])
        elif isinstance(kernel, Planes):
            self._planes(kernel)
        elif isinstance(kernel, AddRows):
            self._add_rows(kernel)
        elif isinstance(kernel, Check):
            self._check(kernel)
        elif isinstance(kernel, Draw) and kernel.node is not None:
            words, generator = kernel.writes[0], kernel.node.attributes["generator"]
            target = self._pointer(words)
            text = f"sl_random_words(call->generators[{generator}], {target}, {words.size});"
            self.body.append(f"{text} /* {kernel.node.output.name} */")
        elif isinstance(kernel, Store) and kernel.source and kernel.target:
            self._copy(kernel.source, kernel.target)

    def _copy(self, source: Value, target: Value) -> None:
        size = f"{source.size} * sizeof({memory_type(source.dtype)})"
        self.body.append(f"memcpy({self._pointer(target)}, {self._pointer(source)}, {size});")

    # ---- numbers ----

    def _numbers(self) -> None:
        numbers = [g.value for g in self.fuser.graph.inputs if g.value.number]
        for place, value in enumerate(numbers):
            self.head.append(f"const double {self._name(value)} = call->numbers[{place}];")
        for value, node in self.fuser.scalars.items():
            dtype = operand_dtype(node)
            texts = [self._scalar_text(x, dtype) for x in node.inputs]
            if node.op.name == "cast":
                source = node.inputs[0].dtype if isinstance(node.inputs[0], Value) else dtype
                text = converted(texts[0], source, value.dtype)
            else:
                text = expression(node, texts, dtype)
            kind = register_type(value.dtype)
            self.head.append(f"const {kind} {self._name(value)} = {text};")

    def _scalar_text(self, operand: Operand, dtype: object) -> str:
        if not isinstance(operand, Value):
            return literal(operand, dtype)  # type: ignore[arg-type]
        root = self.fuser.views[operand].root
        if root in self.fuser.literals:
            return literal(self.fuser.literals[root], root.dtype)
        return self._name(root)

    def _write_numbers_back(self) -> None:
        graph = self.fuser.graph
        numbers = [g.value for g in graph.inputs if g.value.number]
        for place, value in enumerate(numbers):
            if value in graph.updates:
                new = self._scalar_text(graph.updates[value], value.dtype)
                self.body.append(f"call->numbers[{place}] = {new};")
        for place, value in enumerate([v for v in graph.outputs if v.number], len(numbers)):
            text = self._scalar_text(value, value.dtype)
            self.body.append(f"call->numbers[{place}] = {text};")

    # ---- names of the step ----

    def _name(self, value: Value) -> str:
        if value not in self.names:
            name = base = identifier(value.name)
            count = 1
            while name in self.taken:
                count += 1
                name = f"{base}_{count}"
            self.names[value] = name
            self.taken.add(name)
        return self.names[value]

    def _pointer(self, value: Value) -> str:
        """The variable of the step that points to a value's memory."""
        if value not in self.pointers:
            place = self.memory.places[value]
            name, kind = self._name(value), memory_type(value.dtype)
            source = f"call->buffers[{place.number}]"
            if place.kind == "workspace":
                source = f"(void *)(call->workspace + {place.offset})"
            elif place.offset:
                source = f"(void *)((char *){source} + {place.offset})"
            self.head.append(f"{kind} *const {name} = {source};")
            self.pointers[value] = name
        return self.pointers[value]

    # ---- functions ----

    def _named(self, function: Function, wanted: str, status: bool = False) -> str:
        """The name of the function, which is written if there is none like it."""
        key = function.key(status)
        if key not in self.known:
            name = self._free_name(f"{wanted}_kernel")
            kind = "int64_t" if status else "void"
            head = f"static {self.inline}{kind} {name}({{parameters}}) {{{{"
            self.functions.append(function.text(head, "return 0;" if status else ""))
            self.known[key] = name
        return self.known[key]

    def _free_name(self, wanted: str) -> str:
        name = base = identifier(wanted)
        count = 1
        while name in self.taken:
            count += 1
            name = f"{base}_{count}"
        self.taken.add(name)
        return name

    def _arguments(
        self,
        function: Function,
        node: Node | None = None,
        partials: Mapping[Value, Value] = MappingProxyType({}),
    ) -> list[str]:
        """What the step hands to a function; late results of parts go where `partials` says."""
        given = []
        for parameter in function.parameters.values():
            if parameter.kind == "node":
                given.append(str(self.numbers_of_nodes[node] if node else 0))
            elif parameter.kind == "call":
                given.append("call")
            elif parameter.of is not None and parameter.kind == "scalar":
                given.append(self._scalar_text(parameter.of, parameter.of.dtype))
            elif parameter.of is not None:
                result = parameter.kind == "result"
                value = partials.get(parameter.of, parameter.of) if result else parameter.of
                offset = f" + {parameter.offset}" if parameter.offset else ""
                given.append(self._pointer(value) + offset)
        return given

    # ---- loops ----

    def _loop(self, loop: Loop) -> None:
        function = LoopWriter(self.fuser, self.memory, loop).write()
        wanted = loop.nodes[-1].output.name
        if loop.parts:
            self._parallel_loop(loop, function, wanted)
            return
        single = loop.rows == 1 and not loop.is_flat
        arguments = self._arguments(function)
        if not single:
            function.range()
            arguments += ["0", str(loop.size if loop.is_flat else loop.rows)]
        name = self._named(function, wanted)
        self.body.append(f"{name}({', '.join(arguments)}); {self._comment(loop.nodes)}")

    def _parallel_loop(self, loop: Loop, function: Function, wanted: str) -> None:
        """A task for the threads: each of the parts takes its share of the rows."""
        count = loop.size if loop.is_flat else loop.rows
        self._parallel(function, wanted, count, loop.nodes, loop.partials)
        for value, partial in loop.partials.items():
            target, source = self._pointer(value), self._pointer(partial)
            self.body.append(f"{self._add_parts(value)}({target}, {source}, {value.size});")

    def _parallel(
        self,
        function: Function,
        wanted: str,
        count: int,
        nodes: list[Node],
        partials: Mapping[Value, Value] = MappingProxyType({}),
    ) -> None:
        """Call a function that computes a range of `count` rows from all threads."""
        function.range()
        name = self._named(function, wanted)
        arguments = self._arguments(function, partials=partials)
        parameters = list(function.parameters.values())
        key = (function.key(False), "task", count)
        if key not in self.known:
            self.known[key] = self._free_name(f"{name}_task")
            self.functions.append(task_text(name, self.known[key], parameters, count))
        task = self.known[key]
        struct = f"&({task}_data){{{', '.join(arguments)}}}"
        self.body.append(f"sl_parallel({task}, {struct}, {PARTS}); {self._comment(nodes)}")

    def _add_parts(self, value: Value) -> str:
        """The function that adds up what the parts have found."""
        kind = memory_type(value.dtype)
        name = f"add_parts_of_{kind}"
        if name not in self.known:
            self.known[name] = name
            self.functions.append(ADD_PARTS.format(name=name, kind=kind, parts=PARTS))
        return name

    def _comment(self, nodes: list[Node]) -> str:
        """What the kernel computes, in the user's names, and where he wrote it."""
        names = [node.output.name for node in nodes]
        text = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        source = next((n.source for n in nodes if n.source), None)
        where = f"  {source.file.rsplit('/', 1)[-1]}:{source.line}" if source else ""
        return f"/* {text}{where} */"

    # ---- products ----

    def _product(self, kernel: Product) -> None:
        node, target = kernel.node, kernel.writes[0]
        if node is None:
            return
        if (
            kernel.onto is not None
            and self.memory.places[kernel.onto] != self.memory.places[target]
        ):
            self._copy(kernel.onto, target)
        for function in self.products.write(kernel, node):
            self._call(function, node)

    # ---- operations with loops of their own ----

    def _array(self, function: Function, value: Value, written: bool = False) -> Array:
        view = self.fuser.in_memory(value)
        place = self.memory.places[view.root]
        text = function.pointer(place, view.root, written, offset=view.offset)
        return Array(text, value.dtype, view.shape, view.strides)

    def _inputs(self, function: Function, node: Node) -> list[Array | bool | int | float]:
        """The operands; plain numbers and literals as they are."""
        given: list[Array | bool | int | float] = []
        for operand in node.inputs:
            given.append(self._array(function, operand) if isinstance(operand, Value) else operand)
        return given

    def _special(self, node: Node) -> None:
        function = Function()
        inputs = self._inputs(function, node)
        output = self._array(function, node.output, True)
        hosted = self._hosted(node)
        function.lines = special.statements(node, inputs, output, function.node(), hosted)
        self._call(function, node)

    def _convolution(self, node: Node, scratch: Value) -> None:
        function = Function()
        inputs = self._inputs(function, node)
        output = self._array(function, node.output, True)
        text = function.pointer(self.memory.places[scratch], scratch, True)
        function.lines = convolution.statements(node, inputs, output, text)
        self._call(function, node)

    def _planes(self, kernel: Planes) -> None:
        if kernel.node is None:
            return
        function, output = Function(), kernel.writes[0]
        inputs = [self._array(function, x) if isinstance(x, Value) else x for x in kernel.inputs]
        array = self._array(function, output, True)
        function.lines = pooling.statements(kernel.node, inputs, array)
        count = pooling.planes(kernel.node, inputs)
        self._parallel(function, output.name, count, [kernel.node])

    def _hosted(self, node: Node) -> frozenset[int]:
        """Which parts of a cat lie in its memory already."""
        parts = range(len(node.inputs))
        return frozenset(i for i in parts if (node.output, i) in self.memory.in_cat)

    def _add_rows(self, kernel: AddRows) -> None:
        node, target = kernel.node, kernel.writes[0]
        if node is None or kernel.onto is None:
            return
        if self.memory.places[kernel.onto] != self.memory.places[target]:
            self._copy(kernel.onto, target)
        function = Function()
        inputs = self._inputs(function, node)
        output = self._array(function, target, True)
        scale = "-1" if kernel.negative else "1"
        function.lines = special.add_rows(node, inputs, output, scale, function.node())
        self._call(function, node)

    def _check(self, check: Check) -> None:
        function, view = Function(), check.index
        if view is None or check.node is None:
            return
        text = function.pointer(self.memory.places[view.root], view.root, offset=view.offset)
        array = Array(text, view.root.dtype, view.shape, view.strides)
        function.lines = special.check_range(array, check.size, function.node())
        self._call(function, check.node)

    def _call(self, function: Function, node: Node) -> None:
        """Write the function unless it is a line, and call it."""
        if not function.lines:
            return
        fails = any("sl_fail" in line for line in function.lines)
        if not fails:
            function.parameters.pop("node", None)
        if len(function.lines) == 1 and not fails:
            self.body.append(
                function.inlined(self._arguments(function)) + " " + self._comment([node])
            )
            return
        if fails:
            function.call()
        name = self._named(function, node.output.name, fails)
        arguments = ", ".join(self._arguments(function, node))
        text = f"{name}({arguments});"
        if fails:
            text = f"if ((status = {name}({arguments}))) return status;"
        self.body.append(f"{text} {self._comment([node])}")


def task_text(name: str, task: str, parameters: list[Parameter], count: int) -> str:
    """The struct of arguments, and the function that threads call with a range of parts."""
    fields, given = [], []
    for number, parameter in enumerate(parameters):
        if parameter.kind == "range":
            continue
        star = "" if parameter.kind == "scalar" else "*"
        const = "const " if star and not parameter.written else ""
        fields.append(f"{const}{parameter.type} {star}a{number};")
        text = f"data->a{number}"
        if parameter.kind == "result" and parameter.of is not None:
            text += f" + part * {parameter.of.size}"
        given.append(text)
    share = [f"{count} * part / {PARTS}", f"{count} * (part + 1) / {PARTS}"]
    lines = [
        f"typedef struct {{ {' '.join(fields)} }} {task}_data;",
        f"static void {task}(const void *context, int64_t begin, int64_t end) {{",
        f"const {task}_data *data = context;",
        "for (int64_t part = begin; part < end; part++) {",
        f"{name}({', '.join([*given, *share])});",
        "}",
        "}",
    ]
    return "\n".join(indented(lines))
