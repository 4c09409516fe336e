"""Progress of a run: a live line in a terminal or notebook, one plain line per epoch elsewhere."""

from __future__ import annotations

import os
import sys
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from streetlight.train.callbacks import Callback

if TYPE_CHECKING:
    from streetlight.train.trainer import Trainer

_REDRAW_SECONDS = 0.1
_BAR = 12  # characters


class _Line(Protocol):
    """Where progress is shown: a line that is drawn again and again."""

    def draw(self, trainer: Trainer, time: str, row: dict[str, float]) -> None: ...

    def close(self) -> None: ...


class Progress(Callback):
    """Say how a run goes, in the way that fits where it runs; `Trainer.fit` adds it itself.

    A terminal gets one live line (rich), a notebook one that is updated in place, both at most ten
    times a second; a pipe, a file or CI gets one plain line per epoch. `NO_COLOR` is honoured.
    """

    order = 50

    def __init__(self) -> None:
        self._line: _Line | None = None

    def on_fit_start(self, trainer: Trainer) -> None:
        """Find out where the run is shown, and start the clock."""
        self._line = _live_line()
        self._began = self._drawn = time.perf_counter()
        self._done_before = _done(trainer)

    def on_batch_end(self, trainer: Trainer) -> None:
        """Draw the live line anew, if the last time is long enough ago."""
        if self._line and time.perf_counter() - self._drawn >= _REDRAW_SECONDS:
            self._draw(trainer, {**trainer.history.last(), **trainer.running.scalars()})

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Write the epoch's plain line, or draw the live one."""
        row = trainer.history.last()
        if self._line:
            if time.perf_counter() - self._drawn >= _REDRAW_SECONDS:
                self._draw(trainer, row)
        else:
            epoch = f"epoch {trainer.epoch}/{trainer.epochs}"
            print(f"{epoch}  {figures(row)}  {row['seconds']:.1f} s", flush=True)

    def on_fit_end(self, trainer: Trainer) -> None:
        """Leave the live line as it stands at the end."""
        if self._line:
            spent = clock(time.perf_counter() - self._began)
            end = "interrupted after" if trainer.interrupted else "took"
            self._line.draw(trainer, f"{end} {spent}", trainer.history.last())
            self.on_error(trainer)

    def on_error(self, trainer: Trainer) -> None:
        """Give the terminal back."""
        if self._line:
            self._line.close()

    def _draw(self, trainer: Trainer, row: dict[str, float]) -> None:
        done, total = _done(trainer), trainer.epochs * trainer.batches
        spent = time.perf_counter() - self._began
        left = spent / max(1, done - self._done_before) * (total - done)
        if self._line:
            self._line.draw(trainer, f"{clock(left)} left", row)
        self._drawn = time.perf_counter()


class _Terminal:
    """A line in a terminal, drawn by rich only when it is told to: no thread runs beside it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        console = Console()
        self._mark = "#" if console.options.ascii_only else "━"
        self._width = console.width
        self._live = Live(console=console, auto_refresh=False)
        self._live.start()

    def draw(self, trainer: Trainer, time: str, row: dict[str, float]) -> None:
        """Show how much of the whole run is done and the figures, or fewer in a narrow terminal."""
        from rich.text import Text

        epoch, text = _epoch(trainer), f"{time}  {figures(row)}"
        room = self._width - len(epoch) - len("  ")
        if len(text) + _BAR > room:
            text = f"{time}  {figures(brief(row))}"
        width = max(0, min(_BAR, room - len(text)))
        done = width * _done(trainer) // (trainer.epochs * trainer.batches)
        bar = (self._mark * done, "cyan"), " " * (width - done)
        line = Text.assemble(epoch, " ", *bar, " " * bool(width), text, no_wrap=True)
        line.overflow = "ellipsis"
        self._live.update(line, refresh=True)

    def close(self) -> None:
        """End the line and show the cursor again."""
        self._live.stop()


class _Notebook:
    """A line in a notebook, replaced in place, so that the output neither grows nor flickers."""

    def __init__(self) -> None:
        show = import_module("IPython.display").display  # there is one, as this is a notebook
        self._handle: Any = show({"text/plain": ""}, raw=True, display_id=True)

    def draw(self, trainer: Trainer, time: str, row: dict[str, float]) -> None:
        """Show the figures."""
        text = f"{_epoch(trainer)}  {time}  {figures(row)}"
        self._handle.update({"text/plain": text}, raw=True)

    def close(self) -> None:
        """Leave the line as it stands."""


def _live_line() -> _Line | None:
    """The live line that can be shown here, if any."""
    if in_notebook():
        return _Notebook()
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return None
    return _Terminal()


def in_notebook() -> bool:
    """Whether this code runs in a Jupyter notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return type(shell).__name__ == "ZMQInteractiveShell"


def figures(row: dict[str, float]) -> str:
    """Say what a row of the history measured.

    >>> figures({"epoch": 1, "loss": 0.25, "validation_loss": 0.5, "seconds": 1.26})
    'loss 0.2500  validation loss 0.5000'
    """
    return "  ".join(
        f"{name.replace('_', ' ')} {value:.4f}"
        for name, value in row.items()
        if name not in ("epoch", "learning_rate", "seconds")
    )


def brief(row: dict[str, float]) -> dict[str, float]:
    """The row with short names, and without training metrics that were validated too.

    >>> brief({"loss": 0.25, "accuracy": 0.5, "validation_loss": 0.5, "validation_accuracy": 0.25})
    {'loss': 0.25, 'val_loss': 0.5, 'val_acc': 0.25}
    """
    return {
        name.replace("validation", "val").replace("accuracy", "acc"): value
        for name, value in row.items()
        if name == "loss" or f"validation_{name}" not in row
    }


def clock(seconds: float) -> str:
    """Write a time as minutes and seconds, or hours too.

    >>> clock(75.2), clock(3675)
    ('1:15', '1:01:15')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _done(trainer: Trainer) -> int:
    """Batches done in the whole run."""
    return trainer.epoch * trainer.batches + trainer.batch


def _epoch(trainer: Trainer) -> str:
    """The epoch at hand, counted from 1; the last one that ended if the run is over."""
    at_hand = trainer.epoch + (not trainer.ending)
    return f"epoch {min(at_hand, trainer.epochs)}/{trainer.epochs}"
