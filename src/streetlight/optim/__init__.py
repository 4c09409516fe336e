"""Optimisers, which move parameters along their gradients, and learning-rate schedules."""

from streetlight.optim import lr_scheduler, swa_utils
from streetlight.optim.adaptive import Adagrad, Adam, AdamW, RMSprop
from streetlight.optim.optimizer import Optimizer
from streetlight.optim.sgd import SGD

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop", "lr_scheduler", "swa_utils"]
