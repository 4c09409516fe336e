"""What a function can reach: tensors and modules with their names, and the facts it relies on.

It is found by reading what the function's code names: variables of the enclosing functions,
globals, and the attributes of what they hold. Plain values that were found become guards.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from streetlight.graph.graph import Kind
from streetlight.graph.numbers import holds_numbers
from streetlight.graph.source import is_inside
from streetlight.graph.traced import Guard
from streetlight.nn.members import Parameter
from streetlight.nn.module import Module
from streetlight.ops.registry import Op
from streetlight.optim.optimizer import Optimizer
from streetlight.random import Generator
from streetlight.tensor import Tensor

PLAIN = (bool, int, float, str, types.NoneType)
MISSING = object()
SPACES = (types.ModuleType, type)
ALWAYS_RUN = {"forward", "update", "step", "__call__"}
Place = tuple[str, tuple[Any, ...]]  # an expression with {0}, {1}, and the objects in it


class Surroundings:
    """Everything that a function can reach.

    Attributes:
        tensors: by id: the tensor, its kind, and its path.
        modules: paths of modules, by id.
        optimizers: those that were found, with their paths.
        arrays: NumPy arrays, by id, with their paths.
        guards: facts that the function may rely on.

    Args:
        function: what is called.
        others: further objects that it is given, by name.
    """

    def __init__(self, function: Any, others: Mapping[str, Any]) -> None:
        self._names: set[str] = set()
        known = -1
        while known != len(self._names):  # each round may find more names
            known = len(self._names)
            self._clear()
            self._look(function, "model" if isinstance(function, Module) else "", None, "")
            for name, value in others.items():
                self._look(value, name, None, "")
            for optimizer, path in list(self.optimizers.values()):
                self._parameters(optimizer, path)  # last: elsewhere they have better names
        self.guards += self._sizes.values()  # last: the others say more
        self._shorten_paths()

    def _clear(self) -> None:
        self.tensors: dict[int, tuple[Tensor, Kind, str]] = {}
        self.modules: dict[int, tuple[Module, str]] = {}
        self.optimizers: dict[int, tuple[Optimizer, str]] = {}
        self.arrays: dict[int, tuple[Any, str]] = {}
        self.guards: list[Guard] = []
        self._sizes: dict[int, Guard] = {}
        self._roots: list[str] = []
        self._seen: dict[int, Any] = {}
        self._places: set[tuple[str, tuple[int, ...]]] = set()

    def path_of(self, module: Any) -> str:
        """The path of a module, or its class where nothing is known of it."""
        found = self.modules.get(id(module))
        return type(module).__name__ if found is None else found[1]

    def _shorten_paths(self) -> None:
        """Leave out the variable's name where all modules hang on one."""
        if len(self._roots) != 1:
            return
        root = f"{self._roots[0]}."
        self.tensors = {
            key: (tensor, kind, path.removeprefix(root))
            for key, (tensor, kind, path) in self.tensors.items()
        }
        self.modules = {
            key: (module, path.removeprefix(root)) for key, (module, path) in self.modules.items()
        }

    # ---- the walk ----

    def _look(self, value: Any, path: str, place: Place | None, module: str) -> None:
        """Visit a value; `module` is the path of the module that it belongs to, if any."""
        if isinstance(value, PLAIN):
            self._guard_plain(value, path, place)
            return
        if callable_inside(value) or (isinstance(value, SPACES) and _is_library(value)):
            return
        self._guard_same(value, path, place)
        if id(value) in self._seen:
            return
        self._seen[id(value)] = value
        if isinstance(value, Tensor):
            self._tensor(value, path, module)
        elif isinstance(value, np.ndarray):
            self.arrays[id(value)] = value, path
        elif isinstance(value, Module):
            self._module(value, path, module)
        elif isinstance(value, Optimizer):
            self._optimizer(value, path)
        elif isinstance(value, dict):
            self._items(value, value.items(), path, module)
        elif isinstance(value, list | tuple | deque):
            self._items(value, enumerate(value), path, module)
        elif isinstance(value, set | frozenset):
            self._set(value, path, module)
        elif isinstance(value, SPACES):
            self._space(value, path)
        elif isinstance(value, types.FunctionType):
            self._function(value)
        elif isinstance(value, types.MethodType):
            self._look(value.__self__, "self", None, "")
            self._look(value.__func__, "", None, "")
        elif isinstance(value, functools.partial):
            for part in (value.func, value.args, value.keywords):
                self._look(part, path, None, "")
        elif not isinstance(value, Generator | Op):
            self._object(value, path)

    def _tensor(self, tensor: Tensor, path: str, module: str) -> None:
        leaf = isinstance(tensor, Parameter) or tensor.requires_grad
        kind: Kind = "parameter" if leaf else "buffer" if module else "state"
        self.tensors[id(tensor)] = tensor, kind, path
        for hook in tensor._hooks or ():
            self._look(hook, f"{path}.hook", None, "")

    def _module(self, module: Module, path: str, above: str) -> None:
        if not above:
            self._roots.append(path)
        self.modules[id(module)] = module, path
        self._guard_size(vars(module), path, "attributes")
        self._class(type(module))
        for name, value in vars(module).items():
            if not isinstance(value, PLAIN):
                place = f"{{0}}.__dict__{_subscript(name)}", (module,)
                self._look(value, f"{path}.{name}", place, path or "model")
        self._plain_attributes(module, path)

    def _plain_attributes(self, owner: Any, path: str) -> None:
        """Guard the plain attributes that the code names."""
        used = self._names | _code_names(getattr(type(owner), "forward", None))
        for name in sorted(used):
            value = vars(owner).get(name, inspect.getattr_static(type(owner), name, ()))
            if isinstance(value, PLAIN):
                self._look(value, f"{path}.{name}", (f"{{0}}.{name}", (owner,)), "")

    def _optimizer(self, optimizer: Optimizer, path: str) -> None:
        self.optimizers[id(optimizer)] = optimizer, path
        self._class(type(optimizer))
        for index, group in enumerate(optimizer.param_groups):
            for name, value in group.items():
                words = f"{path}.param_groups[{index}][{name!r}]"
                place = f"{{0}}{_subscript(name)}", (group,)
                if isinstance(value, bool | str | types.NoneType):
                    self._guard_plain(value, words, place)
                elif not holds_numbers(value):
                    self._guard_same(value, words, place)
        self._guard_size(optimizer.param_groups, f"{path}.param_groups", "groups")

    def _parameters(self, optimizer: Optimizer, path: str) -> None:
        for group in optimizer.param_groups:
            self._items(group["params"], enumerate(group["params"]), f"{path}.params", "")

    def _items(self, owner: Any, items: Any, path: str, module: str) -> None:
        pairs = list(items)
        if isinstance(owner, list | dict | deque):
            self._guard_size(owner, path, "items")
        if len(pairs) > 64 and all(isinstance(value, PLAIN) for _, value in pairs):
            copied = owner if isinstance(owner, tuple) else owner.copy()
            self._note(f"{path} has the same items", "{0} == {1}", (owner, copied))
            return
        for key, value in pairs:
            place = (f"{{0}}{_subscript(key)}", (owner,)) if isinstance(key, int | str) else None
            self._look(value, f"{path}.{key}", place, module)

    def _set(self, owner: Any, path: str, module: str) -> None:
        if isinstance(owner, set):
            self._note(f"{path} has the same items", "{0} == {1}", (owner, owner.copy()))
        for index, value in enumerate(owner):
            self._look(value, f"{path}.{index}", None, module)

    def _space(self, owner: Any, path: str) -> None:
        """Look at those attributes of a Python module or class that the code names."""
        if isinstance(owner, type):
            self._class(owner)
        for name in sorted(self._names):
            value = inspect.getattr_static(owner, name, MISSING)
            bound = isinstance(owner, type) and hasattr(type(value), "__get__")
            if value is not MISSING and not bound:
                self._look(value, f"{path}.{name}", (f"{{0}}.{name}", (owner,)), "")

    def _function(self, function: types.FunctionType) -> None:
        code = function.__code__
        if is_inside(code.co_filename):
            return
        names = _code_names(function)
        self._names |= names
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            try:
                value = cell.cell_contents
            except ValueError:  # not filled yet
                continue
            self._look(value, name, ("{0}.cell_contents", (cell,)), "")
        space = function.__globals__
        for name in sorted(names & space.keys()):
            self._look(space[name], name, (f"{{0}}[{name!r}]", (space,)), "")
        for value in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            self._look(value, "default", None, "")

    def _object(self, value: Any, path: str) -> None:
        """Look at those attributes of any other object that the code names."""
        self._class(type(value))
        wrapped = inspect.getattr_static(value, "__wrapped__", None)
        if isinstance(wrapped, types.FunctionType):
            self._look(wrapped, path, None, "")
        inside = is_inside(_file(type(value).__module__))
        if not inside:
            self._slots(value, path)
        if not hasattr(value, "__dict__"):
            return
        if inside and wrapped is not None:  # a compiled function: its versions come and go
            self._look(wrapped, path, None, "")
            return
        for name, part in list(vars(value).items()):
            if inside or name in self._names:
                self._look(part, f"{path}.{name}", (f"{{0}}.{name}", (value,)), "")
        self._plain_attributes(value, path)

    def _slots(self, owner: Any, path: str) -> None:
        for name in sorted(self._names):
            slot = inspect.getattr_static(type(owner), name, None)
            if isinstance(slot, types.MemberDescriptorType) and hasattr(owner, name):
                place = f"{{0}}.{name}", (owner,)
                self._look(getattr(owner, name), f"{path}.{name}", place, "")

    def _class(self, kind: type) -> None:
        """Read the methods that the code names."""
        for name, method in _methods(kind):
            if (name in self._names or name in ALWAYS_RUN) and id(method) not in self._seen:
                self._seen[id(method)] = method
                self._function(method)

    # ---- guards ----

    def _note(self, words: str, code: str, objects: tuple[Any, ...]) -> None:
        key = code, tuple(map(id, objects))
        if key not in self._places:
            self._places.add(key)
            self.guards.append(Guard(words, code, objects))

    def _guard_plain(self, value: Any, path: str, place: Place | None) -> None:
        if place is None:
            return
        code, objects = place
        one = f"{{{len(objects)}}}"
        same = f"{code} is {one}"
        if not isinstance(value, bool | types.NoneType):
            same += f" or (type({code}) is type({one}) and {code} == {one})"
        self._note(f"{path} is {value!r}", same, (*objects, value))

    def _guard_same(self, value: Any, path: str, place: Place | None) -> None:
        if place is not None:
            code, objects = place
            words = f"{path} is the same {type(value).__name__}"
            self._note(words, f"{code} is {{{len(objects)}}}", (*objects, value))

    def _guard_size(self, owner: Any, path: str, what: str) -> None:
        words = f"{path} has {len(owner)} {what}"
        self._sizes.setdefault(id(owner), Guard(words, f"len({{0}}) == {len(owner)}", (owner,)))


def callable_inside(value: Any) -> bool:
    """Whether it is a function of the framework or of C, which relies on nothing of the user's."""
    if isinstance(value, types.BuiltinFunctionType):
        return True
    code = getattr(value, "__code__", None) if isinstance(value, types.FunctionType) else None
    return code is not None and is_inside(code.co_filename)


def _file(module: str) -> str:
    return getattr(sys.modules.get(module), "__file__", None) or ""


def _is_library(space: Any) -> bool:
    """Whether a Python module or class is one of Python's or the framework's, which stays as is."""
    name = space.__module__ if isinstance(space, type) else space.__name__
    file = _file(name) if isinstance(space, type) else getattr(space, "__file__", None) or ""
    return name.partition(".")[0] in sys.stdlib_module_names or is_inside(file)


def _subscript(key: int | str) -> str:
    """A key in square brackets, fit for str.format."""
    return f"[{key!r}]".replace("{", "{{").replace("}", "}}")


def _code_names(function: Any) -> set[str]:
    """All names in the code of a function and of the functions inside of it."""
    code = getattr(function, "__code__", None)
    if code is None:
        return set()
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _code_names(types.SimpleNamespace(__code__=constant))
    return names


def _methods(kind: type) -> Iterator[tuple[str, types.FunctionType]]:
    for base in kind.__mro__:
        for name, value in vars(base).items():
            if isinstance(value, types.FunctionType):
                yield name, value
