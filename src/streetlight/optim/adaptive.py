"""Optimisers with a step size for each weight: the gradient over the root of its mean square."""

from __future__ import annotations

from streetlight.creation import full_like, zeros_like
from streetlight.ops import maximum
from streetlight.optim.optimizer import Group, Optimizer, Parameters
from streetlight.tensor import Tensor


class Adam(Optimizer):
    """Divides a running mean m of the gradients g by the root of one of their squares v:

    m ← β₁ · m + (1 − β₁) · g;  v ← β₂ · v + (1 − β₂) · g²;
    θ ← θ − lr · m̂ / (√v̂ + eps), with m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ) at step t.

    With `amsgrad`, v̂ comes from the largest v so far.

    Source: Kingma and Ba, Adam, 2015; Reddi et al., On the convergence of Adam, 2018 (amsgrad).

    >>> weight = sl.tensor([3.0], requires_grad=True)
    >>> (weight * 2).sum().backward()
    >>> Adam([weight], lr=0.5).step()
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
        # The corrections of m̂ and v̂ go into eps and the step size, which are numbers, instead of
        # into m and v, which are as large as the parameter.
        correction = (1 - beta2**step) ** 0.5
        divisor = square.sqrt().add_(group["eps"] * correction)
        parameter.sub_(mean / divisor, alpha=group["lr"] * correction / (1 - beta1**step))


class AdamW(Adam):
    """Adam with θ ← θ − lr · weight_decay · θ before the step, apart from the running means.

    Source: Loshchilov and Hutter, Decoupled weight decay regularization, 2019.

    >>> weight = sl.tensor([3.0], requires_grad=True)
    >>> (weight * 2).sum().backward()
    >>> AdamW([weight], lr=0.5, weight_decay=0.5).step()
    >>> weight.tolist()
    [1.75]
    """

    decoupled_weight_decay = True

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


class RMSprop(Optimizer):
    """Divides the gradient g by the root of a running mean v of its squares:

    v ← α · v + (1 − α) · g²;  b ← momentum · b + g / (√v + eps);  θ ← θ − lr · b.

    With `centered`, v is lessened by the square of a running mean of g.

    Source: Hinton, Neural networks for machine learning, lecture 6, 2012; Graves, 2013 (centred).

    >>> weight = sl.tensor([3.0], requires_grad=True)
    >>> (weight * 2).sum().backward()
    >>> RMSprop([weight], lr=0.5, alpha=0.75).step()
    >>> weight.tolist()
    [2.0]
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay}
        defaults |= {"momentum": momentum, "centered": centered, "maximize": maximize}
        super().__init__(params, defaults)

    def update(self, parameter: Tensor, gradient: Tensor, state: Group, group: Group) -> None:
        """Do one step of RMSprop for one parameter."""
        alpha, momentum = group["alpha"], group["momentum"]
        if not state:
            state["square_avg"] = zeros_like(parameter)
            if group["centered"]:
                state["grad_avg"] = zeros_like(parameter)
        if momentum and "momentum_buffer" not in state:
            state["momentum_buffer"] = zeros_like(parameter)
        square = state["square_avg"].mul_(alpha).add_(gradient * gradient, alpha=1 - alpha)
        if group["centered"]:
            mean = state["grad_avg"].mul_(alpha).add_(gradient, alpha=1 - alpha)
            square = square - mean * mean
        change = gradient / square.sqrt().add_(group["eps"])
        if momentum:
            change = state["momentum_buffer"].mul_(momentum).add_(change)
        parameter.sub_(change, alpha=group["lr"])


class Adagrad(Optimizer):
    """Divides the gradient g by the root of the sum s of all its squares:

    s ← s + g²;  θ ← θ − lr / (1 + (t − 1) · lr_decay) · g / (√s + eps) at step t.

    Source: Duchi et al., Adaptive subgradient methods for online learning, 2011.

    >>> weight = sl.tensor([3.0], requires_grad=True)
    >>> (weight * 2).sum().backward()
    >>> Adagrad([weight], lr=0.5).step()
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
            state.update(step=0, sum=full_like(parameter, group["initial_accumulator_value"]))
        state["step"] = state["step"] + 1
        rate = group["lr"] / (1 + (state["step"] - 1) * group["lr_decay"])
        divisor = state["sum"].add_(gradient * gradient).sqrt().add_(group["eps"])
        parameter.sub_(gradient / divisor, alpha=rate)
