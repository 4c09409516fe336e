"""Tracing: running a function once on symbols, to find out everything that it computes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from streetlight.errors import StreetlightError, TraceError
from streetlight.graph import ending, gradients
from streetlight.graph.arguments import Arguments
from streetlight.graph.capture import Captures
from streetlight.graph.gradients import Gradients
from streetlight.graph.graph import Graph
from streetlight.graph.numbers import Numbers
from streetlight.graph.optimizers import Optimizers
from streetlight.graph.recorder import Recorder
from streetlight.graph.results import Results
from streetlight.graph.surroundings import Surroundings
from streetlight.graph.symbol import here
from streetlight.graph.traced import NotYet as NotYet
from streetlight.graph.traced import OnlyEagerly as OnlyEagerly
from streetlight.graph.traced import Traced
from streetlight.ops.registry import context
from streetlight.optim.optimizer import Optimizer
from streetlight.random import listener


def trace(fn: Callable[..., Any], *inputs: Any) -> Graph:
    """Run a function once on symbols and return the graph of all that it computes.

    Forward, backward, optimiser updates, random draws and changes of state are all in it. Nothing
    is computed, and all is afterwards as it was before.

    Args:
        fn: a function, method or module.
        inputs: what to call it with; of tensors only shape and dtype matter.

    Raises:
        TraceError: if it does something that depends on the numbers, such as `if x > 0`.

    >>> import streetlight as sl
    >>> [node.op.name for node in trace(lambda x: (x * 2).sum(), sl.ones(3)).nodes]
    ['mul', 'sum']
    """
    try:
        return trace_call(fn, inputs, {}, settled=True).graph
    except OnlyEagerly as refused:
        raise refused.__cause__ or refused from None


def tracing() -> bool:
    """Whether a function is being traced in this thread."""
    return context.tracing


def trace_call(
    fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], settled: bool = False
) -> Traced:
    """Trace one call of a function; all state is as before when it returns.

    The function runs twice: what differs then is no function of tensors (time, Python's random
    numbers), and would be frozen.

    Args:
        settled: whether the function has just run eagerly because of a NotYet, so that any state
            that it makes should be there.

    Raises:
        NotYet: if state would be made, and the function is not `settled`.
        OnlyEagerly: if tensors share memory that is changed.
        TraceError: if the function cannot be traced.
    """
    if context.tracing:
        raise TraceError("a trace cannot begin inside of another", fix="call the function itself")
    try:
        traced = _Run(fn, args, kwargs).traced()
        ending.check_repeats(traced.graph, _Run(fn, args, kwargs).traced().graph)
        return traced
    except NotYet as made:
        if not settled or isinstance(made, OnlyEagerly):
            raise
        if isinstance(made.__cause__, StreetlightError):
            raise made.__cause__ from None
        raise TraceError(
            f"the function makes new state: {made}",
            expected="state that is there already, and is changed in place",
            fix="call the function once before the trace; state that it makes at every call "
            "must be made outside of it",
        ) from None


class _Run:
    """One trace, from the arguments to what it gave."""

    def __init__(self, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.fn = fn
        self.arguments = Arguments(fn, args, kwargs)
        self.around = Surroundings(fn, self.arguments.others)
        self.captures = Captures()
        name = getattr(fn, "__name__", type(fn).__name__)
        self.recorder = Recorder(name, self.captures.adopt, self.around.path_of)
        self.captures.recorder = self.recorder
        self.numbers = Numbers(self.recorder)
        self.gradients = Gradients(self.captures)
        paths = {key: path for key, (_, _, path) in self.around.tensors.items()}
        self.optimizers = Optimizers(self.captures, self.numbers, paths)
        self.traced_call = Traced(self.recorder.graph)

    def traced(self) -> Traced:
        """Carry out the trace."""
        grad_enabled = context.grad_enabled
        changed: dict[int, Any] = {}
        try:
            self._take_all()
            with self._listening():
                self._run()
        except TraceError as error:
            if self.optimizers.lacks_state() and _in_step(error):
                raise NotYet("the state of an optimiser") from error
            raise
        finally:
            context.grad_enabled = grad_enabled
            self.recorder.outermost = self.recorder.refused = None
            changed = self.numbers.restore()
            made = self.optimizers.restore()
            self.captures.restore()
            self.recorder.open = False
        if made:
            raise NotYet(made)
        self.numbers.finish(changed, self.traced_call)
        changed.clear()
        arrays = self.around.arrays
        ending.close(self.traced_call, self.recorder, self.captures, arrays, grad_enabled)
        self.traced_call.guards += self.around.guards
        self.traced_call.guards += [*self.optimizers.guards, *self.numbers.guards()]
        ending.check_guards(self.traced_call.guards)
        return self.traced_call

    def _take_all(self) -> None:
        self.arguments.take(self.captures)
        for tensor, kind, path in self.around.tensors.values():
            self.arguments.refuse_captured(tensor, path, self.captures)
            self.captures.take(tensor, kind, path)
        for optimizer, path in self.around.optimizers.values():
            self.optimizers.learn(optimizer, path)

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """Be the interpreter of this thread."""
        hooks = {
            "interpreter": self._noting(self.recorder.interpret),
            "store": self._noting(self.recorder.store),
            "entered": self._noting(self._entered),
            "tracing": True,
        }
        vars(context).update(hooks)
        listener.drawing = self._noting(_refuse_drawing)
        try:
            yield
        finally:
            for name in hooks:
                del vars(context)[name]
            del listener.drawing

    def _noting(self, work: Callable[..., Any]) -> Callable[..., Any]:
        """Do some work; the function may catch that it was refused, but it is remembered."""

        def noting(*args: Any, **kwargs: Any) -> Any:
            try:
                return work(*args, **kwargs)
            except (TraceError, NotYet) as error:
                self.recorder.noted(error)
                raise

        return noting

    def _run(self) -> None:
        self.recorder.outermost = sys._getframe()
        args, kwargs = self.arguments.substituted(self.numbers)
        result = self.fn(*args, **kwargs)
        self.recorder.outermost = None
        if self.recorder.refused is not None:  # caught, and another way taken than in eager code
            raise self.recorder.refused
        results = Results(self.recorder, self.captures, self.arguments.leaves)
        self.traced_call.result = results.of(result)
        endings, guards = self.gradients.end()
        self.traced_call.guards += guards
        gradients.finish(endings, results.output, self.traced_call)
        self.traced_call.rebound = results.rebound()

    def _entered(self, owner: Any, forgets: bool = False) -> None:
        """Hear of an optimiser or module, see `Context.entered`."""
        parameters = list(owner.parameters()) if hasattr(owner, "parameters") else []
        if isinstance(owner, Optimizer):
            parameters = owner._parameters()
        for index, parameter in enumerate(parameters):
            self.captures.take(parameter, "parameter", f"parameters.{index}")
        if isinstance(owner, Optimizer):
            self.optimizers.learn(owner, "optimizer")
        if forgets:
            self.gradients.forget(parameters)
        elif isinstance(owner, Optimizer):
            self.gradients.step(owner)


def _refuse_drawing() -> None:
    raise TraceError(
        f"a generator draws whole numbers or an order, which a graph cannot hold{here()}",
        expected="sl.rand, sl.randn, dropout, x.uniform_() and x.normal_()",
        fix="draw them outside and pass them as an argument",
    )


def _in_step(error: BaseException) -> bool:
    """Whether an error came from the step of an optimiser."""
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code is Optimizer.step.__code__:
            return True
        traceback = traceback.tb_next
    return False
