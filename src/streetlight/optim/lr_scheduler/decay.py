"""Schedules that follow a formula of t: by function, by steps, exponential, cosine."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from streetlight.optim.lr_scheduler.base import LRScheduler
from streetlight.optim.optimizer import Optimizer


class LambdaLR(LRScheduler):
    """Sets lr = initial lr · lr_lambda(t).

    Args:
        optimizer, last_epoch: as for `LRScheduler`.
        lr_lambda: a function of t, or a list of them, one for each parameter group. `state_dict()`
            does not hold them.

    Raises:
        ArgumentError: not as many functions as groups.

    >>> import streetlight as sl
    >>> LambdaLR(sl.optim.SGD([sl.zeros(1)], lr=0.5), lambda t: 1 / (t + 2)).get_last_lr()
    [0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | list[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        self._attach(optimizer)
        self.lr_lambdas = self._per_group("lr_lambda", lr_lambda)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Compute the next learning rates."""
        pairs = zip(self.base_lrs, self.lr_lambdas, strict=True)
        return [base * function(self.last_epoch) for base, function in pairs]


class StepLR(LRScheduler):
    """Multiplies lr by gamma every `step_size` steps.

    Args:
        optimizer, last_epoch: as for `LRScheduler`.
        step_size: how many steps a learning rate holds.
        gamma: the factor.

    Raises:
        ArgumentError: `step_size` is not a positive whole number.

    >>> import streetlight as sl
    >>> StepLR(sl.optim.SGD([sl.zeros(1)], lr=0.5), step_size=30).get_last_lr()
    [0.5]
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size = self._count("step_size", step_size)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float:
        falls = self.last_epoch > 0 and self.last_epoch % self.step_size == 0
        return self.gamma if falls else 1.0


class MultiStepLR(LRScheduler):
    """Multiplies lr by gamma at each milestone.

    Args:
        optimizer, last_epoch: as for `LRScheduler`.
        milestones: each t at which lr changes; one that is named twice counts twice.
        gamma: the factor.

    >>> import streetlight as sl
    >>> MultiStepLR(sl.optim.SGD([sl.zeros(1)], lr=0.5), milestones=[30, 80]).get_last_lr()
    [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones = list(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float:
        return float(self.gamma ** self.milestones.count(self.last_epoch))


class ExponentialLR(LRScheduler):
    """Multiplies lr by gamma at every step.

    Args:
        optimizer, last_epoch: as for `LRScheduler`.
        gamma: the factor.

    >>> import streetlight as sl
    >>> ExponentialLR(sl.optim.SGD([sl.zeros(1)], lr=0.5), gamma=0.9).get_last_lr()
    [0.5]
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float:
        return 1.0 if self._begins() else self.gamma


class CosineAnnealingLR(LRScheduler):
    """Moves lr along half a cosine wave, down to eta_min at T_max, and up again after it:

    lr = eta_min + (initial lr − eta_min) · (1 + cos(π · t / T_max)) / 2.

    Args:
        optimizer, last_epoch: as for `LRScheduler`.
        T_max: how many steps the way down takes.
        eta_min: the lowest learning rate.

    Raises:
        ArgumentError: `T_max` is not a positive whole number.

    Source: Loshchilov and Hutter, SGDR: stochastic gradient descent with warm restarts, 2017.

    >>> import streetlight as sl
    >>> CosineAnnealingLR(sl.optim.SGD([sl.zeros(1)], lr=0.5), T_max=100).get_last_lr()
    [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_max: int,  # noqa: N803  (PyTorch's name)
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        self.T_max = self._count("T_max", T_max)
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Compute the next learning rates from the present ones."""
        groups = self.optimizer.param_groups
        if self._begins():
            return [group["lr"] for group in groups]
        before, now = self._height(self.last_epoch - 1), self._height(self.last_epoch)
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:  # nothing to scale from
            pairs = zip(self.base_lrs, groups, strict=False)
            return [group["lr"] + (base - self.eta_min) * now for base, group in pairs]
        return [self.eta_min + (group["lr"] - self.eta_min) * now / before for group in groups]

    def _height(self, epoch: int) -> float:
        return (1 + math.cos(math.pi * epoch / self.T_max)) / 2
