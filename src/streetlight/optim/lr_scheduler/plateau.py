"""A schedule that watches a metric and lowers the learning rate when it no longer improves."""

from __future__ import annotations

import math
from typing import SupportsFloat

from streetlight.optim.lr_scheduler.base import LRScheduler
from streetlight.optim.optimizer import Optimizer


class ReduceLROnPlateau(LRScheduler):
    """Multiplies lr by factor when a metric has not improved for more than `patience` steps.

    Args:
        optimizer: whose learning rates are scheduled.
        mode: "min" if lower is better, "max" if higher is.
        factor: the factor, below 1.
        patience: how many steps without improvement are borne.
        threshold: how much better than the best counts as an improvement.
        threshold_mode: "rel" as a share of the best, "abs" as a difference.
        cooldown: how many steps after a reduction are not judged.
        min_lr: the lowest learning rate, one for all groups or a list.
        eps: a smaller change of lr is not made.

    Raises:
        ArgumentError: an argument out of range.

    >>> import streetlight as sl
    >>> scheduler = ReduceLROnPlateau(sl.optim.SGD([sl.zeros(1)], lr=0.5), factor=0.5, patience=0)
    >>> for loss in (1.0, 1.0):
    ...     scheduler.step(loss)
    >>> scheduler.get_last_lr()
    [0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        self._attach(optimizer)
        if mode not in ("min", "max"):
            raise self._wrong("mode", mode, "'min' or 'max'")
        if threshold_mode not in ("rel", "abs"):
            raise self._wrong("threshold_mode", threshold_mode, "'rel' or 'abs'")
        if not factor < 1:
            raise self._wrong("factor", factor, "a number below 1")
        self.mode, self.threshold, self.threshold_mode = mode, threshold, threshold_mode
        self.factor, self.patience, self.cooldown, self.eps = factor, patience, cooldown, eps
        self.min_lr = min_lr
        self._per_group("min_lr", min_lr)
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = self.last_epoch = 0
        self._last_lr = [group["lr"] for group in optimizer.param_groups]

    def step(self, metrics: SupportsFloat) -> None:  # type: ignore[override]
        """Judge a metric, such as the validation loss, and lower lr if it is time."""
        value = float(metrics)
        self.last_epoch += 1
        self.num_bad_epochs += 1
        if self._improves(value):
            self.best, self.num_bad_epochs = value, 0
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def _improves(self, value: float) -> bool:
        sign = -1 if self.mode == "min" else 1
        relative = self.best * (1 + sign * self.threshold)
        bound = relative if self.threshold_mode == "rel" else self.best + sign * self.threshold
        return sign * value > sign * bound

    def _reduce(self) -> None:
        lowest_rates = self._per_group("min_lr", self.min_lr)
        for group, lowest in zip(self.optimizer.param_groups, lowest_rates, strict=True):
            rate = max(group["lr"] * self.factor, lowest)
            if group["lr"] - rate > self.eps:
                group["lr"] = rate
