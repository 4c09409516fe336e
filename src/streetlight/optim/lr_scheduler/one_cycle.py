"""The one-cycle schedule: up, down and out, with the momentum moving against it."""

from __future__ import annotations

import math
from typing import Any

from streetlight.errors import ArgumentError
from streetlight.optim.lr_scheduler.base import LRScheduler
from streetlight.optim.optimizer import Group, Optimizer


class OneCycleLR(LRScheduler):
    """Raises lr to max_lr, then lowers it to almost nothing, and moves the momentum against it.

    Step it after every batch. The learning rates begin at max_lr / div_factor, and end at
    max_lr / (div_factor · final_div_factor).

    Args:
        optimizer, last_epoch: as for `LRScheduler`.
        max_lr: the highest learning rate, one for all groups or a list.
        total_steps: length of the cycle; or give epochs and steps_per_epoch.
        pct_start: share of the cycle in which lr rises.
        anneal_strategy: "cos" or "linear", the shape of rise and fall.
        cycle_momentum: move the momentum (or the first beta) too, from max to base and back.
        base_momentum, max_momentum: its bounds, one for all groups or a list.
        div_factor, final_div_factor: highest lr / first lr, and first lr / last lr.
        three_phase: fall as long as it rose, then fall to the end.

    Raises:
        ArgumentError: no length, an argument out of range, no momentum to cycle, or a step after
            the end.

    Source: Smith and Topin, Super-convergence, 2018.

    >>> import streetlight as sl
    >>> optimizer = sl.optim.SGD([sl.zeros(1)], lr=0.5, momentum=0.9)
    >>> OneCycleLR(optimizer, max_lr=1.0, total_steps=100, div_factor=4).get_last_lr()
    [0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        self._attach(optimizer)
        if total_steps is None:
            epochs = self._count("epochs (or total_steps)", epochs)
            total_steps = epochs * self._count("steps_per_epoch", steps_per_epoch)
        self.total_steps = self._count("total_steps", total_steps)
        if not 0 <= pct_start <= 1:
            raise self._wrong("pct_start", pct_start, "a number from 0 to 1")
        if anneal_strategy not in ("cos", "linear"):
            raise self._wrong("anneal_strategy", anneal_strategy, "'cos' or 'linear'")
        if cycle_momentum and not {"momentum", "betas"} & set(optimizer.defaults):
            raise self._wrong("cycle_momentum", True, "an optimizer with momentum or betas")
        self.anneal_strategy, self.cycle_momentum = anneal_strategy, cycle_momentum
        self.phases = self._plan(pct_start, three_phase)
        highest = self._per_group("max_lr", max_lr)
        most = self._per_group("max_momentum", max_momentum)
        least = self._per_group("base_momentum", base_momentum)
        if last_epoch == -1:
            for index, group in enumerate(optimizer.param_groups):
                first = highest[index] / div_factor
                group.update(initial_lr=first, max_lr=highest[index])
                group.update(min_lr=first / final_div_factor)
                group.update(max_momentum=most[index], base_momentum=least[index])
        super().__init__(optimizer, last_epoch)

    def _plan(self, share: float, three_phase: bool) -> list[list[Any]]:
        """List the phases: last t, lr at its start and end, momentum at its start and end."""
        top, last = share * self.total_steps - 1, self.total_steps - 1
        rise = [top, "initial_lr", "max_lr", "max_momentum", "base_momentum"]
        if not three_phase:
            return [rise, [last, "max_lr", "min_lr", "base_momentum", "max_momentum"]]
        fall = [2 * top, "max_lr", "initial_lr", "base_momentum", "max_momentum"]
        return [rise, fall, [last, "initial_lr", "min_lr", "max_momentum", "max_momentum"]]

    def get_lr(self) -> list[float]:
        """Compute the next learning rates, and set the momentum."""
        if self.last_epoch > self.total_steps:
            raise ArgumentError(
                "OneCycleLR has come to its end",
                expected=f"at most {self.total_steps} steps",
                got={"step": self.last_epoch},
                fix="give the number of batches of the whole training as total_steps",
            )
        begin = 0.0
        for phase in self.phases:
            if self.last_epoch <= phase[0] or phase is self.phases[-1]:
                break
            begin = phase[0]
        end, *names = phase
        done = (self.last_epoch - begin) / (end - begin) if end != begin else 1.0
        groups = [group for group in self.optimizer.param_groups if "max_lr" in group]
        return [self._place(group, names, done) for group in groups]

    def _place(self, group: Group, names: list[str], done: float) -> float:
        """Set the momentum of a group, and give its lr, `done` (0 to 1) through a phase."""
        if self.cycle_momentum:
            momentum = self._between(group[names[2]], group[names[3]], done)
            if "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])
            else:
                group["momentum"] = momentum
        return self._between(group[names[0]], group[names[1]], done)

    def _between(self, start: float, end: float, done: float) -> float:
        if self.anneal_strategy == "linear":
            return start + (end - start) * done
        return end + (start - end) / 2 * (1 + math.cos(math.pi * done))
