"""Learning-rate schedules: each `step()` sets the `lr` of an optimiser's parameter groups anew.

t is the number of `step()` calls so far, called `last_epoch` after its commonest use; to go on from
an earlier run without its `state_dict()`, give the last t of that run. Schedules that multiply the
present rate by a factor may work together on one optimiser.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from typing import Any, SupportsFloat

from streetlight.errors import StateDictError
from streetlight.optim.optimizer import Optimizer, require

COUNT = "a whole number, 1 or larger"


class LRScheduler:
    """Base class of the schedules; for one of your own, write `get_lr`.

    Raises:
        ArgumentError: an argument out of range, `last_epoch` where no schedule has begun, or
            parameter groups that were added later to a schedule that has to know them.

    >>> class Harmonic(LRScheduler):
    ...     def get_lr(self):
    ...         return [base / (1 + self.last_epoch) for base in self.base_lrs]
    >>> scheduler = Harmonic(optim.SGD([sl.zeros(1)], lr=0.5))
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.25]
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = optimizer
        for group in optimizer.param_groups:
            begun = "initial_lr" in group or last_epoch == -1
            require(begun, self, "last_epoch", last_epoch, "-1, or the optimizer's state loaded")
            group.setdefault("initial_lr", group["lr"])
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._step_count = 0
        self.step()

    def get_lr(self) -> list[float]:
        """Compute the learning rates at t; to read the present ones, use `get_last_lr()`."""
        factor = self._factor()
        return [group["lr"] * factor for group in self.optimizer.param_groups]

    def _factor(self) -> float:
        """Give what every learning rate is multiplied by on the way from t − 1 to t."""
        raise NotImplementedError

    def step(self) -> None:
        """Go on to the next t. Call it after `optimizer.step()`."""
        self.last_epoch += 1
        self._last_lr = self.get_lr()
        groups, known = self.optimizer.param_groups, len(self._last_lr)
        require(known == len(groups), self, "number of groups", len(groups), f"{known} as before")
        for group, rate in zip(groups, self._last_lr, strict=True):
            group["lr"] = rate
        self._step_count += 1

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
        wanted = self.state_dict().keys()
        if state_dict.keys() != wanted:
            what = f"The state to load was not made by {type(self).__name__}"
            raise StateDictError(what, expected=", ".join(wanted), got={"found": list(state_dict)})
        vars(self).update(state_dict)

    def _per_group(self, name: str, value: Any) -> list[Any]:
        """Give one value for each parameter group: the same for all, or those of a list."""
        size = len(self.optimizer.param_groups)
        values = list(value) if isinstance(value, list | tuple) else [value] * size
        require(len(values) == size, self, name, value, f"one value, or {size}, one for each group")
        return values


class LambdaLR(LRScheduler):
    """Sets lr = initial lr · lr_lambda(t), with one function for all groups or a list of them.

    `state_dict()` does not hold the functions.

    >>> LambdaLR(optim.SGD([sl.zeros(1)], lr=0.5), lambda t: 1 / (t + 2)).get_last_lr()
    [0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | list[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        self.optimizer = optimizer
        self.lr_lambdas = self._per_group("lr_lambda", lr_lambda)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Compute the learning rates at t."""
        pairs = zip(self.base_lrs, self.lr_lambdas, strict=True)
        return [base * function(self.last_epoch) for base, function in pairs]


class StepLR(LRScheduler):
    """Multiplies lr by gamma every `step_size` steps.

    >>> StepLR(optim.SGD([sl.zeros(1)], lr=0.5), step_size=30).get_last_lr()
    [0.5]
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        require(step_size >= 1, self, "step_size", step_size, COUNT)
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float:
        falls = self.last_epoch > 0 and self.last_epoch % self.step_size == 0
        return self.gamma if falls else 1.0


class MultiStepLR(LRScheduler):
    """Multiplies lr by gamma at each t in `milestones`, twice where t is named twice.

    >>> MultiStepLR(optim.SGD([sl.zeros(1)], lr=0.5), milestones=[30, 80]).get_last_lr()
    [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones, self.gamma = list(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float:
        return float(self.gamma ** self.milestones.count(self.last_epoch))


class ExponentialLR(LRScheduler):
    """Multiplies lr by gamma at every step.

    >>> ExponentialLR(optim.SGD([sl.zeros(1)], lr=0.5), gamma=0.9).get_last_lr()
    [0.5]
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float:
        return self.gamma if self._step_count else 1.0  # the constructor's step changes nothing


class CosineAnnealingLR(LRScheduler):
    """Moves lr along half a cosine wave, down to eta_min at T_max, and up again after it:

    lr = eta_min + (initial lr − eta_min) · (1 + cos(π · t / T_max)) / 2.

    Source: Loshchilov and Hutter, SGDR, 2017.

    >>> CosineAnnealingLR(optim.SGD([sl.zeros(1)], lr=0.5), T_max=100).get_last_lr()
    [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_max: int,  # noqa: N803  (PyTorch's name)
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        require(T_max >= 1, self, "T_max", T_max, COUNT)
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Compute the learning rates at t from those at t − 1."""
        rates, low = [group["lr"] for group in self.optimizer.param_groups], self.eta_min
        if self._step_count == 0:
            return rates
        before, now = self._height(self.last_epoch - 1), self._height(self.last_epoch)
        if before == 0:  # at the lowest rate there is nothing to scale
            pairs = zip(rates, self.base_lrs, strict=False)
            return [rate + (base - low) * now for rate, base in pairs]
        return [low + (rate - low) * now / before for rate in rates]

    def _height(self, epoch: int) -> float:
        return (1 + math.cos(math.pi * epoch / self.T_max)) / 2


class OneCycleLR(LRScheduler):
    """Raises lr to max_lr, then lowers it to almost nothing, and moves the momentum against it.

    Step it after every batch. The learning rates begin at max_lr / div_factor, and end at
    max_lr / (div_factor · final_div_factor).

    Args:
        max_lr, base_momentum, max_momentum: one value for all groups, or a list.
        total_steps: length of the cycle; or give epochs and steps_per_epoch.
        pct_start: share of the cycle in which lr rises.
        anneal_strategy: "cos" or "linear", the shape of rise and fall.
        cycle_momentum: move momentum or the first beta, where there is one.
        three_phase: fall as long as it rose, then fall to the end.

    Source: Smith and Topin, Super-convergence, 2018.

    >>> optimizer = optim.SGD([sl.zeros(1)], lr=0.5, momentum=0.9)
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
        self.optimizer = optimizer
        self.total_steps = total_steps = total_steps or (epochs or 0) * (steps_per_epoch or 0)
        wanted = COUNT + "; or give epochs and steps_per_epoch"
        require(total_steps >= 1, self, "total_steps", total_steps, wanted)
        shapes = ("cos", "linear")
        require(anneal_strategy in shapes, self, "anneal_strategy", anneal_strategy, str(shapes))
        self.anneal_strategy, self.cycle_momentum = anneal_strategy, cycle_momentum
        # Each t where the cycle turns, and for each group its learning rates and momenta there.
        top, first = pct_start * total_steps - 1, 1 / div_factor
        self.turns, heights = [0, top, total_steps - 1], [first, 1.0, first / final_div_factor]
        if three_phase:
            self.turns.insert(2, 2 * top)
            heights.insert(2, first)
        highest = self._per_group("max_lr", max_lr)
        self.rates = [[rate * height for height in heights] for rate in highest]
        most = self._per_group("max_momentum", max_momentum)
        least = self._per_group("base_momentum", base_momentum)
        self.momenta = [[m, b, m, m] for m, b in zip(most, least, strict=True)]
        for group, rates in zip(optimizer.param_groups, self.rates, strict=True):
            group["initial_lr"] = rates[0]
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Compute the learning rates at t, and set the momenta."""
        t, most = self.last_epoch, self.total_steps
        require(t <= most, self, "step", t, f"at most {most}, all batches of the training")
        leg = bisect_left(self.turns[1:-1], t)
        start, end = self.turns[leg : leg + 2]
        way = (t - start) / (end - start) if end != start else 1.0
        if self.anneal_strategy == "cos":
            way = (1 - math.cos(math.pi * way)) / 2
        if self.cycle_momentum:
            for group, points in zip(self.optimizer.param_groups, self.momenta, strict=False):
                momentum = points[leg] * (1 - way) + points[leg + 1] * way
                if "betas" in group:
                    group["betas"] = (momentum, *group["betas"][1:])
                elif "momentum" in group:
                    group["momentum"] = momentum
        return [points[leg] * (1 - way) + points[leg + 1] * way for points in self.rates]


class ReduceLROnPlateau(LRScheduler):
    """Multiplies lr by factor when a metric has not improved for more than `patience` steps.

    Args:
        mode: "min" if lower is better, "max" if higher is.
        threshold: how much better than the best counts as an improvement, as `threshold_mode` says
            "rel", a share of the best, or "abs", a difference.
        cooldown: how many steps after a reduction are not judged.
        min_lr: the lowest learning rate, one for all groups or a list.
        eps: a smaller change of lr is not made.

    >>> scheduler = ReduceLROnPlateau(optim.SGD([sl.zeros(1)], lr=0.5), factor=0.5, patience=0)
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
        require(mode in ("min", "max"), self, "mode", mode, "('min', 'max')")
        modes = ("rel", "abs")
        require(threshold_mode in modes, self, "threshold_mode", threshold_mode, str(modes))
        require(factor < 1, self, "factor", factor, "a number below 1")
        self.optimizer = optimizer
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
