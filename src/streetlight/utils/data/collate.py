"""From single samples to a batch: fetch the samples of some indices and stack them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from streetlight.creation import from_numpy, tensor
from streetlight.errors import DataError
from streetlight.ops import stack
from streetlight.tensor import Tensor


def default_collate(samples: Sequence[Any]) -> Any:
    """Make one batch of a list of samples by stacking whatever is stacked inside of them.

    Tensors, arrays and numbers become one tensor with the batch as first dimension, strings stay
    as they are, and tuples, lists and dicts are taken apart and collated field by field. Python
    floats give float64 as in PyTorch.

    Raises:
        DataError: there are no samples, their shapes or fields differ, or they are of a kind that
            cannot be stacked.

    >>> images, labels = default_collate([(np.zeros(2), 7), (np.ones(2), 3)])
    >>> images.shape, labels.tolist()
    ((2, 2), [7, 3])
    """

    def are(kind: Any) -> bool:
        return len(samples) > 0 and all(isinstance(sample, kind) for sample in samples)

    if are(Tensor | np.ndarray):
        _require_same("shapes", [tuple(sample.shape) for sample in samples])
        return stack([s if isinstance(s, Tensor) else from_numpy(s) for s in samples])
    if are(bool | int | float | np.number | np.bool_):
        return tensor(np.array(samples))
    if are(str | bytes):
        return samples
    if are(Mapping):
        _require_same("keys", [sorted(map(str, sample)) for sample in samples])
        return {key: default_collate([sample[key] for sample in samples]) for key in samples[0]}
    if are(tuple | list):
        _require_same("numbers of fields", [len(sample) for sample in samples])
        fields = [default_collate(field) for field in zip(*samples, strict=True)]
        kind = type(samples[0])
        return kind(*fields) if hasattr(kind, "_fields") else fields
    raise DataError(
        "default_collate: samples of this kind cannot be stacked to a batch",
        expected="tensors, arrays, numbers, strings, or tuples, lists and dicts of them",
        got={"kinds": sorted({type(sample).__name__ for sample in samples})},
        fix="return one of these from the data set's __getitem__, or give the loader a collate_fn",
    )


def _require_same(what: str, properties: list[Any]) -> None:
    for index, found in enumerate(properties):
        if found != properties[0]:
            raise DataError(
                f"default_collate: the samples of one batch have different {what}",
                got={"sample 0": properties[0], f"sample {index}": found},
                fix="cut or pad them to the same size, or give the loader a collate_fn",
            )


def fetch_batch(
    dataset: Any, indices: Iterable[int], collate_fn: Callable[[list[Any]], Any] = default_collate
) -> Any:
    """The samples at these indices as one batch: at one go if the data set has `__getbatch__`."""
    at_one_go = getattr(dataset, "__getbatch__", None)
    if at_one_go is not None and collate_fn is default_collate:
        return at_one_go(indices)
    return collate_fn([dataset[int(index)] for index in indices])
