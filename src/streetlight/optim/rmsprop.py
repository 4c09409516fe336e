"""RMSprop: gradient descent with a step size for each weight."""

from __future__ import annotations

from streetlight.creation import zeros_like
from streetlight.optim.optimizer import Group, Optimizer, Parameters
from streetlight.tensor import Tensor


class RMSprop(Optimizer):
    """Divides the gradient g by the root of a running mean v of its squares:

    g ← g + weight_decay · θ;  v ← α · v + (1 − α) · g²;  b ← momentum · b + g / (√v + eps);
    θ ← θ − lr · b. Centred, v is lessened by the square of a running mean of g.

    Args:
        params: parameters or parameter groups, see `Optimizer`.
        lr: learning rate.
        alpha: how much of the running means is kept.
        eps: keeps the divisor away from 0.
        weight_decay: pulls parameters towards 0 (L2 penalty).
        momentum: how much of the running sum b is kept.
        centered: divide by the standard deviation of the gradient.
        maximize: climb instead of descend.

    Raises:
        ArgumentError: as `Optimizer`.

    Source: Hinton, Neural networks for machine learning, lecture 6, 2012; centred: Graves,
    Generating sequences with recurrent neural networks, 2013.

    >>> import streetlight as sl
    >>> weight = sl.tensor([3.0], requires_grad=True)
    >>> optimizer = RMSprop([weight], lr=0.5, alpha=0.75)
    >>> (weight * 2).sum().backward()
    >>> optimizer.step()
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
        if not state:
            names = ["square_avg", "grad_avg"] if group["centered"] else ["square_avg"]
            state.update({name: zeros_like(parameter) for name in names})
        if group["weight_decay"]:
            gradient = gradient + parameter * group["weight_decay"]
        square = state["square_avg"]
        square.mul_(group["alpha"]).add_(gradient * gradient, alpha=1 - group["alpha"])
        if group["centered"]:
            mean = state["grad_avg"].mul_(group["alpha"]).add_(gradient, alpha=1 - group["alpha"])
            square = square - mean * mean
        change = gradient / square.sqrt().add_(group["eps"])
        if group["momentum"]:
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = zeros_like(parameter)
            change = state["momentum_buffer"].mul_(group["momentum"]).add_(change)
        parameter.sub_(change, alpha=group["lr"])
