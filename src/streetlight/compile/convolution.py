"""C for convolution and its two adjoints: descriptions for c/convolution.c, or plain loops.

input:     a node of one of the three, and how its operands and its result lie in memory
output:    `statements`, lines that fill the result, and `scratch_size`, the bytes of scratch memory
           that they need: copies of one picture for each part of the work, never of the whole batch
invariant: the description does not depend on the machine, nor the result on the number of threads
example:   a row of 4 with padding 1 is copied into a row of 6, and place j of a kernel of 3 sees 4
           of these from j on: `{.size = 4, .before = 1, .length = 6, .count = 4, .taps = 3, ...}`

The adjoint in x is a convolution too: the kernel, turned round, over g. Where windows are s steps
apart, every s-th element of the result is made by the same places of the kernel: that is one
convolution for each of the first s elements.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import Any

from streetlight import dtypes
from streetlight.compile import matmul
from streetlight.compile.access import contiguous_strides
from streetlight.compile.c_text import register_type
from streetlight.compile.product import Operand, Product
from streetlight.compile.strided import Array, Lines, loops
from streetlight.compile.tiles import SUFFIX
from streetlight.dtypes import DType
from streetlight.graph.graph import Node

NAMES = frozenset({"convolution", "convolution_input", "convolution_weight"})
PARTS = 16  # of the pictures, which threads share
SUMS = 4  # parts that are summed up each for itself, on every machine, or have large copies
SMALL_COPY = 1 << 16  # elements of a copy that there may be PARTS of
LANES = 16  # numbers of a window are filled up to so many
MOST_PATCHED = 5  # channels for which each window is copied as a whole: measured, 3 × 3 and 5 × 5
SLACK = 32  # elements after a copy that may be read, for windows that are not there


@dataclass(frozen=True)
class Axis:
    """One dimension, as `sl_axis` has it.

    Attributes:
        taps: what each place of the kernel sees, as `sl_tap` has it.
        start: how many elements of the result come before the first one.
    """

    size: int
    x_step: int
    step: int
    phases: int
    before: int
    length: int
    count: int
    apart: int
    out_step: int
    taps: tuple[tuple[int, int, int], ...]
    start: int = 0

    def text(self, taps: str) -> str:
        """The C of it."""
        names = ("size", "x_step", "step", "phases", "before", "length", "count", "apart")
        given = [f".{name} = {getattr(self, name)}" for name in (*names, "out_step")]
        return f"{{{', '.join(given)}, .taps = {len(self.taps)}, .tap = {taps}}}"


@dataclass(frozen=True)
class Call:
    """A call of `sl_convolve`, or of `sl_correlate`, which computes weights.

    Attributes:
        weight: of shape (groups, kernels of a group, channels of a group, kh, kw).
    """

    function: str
    x: Array
    weight: Array
    out: Array
    axes: tuple[Axis, Axis]

    @property
    def parts(self) -> int:
        """Into how many parts pictures are divided, each group being one of its own."""
        small = self.function == "convolve" and self.sizes["copy_size"] <= SMALL_COPY
        return min(PARTS if small else SUMS, self.x.shape[0] * self.weight.shape[0])

    @property
    def is_patched(self) -> bool:
        """Whether all that a window sees is made one row, or only its channels."""
        return self.function == "correlate" and self.weight.shape[2] <= MOST_PATCHED

    @property
    def width(self) -> int:
        """The length of such rows, 0 if there are none."""
        if self.function == "convolve":
            return 0
        _, _, *sizes = self.weight.shape
        return _filled(prod(sizes) if self.is_patched else sizes[0], LANES)

    @property
    def sizes(self) -> dict[str, int]:
        """Where in the scratch memory what begins, and elements of the copies of a part."""
        rows, columns = self.axes
        phases = rows.phases * columns.phases
        copy = phases * rows.length * columns.length * (self.width or self.weight.shape[2])
        offsets = prod(self.weight.shape[2:])
        patches, weights = 0, self.weight.size
        if self.is_patched:
            copy = rows.length * columns.length * self.weight.shape[2]
            patches = _filled(copy + SLACK, LANES)
            copy = patches + rows.count * columns.count * self.width
        if self.function == "correlate":
            places = 1 if self.is_patched else prod(self.weight.shape[3:])
            weights = self.parts * prod(self.weight.shape[:2]) * places * self.width
            offsets += rows.count * columns.count
        item = self.x.dtype.itemsize
        first = _filled(weights * item, 64)
        second = first + _filled(offsets * 8, 64)
        return {"offsets": first, "copies": second, "patches": patches,
                "copy_size": _filled(copy + SLACK, LANES)}  # fmt: skip

    @property
    def scratch_size(self) -> int:
        """The bytes of scratch memory."""
        sizes = self.sizes
        return sizes["copies"] + self.parts * sizes["copy_size"] * self.x.dtype.itemsize

    def lines(self, scratch: str) -> Lines:
        """The C of it."""
        groups, kernels, channels = self.weight.shape[:3]
        weight_group, weight_kernel, weight_channel = self.weight.strides[:3]
        (picture, channel, *_), (out_picture, out_kernel, *_) = self.x.strides, self.out.strides
        names = {
            "pictures": self.x.shape[0], "groups": groups, "kernels": kernels,
            "channels": channels, "parts": self.parts,
            "x_picture": picture, "x_group": channels * channel, "x_channel": channel,
            "weight_group": weight_group, "weight_kernel": weight_kernel,
            "weight_channel": weight_channel, "out_picture": out_picture,
            "out_group": kernels * out_kernel, "out_kernel": out_kernel,
            "width": self.width, **self.sizes,
        }  # fmt: skip
        out = replace(self.out, offset=self.out.offset + sum(axis.start for axis in self.axes))
        last = (out, self.weight) if self.function == "correlate" else (self.weight, out)
        pointers = ", ".join(array.start() for array in (self.x, *last))
        name = f"sl_{self.function}_{SUFFIX[self.x.dtype]}"
        return [
            "{",
            *(_taps(axis, letter) for axis, letter in zip(self.axes, "yx", strict=True)),
            "static const sl_convolution sl_how = {",
            *_wrapped(f".{name} = {number}" for name, number in names.items()),
            f".rows = {self.axes[0].text('sl_taps_y')},",
            f".columns = {self.axes[1].text('sl_taps_x')},",
            "};",
            f"{name}(&sl_how, {pointers}, (void *){scratch});",
            "}",
        ]


def _filled(size: int, unit: int) -> int:
    return -(-size // unit) * unit


def _taps(axis: Axis, letter: str) -> str:
    taps = ", ".join(f"{{{', '.join(map(str, tap))}}}" for tap in axis.taps) or "{0}"
    return f"static const sl_tap sl_taps_{letter}[] = {{{taps}}};"


def _wrapped(texts: Iterator[str]) -> Iterator[str]:
    """Texts in lines of four."""
    while line := [text for _, text in zip(range(4), texts)]:  # noqa: B905
        yield f"{', '.join(line)},"


# ---- what is computed ----


def statements(node: Node, inputs: Sequence[Any], output: Array, scratch: str) -> Lines:
    """Return the lines that fill `output`."""
    first, second = inputs
    if node.op.name != "convolution_weight":
        weight = _by_groups(second, node.attributes["groups"])
        if _is_product(node, first, weight):
            weight = weight if node.op.name == "convolution" else _turned(weight)
            return _products(first, weight, output)
    calls = _calls(node, first, second, output)
    if not calls:
        return _plain(node, first, second, output)
    return [line for call in calls for line in call.lines(scratch)]


def scratch_size(node: Node) -> int:
    """Return how many bytes of scratch memory they need."""
    x, y, out = (
        Array("", v.dtype, v.shape, contiguous_strides(v.shape))
        for v in (*node.values, node.output)
    )
    return max((call.scratch_size for call in _calls(node, x, y, out)), default=0)


def _calls(node: Node, first: Array, second: Array, output: Array) -> list[Call]:
    """The calls that compute it; none if there are no tiles for such numbers."""
    if output.dtype not in SUFFIX:
        return []
    shown = output if node.op.name == "convolution_weight" else second
    weight = _by_groups(shown, node.attributes["groups"])
    if node.op.name == "convolution_input":
        return list(_adjoint(node, first, weight, output))
    if node.op.name == "convolution":
        rows, columns = map(_phases, _sides(node, first, weight, output))
        return [Call("convolve", first, weight, output, (rows, columns))]
    if second.strides[2] != second.strides[3] * second.shape[3] and second.shape[2] > 1:
        return []
    rows, columns = map(_plane, _sides(node, first, weight, second))
    return [Call("correlate", first, weight, second, (rows, columns))]


def _by_groups(weight: Array, groups: int) -> Array:
    """Weights with their groups as first dimension."""
    (kernels, *rest), (step, *steps) = weight.shape, weight.strides
    shape = (groups, kernels // groups, *rest)
    return replace(weight, shape=shape, strides=(kernels // groups * step, step, *steps))


def _geometry(node: Node) -> list[tuple[int, int, int]]:
    """Stride, padding and dilation of both dimensions."""
    names = ("stride", "padding", "dilation")
    return list(zip(*(node.attributes[name] for name in names), strict=True))


@dataclass(frozen=True)
class Side:
    """One dimension of pictures, kernels and results: sizes, steps in memory, and geometry."""

    size: int
    x_step: int
    kernel: int
    weight_step: int
    count: int
    out_step: int
    stride: int
    padding: int
    dilation: int


def _sides(node: Node, x: Array, weight: Array, out: Array) -> tuple[Side, Side]:
    one, other = (
        Side(x.shape[d], x.strides[d], weight.shape[d + 1], weight.strides[d + 1],
             out.shape[d], out.strides[d], *geometry)
        for d, geometry in enumerate(_geometry(node), 2)
    )  # fmt: skip
    return one, other


def _phases(side: Side) -> Axis:
    """Every s-th element together, so that neighbouring windows see neighbours."""
    last, stride = side.dilation * (side.kernel - 1), side.stride
    places = [i * side.dilation for i in range(side.kernel)]
    taps = tuple((i * side.weight_step, at % stride, at // stride) for i, at in enumerate(places))
    return Axis(
        size=side.size, x_step=side.x_step, step=stride, phases=min(stride, last + 1),
        before=side.padding, length=side.count + last // stride, count=side.count, apart=1,
        out_step=side.out_step, taps=taps,
    )  # fmt: skip


def _plane(side: Side) -> Axis:
    """All elements in order, with the border."""
    return Axis(
        size=side.size, x_step=side.x_step, step=1, phases=1, before=side.padding,
        length=(side.count - 1) * side.stride + side.dilation * (side.kernel - 1) + 1,
        count=side.count, apart=side.stride, out_step=side.out_step,
        taps=tuple((i * side.weight_step, 0, i * side.dilation) for i in range(side.kernel)),
    )  # fmt: skip


def _every(side: Side, first: int) -> Axis:
    """The elements first, first + s, ... of a gradient: what they see of g."""
    seen = [(i, first + side.padding - i * side.dilation) for i in range(side.kernel)]
    shifts = [(i, shift // side.stride) for i, shift in seen if shift % side.stride == 0]
    before = max((-shift for _, shift in shifts), default=0)
    taps = tuple((i * side.weight_step, 0, shift + before) for i, shift in shifts)
    count = -(-(side.count - first) // side.stride)
    return Axis(
        size=side.size, x_step=side.x_step, step=1, phases=1, before=before,
        length=count + max((place for *_, place in taps), default=0), count=count, apart=1,
        out_step=side.stride * side.out_step, taps=taps, start=first * side.out_step,
    )  # fmt: skip


def _turned(weight: Array) -> Array:
    """Weights with kernels and channels exchanged."""
    (g, o, c, *size), (gs, os, cs, *steps) = weight.shape, weight.strides
    return replace(weight, shape=(g, c, o, *size), strides=(gs, cs, os, *steps))


def _adjoint(node: Node, g: Array, weight: Array, output: Array) -> Iterator[Call]:
    """One convolution for each of the first s elements of the result."""
    sides = [
        [_every(side, first) for first in range(min(side.stride, side.count))]
        for side in _sides(node, g, weight, output)
    ]
    for rows, columns in product(*sides):
        yield Call("convolve", g, _turned(weight), output, (rows, columns))


# ---- kernels of one place: matrix products of channels, without copies ----


def _is_product(node: Node, x: Array, weight: Array) -> bool:
    same = all(geometry[:2] == (1, 0) for geometry in _geometry(node))
    flat = x.shape[2] == 1 or x.strides[2] == x.strides[3] * x.shape[3]
    return same and flat and weight.shape[3:] == (1, 1)


def _products(x: Array, weight: Array, output: Array) -> Lines:
    """For each picture and group weight @ x."""
    groups, kernels, channels = weight.shape[:3]
    group, kernel, channel = weight.strides[:3]
    right, result = (_matrices(array, rows) for array, rows in ((x, channels), (output, kernels)))
    left = Operand(f"({weight.start()})", (kernel, channel), (0, group))
    sizes = (kernels, prod(x.shape[2:]), channels)
    return matmul.statements(
        Product((x.shape[0], groups), *sizes, output.dtype, left, right, result)
    )


def _matrices(pictures: Array, rows: int) -> Operand:
    """For each picture and group the channels as rows, so many."""
    picture, channel, _, pixel = pictures.strides
    return Operand(f"({pictures.start()})", (channel, pixel), (picture, rows * channel))


# ---- plain loops, for integers, float16 and strange strides ----


def _plain(node: Node, first: Array, second: Array, output: Array) -> Lines:
    """For each element of the result the sum over two indices and the pictures or channels."""
    kind = register_type(output.dtype)
    body = {"convolution": _window, "convolution_input": _spread, "convolution_weight": _places}

    def one(*i: str) -> Lines:
        lines = body[node.op.name](node, first, second, output, i)
        return [f"{kind} running = 0;", *lines, f"{output.at(*i)} = running;"]

    return loops(output.shape, one)


def _seen(node: Node, window: Sequence[str], taps: Sequence[str]) -> list[str]:
    """C of the place in the picture that a window sees by a place of the kernel."""
    return [
        f"({y} * {s} - {p} + {i} * {d})"
        for y, i, (s, p, d) in zip(window, taps, _geometry(node), strict=True)
    ]


def _added(x: str, y: str, dtype: DType) -> str:
    if dtype == dtypes.bool:
        return f"running |= {x} & {y};"
    return f"running += ({register_type(dtype)}){x} * {y};"


def _within(places: Sequence[str], shape: Sequence[int]) -> str:
    tests = [f"{at} >= 0 && {at} < {size}" for at, size in zip(places, shape, strict=True)]
    return " && ".join(tests)


def _window(node: Node, x: Array, weight: Array, output: Array, i: Sequence[str]) -> Lines:
    channels, kernels = weight.shape[1], weight.shape[0] // node.attributes["groups"]

    def add(c: str, *taps: str) -> Lines:
        at = _seen(node, i[2:], taps)
        channel = f"({i[1]} / {kernels} * {channels} + {c})"
        added = _added(x.at(i[0], channel, *at), weight.at(i[1], c, *taps), x.dtype)
        return [f"if ({_within(at, x.shape[2:])}) {added}"]

    return loops((channels, *weight.shape[2:]), add, "k")


def _spread(node: Node, g: Array, weight: Array, output: Array, i: Sequence[str]) -> Lines:
    channels, kernels = weight.shape[1], weight.shape[0] // node.attributes["groups"]

    def add(o: str, *taps: str) -> Lines:
        kernel = f"({i[1]} / {channels} * {kernels} + {o})"
        steps = [
            f"({at} + {p} - {k} * {d})"
            for at, k, (_, p, d) in zip(i[2:], taps, _geometry(node), strict=True)
        ]
        strides = node.attributes["stride"]
        whole = [f"{step} % {s} == 0" for step, s in zip(steps, strides, strict=True)]
        at = [f"({step} / {s})" for step, s in zip(steps, strides, strict=True)]
        weights = weight.at(kernel, f"({i[1]} % {channels})", *taps)
        test = " && ".join([*whole, _within(at, g.shape[2:])])
        return [f"if ({test}) {_added(g.at(i[0], kernel, *at), weights, g.dtype)}"]

    return loops((kernels, *weight.shape[2:]), add, "k")


def _places(node: Node, x: Array, g: Array, output: Array, i: Sequence[str]) -> Lines:
    channels, kernels = output.shape[1], output.shape[0] // node.attributes["groups"]

    def add(n: str, *window: str) -> Lines:
        at = _seen(node, window, i[2:])
        channel = f"({i[0]} / {kernels} * {channels} + {i[1]})"
        added = _added(x.at(n, channel, *at), g.at(n, i[0], *window), x.dtype)
        return [f"if ({_within(at, x.shape[2:])}) {added}"]

    return loops((x.shape[0], *g.shape[2:]), add, "k")
