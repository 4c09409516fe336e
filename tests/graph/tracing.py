"""Help for the tests of tracing: run a traced step by evaluating its graph, beside eager code."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

import streetlight as sl
from streetlight.graph import evaluate
from streetlight.graph.symbol import spent_gradient
from streetlight.graph.trace import NotYet, trace_call
from streetlight.graph.traced import SPENT, Leaf, Output, Traced, View
from streetlight.graph.tree import flatten, rebuild


def holds(traced: Traced) -> bool:
    """Whether all guards hold."""
    for guard in traced.guards:
        names = [f"_{i}" for i in range(len(guard.objects))]
        space = dict(zip(names, guard.objects, strict=True))
        if not eval(guard.code.format(*names), {}, space):
            return False
    return True


def run(traced: Traced, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> Any:
    """Carry out a trace as a compiled function would: outputs, updates, gradients."""
    leaves, _ = flatten((args, kwargs or {}))
    holders = {name: leaves[leaf] for name, leaf in traced.arguments.items()} | traced.tensors
    inputs = {name: holder._data for name, holder in holders.items()}
    for name, place in traced.numbers.items():
        inputs[name] = leaves[place] if isinstance(place, int) else place.read()
    outputs, updates = evaluate(traced.graph, inputs, traced.generators)
    for name, new in updates.items():
        if name in holders:
            holders[name]._data[...] = new
        else:
            traced.numbers[name].write(float(new))

    made = {}

    def result(stand_in: Any) -> Any:
        if isinstance(stand_in, Output):
            found = outputs[stand_in.index]
            tensor = float(found) if stand_in.number else sl.Tensor.wrap(np.array(found))
            return made.setdefault(stand_in.index, tensor)
        if isinstance(stand_in, View):
            return stand_in.of(result(stand_in.base))
        return leaves[stand_in.index] if isinstance(stand_in, Leaf) else stand_in

    for place, gradient in traced.gradients:
        tensor = leaves[place.index] if isinstance(place, Leaf) else place
        tensor.grad = spent_gradient(tensor) if gradient is SPENT else result(gradient)
    for place, new in traced.rebound:
        tensor = leaves[place.index] if isinstance(place, Leaf) else place
        tensor.data = result(new)
    return rebuild(traced.result, result)


def traced_or_run(fn: Callable[..., Any], args: tuple[Any, ...], cache: list[Traced]) -> Any:
    """One call as `sl.compile` does it: with a trace that fits, or eagerly until there is one."""
    for traced in cache:
        if holds(traced):
            return run(traced, args)
    try:
        cache.append(trace_call(fn, args, {}))
    except NotYet:
        return fn(*args)
    return run(cache[-1], args)


def same(first: Any, second: Any, tolerance: float = 1e-5) -> None:
    """Check that two nested results hold the same numbers."""
    if isinstance(first, sl.Tensor):
        assert first.shape == second.shape
        assert first.dtype == second.dtype
        one, two = first.detach().numpy(), second.detach().numpy()
        np.testing.assert_allclose(one, two, rtol=tolerance, atol=tolerance)
    elif isinstance(first, (list, tuple)):
        for one, two in zip(first, second, strict=True):
            same(one, two, tolerance)
    elif isinstance(first, dict):
        for key in first:
            same(first[key], second[key], tolerance)
    else:
        assert first == second or abs(first - second) < tolerance


def agree(
    build: Callable[[], tuple[Callable[..., Any], Any]],
    batches: list[tuple[Any, ...]],
    between: Callable[[Any, int], None] | None = None,
) -> list[Traced]:
    """Train twice from the same start, eagerly and traced, and compare after every step.

    `build` returns the step and the state (modules, optimisers, tensors) to be compared.
    """
    results = []
    caches: list[list[Traced]] = []
    for mode in ("eager", "traced"):
        sl.manual_seed(3)
        step, state = build()
        cache: list[Traced] = []
        history = []
        for index, batch in enumerate(batches):
            if between is not None:
                between(state, index)
            given = copy.deepcopy(batch)
            found = step(*given) if mode == "eager" else traced_or_run(step, given, cache)
            history.append(copy.deepcopy((detached(found), detached(given), snapshot(state))))
        history.append(sl.rand(3))  # the generators stand at the same place
        results.append(history)
        caches.append(cache)
    same(*results)
    return caches[1]


def detached(tree: Any) -> Any:
    return rebuild(tree, lambda x: x.detach() if isinstance(x, sl.Tensor) else x)


def snapshot(state: Any) -> Any:
    """All numbers in modules, optimisers and tensors."""
    if isinstance(state, (list, tuple)):
        return [snapshot(part) for part in state]
    if isinstance(state, sl.nn.Module):
        return dict(state.state_dict())
    if isinstance(state, sl.optim.Optimizer):
        inner = state.state_dict()["state"]
        return {str(k): dict(v) for k, v in inner.items()}
    return state.detach()


__all__ = ["agree", "holds", "run", "same", "traced_or_run"]
