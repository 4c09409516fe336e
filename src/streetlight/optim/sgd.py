"""Stochastic gradient descent, with momentum if wanted."""

from __future__ import annotations

from streetlight.errors import ArgumentError
from streetlight.optim.optimizer import Group, Optimizer, Parameters
from streetlight.tensor import Tensor


class SGD(Optimizer):
    """Steps down the gradient g, or down a running sum b of gradients:

    g ← g + weight_decay · θ;  b ← momentum · b + (1 − dampening) · g, at first b = g;
    θ ← θ − lr · b, or with Nesterov's look ahead θ ← θ − lr · (g + momentum · b).

    Args:
        params: parameters or parameter groups, see `Optimizer`.
        lr: learning rate.
        momentum: how much of the running sum is kept; 0 is plain gradient descent.
        dampening: how much of the new gradient is held back from the sum.
        weight_decay: pulls parameters towards 0 (L2 penalty).
        nesterov: look one momentum step ahead.
        maximize: climb instead of descend.

    Raises:
        ArgumentError: as `Optimizer`; Nesterov without momentum, or with dampening.

    Source: Sutskever et al., On the importance of initialization and momentum in deep learning,
    2013.

    >>> import streetlight as sl
    >>> weight = sl.tensor([3.0], requires_grad=True)
    >>> optimizer = SGD([weight], lr=0.5)
    >>> (weight * 2).sum().backward()
    >>> optimizer.step()
    >>> weight.tolist()
    [2.0]
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        if nesterov and (not momentum or dampening):
            raise ArgumentError(
                "SGD with nesterov=True looks ahead along the momentum",
                expected="momentum above 0 and dampening 0",
                got={"momentum": momentum, "dampening": dampening},
                fix="add momentum=0.9, or leave nesterov out",
            )
        defaults = {"lr": lr, "momentum": momentum, "dampening": dampening}
        defaults |= {"weight_decay": weight_decay, "nesterov": nesterov, "maximize": maximize}
        super().__init__(params, defaults)

    def update(self, parameter: Tensor, gradient: Tensor, state: Group, group: Group) -> None:
        """Do one step of gradient descent for one parameter."""
        momentum = group["momentum"]
        if group["weight_decay"]:
            gradient = gradient + parameter * group["weight_decay"]
        if momentum:
            if not state:
                state["momentum_buffer"] = gradient.clone()
            else:
                state["momentum_buffer"].mul_(momentum).add_(gradient, alpha=1 - group["dampening"])
            buffer = state["momentum_buffer"]
            gradient = gradient + buffer * momentum if group["nesterov"] else buffer
        parameter.sub_(gradient, alpha=group["lr"])
