"""Streetlight: deep learning you can see through, with PyTorch's names on NumPy's arrays."""

import importlib

from streetlight import autograd as autograd
from streetlight import cuda as cuda
from streetlight import datasets as datasets
from streetlight import eager as eager  # carries out operations from here on
from streetlight import errors as errors
from streetlight import nn as nn
from streetlight import optim as optim
from streetlight import utils as utils
from streetlight.autograd import enable_grad as enable_grad
from streetlight.autograd import grad as grad
from streetlight.autograd import is_grad_enabled as is_grad_enabled
from streetlight.autograd import no_grad as no_grad
from streetlight.autograd import set_grad_enabled as set_grad_enabled
from streetlight.compile import compile as compile
from streetlight.creation import *  # noqa: F403
from streetlight.devices import device as device
from streetlight.dtypes import *  # noqa: F403
from streetlight.interop import load as load
from streetlight.interop import load_metadata as load_metadata
from streetlight.interop import save as save
from streetlight.ops import guard as _guard
from streetlight.ops.composed import *  # noqa: F403
from streetlight.ops.elementwise import *  # noqa: F403
from streetlight.ops.indexing import *  # noqa: F403
from streetlight.ops.linalg import *  # noqa: F403
from streetlight.ops.movement import *  # noqa: F403
from streetlight.ops.reduce import *  # noqa: F403
from streetlight.random import Generator as Generator
from streetlight.random import initial_seed as initial_seed
from streetlight.random import manual_seed as manual_seed
from streetlight.tensor import Tensor as Tensor

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name == "graph":  # takes a while to import, and is seldom needed
        return importlib.import_module("streetlight.graph")
    raise AttributeError(f"module 'streetlight' has no attribute {name!r}")


_guard.guard(globals(), __name__)
