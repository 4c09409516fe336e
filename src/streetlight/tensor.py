"""The Tensor: an array of numbers with a link to the operation that made it.

Methods and operators hand over to the operations of `streetlight.ops`; nothing is computed here.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from typing import Any

import numpy as np

from streetlight import autograd, devices, dtypes, inplace, ops
from streetlight.convert import Convertible, as_array
from streetlight.devices import Array
from streetlight.errors import DTypeError, GradientError, ShapeError
from streetlight.operators import converter, of_bools, operator, reflected
from streetlight.ops.dims import one_dim
from streetlight.ops.indexing import getitem
from streetlight.ops.movement import copy
from streetlight.ops.registry import Value, cast


class Tensor(Convertible):
    """An n-dimensional array of numbers of one dtype that can record what is done with it.

    Make one with `sl.tensor`, `sl.zeros` and their like rather than with the class itself.

    Attributes:
        grad: the gradient that `backward()` has added up here, or None.
        requires_grad: whether operations on this tensor are recorded.

    >>> import streetlight as sl
    >>> x = sl.tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.], shape=(2,), dtype=float32)
    """

    grad: Tensor | None = None
    requires_grad: builtins.bool = False
    _node: autograd.Node | None = None  # the operation that made it; None for a leaf
    _base: tuple[Any, Any, dict[str, Any], int] | None = None  # what a view looks at, and how
    _changed: list[int] | None = None  # time of the last change in place, shared with views
    _hooks: list[Any] | None = None

    def __init__(self, data: Any, requires_grad: bool = False) -> None:
        self._data: Array = as_array(data)
        if requires_grad:
            self.requires_grad_()

    # ---- what it is ----

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the dimensions."""
        shape: tuple[int, ...] = self._data.shape
        return shape

    @property
    def dtype(self) -> dtypes.DType:
        """The type of the elements."""
        dtype: dtypes.DType = self._data.dtype
        return dtype

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        ndim: int = self._data.ndim
        return ndim

    @property
    def device(self) -> str:
        """Where the numbers lie: "cpu" or "cuda"."""
        return devices.device_of(self._data)

    @property
    def is_leaf(self) -> bool:
        """Whether it was made by hand, not by a recorded operation."""
        return autograd.node_of(self) is None

    @property
    def grad_fn(self) -> autograd.Node | None:
        """The recorded operation that made it."""
        return autograd.node_of(self)

    @property
    def T(self) -> Tensor:  # noqa: N802
        """The matrix with rows and columns exchanged (all dimensions reversed)."""
        return ops.permute(self, tuple(range(self.ndim))[::-1])

    @property
    def mT(self) -> Tensor:  # noqa: N802
        """Each matrix of a batch with rows and columns exchanged."""
        return ops.transpose(self, -2, -1)

    @property
    def data(self) -> Tensor:
        """The same numbers in the same memory, without the link to what made them."""
        return self.detach()

    @data.setter
    def data(self, value: Tensor) -> None:
        self._data = as_array(value)
        inplace.stamp(self)

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one dimension."""
        return self.shape if dim is None else self.shape[one_dim("size", dim, self.ndim)]

    def dim(self) -> int:
        """The number of dimensions, as `ndim`."""
        return self.ndim

    def numel(self) -> int:
        """The number of elements."""
        return int(self._data.size)

    def is_floating_point(self) -> bool:
        """Whether the elements are floating-point numbers."""
        return self.dtype.kind == "f"

    def is_contiguous(self) -> bool:
        """Whether the elements lie row by row in memory."""
        return builtins.bool(self._data.flags.c_contiguous)

    def __len__(self) -> int:
        if not self.ndim:
            raise DTypeError("len: a 0-d tensor has no length", fix="x.item() gives its number")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        numbers = np.array2string(
            devices.move(self._data, "cpu"), precision=4, separator=", ", threshold=1000,
            prefix="tensor(", suppress_small=False,
        )  # fmt: skip
        link = f", grad_fn={self._node}" if self._node else ", requires_grad=True"
        place = "" if self.device == "cpu" else f", device={self.device}"
        facts = f"shape={self.shape}, dtype={self.dtype}{place}"
        return f"tensor({numbers}, {facts}{link if self.requires_grad else ''})"

    def __format__(self, spec: str) -> str:
        one = self.ndim == 0 or (spec and self.numel() == 1)
        return format(self.item(), spec) if one else repr(self)

    # ---- dtype and device ----

    def to(self, *where: Any, dtype: Any = None, device: Any = None) -> Tensor:
        """Return the tensor with another dtype, on another device, or both; itself if it fits.

        >>> import streetlight as sl
        >>> sl.tensor([1, 2]).to(sl.float64).dtype
        dtype('float64')
        """
        for target in where:
            if isinstance(target, Tensor):
                dtype, device = target.dtype, target.device
            elif isinstance(target, str) and target not in dtypes.__all__:
                device = target
            else:
                dtype = target
        result = self
        if dtype is not None and (wanted := dtypes.as_dtype(dtype)) != self.dtype:
            source = self if wanted.kind == "f" else self.detach()  # integers have no gradient
            result = cast(source, dtype=wanted)
        return result if device is None else _moved(result, device)

    cpu, cuda = converter("cpu"), converter("cuda")
    float, double, half = (converter(kind) for kind in ("float32", "float64", "float16"))
    int, long, bool = (converter(kind) for kind in ("int32", "int64", "bool"))

    def type_as(self, other: Tensor) -> Tensor:
        """Return it with the dtype of another tensor."""
        return self.to(other.dtype)

    # ---- gradients ----

    def backward(
        self, gradient: Tensor | None = None, retain_graph: Any = None, create_graph: Any = False
    ) -> None:
        """Add the gradient of this tensor to `.grad` of every leaf that it depends on.

        Args:
            gradient: the gradient to start with; 1 if the tensor has one element.
            retain_graph: keep the saved values, so that the walk can be repeated.
            create_graph: record the walk, so that gradients can be differentiated again.

        Raises:
            GradientError: if there is nothing to differentiate, or the graph was freed.
            InPlaceError: if a value that is needed was changed in place.
        """
        autograd.backward(self, gradient, retain_graph, create_graph)

    def requires_grad_(self, requires_grad: Any = True) -> Tensor:
        """Say whether operations on this leaf are recorded, and return it.

        Raises:
            DTypeError: if the elements are not floating-point.
            GradientError: if the tensor is not a leaf and recording is switched off.
        """
        if requires_grad and self.dtype.kind != "f":
            raise DTypeError(
                f"requires_grad: {self.dtype} tensors have no gradient",
                expected="a floating-point tensor", got={"tensor": self}, fix="x.float()",
            )  # fmt: skip
        if not requires_grad and self._node is not None:
            raise GradientError("requires_grad: only leaves can be switched off", fix="x.detach()")
        if requires_grad and self._node is None:
            self._base = None  # a leaf of its own from now on, whatever memory it looks at
        self.requires_grad = requires_grad
        return self

    def detach(self) -> Tensor:
        """Return the same memory without the link to what made it."""
        if self._changed is None:
            self._changed = [0]
        result = Tensor.wrap(self._data)
        result._changed = self._changed
        return result

    def detach_(self) -> Tensor:
        """Cut the link to what made it."""
        self._node, self.requires_grad = None, False
        return self

    def retain_grad(self) -> None:
        """Keep the gradient in `.grad` although the tensor is not a leaf."""
        if not self.requires_grad:
            raise GradientError("retain_grad: the tensor does not require a gradient")
        node = autograd.node_of(self)
        if node is not None:
            node.retained = self

    def register_hook(self, hook: Any) -> autograd.HookHandle:
        """Call `hook(gradient)` when the gradient of this tensor is known; it may return another.

        Raises:
            GradientError: if the tensor does not require a gradient.
        """
        if not self.requires_grad:
            raise GradientError("register_hook: the tensor does not require a gradient")
        holder: Any = autograd.node_of(self)
        if holder is None:
            self._hooks = hooks = self._hooks or []
        else:
            holder.hooks = hooks = holder.hooks or []
        hooks.append(hook)
        return autograd.HookHandle(hooks, hook)

    def clone(self) -> Tensor:
        """Return a copy with memory of its own; gradients flow through."""
        return copy(self)

    def contiguous(self) -> Tensor:
        """Return it with the elements row by row in memory."""
        return self if self.is_contiguous() else copy(self)

    def __deepcopy__(self, memo: dict[Any, Any]) -> Tensor:
        if self._node is not None:
            raise GradientError("deepcopy: only leaves can be copied", fix="x.detach().clone()")
        twin: Tensor = object.__new__(type(self))
        twin._data, twin.requires_grad = self._data.copy(), self.requires_grad
        twin.grad = None if self.grad is None else self.grad.clone()
        memo[id(self)] = twin
        return twin

    def __getstate__(self) -> dict[str, Any]:
        if self._node is not None:
            raise GradientError("pickle: only leaves can be kept", fix="x.detach()")
        links = ("_base", "_changed", "_hooks")
        return {name: value for name, value in vars(self).items() if name not in links}

    # ---- operators ----

    __add__ = __radd__ = operator(ops.add)
    __mul__ = __rmul__ = operator(ops.mul)
    __sub__, __rsub__ = operator(ops.sub), reflected(ops.sub)
    __truediv__, __rtruediv__ = operator(ops.div), reflected(ops.div)
    __floordiv__, __rfloordiv__ = operator(ops.floor_divide), reflected(ops.floor_divide)
    __mod__, __rmod__ = operator(ops.remainder), reflected(ops.remainder)
    __pow__, __rpow__ = operator(ops.pow), reflected(ops.pow)
    __matmul__, __rmatmul__ = operator(ops.matmul), reflected(ops.matmul)
    __and__ = __rand__ = of_bools("&", ops.logical_and)
    __or__ = __ror__ = of_bools("|", ops.logical_or)
    __xor__ = __rxor__ = of_bools("^", ops.ne)
    __invert__ = of_bools("~", ops.logical_not)
    __lt__, __le__ = operator(ops.lt), operator(ops.le)
    __gt__, __ge__ = operator(ops.gt), operator(ops.ge)

    def __eq__(self, other: object) -> Any:
        return False if other is None else ops.eq(self, other)

    def __ne__(self, other: object) -> Any:
        return True if other is None else ops.ne(self, other)

    def __contains__(self, element: Any) -> builtins.bool:
        return builtins.bool(ops.any(ops.eq(self, element)))

    def __pos__(self) -> Tensor:
        return self

    def __neg__(self) -> Tensor:
        return ops.neg(self)

    def __abs__(self) -> Tensor:
        return ops.abs(self)

    __hash__ = object.__hash__  # a tensor is itself as a key, whatever it holds

    def __getitem__(self, index: Any) -> Tensor:
        return getitem(self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        inplace.setitem(self, index, value)

    # ---- methods that are operations ----

    abs, neg, sign, floor, round = ops.abs, ops.neg, ops.sign, ops.floor, ops.round
    exp, expm1, log, log1p = ops.exp, ops.expm1, ops.log, ops.log1p
    sqrt, rsqrt, sin, cos, erf = ops.sqrt, ops.rsqrt, ops.sin, ops.cos, ops.erf
    tanh, sigmoid, relu = ops.tanh, ops.sigmoid, ops.relu
    isfinite, isnan, logical_not = ops.isfinite, ops.isnan, ops.logical_not
    add, sub, mul, div, pow = ops.add, ops.sub, ops.mul, ops.div, ops.pow
    maximum, minimum = ops.maximum, ops.minimum
    eq, ne, lt, le, gt, ge = ops.eq, ops.ne, ops.lt, ops.le, ops.gt, ops.ge
    logical_and, logical_or = ops.logical_and, ops.logical_or

    sum, mean, var, std, norm, prod = ops.sum, ops.mean, ops.var, ops.std, ops.norm, ops.prod
    max, min, amax, amin = ops.max, ops.min, ops.amax, ops.amin
    argmax, argmin, all, any = ops.argmax, ops.argmin, ops.all, ops.any
    logsumexp, cumsum = ops.logsumexp, ops.cumsum
    softmax, log_softmax = ops.softmax, ops.log_softmax
    allclose, equal = ops.allclose, ops.equal

    reshape = view = ops.reshape
    flatten, permute, transpose, squeeze = ops.flatten, ops.permute, ops.transpose, ops.squeeze
    unsqueeze, expand, flip, narrow = ops.unsqueeze, ops.expand, ops.flip, ops.narrow
    split, chunk, clamp, clip = ops.split, ops.chunk, ops.clamp, ops.clamp
    matmul, dot, outer, mm, bmm = ops.matmul, ops.dot, ops.outer, ops.mm, ops.bmm
    square, ceil, isinf = ops.square, ops.ceil, ops.isinf
    expand_as, repeat, unbind, nonzero = ops.expand_as, ops.repeat, ops.unbind, ops.nonzero
    gather, scatter_add, index_select = ops.gather, ops.scatter_add, ops.index_select
    masked_select, masked_fill = ops.masked_select, ops.masked_fill
    argsort, sort, topk = ops.argsort, ops.sort, ops.topk

    def t(self) -> Tensor:
        """The matrix with rows and columns exchanged; a vector stays as it is."""
        if self.ndim > 2:
            raise ShapeError(
                f"t: the tensor has {self.ndim} dimensions", expected="a matrix",
                got={"tensor": self}, fix="x.mT or x.permute(...)",
            )  # fmt: skip
        return self.T

    def view_as(self, other: Tensor) -> Tensor:
        """The same elements in the shape of another tensor."""
        return ops.reshape(self, other.shape)

    def where(self, condition: Tensor, other: Any) -> Tensor:
        """The elements where the condition holds, those of `other` elsewhere."""
        return ops.where(condition, self, other)

    # ---- changes in place ----

    add_, sub_ = inplace.in_place_scaled(ops.add), inplace.in_place_scaled(ops.sub)
    mul_, div_, pow_ = (inplace.in_place(op) for op in (ops.mul, ops.div, ops.pow))
    exp_, sqrt_, neg_, abs_ = (
        inplace.in_place(op) for op in (ops.exp, ops.sqrt, ops.neg, ops.abs)
    )  # fmt: skip
    relu_, tanh_, sigmoid_ = (inplace.in_place(op) for op in (ops.relu, ops.tanh, ops.sigmoid))
    __iadd__, __isub__, __imul__, __itruediv__, __ipow__ = add_, sub_, mul_, div_, pow_
    __ifloordiv__, __imod__ = (inplace.in_place(op) for op in (ops.floor_divide, ops.remainder))
    copy_, fill_, zero_ = inplace.copy_, inplace.fill_, inplace.zero_
    clamp_, masked_fill_ = inplace.clamp_, inplace.masked_fill_
    uniform_, normal_ = inplace.uniform_, inplace.normal_


def _wrap(array: Array) -> Tensor:
    result = object.__new__(Tensor)
    result._data = array
    return result


def _moved(tensor: Tensor, where: str) -> Tensor:
    if devices.device(where) == tensor.device:
        return tensor
    if tensor._node is not None:
        raise GradientError(
            "to: a recorded tensor cannot change its device",
            fix="move the inputs and the model before computing, or x.detach().to(...)",
        )
    result = _wrap(devices.move(tensor._data, where))
    result.requires_grad = tensor.requires_grad
    return result


Value.wrap = staticmethod(_wrap)
