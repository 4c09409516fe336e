"""What all optimisers share: parameter groups, state, saving and loading, and the walk over them.

An optimiser adds one small rule, `update`. It is written in Tensor operations, and the numbers that
change from step to step (learning rate, step count) enter it through operators only, so that it
reads the same whether they are plain numbers or tensors of a traced step.
"""

from __future__ import annotations

import difflib
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from numbers import Real
from typing import Any

from streetlight.autograd import enable_grad, no_grad
from streetlight.errors import ArgumentError, StateDictError
from streetlight.tensor import Tensor

Group = dict[str, Any]
Parameters = Iterable[Tensor] | Iterable[Group]

NON_NEGATIVE = {"lr", "momentum", "dampening", "weight_decay", "eps", "alpha", "lr_decay"}
NON_NEGATIVE |= {"initial_accumulator_value"}
LABELS = ("params", "name", "initial_lr")  # what a group may hold besides the options


class Optimizer:
    """Moves parameters along their gradients; the base class of every optimiser.

    For an optimiser of your own, give the options' defaults to `__init__` and write `update`.

    Args:
        params: an iterable of leaf tensors, or of dicts that hold one under "params" and the
            options in which this group differs from the defaults.
        defaults: the options with the values that hold where a group says nothing.

    Raises:
        ArgumentError: no parameters, a tensor that is not a leaf or comes twice, an unknown
            option, or a value out of range.

    >>> import streetlight as sl
    >>> class SignDescent(Optimizer):
    ...     def update(self, parameter, gradient, state, group):
    ...         parameter.sub_(gradient.sign(), alpha=group["lr"])
    >>> weight = sl.tensor([3.0, -2.0], requires_grad=True)
    >>> optimizer = SignDescent([weight], {"lr": 0.5})
    >>> (weight**2).sum().backward()
    >>> optimizer.step()
    >>> weight.tolist()
    [2.5, -1.5]
    """

    def __init__(self, params: Parameters, defaults: Group) -> None:
        self.defaults = defaults
        self.state: defaultdict[Tensor, Group] = defaultdict(dict)
        self.param_groups: list[Group] = []
        self.has_stepped = False
        owner = type(self).__name__
        if isinstance(params, Tensor | Mapping):
            raise ArgumentError(
                f"{owner} takes a collection of parameters, not a {type(params).__name__}",
                expected="an iterable of tensors or of dicts",
                got={"params": params},
                fix="put it into a list, or give model.parameters()",
            )
        entries: list[Any] = list(params)
        if not entries:
            raise ArgumentError(
                f"{owner} got an empty parameter list",
                expected="at least one parameter",
                fix="an iterator can be read only once: call model.parameters() anew, and see that "
                "layers are attributes of the module",
            )
        grouped = isinstance(entries[0], dict)
        for group in entries if grouped else [{"params": entries}]:
            self.add_param_group(group)

    def update(self, parameter: Tensor, gradient: Tensor, state: Group, group: Group) -> None:
        """Change `parameter` in place; `state` is its own dict, empty before the first step."""
        raise NotImplementedError

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient.

        Args:
            closure: computes the loss anew, with gradients, before the update.

        Returns:
            What the closure returned, or None.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        update, states = self.update, self.state
        with no_grad():
            for group in self.param_groups:
                maximize = group.get("maximize")
                for parameter in group["params"]:
                    gradient = parameter.grad
                    if gradient is not None:
                        gradient = -gradient if maximize else gradient
                        update(parameter, gradient, states[parameter], group)
        self.has_stepped = True
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or with `set_to_none=False` fill them with zeros."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if set_to_none or parameter.grad is None:
                    parameter.grad = None
                else:
                    parameter.grad = parameter.grad.detach().zero_()

    def add_param_group(self, param_group: Group) -> None:
        """Add parameters with options of their own, for instance layers that are unfrozen later.

        Args:
            param_group: a dict with "params" (a tensor or an iterable of tensors) and options.

        Raises:
            ArgumentError: as for the class.
        """
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise ArgumentError(
                f"A parameter group of {type(self).__name__} needs its parameters",
                expected='a dict with the key "params"',
                got={"group": param_group},
                fix='write {"params": layer.parameters(), "lr": 0.01}',
            )
        params = param_group["params"]
        parameters = [params] if isinstance(params, Tensor) else list(params)
        group = {**self.defaults, **param_group, "params": parameters}
        self._check_options(group)
        self._check_parameters(parameters)
        self.param_groups.append(group)

    def _check_options(self, group: Group) -> None:
        for name, value in group.items():
            if name not in self.defaults and name not in LABELS:
                near = difflib.get_close_matches(name, self.defaults, 1)
                raise ArgumentError(
                    f"{type(self).__name__} has no option {name!r}",
                    expected="one of " + ", ".join(self.defaults),
                    fix=f"did you mean {near[0]!r}?" if near else "leave it out",
                )
            wanted = _wanted(name, value)
            if wanted:
                raise ArgumentError(
                    f"{type(self).__name__} cannot work with this {name}",
                    expected=wanted,
                    got={name: value},
                    fix=f"change {name} in the call or in the parameter group",
                )

    def _check_parameters(self, parameters: list[Any]) -> None:
        seen = {id(known) for group in self.param_groups for known in group["params"]}
        for index, parameter in enumerate(parameters):
            problem = _problem(parameter, seen)
            if problem:
                what, fix = problem
                raise ArgumentError(
                    f"{type(self).__name__}: parameter {index} of the group {what}",
                    expected="leaf tensors, each of them once",
                    got={"parameter": parameter},
                    fix=fix,
                )
            seen.add(id(parameter))

    def state_dict(self) -> dict[str, Any]:
        """Give options and state as plain containers; parameters are numbered in their order.

        The tensors in it are the living ones: copy it (`copy.deepcopy`) to keep a moment.

        Returns:
            {"state": {number: {name: value}}, "param_groups": [{..., "params": [numbers]}]}
        """
        number = {id(p): index for index, p in enumerate(self._parameters())}
        return {
            "state": {number[id(p)]: dict(state) for p, state in self.state.items() if state},
            "param_groups": [
                {**group, "params": [number[id(p)] for p in group["params"]]}
                for group in self.param_groups
            ],
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over options and state that `state_dict()` gave; the tensors are copied.

        Raises:
            StateDictError: the groups, options or shapes are not those of this optimiser.
        """
        groups, states = self._saved(state_dict)
        for group, saved in zip(self.param_groups, groups, strict=True):
            group.update({**saved, "params": group["params"]})
        self.state.clear()
        for parameter, state in states:
            self.state[parameter] = {
                name: _copy(name, value, parameter) for name, value in state.items()
            }

    def _saved(self, state_dict: Mapping[str, Any]) -> tuple[list[Group], list[tuple[Any, Group]]]:
        """Check a state dict; return its groups, and for each parameter the state that is its."""
        if not {"state", "param_groups"} <= set(state_dict):
            raise self._misfit("has no 'state' and 'param_groups'", list(state_dict))
        groups, state = state_dict["param_groups"], state_dict["state"]
        sizes = [len(group["params"]) for group in groups]
        if sizes != [len(group["params"]) for group in self.param_groups]:
            raise self._misfit("has other parameter groups", {"parameters in each group": sizes})
        for saved in groups:
            missing = sorted(set(self.defaults) - set(saved))
            if missing:
                raise self._misfit("lacks options, so another optimiser made it", missing)
        numbers = [number for group in groups for number in group["params"]]
        pairs = [(p, state.get(n, {})) for p, n in zip(self._parameters(), numbers, strict=True)]
        for parameter, values in pairs:
            for name, value in values.items():
                if isinstance(value, Tensor) and name != "step" and value.shape != parameter.shape:
                    raise self._misfit(f"has a {name} of another shape", [parameter, value])
        return groups, pairs

    def _misfit(self, problem: str, found: Any) -> StateDictError:
        sizes = [len(group["params"]) for group in self.param_groups]
        return StateDictError(
            f"The state to load into {type(self).__name__} {problem}",
            expected=f"what {type(self).__name__}.state_dict() gives, with groups of {sizes}"
            " parameters",
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


def _wanted(name: str, value: Any) -> str:
    """Say which values an option can take, if this one is not among them."""
    if name in NON_NEGATIVE and not _is_within(value, math.inf):
        return "a finite number, 0 or larger"
    if name == "betas":
        pair = isinstance(value, tuple | list) and len(value) == 2
        if not (pair and all(_is_within(beta, 1) for beta in value)):
            return "two numbers, each at least 0 and below 1"
    return ""


def _is_within(value: Any, end: float) -> bool:
    return isinstance(value, Real) and 0 <= float(value) < end


def _problem(parameter: Any, seen: set[int]) -> tuple[str, str] | None:
    """Say what is wrong with a parameter, and what to do about it."""
    if not isinstance(parameter, Tensor):
        return "is not a tensor", "give model.parameters(), without names"
    if not parameter.is_leaf:
        return (
            "was computed from other tensors",
            "give the tensor that it comes from, or make it a parameter with "
            "detach().requires_grad_()",
        )
    if id(parameter) in seen:
        return "is there already", "leave it out of one of the places; it would move twice a step"
    return None


def _copy(name: str, value: Any, parameter: Tensor) -> Any:
    """Copy a value of saved state for this parameter; a step count is a plain number here."""
    if not isinstance(value, Tensor):
        return value
    if name == "step":
        return value.item()
    return value.detach().clone().to(parameter.dtype)
