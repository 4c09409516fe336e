"""What every project does around a Trainer: fit, keep the best model, write what a run leaves."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from streetlight.interop import atomic_write, save
from streetlight.projects.words import plural
from streetlight.train import Callback, Checkpoint, EarlyStopping

if TYPE_CHECKING:
    from streetlight.nn import Module
    from streetlight.projects.run_folder import RunFolder, RunOptions
    from streetlight.train import Trainer

SMALL = 200_000  # parameters; below, the threads of a matrix product wait more than they work


def learn(
    run: RunFolder,
    trainer: Trainer,
    loader: Iterable[Any],
    validation: Iterable[Any],
    metadata: Mapping[str, str],
    options: RunOptions,
    patience: int | None = None,
    watchers: Sequence[Callback] = (),
) -> int:
    """Fit for the run's epochs, from its checkpoint if it has one, and save the model.

    The model is saved however the run ends. After Ctrl-C or an error it is the best one so far.

    Args:
        run: the folder; `settings["epochs"]` says how long.
        trainer: with the model, the optimiser and the loss.
        loader: the batches to learn from.
        validation: batches to watch the training with.
        metadata: what `evaluate` and `predict` need to build the model again.
        options: whether to be quiet, and what to resume.
        patience: epochs without a lower validation loss before the run stops and goes back to the
            best model; None trains to the end and keeps the last one.
        watchers: further callbacks.

    Returns:
        The epoch whose model is kept.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed; it was said how to resume.
        DivergenceError: the training ran away.
    """
    stopping = [EarlyStopping(patience=patience)] if patience else []
    callbacks = [*stopping, *watchers, Checkpoint(run.checkpoint), _AlreadyDone(options)]
    resume = run.checkpoint if options.resume and run.checkpoint.exists() else None
    whole = False
    try:
        # The first Ctrl-C ends the epoch in peace; it is the second one that arrives here.
        with suppress(KeyboardInterrupt), fitting_threads(trainer.model):
            history = trainer.fit(
                loader, validation, run.settings["epochs"], callbacks, resume, options.quiet
            )
            whole = not history.interrupted
    finally:
        if not whole:
            trainer.restore_best()
        save(trainer.model.state_dict(), run.model, metadata)
    if not whole:
        best = (
            f"best model so far (epoch {trainer.best.epoch})" if trainer.best else "model as it is"
        )
        _say_how_to_resume(run, f"Stopped. Kept the {best} in {run.model}")
        raise KeyboardInterrupt
    return trainer.best.epoch if patience and trainer.best else trainer.epoch


class _AlreadyDone(Callback):
    """Tells those who resume a finished run that nothing is left to learn."""

    def __init__(self, options: RunOptions) -> None:
        self.options = options

    def on_fit_start(self, trainer: Trainer) -> None:
        """Before the first epoch, if there is one."""
        if trainer.stopping or trainer.epoch == trainer.epochs:
            done = plural(trainer.epoch, "epoch")
            self.options.say(
                f"This run is finished, after {done}; only its pictures are made anew."
            )


@contextmanager
def fitting_threads(model: Module) -> Iterator[None]:
    """Within this block the BLAS has one thread if the model is small, or else all it had.

    Compiled steps take over that number. Convolutions are never small: a kernel meets many places.
    """
    from threadpoolctl import threadpool_limits

    weights = list(model.parameters())
    sees = any(weight.ndim > 2 for weight in weights)
    small = not sees and sum(weight.numel() for weight in weights) < SMALL
    with threadpool_limits(1 if small else None, user_api="blas"):
        yield


@contextmanager
def drawing(run: RunFolder) -> Iterator[None]:
    """Around what follows `learn`: after Ctrl-C it says that the model is saved, how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        _say_how_to_resume(run, "Stopped while drawing; the model is saved.")
        raise


def _say_how_to_resume(run: RunFolder, what: str) -> None:
    go_on = f"Go on with: {run.settings['command']} --resume {run.top}"
    print(f"\n{what}\n{go_on}", file=sys.stderr, flush=True)


def finish_run(
    run: RunFolder,
    trainer: Trainer,
    kept: int,
    title: str,
    measures: Sequence[str],
    shape: Sequence[int],
) -> None:
    """Write what every run leaves beside its model: history.csv, curves.png and summary.txt.

    Args:
        run: the folder.
        trainer: after its `fit`.
        kept: the epoch whose model is kept.
        title: the headline of the curves.
        measures: columns of the history to draw, such as "loss" and "accuracy".
        shape: shape of a batch of inputs, for the summary.
    """
    from streetlight.projects.pictures import curves, save_figure

    history = trainer.history
    history.to_csv(run.path / "history.csv")
    save_figure(curves(history.columns, measures, kept, title), run.path / "curves.png")
    with atomic_write(run.path / "summary.txt") as file:
        file.write(f"{trainer.model.summary(shape)}\n".encode())
