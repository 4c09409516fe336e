"""When training runs away: see it at the step where it begins, and say where and why."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from streetlight.autograd import no_grad
from streetlight.errors import DataError, DivergenceError, StreetlightError
from streetlight.nn.module import Module
from streetlight.tensor import Tensor

if TYPE_CHECKING:
    from streetlight.train.loop import Loop


def gradients_are_finite(parameters: Iterable[Tensor]) -> bool:
    """Whether every gradient is finite; costs one dot product each as long as they are.

    NaN and infinity survive in a sum of squares. So can an overflow of large but finite numbers,
    and only then is each number looked at.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    arrays = [gradient._data.ravel() for gradient in gradients]  # on whichever device they lie
    with np.errstate(over="ignore", invalid="ignore"):
        total = sum(float(array.dot(array)) for array in arrays)
    return math.isfinite(total) or all(_is_finite(gradient) for gradient in gradients)


def check_batch(batch: tuple[Tensor, ...], place: str) -> None:
    """Raise a DataError if a batch is empty or holds NaN or infinity.

    Args:
        batch: the inputs and, last, the targets.
        place: which batch it is.
    """
    for position, tensor in enumerate(batch):
        name = "targets" if position == len(batch) - 1 else "inputs"
        if tensor.numel() == 0:
            raise DataError(
                f"{place}: the {name} are empty",
                expected="at least one sample and one number in each",
                got={name: tensor},
                fix="look at the data set's first item: dataset[0]",
            )
        numbers = tensor.detach().cpu().numpy()
        wrong = np.argwhere(~np.isfinite(numbers))
        if len(wrong):
            index = tuple(int(i) for i in wrong[0])
            raise DataError(
                f"{place}: the {name} hold {numbers[index]} at {list(index)} ({len(wrong)} in all)",
                expected="finite numbers",
                got={name: tensor},
                fix="drop the sample or fill in the value, for instance with the column's mean",
            )


def explain_loss(
    trainer: Loop, batch: tuple[Tensor, ...], value: float, place: str
) -> StreetlightError:
    """Find out why the loss of this batch is not finite, and give the error that says it."""
    try:
        check_batch(batch, place)
    except DataError as error:
        return error
    what = f"{place}: the loss is {value}"
    for name, tensor in trainer.model.state_dict().items():
        if not _is_finite(tensor):
            return _diverged(trainer, what, name)
    return _diverged(trainer, what, _first_module(trainer.model, batch[:-1]) or "the loss itself")


def explain_gradients(trainer: Loop) -> DivergenceError:
    """Name the parameter nearest to the loss whose gradient is not finite: there it began."""
    wrong = [
        name
        for name, parameter in trainer.model.named_parameters()
        if parameter.grad is not None and not _is_finite(parameter.grad)
    ]
    what = f"{trainer.place()}: a gradient is not finite"
    return _diverged(trainer, what, f"the gradient of {wrong[-1]}")


def _diverged(trainer: Loop, what: str, layer: str) -> DivergenceError:
    rate = trainer.learning_rate
    best = trainer.best
    kept = f"; the weights of epoch {best.epoch}, the best so far, are kept" if best else ""
    clip = "" if trainer.clip_norm else ", Trainer(..., clip_norm=1.0)"
    return DivergenceError(
        f"{what}; it began in {layer}",
        expected="finite numbers",
        got={"learning rate": rate},
        fix=f"try lr={rate / 10:.3g}{clip}, scaled inputs, or a loss that takes logits" + kept,
    )


def _first_module(model: Module, inputs: tuple[Tensor, ...]) -> str:
    """Run forward once more, and name the first module whose output is not finite."""
    found: list[str] = []

    def watch(path: str, module: Module) -> Any:
        def hook(_module: Module, _args: Any, output: Any) -> None:
            if isinstance(output, Tensor) and not _is_finite(output):
                found.append(f"the output of {path or 'the model'} ({type(module).__name__})")

        return module.register_forward_hook(hook)

    handles = [watch(path, module) for path, module in model.named_modules()]
    with no_grad(), suppress(Exception):  # an error here would hide the one that is explained
        model(*inputs)
    for handle in handles:
        handle.remove()
    return found[0] if found else ""


def _is_finite(tensor: Tensor) -> bool:
    return bool(np.isfinite(tensor.detach().cpu().numpy()).all())
