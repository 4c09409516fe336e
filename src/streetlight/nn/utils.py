"""Helpers around training: clip gradients, and turn parameters into one vector and back."""

from __future__ import annotations

from collections.abc import Iterable

from streetlight.autograd import no_grad
from streetlight.creation import zeros
from streetlight.errors import NumericalError, ShapeError
from streetlight.ops import cat, stack
from streetlight.tensor import Tensor


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale all gradients by one factor, so that their norm together is at most `max_norm`.

    Returns the norm before that. Its exponent is `norm_type`, `math.inf` for the largest element.

    Raises:
        NumericalError: the norm is NaN or infinite, and `error_if_nonfinite` is set.

    Source: Pascanu, Mikolov and Bengio, 2012, arXiv:1211.5063.

    >>> weight = nn.Parameter(sl.tensor([0.0, 0.0]))
    >>> weight.grad = sl.tensor([30.0, 40.0])
    >>> nn.utils.clip_grad_norm_([weight], max_norm=5.0).item(), weight.grad.tolist()
    (50.0, [3.0, 4.0])
    """
    grads = _gradients(parameters)
    with no_grad():
        norms = [grad.norm(norm_type) for grad in grads]
        total = stack(norms).norm(norm_type) if norms else zeros(())
        if error_if_nonfinite and not total.isfinite():
            raise NumericalError(
                f"clip_grad_norm_: the norm of the gradients is {total.item()}",
                fix="look for NaN in the data, or try a tenth of the learning rate",
            )
        factor = (max_norm / (total + 1e-6)).clamp(max=1.0)
        for grad in grads:
            grad.mul_(factor)
    return total


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Bring every element of every gradient into the range ±clip_value."""
    with no_grad():
        for grad in _gradients(parameters):
            grad.clamp_(-clip_value, clip_value)


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    parameters = [parameters] if isinstance(parameters, Tensor) else parameters
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """Put all elements of all parameters into one vector, with gradients."""
    return cat([parameter.reshape(-1) for parameter in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Copy the elements of one vector into parameters; undoes `parameters_to_vector`.

    Raises:
        ShapeError: the vector has not as many elements as the parameters.

    >>> layer = nn.Linear(1, 1)
    >>> nn.utils.vector_to_parameters(sl.tensor([2.0, 3.0]), layer.parameters())
    >>> nn.utils.parameters_to_vector(layer.parameters()).tolist()
    [2.0, 3.0]
    """
    parameters = list(parameters)
    sizes = [parameter.numel() for parameter in parameters]
    if vec.shape != (sum(sizes),):
        raise ShapeError(
            f"vector_to_parameters: the parameters have {sum(sizes)} elements",
            expected=f"a vector of shape ({sum(sizes)},)",
            got={"vec": vec},
        )
    with no_grad():
        for parameter, part in zip(parameters, vec.split(sizes), strict=True):
            parameter.copy_(part.reshape(parameter.shape))
