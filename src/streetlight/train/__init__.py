"""Training: the loop, what can be hooked into it, what it measures, and how a run survives."""

from streetlight.train.averaging import ExponentialMovingAverage
from streetlight.train.callbacks import Callback, Checkpoint, EarlyStopping
from streetlight.train.history import History
from streetlight.train.metrics import MSE, R2, Accuracy, ConfusionMatrix, TopK
from streetlight.train.progress import Progress
from streetlight.train.running import Metric
from streetlight.train.trainer import Trainer

__all__ = [
    "MSE",
    "R2",
    "Accuracy",
    "Callback",
    "Checkpoint",
    "ConfusionMatrix",
    "EarlyStopping",
    "ExponentialMovingAverage",
    "History",
    "Metric",
    "Progress",
    "TopK",
    "Trainer",
]
