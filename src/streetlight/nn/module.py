"""Module: a part of a network that knows its parameters, its buffers and the modules inside of it.

A module's members are its attributes, and they are looked up when they are asked for: in lists,
tuples and dicts too. So nothing has to be set up first, and no parameter is lost however it is
kept. The price is a short walk over the attributes for each question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from streetlight import dtypes
from streetlight.creation import zeros
from streetlight.errors import DTypeError, ModuleError
from streetlight.nn.members import Buffer, Parameter, T, near_match, unique, walk
from streetlight.nn.state import IncompatibleKeys, load
from streetlight.nn.summary import Text, summarise
from streetlight.ops.registry import context
from streetlight.tensor import Tensor

Hook = Callable[..., Any]


class RemovableHandle:
    """Takes a hook out again: with `remove()`, or at the end of a `with` block."""

    def __init__(self, module: Module, place: str, hook: Hook) -> None:
        self.module, self.place, self.hook = module, place, hook
        setattr(module, place, (*getattr(module, place), self))

    def remove(self) -> None:
        """Take the hook out; a second call does nothing."""
        others = tuple(one for one in getattr(self.module, self.place) if one is not self)
        setattr(self.module, self.place, others)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


class Module:
    """Base class of all layers and networks. Subclasses define `forward`.

    Parameters, buffers and modules are found wherever they are kept: in attributes, and in lists,
    tuples and dicts (nested as you like), under names such as `layers.0.weight`.

    >>> from streetlight import nn
    >>> class Network(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.layers = [nn.Linear(2, 3), nn.Linear(3, 1)]
    ...
    ...     def forward(self, x):
    ...         return self.layers[1](self.layers[0](x).relu())
    >>> [name for name, _ in Network().named_parameters()]
    ['layers.0.weight', 'layers.0.bias', 'layers.1.weight', 'layers.1.bias']
    """

    training: bool = True
    _buffer_names: Mapping[str, bool] = MappingProxyType({})  # name to `persistent`
    _hooks_before: Sequence[RemovableHandle] = ()
    _hooks_after: Sequence[RemovableHandle] = ()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the module's output; every subclass defines it."""
        raise ModuleError(
            f"{type(self).__name__} has no forward",
            fix="define `def forward(self, input): ...` in the class; mind its spelling and indent",
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run `forward` between the hooks; an error gets a note of where in the model it arose."""
        try:
            for handle in tuple(self._hooks_before):
                changed = handle.hook(self, args)
                if changed is not None:
                    args = changed if isinstance(changed, tuple) else (changed,)
            output = self.forward(*args, **kwargs)
            for handle in tuple(self._hooks_after):
                changed = handle.hook(self, args, output)
                output = output if changed is None else changed
            return output
        except Exception as error:
            _note_path(error, self)
            raise

    def register_forward_pre_hook(self, hook: Hook) -> RemovableHandle:
        """Call `hook(module, args)` before each forward; a result replaces the arguments."""
        return RemovableHandle(self, "_hooks_before", hook)

    def register_forward_hook(self, hook: Hook) -> RemovableHandle:
        """Call `hook(module, args, output)` after each forward; a result replaces the output."""
        return RemovableHandle(self, "_hooks_after", hook)

    # Attributes

    def __setattr__(self, name: str, value: Any) -> None:
        old, where = vars(self).get(name), f"{type(self).__name__}.{name}"
        if isinstance(value, set | frozenset) and any(
            isinstance(v, Module | Tensor) for v in value
        ):
            words = f"{where} is a set of modules or parameters, which gives them no names"
            raise ModuleError(words, fix="use a list or a dict")
        if isinstance(old, Module | Parameter) and not isinstance(value, Module | Parameter | None):
            kind = "module" if isinstance(old, Module) else "parameter"
            raise ModuleError(
                f"{where} is a {kind} and would be lost",
                expected="a Parameter, a Module or None",
                got={"given": value},
                fix=f"nn.Parameter(value), a change in place in sl.no_grad(), or `del` the {kind}",
            )
        if isinstance(value, Buffer):
            self._buffer_names = {**self._buffer_names, name: value.persistent}
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        getattr(self, name)  # a wrong name is answered with the nearest right one
        self._buffer_names = {k: v for k, v in self._buffer_names.items() if k != name}
        object.__delattr__(self, name)

    if not TYPE_CHECKING:  # type checkers should still report names that do not exist

        def __getattr__(self, name: str) -> Any:
            if hasattr(type(self), name):  # a property failed: let its own error come through
                return object.__getattribute__(self, name)
            if name.startswith("__"):  # asked for by copy, pickle and the like
                raise AttributeError(name)
            names = [key for key in (*vars(self), *dir(type(self))) if not key.startswith("_")]
            raise ModuleError(
                f"{type(self).__name__} has no attribute '{name}'", fix=near_match(name, names)
            )

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under a name; None stands for one that could be there and is not."""
        self._add(name, param, Parameter)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is not learnt; if it is persistent, `state_dict` holds it too."""
        self._add(name, tensor, Tensor)
        self._buffer_names = {**self._buffer_names, name: persistent}

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a module under a name, as `setattr` does."""
        self._add(name, module, Module)

    def _add(self, name: str, value: object, kind: type) -> None:
        where = f"{type(self).__name__} cannot register '{name}'"
        if not isinstance(name, str) or not name or "." in name:
            raise ModuleError(where, expected="a name that is text, not empty, without dots")
        if name in vars(self) or hasattr(type(self), name):
            raise ModuleError(f"{where}: it already has an attribute of that name")
        if value is not None and not isinstance(value, kind):
            raise ModuleError(where, expected=f"a {kind.__name__} or None", got={"given": value})
        setattr(self, name, value)

    # Walking

    def _own(self, kind: type[T]) -> dict[str, T]:
        """What this module itself holds of a kind, by name."""
        found: dict[str, T] = {}
        for name, value in walk(vars(self).items(), kind):
            if name in found:
                raise ModuleError(
                    f"two members have the same name '{name}'",
                    fix="use dict keys that stay different as text, and without dots",
                )
            found[name] = value
        return found

    def _own_buffers(self, saved: bool = False) -> dict[str, Tensor]:
        wanted = (True,) if saved else (True, False)
        return {
            name: value
            for name, value in self._own(Tensor).items()
            if not isinstance(value, Parameter)
            and self._buffer_names.get(name, getattr(value, "persistent", None)) in wanted
        }

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """Yield this module, named `prefix`, and all below it, parents first.

        One that is used in two places comes once, or with `remove_duplicate=False` twice.
        """
        memo = set() if memo is None else memo
        if self in memo:
            return
        memo.add(self)
        yield prefix, self
        for name, module in self._own(Module).items():
            yield from module.named_modules(memo, _join(prefix, name), remove_duplicate)
        if not remove_duplicate:  # only the modules above stay known, so that circles end
            memo.remove(self)

    def modules(self) -> Iterator[Module]:
        """Yield this module and all modules below it, each once."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield the modules that this module itself holds, each once, with their names."""
        return unique(self._own(Module).items())

    def children(self) -> Iterator[Module]:
        """Yield the modules that this module itself holds, each once."""
        return (module for _, module in self.named_children())

    def _named(
        self, own: Callable[[Module], dict[str, T]], prefix: str, recurse: bool, once: bool
    ) -> Iterator[tuple[str, T]]:
        modules = self.named_modules(None, prefix, once) if recurse else [(prefix, self)]
        pairs = ((_join(path, name), v) for path, m in modules for name, v in own(m).items())
        return unique(pairs) if once else pairs

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Yield the parameters with their names, here and below.

        A shared one comes once, or with `remove_duplicate=False` under all of its names.
        """
        return self._named(lambda m: m._own(Parameter), prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Yield the parameters, each once, in the order of `named_parameters`."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield the buffers with their names; arguments as for `named_parameters`."""
        return self._named(Module._own_buffers, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Yield the buffers, each once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    # Changing all at once

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` on every module, children first, and return this module."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True) -> Self:
        """Set training mode (dropout drops, batch norm measures) here and below."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set evaluation mode: the same as `train(False)`."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Say for all parameters whether gradients are recorded; False freezes them."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def to(self, *where: Any, dtype: Any = None, device: Any = None) -> Self:
        """Move parameters and buffers to a device, or those with fractions to a floating dtype."""
        target = zeros(()).to(*where, dtype=dtype, device=device)
        if not target.is_floating_point():
            raise DTypeError(
                f"{type(self).__name__}.to: parameters cannot be {target.dtype}",
                expected="float16, float32 or float64",
                fix="model.float()",
            )

        def moved(tensor: Tensor) -> Tensor:
            if tensor.is_floating_point():
                return tensor.detach().to(*where, dtype=dtype, device=device)
            return tensor.detach().to(target.device)

        for tensor in (*self.parameters(), *self.buffers()):
            tensor.data = moved(tensor)
            tensor.grad = None if tensor.grad is None else moved(tensor.grad)
        return self

    def float(self) -> Self:
        """Turn floating-point parameters and buffers into float32."""
        return self.to(dtypes.float32)

    def double(self) -> Self:
        """Turn floating-point parameters and buffers into float64."""
        return self.to(dtypes.float64)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or set them to zero."""
        context.entered(self, forgets=set_to_none)
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad.zero_()

    # State, and how it is shown

    def _own_state(self) -> dict[str, Tensor]:
        return {**self._own(Parameter), **self._own_buffers(saved=True)}

    def _state(self) -> dict[str, Tensor]:
        return dict(self._named(Module._own_state, "", True, False))

    def state_dict(self) -> dict[str, Tensor]:
        """Return all parameters and persistent buffers by name, under PyTorch's keys.

        The tensors share memory with the module: `copy.deepcopy` them to keep a snapshot.
        """
        return {name: tensor.detach() for name, tensor in self._state().items()}

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True
    ) -> IncompatibleKeys:
        """Copy saved values into the parameters and buffers of the same names.

        With `strict` all names have to agree; shapes have to in any case.

        Raises:
            StateDictError: lists all wrong names and shapes; nothing is loaded then.
        """
        return load(f"{type(self).__name__}.load_state_dict", self._state(), state_dict, strict)

    def extra_repr(self) -> str:
        """Return what stands between the brackets of `repr`; layers tell their options here."""
        return ""

    def __repr__(self) -> str:
        name, extra = type(self).__name__, self.extra_repr()
        children = [f"({key}): {child!r}" for key, child in self._own(Module).items()]
        if not children:
            return f"{name}({extra})"
        inside = "\n".join([extra, *children] if extra else children)
        return f"{name}(\n{inside}".replace("\n", "\n  ") + "\n)"

    def summary(self, *inputs: Tensor | Sequence[int]) -> Text:
        """Return a table of all modules: output shapes and numbers of parameters.

        Each input is a tensor or a shape (with the batch); without any, shapes are left out.

        >>> nn.Linear(4, 3).summary((8, 4))
        name   layer   output shape  parameters
        ---------------------------------------
        model  Linear  (8, 3)                15
        ---------------------------------------
        15 parameters, all trainable, 60 bytes
        """
        return summarise(self, inputs)


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _note_path(error: Exception, module: Module) -> None:
    """Keep one note on an error: the path from the outermost module to the one that failed.

    Each module on the way out calls this once, and the note grows by the name that the module has
    for the one before, for example "in: Network.layers.0 (Linear(in_features=2, ...))".
    """
    inner, path, layer, note = vars(error).get("_module_path", (None, "", "", ""))
    outer = type(module).__name__
    if inner is None:
        layer = note = f"{outer}({module.extra_repr()})"
    else:
        error.__notes__.remove(f"in: {note}")
        names = (name for name, below in module.named_modules() if below is inner)
        path = ".".join(part for part in (next(names, "?"), path) if part)
        note = f"{outer}.{path} ({layer})"
    error.add_note(f"in: {note}")
    vars(error)["_module_path"] = (module, path, layer, note)
