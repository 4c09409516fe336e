"""Comparison of gradients with slopes measured by small steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from streetlight.autograd import enable_grad, grad, no_grad
from streetlight.errors import DTypeError, NumericalError
from streetlight.tensor import Tensor

_DIRECTIONS = 3


def gradcheck(
    function: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    eps: float = 1e-6,
    atol: float = 1e-6,
    rtol: float = 1e-4,
) -> bool:
    """Check the gradient of a function against measured slopes in a few random directions.

    For a direction v and a weighting w of the outputs, ⟨v, gradient of ⟨w, f⟩⟩ must equal
    (⟨w, f(x + εv)⟩ − ⟨w, f(x − εv)⟩) / 2ε.

    Args:
        function: takes the inputs and returns a tensor or several.
        inputs: float64 tensors; those with requires_grad=True are checked.
        eps: the step ε.
        atol, rtol: how far the two may differ, absolutely and relative to the larger.

    Returns:
        True; anything else is an error.

    Raises:
        NumericalError: if they differ, or if the function has a kink so near that no slope can
            be measured (choose other inputs then).
        DTypeError: if an input to be checked is not float64.

    >>> import streetlight as sl
    >>> gradcheck(lambda x: x.tanh(), sl.tensor([0.3, -1.0], dtype=sl.float64, requires_grad=True))
    True
    """
    given = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    checked = [x for x in given if isinstance(x, Tensor) and x.requires_grad]
    for x in checked:
        if x.dtype != np.float64:
            raise DTypeError(
                f"gradcheck: {x.dtype} is too coarse to measure slopes",
                expected="float64 inputs", got={"input": x}, fix="x.double()",
            )  # fmt: skip
    generator = np.random.default_rng(0)
    for _ in range(_DIRECTIONS):
        _check_direction(function, given, checked, generator, (eps, atol, rtol))
    return True


def _check_direction(
    function: Callable[..., Any], given: list[Any], checked: list[Tensor], generator: Any,
    limits: tuple[float, float, float],
) -> None:  # fmt: skip
    eps, atol, rtol = limits
    with enable_grad():
        outputs = _floating(function(*given))
        weights = [generator.standard_normal(o.shape) for o in outputs]
        linked = [(o, Tensor(np.asarray(w))) for o, w in zip(outputs, weights, strict=True)
                  if o.requires_grad]  # fmt: skip
        found = grad([o for o, _ in linked], checked, [w for _, w in linked], allow_unused=True)
    steps = [generator.standard_normal(x.shape) for x in checked]
    analytic = sum(
        float((step * g.detach().numpy()).sum())
        for step, g in zip(steps, found, strict=True)
        if g is not None
    )

    def value(distance: float) -> float:
        """The weighted outputs after a step of that length."""
        moved = {id(x): Tensor(x._data + distance * s) for x, s in zip(checked, steps, strict=True)}
        with no_grad():
            results = _floating(function(*(moved.get(id(x), x) for x in given)))
        return sum(
            float((w * r.detach().numpy()).sum()) for w, r in zip(weights, results, strict=True)
        )

    forward, middle, backward = value(eps), value(0.0), value(-eps)
    measured = (forward - backward) / (2 * eps)
    scale = atol + rtol * max(abs(measured), abs(analytic))
    if abs(measured - analytic) <= scale:
        return
    rise, fall = (forward - middle) / eps, (middle - backward) / eps
    between = min(rise, fall) - scale <= analytic <= max(rise, fall) + scale
    kink = between and abs(rise - fall) > 1e3 * scale
    raise NumericalError(
        "gradcheck: there is a kink at these inputs" if kink
        else "gradcheck: the gradient differs from the measured slope",
        got={"gradient": analytic, "measured slope": measured, "slope ahead": rise,
             "slope behind": fall},
        fix="choose inputs away from the kink" if kink
        else "mend the backward rule, or choose inputs where the function is smooth",
    )  # fmt: skip


def gradgradcheck(
    function: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    eps: float = 1e-6,
    atol: float = 1e-6,
    rtol: float = 1e-4,
) -> bool:
    """Check the gradient of the gradient: `gradcheck` of the backward walk itself.

    >>> import streetlight as sl
    >>> gradgradcheck(lambda x: x ** 3, sl.tensor([0.5], dtype=sl.float64, requires_grad=True))
    True
    """
    given = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    checked = [i for i, x in enumerate(given) if isinstance(x, Tensor) and x.requires_grad]
    generator = np.random.default_rng(1)
    weights = [
        Tensor(np.asarray(generator.standard_normal(o.shape)), requires_grad=True)
        for o in _floating(function(*given))
    ]

    def gradient(*arguments: Any) -> list[Tensor]:
        values = [
            a if i not in checked or a.requires_grad else a.detach().requires_grad_()
            for i, a in enumerate(arguments[: len(given)])
        ]
        wanted = [values[i] for i in checked]
        with enable_grad():
            outputs = _floating(function(*values))
            found = grad(
                outputs, wanted, arguments[len(given) :], create_graph=True, allow_unused=True
            )
        return [x * 0 if g is None else g for x, g in zip(wanted, found, strict=True)]

    return gradcheck(gradient, [*given, *weights], eps, atol, rtol)


def _floating(outputs: Any) -> list[Tensor]:
    """The outputs that can have a gradient, as a list."""
    several = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    return [o for o in several if isinstance(o, Tensor) and o.dtype.kind == "f"]
