"""Adam, and AdamW that keeps weight decay out of the running averages."""

from __future__ import annotations

from streetlight.creation import zeros_like
from streetlight.ops import maximum
from streetlight.optim.optimizer import Group, Optimizer, Parameters
from streetlight.tensor import Tensor


class Adam(Optimizer):
    """Divides a running mean m of the gradients g by the root of one of their squares v:

    g ← g + weight_decay · θ;  m ← β₁ · m + (1 − β₁) · g;  v ← β₂ · v + (1 − β₂) · g²;
    θ ← θ − lr · m̂ / (√v̂ + eps), with m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ) at step t.

    Args:
        params: parameters or parameter groups, see `Optimizer`.
        lr: learning rate.
        betas: how much of the two running means is kept, (β₁, β₂).
        eps: keeps the divisor away from 0.
        weight_decay: pulls parameters towards 0 (L2 penalty).
        amsgrad: divide by the largest v so far.
        maximize: climb instead of descend.

    Raises:
        ArgumentError: as `Optimizer`; betas outside of [0, 1).

    Source: Kingma and Ba, Adam: a method for stochastic optimization, 2015; Reddi et al., On the
    convergence of Adam and beyond, 2018.

    >>> import streetlight as sl
    >>> weight = sl.tensor([3.0], requires_grad=True)
    >>> optimizer = Adam([weight], lr=0.5)
    >>> (weight * 2).sum().backward()
    >>> optimizer.step()
    >>> weight.tolist()
    [2.5]
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults: Group = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, {**defaults, "amsgrad": amsgrad, "maximize": maximize})

    def update(self, parameter: Tensor, gradient: Tensor, state: Group, group: Group) -> None:
        """Do one step of Adam for one parameter."""
        if group["weight_decay"]:
            gradient = gradient + parameter * group["weight_decay"]
        _adapt(parameter, gradient, state, group)


class AdamW(Adam):
    """Adam with θ ← θ − lr · weight_decay · θ before the step, apart from the running means.

    Args:
        params, lr, betas, eps, amsgrad, maximize: as for `Adam`.
        weight_decay: share of a parameter that a step with lr = 1 would take away.

    Raises:
        ArgumentError: as `Adam`.

    Source: Loshchilov and Hutter, Decoupled weight decay regularization, 2019.

    >>> import streetlight as sl
    >>> weight = sl.tensor([3.0], requires_grad=True)
    >>> optimizer = AdamW([weight], lr=0.5, weight_decay=0.5)
    >>> (weight * 2).sum().backward()
    >>> optimizer.step()
    >>> weight.tolist()
    [1.75]
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)

    def update(self, parameter: Tensor, gradient: Tensor, state: Group, group: Group) -> None:
        """Do one step of AdamW for one parameter."""
        if group["weight_decay"]:
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
        _adapt(parameter, gradient, state, group)


def _adapt(parameter: Tensor, gradient: Tensor, state: Group, group: Group) -> None:
    """Move a parameter by its mean gradient, scaled by the root of its mean square.

    The two corrections for the early steps go into the step size and into eps, which are numbers,
    instead of into m and v, which are as large as the parameter.
    """
    if not state:
        state.update(step=0, exp_avg=zeros_like(parameter), exp_avg_sq=zeros_like(parameter))
        if group["amsgrad"]:
            state["max_exp_avg_sq"] = zeros_like(parameter)
    beta1, beta2 = group["betas"]
    step = state["step"] = state["step"] + 1
    mean, square = state["exp_avg"], state["exp_avg_sq"]
    mean.mul_(beta1).add_(gradient, alpha=1 - beta1)
    square.mul_(beta2).add_(gradient * gradient, alpha=1 - beta2)
    if group["amsgrad"]:
        square = state["max_exp_avg_sq"].copy_(maximum(state["max_exp_avg_sq"], square))
    correction = (1 - beta2**step) ** 0.5
    divisor = square.sqrt().add_(group["eps"] * correction)
    parameter.sub_(mean / divisor, alpha=group["lr"] * correction / (1 - beta1**step))
