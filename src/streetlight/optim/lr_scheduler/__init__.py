"""Learning-rate schedules: each `step()` sets the `lr` of an optimiser's parameter groups anew.

Most schedules multiply the present rate by a factor, so that several of them work together on one
optimiser. t is the number of `step()` calls so far, called an epoch after its commonest use.
"""

from streetlight.optim.lr_scheduler.base import LRScheduler
from streetlight.optim.lr_scheduler.decay import (
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    MultiStepLR,
    StepLR,
)
from streetlight.optim.lr_scheduler.one_cycle import OneCycleLR
from streetlight.optim.lr_scheduler.plateau import ReduceLROnPlateau

__all__ = [
    "CosineAnnealingLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "MultiStepLR",
    "OneCycleLR",
    "ReduceLROnPlateau",
    "StepLR",
]
