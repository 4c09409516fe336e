"""The workloads and the frameworks, by name.

A workload is a dataclass of its sizes: `lstm:steps=64,batch=8` is the workload `lstm` with other
ones. To add one, write a class like those in the modules beside this file and name it in WORKLOADS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import Any, NamedTuple

from benchmarks.workloads import training
from benchmarks.workloads.mlp import Mlp
from benchmarks.workloads.pictures import CnnBook, LeNet
from benchmarks.workloads.recurrent import Recurrent
from benchmarks.workloads.sentiment import Sentiment
from benchmarks.workloads.streetlight import Streetlight
from benchmarks.workloads.training import Step, Workload
from benchmarks.workloads.transformer import Transformer


class Framework(NamedTuple):
    """The package that a framework needs, and the function that builds a step in it."""

    package: str
    build: Callable[[Workload, Any], Step]


OWN = "compiled"  # what is held against the fastest of its peers
PEERS = ("pytorch", "torch.compile", "jax.jit")
FRAMEWORKS = {
    OWN: Framework("streetlight", training.compiled),
    "streetlight": Framework("streetlight", training.eager),
    "pytorch": Framework("torch", training.eager),
    "torch.compile": Framework("torch", training.torch_compile),
    "jax.jit": Framework("jax", training.jax_jit),
}

WORKLOADS: dict[str, Workload] = {
    "streetlight": Streetlight(),
    "mlp": Mlp("SGD"),
    "mlp-adam": Mlp("Adam"),
    "sentiment": Sentiment(),
    "rnn": Recurrent("RNN"),
    "lstm": Recurrent("LSTM"),
    "lstm-small": Recurrent("LSTM", width=128, batch=16, steps=25),
    "transformer": Transformer(),
    "cnn-book": CnnBook(),
    "lenet": LeNet(),
}


def find(name: str) -> Workload:
    """Return the workload of a name, in the sizes that the name gives after a colon.

    Raises:
        KeyError: there is no such workload.
        ValueError: it has no such size, or a size is no number.
    """
    base, _, pairs = name.partition(":")
    workload = WORKLOADS[base]
    known = {field: type(size) for field, size in vars(workload).items() if type(size) is not str}
    sizes = dict(pair.partition("=")[::2] for pair in pairs.split(",") if pair)
    if strange := sizes.keys() - known.keys():
        raise ValueError(f"{base} has no size {sorted(strange)}, but {', '.join(known)}")
    return replace(workload, **{key: known[key](size) for key, size in sizes.items()})


def prepare(workload: str, framework: str) -> Step:
    """Build data and network of a workload in one framework and return its training step."""
    package, build = FRAMEWORKS[framework]
    return build(find(workload), import_module(package))
