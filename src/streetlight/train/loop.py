"""The loop itself: epochs of batches, each with its loss, its gradients and an update."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from streetlight.nn.module import Module
from streetlight.optim.optimizer import Optimizer
from streetlight.tensor import Tensor
from streetlight.train import checkpoint
from streetlight.train.callbacks import Callback
from streetlight.train.divergence import explain_gradients, explain_loss, gradients_are_finite
from streetlight.train.evaluate import measure, split, too_short
from streetlight.train.history import History
from streetlight.train.interrupt import interrupts
from streetlight.train.running import Best, Metric, Running
from streetlight.train.schedule import Schedule
from streetlight.train.steps import Compile, Halves, Steps


class Loop:
    """What `Trainer` does when it fits; its arguments and attributes are explained there."""

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer,
        loss: Callable[[Tensor, Tensor], Tensor],
        metrics: list[Metric],
        schedule: Schedule,
        clip_norm: float | None,
        accumulate: int,
        compile: Compile,
    ) -> None:
        self.model, self.optimizer, self.loss = model, optimizer, loss
        self.metrics, self.running = metrics, Running(metrics)
        self.schedule, self.clip_norm, self.accumulate = schedule, clip_norm, accumulate
        self.steps = Steps(Halves(model, optimizer, loss, clip_norm), compile, self.say)
        self.begin((), None, 0, ())

    def begin(
        self, loader: Any, validation: Any, epochs: int, callbacks: Sequence[Callback]
    ) -> None:
        """Set everything to the start of a run."""
        self.loader, self.validation, self.epochs = loader, validation, epochs
        self.callbacks = sorted(callbacks, key=lambda callback: callback.order)
        self._calls: dict[str, list[Callable[[Any], None]]] = {}
        self.batches = len(loader)
        self.epoch = self.batch = self.step = 0
        self.began = time.perf_counter()  # of this epoch
        self.history = History()
        self.best: Best | None = None
        self.monitor = "loss" if validation is None else "validation_loss"
        self.stopping = self.interrupted = False
        self.epoch_start: list[Tensor] = []  # random states
        self.running.reset()
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]

    def say(self, line: str) -> None:
        """Tell the user something in one line; a loop alone is silent."""

    def run(self, resumed: bool) -> None:
        """Train from where the run stands to its end, or to Ctrl-C."""
        now = checkpoint.random_state(self)
        self.call("on_fit_start")
        if resumed:  # what callbacks draw at the start was drawn when the run began
            checkpoint.set_random_state(self, now)
        try:
            with interrupts(self._interrupt):
                while self.epoch < self.epochs and not self.ending:
                    self._train_epoch()
            if self.interrupted:
                self.call("on_interrupt")
        except KeyboardInterrupt:  # a second Ctrl-C: perhaps amid an update, so nothing is saved
            self.interrupted = True
        unfinished = self.epoch < self.epochs and not self.stopping
        self.history.interrupted = self.interrupted and unfinished
        self.call("on_fit_end")

    def _interrupt(self) -> None:
        self.interrupted = True

    @property
    def ending(self) -> bool:
        """Whether the run is to end here, by `stop()` or by Ctrl-C."""
        return self.stopping or self.interrupted

    def call(self, point: str) -> None:
        """Call what the callbacks have for this point; those they leave alone cost nothing."""
        calls = self._calls.get(point)
        if calls is None:
            base = getattr(Callback, point)
            takers = [c for c in self.callbacks if getattr(type(c), point) is not base]
            calls = self._calls[point] = [getattr(callback, point) for callback in takers]
        for call in calls:
            call(self)

    def _train_epoch(self) -> None:
        """Train on the batches that this epoch still has, then validate and take stock."""
        now = checkpoint.random_state(self)
        self.model.train()
        self.call("on_epoch_start")
        batches = checkpoint.batches_left(self, now) if self.batch else self._first_batches()
        for batch in islice(batches, self.batches - self.batch):
            self._train_batch(split(batch))
            if self.batch % self.accumulate == 0 or self.batch == self.batches:
                self.call("on_step_end")
                if self.ending:
                    break
        if self.batch == self.batches:
            self._end_epoch()
        elif not self.ending:
            raise too_short(self.epoch + 1, self.batch, self.batches)

    def _first_batches(self) -> Iterator[Any]:
        """Start an epoch: all of its batches."""
        self.running.reset()
        self.began = time.perf_counter()
        self.epoch_start = checkpoint.random_state(self)
        return iter(self.loader)

    def _train_batch(self, batch: tuple[Tensor, ...]) -> None:
        """Loss, gradients, and, where it is time, an update."""
        done = self.batch % self.accumulate
        group = min(self.accumulate, self.batches - self.batch + done)
        loss, outputs = self.steps.gradients(batch, done == 0, group)
        value = loss.item()
        if not math.isfinite(value):
            raise explain_loss(self, batch, value, self.place())
        if done + 1 == group:
            self._update(batch)
        self.batch += 1
        self.running.update(value, outputs, batch[-1])
        self.call("on_batch_end")

    def _update(self, batch: tuple[Tensor, ...]) -> None:
        if not gradients_are_finite(self.parameters):
            raise explain_gradients(self)
        self.steps.update(batch)
        self.step += 1
        self.schedule.step_end()

    def _end_epoch(self) -> None:
        row = {"epoch": self.epoch + 1, **self.running.scalars()}
        if self.validation is not None:
            figures = measure(self, self.validation).scalars()
            row |= {f"validation_{name}": value for name, value in figures.items()}
        row["learning_rate"] = self.learning_rate
        row["seconds"] = time.perf_counter() - self.began
        self.schedule.epoch_end(row.get("validation_loss", row["loss"]))
        self.history.append(row)
        self.epoch, self.batch = self.epoch + 1, 0
        self._keep_best(row[self.monitor])
        self.call("on_epoch_end")

    def _keep_best(self, value: float) -> None:
        """Copy the weights if this epoch's figure is the best so far."""
        up = self.running.higher_is_better(self.monitor.removeprefix("validation_"))
        old = self.best.value if self.best else math.nan
        if math.isnan(old) or (value > old if up else value < old):
            weights = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
            self.best = Best(self.epoch, value, weights)

    @property
    def learning_rate(self) -> float:
        """The learning rate now, of the first parameter group."""
        return float(self.optimizer.param_groups[0]["lr"])

    def place(self) -> str:
        """Say which batch is at hand: "epoch 2, batch 7 (step 57)"."""
        return f"epoch {self.epoch + 1}, batch {self.batch + 1} (step {self.step + 1})"
