"""Checkpoints: all that a run is made of, in one safetensors file, to go on from bit for bit.

A run's state is a tree of dicts, lists, tuples, plain values and tensors. The tensors go into the
file under the path that leads to them ("model.0.weight"), the rest into its metadata as JSON.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from streetlight.creation import from_numpy
from streetlight.errors import CheckpointError, StateDictError, StreetlightError
from streetlight.interop.safetensors import load, load_metadata
from streetlight.interop.safetensors import save as save_tensors
from streetlight.random import Generator, default_generator
from streetlight.tensor import Tensor
from streetlight.train.running import Best

if TYPE_CHECKING:
    from streetlight.train.loop import Loop

_MARK = "streetlight_checkpoint"  # the metadata entry that holds the tree; its key says version 1


def save(trainer: Loop, path: str | os.PathLike[str]) -> None:
    """Write the state of a run to `path`, whole or not at all.

    Raises:
        CheckpointError: a callback, metric or schedule has state that cannot be saved.
        FileAccessError: the file cannot be written.
    """
    tensors: dict[str, Tensor] = {}
    tree = pack(capture(trainer), tensors)
    save_tensors(tensors, path, {_MARK: json.dumps(tree)})


def restore(trainer: Loop, path: str | os.PathLike[str]) -> None:
    """Put a run into the state that `save` wrote to `path`.

    Raises:
        CheckpointError: the file holds no run, or one of another model, optimiser or data set.
        FileAccessError, FileFormatError: it cannot be read.
    """
    text = load_metadata(path).get(_MARK)
    if text is None:
        raise _misfit(path, "holds weights, but no run", "fit(resume=...) takes Checkpoint's file")
    tensors = load(path)
    try:
        apply(trainer, unpack(json.loads(text), tensors), path)
    except CheckpointError:
        raise
    except StateDictError as error:
        raise _misfit(path, f"is of another model or optimiser: {error.what}") from None
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        problem = error.what if isinstance(error, StreetlightError) else repr(error)
        raise _misfit(path, f"is damaged: {problem}", "begin the run anew") from None


def capture(trainer: Loop) -> dict[str, Any]:
    """Give the state of a run as a tree."""
    between = trainer.batch == 0  # epochs, that is: the next one starts from this very state
    best = trainer.best
    return {
        "setting": setting(trainer),
        "model": trainer.model.state_dict(),
        "optimizer": trainer.optimizer.state_dict(),
        "scheduler": trainer.schedule.state_dict(),
        "random": random_state(trainer),
        "epoch_start": random_state(trainer) if between else trainer.epoch_start,
        "place": [trainer.epoch, trainer.batch, trainer.step],
        "seconds": time.perf_counter() - trainer.began,
        "running": trainer.running.state_dict(),
        "history": trainer.history.columns,
        "monitor": trainer.monitor,
        "best": [best.epoch, best.value, best.weights] if best else None,
        "stopped": trainer.stopping,
        "callbacks": [[type(c).__name__, c.state_dict()] for c in trainer.callbacks],
    }


def apply(trainer: Loop, state: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Put a run into the state that `capture` gave."""
    for name, now in setting(trainer).items():
        saved = state["setting"][name]
        if saved != now:
            raise _misfit(path, f"was saved with {name} {saved}, and now it is {now}")
    trainer.model.load_state_dict(state["model"])
    trainer.optimizer.load_state_dict(state["optimizer"])
    trainer.schedule.load_state_dict(state["scheduler"])
    trainer.epoch, trainer.batch, trainer.step = state["place"]
    trainer.began = time.perf_counter() - state["seconds"]
    trainer.running.load_state_dict(state["running"])
    trainer.history.columns = state["history"]
    trainer.monitor, trainer.stopping = state["monitor"], state["stopped"]
    trainer.best = Best(*state["best"]) if state["best"] else None
    _apply_callbacks(trainer, state["callbacks"], path)
    trainer.epoch_start = state["epoch_start"]
    set_random_state(trainer, state["random"])


def _apply_callbacks(
    trainer: Loop, saved: list[tuple[str, Any]], path: str | os.PathLike[str]
) -> None:
    """Give each callback the state of the first one of its class that is not yet given."""
    left = list(trainer.callbacks)
    for name, state in saved:
        taker = next((c for c in left if type(c).__name__ == name), None)
        if taker is not None:
            left.remove(taker)
            taker.load_state_dict(state)
        elif state:
            raise _misfit(path, f"has the state of a callback {name}, and none is given now")


def setting(trainer: Loop) -> dict[str, Any]:
    """Give what must be the same when a run is resumed."""
    return {
        "optimizer": type(trainer.optimizer).__name__,
        "scheduler": type(trainer.schedule.scheduler).__name__,
        "metrics": [metric.name for metric in trainer.metrics],
        "batches to an epoch": trainer.batches,
        "accumulate": trainer.accumulate,
        "validation": trainer.validation is not None,
    }


def random_state(trainer: Loop) -> list[Tensor]:
    """Give the states of the default generator and of those of the loaders."""
    return [from_numpy(generator.get_state()) for generator in generators(trainer)]


def set_random_state(trainer: Loop, states: list[Tensor], but: Any = None) -> None:
    """Restore what `random_state` gave, except for the generator of the loader `but`."""
    for generator, state in zip(generators(trainer), states, strict=True):
        if but is None or generator is not getattr(but, "generator", None):
            generator.set_state(state.numpy())


def generators(trainer: Loop) -> list[Generator]:
    """Find the generators that a run draws from, the default one first."""
    found = [getattr(loader, "generator", None) for loader in (trainer.loader, trainer.validation)]
    return [default_generator, *(g for g in found if isinstance(g, Generator))]


def batches_left(trainer: Loop, now: list[Tensor]) -> Iterator[Any]:
    """Draw the epoch's order anew, skip the batches that are done, and go on from state `now`."""
    set_random_state(trainer, trainer.epoch_start)
    batches: Iterator[Any] = iter(trainer.loader)
    for _ in islice(batches, trainer.batch):
        pass
    set_random_state(trainer, now, but=trainer.loader)
    return batches


def pack(tree: Any, tensors: dict[str, Tensor], path: str = "") -> Any:
    """Turn a tree into JSON values, and move its tensors and arrays to `tensors`, by path.

    >>> tensors = {}
    >>> pack({"sizes": (2, 3), 0: [from_numpy(np.ones(2))]}, tensors)
    {'dict': [['sizes', {'tuple': [2, 3]}], [0, [{'tensor': '0.0'}]]]}
    >>> list(tensors)
    ['0.0']
    """
    if tree is None or isinstance(tree, bool | int | float | str):
        return tree
    if isinstance(tree, np.generic):
        return tree.item()
    if isinstance(tree, Tensor | np.ndarray):
        kind = "tensor" if isinstance(tree, Tensor) else "array"
        while path in tensors:  # {"a.b": ...} beside {"a": {"b": ...}}
            path += "_"
        tensors[path] = tree if isinstance(tree, Tensor) else from_numpy(tree)
        return {kind: path}
    below = f"{path}." if path else ""
    if isinstance(tree, Mapping):
        return {"dict": [[k, pack(v, tensors, f"{below}{k}")] for k, v in tree.items()]}
    if isinstance(tree, list | tuple):
        items = [pack(v, tensors, f"{below}{i}") for i, v in enumerate(tree)]
        return {"tuple": items} if isinstance(tree, tuple) else items
    raise CheckpointError(
        f"a checkpoint cannot hold {path}",
        expected="numbers, texts, lists, tuples, dicts, arrays and tensors",
        got={"value": tree},
        fix="leave it out of state_dict(), and make it anew when the run is resumed",
    )


def unpack(packed: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Undo `pack`."""
    if isinstance(packed, list):
        return [unpack(item, tensors) for item in packed]
    if not isinstance(packed, dict):
        return packed
    [(kind, value)] = packed.items()
    if kind == "dict":
        return {key: unpack(item, tensors) for key, item in value}
    if kind == "tuple":
        return tuple(unpack(value, tensors))
    return tensors[value] if kind == "tensor" else tensors[value].numpy()


def _misfit(path: str | os.PathLike[str], problem: str, fix: str = "") -> CheckpointError:
    return CheckpointError(
        f"cannot resume from {os.fspath(path)}: it {problem}",
        expected="a checkpoint of this very run",
        fix=fix or "resume with the model, optimiser, data and callbacks that began the run",
    )
