"""Workload `mlp-adam`: as `mlp`, but the weights move by Adam."""

from __future__ import annotations

from functools import partial

from benchmarks.workloads import mlp

eager = partial(mlp.eager, rule="Adam")
torch_compile = partial(mlp.torch_compile, rule="Adam")
jax_jit = partial(mlp.jax_jit, rule="Adam")
