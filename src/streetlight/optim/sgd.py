"""Stochastic gradient descent, with momentum if wanted."""

from __future__ import annotations

from streetlight.optim.optimizer import Group, Optimizer, Parameters, require
from streetlight.tensor import Tensor


class SGD(Optimizer):
    """Steps down the gradient g, or down a running sum b of gradients:

    b ← momentum · b + (1 − dampening) · g, at first b = g;
    θ ← θ − lr · b, or with Nesterov's look ahead θ ← θ − lr · (g + momentum · b).

    Raises:
        ArgumentError: as `Optimizer`; Nesterov without momentum, or with dampening.

    Source: Sutskever et al., On the importance of initialization and momentum, 2013.

    >>> weight = sl.tensor([3.0], requires_grad=True)
    >>> (weight * 2).sum().backward()
    >>> SGD([weight], lr=0.5).step()
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
        fits = not nesterov or (momentum > 0 and dampening == 0)
        require(fits, self, "nesterov", nesterov, "a momentum above 0 with it, and dampening 0")
        defaults = {"lr": lr, "momentum": momentum, "dampening": dampening}
        defaults |= {"weight_decay": weight_decay, "nesterov": nesterov, "maximize": maximize}
        super().__init__(params, defaults)

    def update(self, parameter: Tensor, gradient: Tensor, state: Group, group: Group) -> None:
        """Do one step of gradient descent for one parameter."""
        momentum = group["momentum"]
        if momentum:
            if state:
                state["momentum_buffer"].mul_(momentum).add_(gradient, alpha=1 - group["dampening"])
            else:
                state["momentum_buffer"] = gradient.clone()
            buffer = state["momentum_buffer"]
            gradient = gradient + buffer * momentum if group["nesterov"] else buffer
        parameter.sub_(gradient, alpha=group["lr"])
