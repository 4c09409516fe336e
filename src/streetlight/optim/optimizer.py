"""What all optimisers share: parameter groups, state, saving and loading, and the walk over them.

An optimiser adds one small rule, `update`. It is written in Tensor operations, and the numbers that
change from step to step (learning rate, step count) enter it through operators only, so that it
reads the same whether they are plain numbers or tensors of a traced step.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from numbers import Real
from typing import Any

from streetlight.autograd import enable_grad, no_grad
from streetlight.errors import ArgumentError, StateDictError, describe
from streetlight.ops.registry import context
from streetlight.tensor import Tensor

Group = dict[str, Any]
Parameters = Iterable[Tensor] | Iterable[Group]

NON_NEGATIVE = {"lr", "momentum", "dampening", "weight_decay", "eps", "alpha", "lr_decay"}
NON_NEGATIVE |= {"initial_accumulator_value"}
LABELS = {"params", "name", "initial_lr"}  # what a group may hold besides the options


def require(fits: bool, owner: object, name: str, value: Any, expected: str) -> None:
    """Raise an ArgumentError about an argument of `owner` if it does not fit."""
    if not fits:
        what = f"{type(owner).__name__}: {name} cannot be {describe(value)}"
        raise ArgumentError(what, expected=expected)


class Optimizer:
    """Moves parameters along their gradients; the base class of every optimiser.

    For an optimiser of your own, give the options' defaults to `__init__` and write `update`. Two
    options are seen to here: "maximize" climbs instead of descending, and "weight_decay" pulls
    each parameter θ towards 0, by adding weight_decay · θ to its gradient.

    Args:
        params: an iterable of leaf tensors, or of dicts that hold one under "params" and the
            options in which this group differs from the defaults.
        defaults: the options with the values that hold where a group says nothing.

    Raises:
        ArgumentError: no parameters, a tensor that is not a leaf or comes twice, an unknown
            option, or a value out of range.

    >>> class SignDescent(Optimizer):
    ...     def update(self, parameter, gradient, state, group):
    ...         parameter.sub_(gradient.sign(), alpha=group["lr"])
    >>> weight = sl.tensor([3.0, -2.0], requires_grad=True)
    >>> (weight**2).sum().backward()
    >>> SignDescent([weight], {"lr": 0.5}).step()
    >>> weight.tolist()
    [2.5, -1.5]
    """

    decoupled_weight_decay = False
    """Whether weight decay takes lr · weight_decay · θ off θ instead, as in AdamW."""

    def __init__(self, params: Parameters, defaults: Group) -> None:
        self.defaults = defaults
        self.state: defaultdict[Tensor, Group] = defaultdict(dict)
        self.param_groups: list[Group] = []
        entries: list[Any] = [] if isinstance(params, Tensor) else list(params)
        wanted = "a list with parameters in it; model.parameters() can be read only once"
        require(bool(entries), self, "params", params, wanted)
        grouped = isinstance(entries[0], dict)
        for group in entries if grouped else [{"params": entries}]:
            self.add_param_group(group)

    def update(self, parameter: Tensor, gradient: Tensor, state: Group, group: Group) -> None:
        """Change `parameter` in place; `state` is its own dict, empty before the first step."""
        raise NotImplementedError

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient, and return the loss of the closure, if any.

        The closure computes the loss anew, with gradients, before the update.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        context.entered(self)
        with no_grad():
            for group in self.param_groups:
                maximize, decay = group.get("maximize"), group.get("weight_decay")
                for parameter in group["params"]:
                    gradient = parameter.grad
                    if gradient is None:
                        continue
                    if maximize:
                        gradient = -gradient
                    if decay and self.decoupled_weight_decay:
                        parameter.mul_(1 - group["lr"] * decay)
                    elif decay:
                        gradient = gradient + parameter * decay
                    self.update(parameter, gradient, self.state[parameter], group)
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or with `set_to_none=False` fill them with zeros."""
        context.entered(self, forgets=set_to_none)
        for parameter in self._parameters():
            if set_to_none or parameter.grad is None:
                parameter.grad = None
            else:
                parameter.grad = parameter.grad.detach().zero_()

    def add_param_group(self, param_group: Group) -> None:
        """Add a dict with "params", a tensor or an iterable of them, and options of their own."""
        params = param_group["params"]
        parameters = [params] if isinstance(params, Tensor) else list(params)
        group = {**self.defaults, **param_group, "params": parameters}
        for name, value in group.items():
            self._check_option(name, value)
        seen = set(map(id, self._parameters()))
        for index, parameter in enumerate(parameters):
            name = f"parameter (number {index} of its group)"
            tensor = isinstance(parameter, Tensor)
            require(tensor, self, name, parameter, "a tensor, without its name")
            require(parameter.is_leaf, self, name, parameter, "a leaf, not computed from others")
            once = id(parameter) not in seen
            require(once, self, name, parameter, "each only once, or it would move twice a step")
            seen.add(id(parameter))
        self.param_groups.append(group)

    def _check_option(self, name: str, value: Any) -> None:
        known = self.defaults.keys() | LABELS
        require(name in known, self, name, value, "only options among " + ", ".join(self.defaults))
        if name in NON_NEGATIVE:
            fits = _is_within(value, math.inf)
            require(fits, self, name, value, "a finite number, 0 or larger")
        if name == "betas":
            pair = isinstance(value, tuple | list) and len(value) == 2
            fits = pair and all(_is_within(beta, 1) for beta in value)
            require(fits, self, name, value, "two numbers, each at least 0 and below 1")

    def state_dict(self) -> dict[str, Any]:
        """Give options and state as plain containers; parameters are numbered in their order.

        The tensors in it are the living ones: copy it (`copy.deepcopy`) to keep a moment.

        Returns:
            {"state": {number: {name: value}}, "param_groups": [{..., "params": [numbers]}]}
        """
        number = {parameter: index for index, parameter in enumerate(self._parameters())}
        return {
            "state": {number[p]: dict(state) for p, state in self.state.items() if state},
            "param_groups": [
                {**group, "params": [number[p] for p in group["params"]]}
                for group in self.param_groups
            ],
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over options and state that `state_dict()` gave; the tensors are copied.

        Raises:
            StateDictError: the groups, options or shapes are not those of this optimiser.
        """
        groups, states = state_dict.get("param_groups", []), state_dict.get("state", {})
        sizes = [len(group["params"]) for group in groups]
        if sizes != [len(group["params"]) for group in self.param_groups]:
            raise self._misfit("has other parameter groups", sizes)
        if any(self.defaults.keys() - group for group in groups):
            raise self._misfit("lacks options, so another optimiser made it", list(groups[0]))
        numbers = [number for group in groups for number in group["params"]]
        loaded = {
            parameter: {n: self._fitted(n, v, parameter) for n, v in states[number].items()}
            for number, parameter in zip(numbers, self._parameters(), strict=True)
            if number in states
        }
        for group, saved in zip(self.param_groups, groups, strict=True):
            group.update({**saved, "params": group["params"]})
        self.state = defaultdict(dict, loaded)

    def _fitted(self, name: str, value: Any, parameter: Tensor) -> Any:
        """Copy a value of saved state for this parameter; a step count is a plain number here."""
        if not isinstance(value, Tensor):
            return value
        if name == "step":
            return value.item()
        if value.shape != parameter.shape:
            raise self._misfit(f"has a {name} of another shape", [parameter.shape, value.shape])
        return value.detach().clone().to(parameter.dtype)

    def _misfit(self, problem: str, found: Any) -> StateDictError:
        return StateDictError(
            f"The state to load into {type(self).__name__} {problem}",
            got={"found": found},
            fix="build model and optimiser as they were when the state was saved",
        )

    def _parameters(self) -> list[Tensor]:
        return [parameter for group in self.param_groups for parameter in group["params"]]

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for index, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {index}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
        return "\n".join([*lines, ")"])


def _is_within(value: Any, end: float) -> bool:
    return isinstance(value, Real) and 0 <= float(value) < end
