"""Symbol: what lies in a traced Tensor in the place of an array. It has a shape, but no numbers.

Memory is made pure here: a `Storage` knows the value that all of its memory has now, and a view is
a chain of view operations on it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.lib.stride_tricks import as_strided

from streetlight.dtypes import DType
from streetlight.errors import TraceError
from streetlight.graph.graph import Value
from streetlight.graph.source import Here, shown
from streetlight.ops.registry import Op, Shape

if TYPE_CHECKING:
    from streetlight.graph.recorder import Recorder

RETURN = "return the tensor from the function and look at it outside"
ADVICE = {
    "bool": "choose with sl.where(condition, a, b), or take the `if` out of the function",
    "item": f"{RETURN}: result.item()",
    "float": f"{RETURN}: float(result)",
    "int": f"{RETURN}; sizes and indices that Python needs are plain ints",
    "index": "index with a tensor of at least one dimension, x[i.reshape(1)], or with a plain int",
    "tolist": f"{RETURN}: result.tolist()",
    "numpy": f"{RETURN}: result.numpy(); or use the function of Streetlight in place of NumPy's, "
    "and sl.stack in place of sl.tensor([...])",
}


@lru_cache(maxsize=4096)
def plain_layout(shape: Shape, dtype: DType) -> Any:
    """An array of that shape with one element of memory, of which only the strides are used."""
    strides: list[int] = []
    step = dtype.itemsize
    for size in reversed(shape):
        strides.insert(0, step)
        step *= max(size, 1)
    return as_strided(np.zeros(1, dtype), shape, strides)


class Storage:
    """Memory during a trace.

    Attributes:
        value: what all of it holds now; None as long as a captured one was not read.
        version: how often it was changed.
        origin: where it comes from if it was there before, see capture.py.
        uncertain: a reshape of it may have been a view or a copy: it must not be changed.
    """

    __slots__ = ("origin", "recorder", "uncertain", "value", "version")

    def __init__(self, recorder: Recorder, value: Value | None, origin: Any = None) -> None:
        self.recorder, self.value, self.origin = recorder, value, origin
        self.version = 0
        self.uncertain = False


class _Flags:
    """The two facts about memory that are asked for."""

    def __init__(self, symbol: Symbol) -> None:
        self._symbol = symbol

    @property
    def c_contiguous(self) -> bool:
        """Whether the elements lie row by row."""
        symbol = self._symbol
        if not symbol.certain:
            symbol.storage.uncertain = True  # the answer may decide who shares memory
        return symbol.contiguous

    @property
    def writeable(self) -> bool:
        """Whether the memory may be changed."""
        return self._symbol._layout is None or bool(self._symbol._layout.flags.writeable)


class Symbol:
    """The stand-in for an array.

    Args:
        storage: the memory it lies in.
        base, view: for a view the symbol that is looked at, and (operation, attributes).
        layout: an array with the strides; None where it is row by row.
        certain: whether eager code would lay it out in the same way.
    """

    __slots__ = (
        "__weakref__", "_layout", "base", "certain", "dtype", "ndim", "shape", "source", "storage",
        "value", "version", "view",
    )  # fmt: skip

    def __init__(
        self, storage: Storage, shape: Shape, dtype: DType, *, base: Symbol | None = None,
        view: tuple[Op, dict[str, Any]] | None = None, layout: Any = None, certain: bool = True,
    ) -> None:  # fmt: skip
        self.storage, self.shape, self.dtype, self.ndim = storage, shape, dtype, len(shape)
        self.base, self.view, self._layout, self.certain = base, view, layout, certain
        self.value: Value | None = None  # what it held at the version
        self.version = -1
        self.source: Any = None

    @property
    def size(self) -> int:
        """The number of elements."""
        count = 1
        for n in self.shape:
            count *= n
        return count

    @property
    def layout(self) -> Any:
        """An array with the shape and strides; its numbers mean nothing."""
        return plain_layout(self.shape, self.dtype) if self._layout is None else self._layout

    @property
    def contiguous(self) -> bool:
        """Whether the elements lie row by row."""
        return self._layout is None or bool(self._layout.flags.c_contiguous)

    @property
    def strides(self) -> tuple[int, ...]:
        """The bytes from one element to the next, for each dimension."""
        strides: tuple[int, ...] = self.layout.strides
        return strides

    @property
    def flags(self) -> _Flags:
        """Facts about the memory."""
        return _Flags(self)

    # ---- what arrays can do that leads to no numbers ----

    def copy(self) -> Symbol:
        """The same value in memory of its own."""
        return self.storage.recorder.snapshot(self)

    def astype(self, dtype: DType, copy: bool = True) -> Symbol:
        """The same value in another dtype, in memory of its own."""
        return self.storage.recorder.converted(self, dtype)

    def fill(self, number: float) -> None:
        """Let all elements be one number."""
        self.storage.recorder.fill(self, number)

    # ---- everything else would need the numbers ----

    def __bool__(self) -> bool:
        truth = self.storage.recorder.truth(self)
        if truth is None:
            self.refuse("bool")
        return truth

    def item(self) -> NoReturn:
        """There is no number."""
        self.refuse("item")

    def tolist(self) -> NoReturn:
        """There are no numbers."""
        self.refuse("tolist")

    def __float__(self) -> float:
        self.refuse("float")

    def __int__(self) -> int:
        self.refuse("int")

    def __index__(self) -> int:
        self.refuse("index")

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        self.refuse("numpy")

    def __getitem__(self, index: Any) -> Any:
        self.refuse("index")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self.refuse(name)

    def refuse(self, asked: str) -> NoReturn:
        """Raise the TraceError for a use that needs numbers."""
        self.storage.recorder.check_open(self)
        words = f"{asked}: a traced tensor has no numbers yet{here()}"
        error = TraceError(words, got={"tensor": self}, fix=ADVICE.get(asked, RETURN))
        raise self.storage.recorder.noted(error)


def here() -> str:
    """Say where in the user's code we are: ', at file.py:3: loss.item()'."""
    place = shown(Here(None).source)
    return f", at {place}" if place else ""


class _Spent(Symbol):
    """The gradient that a compiled step has used up: nothing of it is left but its shape."""

    __slots__ = ()

    def copy(self) -> Symbol:
        """A copy of a model goes with it: it has no gradients either."""
        return self

    def astype(self, dtype: DType, copy: bool = True) -> Symbol:
        """So does a model that is moved to another dtype."""
        return _spent(self.shape, dtype)

    def __reduce__(self) -> Any:
        return _spent, (self.shape, self.dtype)

    def refuse(self, asked: str = "") -> NoReturn:
        """Raise the TraceError for any other use."""
        raise TraceError(
            f"the gradient was used up inside of a compiled step{here()}",
            got={"gradient": self},
            fix="return parameter.grad.clone() from the step, or run the step without sl.compile",
        )

    fill = __bool__ = refuse  # type: ignore[assignment]
    flags = property(refuse)  # whoever is about to change it asks for them


def _spent(shape: Shape, dtype: DType) -> _Spent:
    return _Spent(None, shape, dtype)  # type: ignore[arg-type]


def spent_gradient(parameter: Any) -> Any:
    """Return the tensor that stands for a gradient that a compiled step used up."""
    return type(parameter).wrap(_spent(parameter._data.shape, parameter._data.dtype))
