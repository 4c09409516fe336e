"""Compiling: a function, a whole training step say, becomes one native program."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streetlight.compile.compiled import Compiled


def compile(function: Callable[..., Any]) -> Compiled:
    """Make a function that runs as native code; it may be used as a decorator.

    At the first call the function is traced and its graph is compiled: forward, backward,
    update, random draws and changes of state alike. Calls with other shapes, another mode or
    another structure of the model are compiled anew, and all versions are kept. Learning rates and
    other numbers of optimisers may change freely. The results are those of the function, within
    rounding, or it raises.

    Args:
        function: a function, method or module. Tensors and floats among its arguments may change
            from call to call; other arguments are built into the version.

    Raises:
        ArgumentError: if it is none of these.
        CompileError: at a call, if there is no C compiler.
        TraceError: at a call, if the function asks for numbers, as `if loss > 1` does.

    >>> import streetlight as sl
    >>> @sl.compile
    ... def double(x):
    ...     return x * 2
    >>> double(sl.ones(3)).tolist()
    [2.0, 2.0, 2.0]
    """
    from streetlight.compile.compiled import Compiled

    return function if isinstance(function, Compiled) else Compiled(function)


class _Module(types.ModuleType):
    """Can be called, too: whoever imports this package by its path puts it in `sl.compile`."""

    def __call__(self, function: Callable[..., Any]) -> Compiled:
        return compile(function)


sys.modules[__name__].__class__ = _Module
