"""Optimisers, which move parameters along their gradients, and learning-rate schedules."""

from streetlight.optim import lr_scheduler
from streetlight.optim.adagrad import Adagrad
from streetlight.optim.adam import Adam, AdamW
from streetlight.optim.optimizer import Optimizer
from streetlight.optim.rmsprop import RMSprop
from streetlight.optim.sgd import SGD

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop", "lr_scheduler"]
