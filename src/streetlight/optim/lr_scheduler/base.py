"""What all schedules share: the step, the present learning rates, saving and going on."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from streetlight.errors import ArgumentError, StateDictError
from streetlight.optim.optimizer import Optimizer


class LRScheduler:
    """Base class of the schedules; for one of your own, write `get_lr`.

    Args:
        optimizer: whose learning rates are scheduled.
        last_epoch: the last t of an earlier run to go on from; −1 begins anew.

    Raises:
        ArgumentError: not an optimiser, going on where no schedule has begun, or parameter groups
            that were added later to a schedule that has to know them.

    >>> import streetlight as sl
    >>> class Harmonic(LRScheduler):
    ...     def get_lr(self):
    ...         return [base / (1 + self.last_epoch) for base in self.base_lrs]
    >>> optimizer = sl.optim.SGD([sl.zeros(1)], lr=0.5)
    >>> scheduler = Harmonic(optimizer)
    >>> optimizer.step()
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.25]
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self._attach(optimizer)
        for group in optimizer.param_groups:
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise ArgumentError(
                    f"{type(self).__name__} cannot go on where no schedule has begun",
                    expected='"initial_lr" in each parameter group',
                    got={"last_epoch": last_epoch},
                    fix="load the optimizer's state first, or leave last_epoch out",
                )
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._step_count = 0
        self.step()

    def get_lr(self) -> list[float]:
        """Compute the next learning rates; to read the present ones, use `get_last_lr()`."""
        factor = self._factor()
        return [group["lr"] * factor for group in self.optimizer.param_groups]

    def _factor(self) -> float:
        """Give what every learning rate is multiplied by on the way to t = `last_epoch`."""
        raise NotImplementedError

    def _begins(self) -> bool:
        """Tell whether this is the step in the constructor, which leaves lr as it is."""
        return self._step_count == 0

    def step(self) -> None:
        """Go on to the next t. Call it after `optimizer.step()`."""
        if self._step_count == 1:
            self._warn_if_first()
        self.last_epoch += 1
        rates = self.get_lr()
        groups = self.optimizer.param_groups
        if len(rates) != len(groups):
            raise ArgumentError(
                f"{type(self).__name__} knows other parameter groups than the optimizer has",
                expected=f"{len(rates)} groups",
                got={"groups": len(groups)},
                fix="add parameter groups before the schedule is made",
            )
        for group, rate in zip(groups, rates, strict=True):
            group["lr"] = rate
        self._last_lr = rates
        self._step_count += 1

    def _warn_if_first(self) -> None:
        knows = type(self.optimizer).step is Optimizer.step
        if knows and not self.optimizer.has_stepped:
            warnings.warn(
                "scheduler.step() came before optimizer.step(), so the first learning rate of the "
                "schedule is never used: call optimizer.step() first",
                UserWarning,
                stacklevel=3,
            )

    def get_last_lr(self) -> list[float]:
        """Give the learning rate of each parameter group as the last `step()` set it."""
        return list(self._last_lr)

    def state_dict(self) -> dict[str, Any]:
        """Give all that is needed to go on later, as numbers, strings and lists."""
        hidden = ("optimizer", "lr_lambdas")
        return {name: value for name, value in vars(self).items() if name not in hidden}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where `state_dict()` was taken; the optimiser's state must be loaded as well.

        Raises:
            StateDictError: another kind of schedule made it.
        """
        wanted = self.state_dict()
        if set(state_dict) != set(wanted):
            raise StateDictError(
                f"The state to load was not made by {type(self).__name__}",
                expected=", ".join(sorted(wanted)),
                got={"found": sorted(state_dict)},
                fix="make the same kind of schedule as the one that was saved",
            )
        vars(self).update(state_dict)

    def _attach(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise self._wrong("optimizer", optimizer, "an optimizer, such as optim.SGD(...)")
        self.optimizer = optimizer

    def _per_group(self, name: str, value: Any) -> list[Any]:
        """Give one value for each parameter group: the same for all, or those of a list."""
        size = len(self.optimizer.param_groups)
        values = list(value) if isinstance(value, list | tuple) else [value] * size
        if len(values) != size:
            raise self._wrong(name, value, f"one value, or a list of {size}, one for each group")
        return values

    def _count(self, name: str, value: Any) -> int:
        if not isinstance(value, int) or value < 1:
            raise self._wrong(name, value, "a whole number, 1 or larger")
        return value

    def _wrong(self, name: str, value: Any, expected: str) -> ArgumentError:
        return ArgumentError(
            f"{type(self).__name__} cannot work with this {name}",
            expected=expected,
            got={name: value},
            fix=f"change {name}",
        )
