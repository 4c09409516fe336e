"""The two halves of a training step, gradients and update, eager or compiled to native code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from streetlight.errors import CompileError, TraceError
from streetlight.nn.module import Module
from streetlight.nn.utils import clip_grad_norm_
from streetlight.optim.optimizer import Optimizer
from streetlight.tensor import Tensor

Compile = bool | Literal["auto"]


class Halves:
    """Gradients and update as plain functions of what they need, which a trace can look through."""

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer,
        loss: Callable[[Tensor, Tensor], Tensor],
        clip_norm: float | None,
    ) -> None:
        self.model, self.optimizer, self.loss = model, optimizer, loss
        self.clip_norm = clip_norm

    def gradients(
        self, batch: tuple[Tensor, ...], first: bool, share: int
    ) -> tuple[Tensor, Tensor]:
        """Add the gradients of a batch to `.grad`; returns its loss and the model's outputs.

        Args:
            batch: the model's inputs and, last, the targets.
            first: whether the gradients begin at zero.
            share: how many batches make one step: the loss is divided by it.
        """
        outputs = self.model(*batch[:-1])
        loss = self.loss(outputs, batch[-1])
        if first:
            self.optimizer.zero_grad()
        (loss / share if share > 1 else loss).backward()
        return loss, outputs

    def update(self) -> None:
        """Move the parameters along their gradients."""
        if self.clip_norm is not None:
            clip_grad_norm_(self.model.parameters(), self.clip_norm)
        self.optimizer.step()


class Steps:
    """Carries out both halves, natively if that is asked for.

    Only batches like the first one are compiled for: a shorter last batch of an epoch runs
    eagerly, because to compile for it would take longer than it ever saves.

    Args:
        halves: what to carry out.
        compile: True to compile, False not to; "auto" to do it where that is possible.
        say: told in one line what "auto" did.
    """

    def __init__(self, halves: Halves, compile: Compile, say: Callable[[str], None]) -> None:
        self.halves, self.compile, self.say = halves, compile, say
        self._shapes: list[Any] | None = None
        self._compiled: dict[str, Callable[..., Any]] = {}
        self._said = False

    def gradients(
        self, batch: tuple[Tensor, ...], first: bool, share: int
    ) -> tuple[Tensor, Tensor]:
        """Do `Halves.gradients`."""
        result: tuple[Tensor, Tensor] = self._run("gradients", batch, (batch, first, share))
        return result

    def update(self, batch: tuple[Tensor, ...]) -> None:
        """Do `Halves.update`, with the gradients that `batch` gave."""
        self._run("update", batch, ())

    def _run(self, name: str, batch: tuple[Tensor, ...], args: tuple[Any, ...]) -> Any:
        function = getattr(self.halves, name)
        shapes = [(x.shape, x.dtype) for x in batch]
        if self._shapes is None:
            self._shapes = shapes
        if not self.compile or shapes != self._shapes:
            return function(*args)
        try:
            result = self._native(name, function)(*args)
            if self.compile == "auto" and not self._said:
                self._said = True
                self.say("training runs as native code")
            return result
        except (CompileError, TraceError) as error:
            if self.compile is True:
                raise
            self.compile = False
            self.say(f"not compiled: {error.what}")
            return function(*args)

    def _native(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        if name not in self._compiled:
            from streetlight.compile import compile

            self._compiled[name] = compile(function)
        return self._compiled[name]
