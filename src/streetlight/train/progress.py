"""Progress of a run: one live line in a terminal or notebook, one plain line per epoch elsewhere."""

from __future__ import annotations

from streetlight.train.callbacks import Callback


class Progress(Callback):
    """Say how a run goes, in the way that fits where it runs; `Trainer.fit` adds it itself.

    A terminal gets one live line (rich), a notebook one that is updated in place, both at most ten
    times a second; a pipe, a file or CI gets one plain line per epoch. `NO_COLOR` is honoured.
    """

    order = 50
