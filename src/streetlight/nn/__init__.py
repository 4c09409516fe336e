"""Layers, losses and what they are built on, under PyTorch's names."""

from streetlight.nn import functional, init, utils
from streetlight.nn.container import ModuleDict, ModuleList, Sequential
from streetlight.nn.functional_modules import (
    ELU,
    GELU,
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    HuberLoss,
    KLDivLoss,
    L1Loss,
    LeakyReLU,
    LogSoftmax,
    MSELoss,
    NLLLoss,
    ReLU,
    Sigmoid,
    SiLU,
    SmoothL1Loss,
    Softmax,
    Softplus,
    Tanh,
)
from streetlight.nn.layers import (
    BatchNorm1d,
    Dropout,
    Embedding,
    Flatten,
    Identity,
    LayerNorm,
    Linear,
    RMSNorm,
)
from streetlight.nn.members import Buffer, Parameter
from streetlight.nn.module import Module
from streetlight.nn.representation import (
    ContrastiveLoss,
    NTXentLoss,
    SemiHardTripletLoss,
    SupConLoss,
    TripletMarginLoss,
)

__all__ = [
    "ELU", "GELU", "BCELoss", "BCEWithLogitsLoss", "BatchNorm1d", "Buffer", "ContrastiveLoss",
    "CrossEntropyLoss", "Dropout", "Embedding", "Flatten", "HuberLoss", "Identity", "KLDivLoss",
    "L1Loss", "LayerNorm", "LeakyReLU", "Linear", "LogSoftmax", "MSELoss", "Module", "ModuleDict",
    "ModuleList", "NLLLoss", "NTXentLoss", "Parameter", "RMSNorm", "ReLU", "SemiHardTripletLoss",
    "Sequential", "SiLU", "Sigmoid", "SmoothL1Loss", "Softmax", "Softplus", "SupConLoss", "Tanh",
    "TripletMarginLoss", "functional", "init", "utils",
]  # fmt: skip
