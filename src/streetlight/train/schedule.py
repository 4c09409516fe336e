"""When a learning-rate schedule steps: after each epoch, or after each update of the weights."""

from __future__ import annotations

from typing import Any

from streetlight.optim.lr_scheduler import LRScheduler, OneCycleLR, ReduceLROnPlateau


class Schedule:
    """Steps `scheduler` (or does nothing, for None) at the ends of epochs or of updates.

    Args:
        scheduler: a schedule of the learning rate.
        when: "epoch" or "batch"; None is "batch" for `OneCycleLR` and "epoch" for all others.
    """

    def __init__(self, scheduler: LRScheduler | None, when: str | None) -> None:
        self.scheduler = scheduler
        self.by_batch = when == "batch" or (when is None and isinstance(scheduler, OneCycleLR))

    def step_end(self) -> None:
        """An update was made."""
        if self.by_batch and self.scheduler is not None:
            self.scheduler.step()

    def epoch_end(self, loss: float) -> None:
        """An epoch is over, with this (validation) loss."""
        if self.by_batch or self.scheduler is None:
            return
        if isinstance(self.scheduler, ReduceLROnPlateau):
            self.scheduler.step(loss)
        else:
            self.scheduler.step()

    def state_dict(self) -> dict[str, Any] | None:
        """Give the state of the schedule, None if there is none."""
        return None if self.scheduler is None else self.scheduler.state_dict()

    def load_state_dict(self, state: dict[str, Any] | None) -> None:
        """Take back what `state_dict` gave."""
        if self.scheduler is not None and state is not None:
            self.scheduler.load_state_dict(state)
