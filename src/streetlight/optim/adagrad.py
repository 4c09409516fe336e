"""Adagrad: weights that have moved much move less."""

from __future__ import annotations

from streetlight.creation import full_like
from streetlight.optim.optimizer import Group, Optimizer, Parameters
from streetlight.tensor import Tensor


class Adagrad(Optimizer):
    """Divides the gradient g by the root of the sum s of all its squares:

    g ← g + weight_decay · θ;  s ← s + g²;  θ ← θ − lr / (1 + (t − 1) · lr_decay) · g / (√s + eps).

    Args:
        params: parameters or parameter groups, see `Optimizer`.
        lr: learning rate.
        lr_decay: how fast the learning rate falls with the step t.
        weight_decay: pulls parameters towards 0 (L2 penalty).
        initial_accumulator_value: s before the first step.
        eps: keeps the divisor away from 0.
        maximize: climb instead of descend.

    Raises:
        ArgumentError: as `Optimizer`.

    Source: Duchi et al., Adaptive subgradient methods for online learning and stochastic
    optimization, 2011.

    >>> import streetlight as sl
    >>> weight = sl.tensor([3.0], requires_grad=True)
    >>> optimizer = Adagrad([weight], lr=0.5)
    >>> (weight * 2).sum().backward()
    >>> optimizer.step()
    >>> weight.tolist()
    [2.5]
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {"lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay, "eps": eps}
        defaults |= {"initial_accumulator_value": initial_accumulator_value, "maximize": maximize}
        super().__init__(params, defaults)

    def update(self, parameter: Tensor, gradient: Tensor, state: Group, group: Group) -> None:
        """Do one step of Adagrad for one parameter."""
        if not state:
            start = group["initial_accumulator_value"]
            state.update(step=0, sum=full_like(parameter, start))
        if group["weight_decay"]:
            gradient = gradient + parameter * group["weight_decay"]
        state["step"] = state["step"] + 1
        rate = group["lr"] / (1 + (state["step"] - 1) * group["lr_decay"])
        divisor = state["sum"].add_(gradient * gradient).sqrt().add_(group["eps"])
        parameter.sub_(gradient / divisor, alpha=rate)
