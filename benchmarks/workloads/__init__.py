"""The workloads, by name. To add one: write a module beside this file and name it in WORKLOADS.

A workload module says in its docstring what one step does, and has one function per framework that
can run it, named as in FRAMEWORKS. Such a function prepares data and network and returns `step`: a
function of the step number that trains once and returns the loss. A framework that is missing
from the module, or not installed, is left out of the table. `eager(torch)` serves Streetlight and
PyTorch with the very same lines, because their interfaces are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

Step = Callable[[int], Any]
Compiler = Callable[[Callable[..., Any]], Callable[..., Any]]

FRAMEWORKS = {  # name in the table: (package it needs, function of the workload module)
    "streetlight": ("streetlight", "eager"),
    "pytorch": ("torch", "eager"),
    "torch.compile": ("torch", "torch_compile"),
    "jax.jit": ("jax", "jax_jit"),
}
REFERENCE = "pytorch"  # ratios are against this one

WORKLOADS = {
    "streetlight": "benchmarks.workloads.streetlight",
    "mlp": "benchmarks.workloads.mlp",
    "mlp-adam": "benchmarks.workloads.mlp_adam",
}


def as_it_is(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile nothing: what an eager framework does."""
    return function


def frameworks_of(workload: str) -> list[str]:
    """Name the frameworks that the workload has a function for."""
    module = import_module(WORKLOADS[workload])
    return [name for name, (_, function) in FRAMEWORKS.items() if hasattr(module, function)]


def prepare(workload: str, framework: str) -> Step:
    """Build data and network of a workload in one framework and return its training step."""
    package, function = FRAMEWORKS[framework]
    build = getattr(import_module(WORKLOADS[workload]), function)
    return build(import_module(package))
