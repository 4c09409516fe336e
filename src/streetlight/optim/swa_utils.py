"""Averages of weights over the steps of a training, which often do better than the last ones."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from streetlight.autograd import no_grad
from streetlight.creation import zeros
from streetlight.errors import ArgumentError
from streetlight.nn.members import Buffer
from streetlight.nn.module import Module
from streetlight.tensor import Tensor

Average = Callable[[Tensor, Tensor, Any], Tensor]
Tensors = Sequence[Tensor]
MultiAverage = Callable[[Tensors, Tensors, Any], None]


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """The exponential moving average: decay · average + (1 − decay) · current.

    Raises:
        ArgumentError: decay is not from 0 to 1.

    >>> import streetlight as sl
    >>> get_ema_avg_fn(0.75)(sl.tensor(4.0), sl.tensor(8.0), 1).item()
    5.0
    """
    _check_decay(decay)
    return lambda average, current, _: average * decay + current * (1 - decay)


def get_ema_multi_avg_fn(decay: float = 0.999) -> MultiAverage:
    """The same for many tensors at once, in place.

    Raises:
        ArgumentError: decay is not from 0 to 1.
    """
    _check_decay(decay)
    return lambda averages, current, _: _approach(averages, current, 1 - decay)


def get_swa_avg_fn() -> Average:
    """The plain average of all steps: average + (current − average) / (n + 1).

    >>> import streetlight as sl
    >>> get_swa_avg_fn()(sl.tensor(4.0), sl.tensor(7.0), 2).item()
    5.0
    """
    return lambda average, current, n: average + (current - average) / (n + 1)


def get_swa_multi_avg_fn() -> MultiAverage:
    """The same for many tensors at once, in place."""
    return lambda averages, current, n: _approach(averages, current, 1 / (int(n) + 1))


def _approach(averages: Tensors, current: Tensors, share: float) -> None:
    """Go this share of the way to the current values; whole numbers are cut off."""
    with no_grad():
        for average, now in zip(averages, current, strict=True):
            if average.dtype.kind == "f":
                average.mul_(1 - share).add_(now * share)
            else:
                average.copy_(average * (1 - share) + now * share)


def _check_decay(decay: float) -> None:
    if not 0 <= decay <= 1:
        raise ArgumentError(
            f"moving average: decay cannot be {decay}", expected="0 to 1", fix="decay=0.999"
        )


class AveragedModel(Module):
    """A copy of a model whose parameters are averages of those it has had.

    The first `update_parameters` copies them, each later one averages. Buffers (the statistics of
    batch norm) are those of the latest model, unless they are averaged too.

    Args:
        model: what to average; it stays as it is.
        device: where the copy lies, if not where the model does.
        avg_fn: gives a new average of (average, current, number of models averaged so far).
        multi_avg_fn: does it for lists of tensors, in place. Without either, the plain average.
        use_buffers: whether buffers are averaged as parameters are.

    Raises:
        ArgumentError: both functions are given.

    Source: Izmailov et al., 2018, arXiv:1803.05407.

    >>> import streetlight as sl
    >>> from streetlight import nn
    >>> model = nn.Linear(1, 1)
    >>> average = AveragedModel(model)
    >>> for value in (1.0, 2.0, 6.0):
    ...     _ = nn.init.constant_(model.weight, value)
    ...     average.update_parameters(model)
    >>> average.module.weight.item()
    3.0
    """

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: MultiAverage | None = None,
        use_buffers: bool = False,
    ) -> None:
        if avg_fn is not None and multi_avg_fn is not None:
            raise ArgumentError(
                "AveragedModel: two functions say how to average",
                expected="avg_fn or multi_avg_fn",
                fix="leave one of them out",
            )
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module.to(device)
        self.n_averaged = Buffer(zeros((), dtype="int64", device=device))
        self.avg_fn, self.multi_avg_fn = avg_fn, multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute what the averaged model does."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take in the weights that the model has now."""
        both = [
            (old, new.detach().to(old.device))
            for parts in ("parameters", "buffers")
            for old, new in zip(getattr(self.module, parts)(), getattr(model, parts)(), strict=True)
        ]
        learnt = len(both) if self.use_buffers else len(list(model.parameters()))
        with no_grad():
            self._take(*zip(*both[:learnt], strict=True))
            for buffer, now in both[learnt:]:
                buffer.copy_(now)
            self.n_averaged.add_(1)

    def _take(self, averages: Tensors, current: Tensors) -> None:
        count = self.n_averaged
        if count.item() == 0:
            for average, now in zip(averages, current, strict=True):
                average.copy_(now)
        elif self.avg_fn is None:
            (self.multi_avg_fn or get_swa_multi_avg_fn())(averages, current, count)
        else:
            for average, now in zip(averages, current, strict=True):
                average.copy_(self.avg_fn(average, now, count))


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Measure the statistics of all batch norms anew, as plain means over a loader.

    Averaged weights give other statistics than those that the model was trained with.

    Args:
        loader: batches; of several fields the first one is the model's input.
        model: what to bring up to date.
        device: where its inputs belong.
    """
    norms: list[Any] = [
        module for module in model.modules() if getattr(module, "running_mean", None) is not None
    ]
    momenta = [norm.momentum for norm in norms]
    was_training = model.training
    for norm in norms:
        norm.running_mean.zero_()
        norm.running_var.fill_(1)
        norm.num_batches_tracked.zero_()
        norm.momentum = None
    model.train()
    with no_grad():
        for batch in loader:
            inputs = batch[0] if isinstance(batch, tuple | list) else batch
            model(inputs if device is None else inputs.to(device))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.train(was_training)
