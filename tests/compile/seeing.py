"""Calls of the layers and functions of networks that see, and of losses of embeddings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.compile.programs import labels, numbers

import streetlight as sl
from streetlight import nn
from streetlight.nn import functional as F

Cases = dict[str, list[tuple[Callable[..., Any], Callable[[], Any]]]]


def pictures(*shape: int) -> Callable[[], Any]:
    """Small numbers: the gradients of many large ones would make a layer diverge in three steps."""
    return lambda: [numbers(*(shape or (2, 4, 6, 7))) / 8]


def embeddings(count: int) -> Callable[[], Any]:
    return lambda: [numbers(6, 3, seed=seed) for seed in range(count)]


def with_labels() -> Any:
    return [numbers(6, 3), labels(6, 3)]


LAYERS: Cases = {
    "Conv1d": [(lambda: nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), pictures(2, 4, 9))],
    "Conv2d": [
        (lambda: nn.Conv2d(4, 3, 3, padding="same"), pictures()),
        (lambda: nn.Conv2d(4, 8, (2, 3), (2, 1), (1, 0), groups=4, bias=False), pictures()),
        (lambda: nn.Conv2d(4, 3, 2, dilation=2), pictures(4, 6, 7)),
    ],
    "ConvTranspose1d": [(lambda: nn.ConvTranspose1d(4, 2, 3, stride=2), pictures(2, 4, 5))],
    "ConvTranspose2d": [
        (lambda: nn.ConvTranspose2d(4, 3, 3, 2, 1, output_padding=1), pictures()),
        (lambda: nn.ConvTranspose2d(4, 4, (1, 2), groups=2), pictures()),
    ],
    "Unfold": [(lambda: nn.Unfold((2, 3), padding=1, stride=2), pictures())],
    "Fold": [(lambda: nn.Fold((3, 4), 2), pictures(2, 8, 6))],
    "Unflatten": [(lambda: nn.Unflatten(1, (2, 2)), pictures())],
    "BatchNorm2d": [
        (lambda: nn.BatchNorm2d(4), lambda: [numbers(2, 4, 3, 1)]),
        (lambda: nn.BatchNorm2d(4, affine=False, track_running_stats=False),
         lambda: [numbers(2, 4, 3, 1)]),
    ],
    "GroupNorm": [(lambda: nn.GroupNorm(2, 4), lambda: [numbers(2, 4, 3, 1)])],
    "Dropout1d": [(lambda: nn.Dropout1d(0.5), pictures(3, 4, 5))],
    "Dropout2d": [(lambda: nn.Dropout2d(0.5), pictures())],
    "MaxPool1d": [(lambda: nn.MaxPool1d(3, 2, 1), pictures(2, 4, 7))],
    "MaxPool2d": [
        (lambda: nn.MaxPool2d(2), pictures()),
        (lambda: nn.MaxPool2d(3, 2, 1, ceil_mode=True), pictures()),
    ],
    "AvgPool1d": [(lambda: nn.AvgPool1d(2), pictures(2, 4, 7))],
    "AvgPool2d": [
        (lambda: nn.AvgPool2d(2), pictures()),
        (lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False), pictures()),
    ],
    "AdaptiveAvgPool1d": [(lambda: nn.AdaptiveAvgPool1d(3), pictures(2, 4, 7))],
    "AdaptiveAvgPool2d": [
        (lambda: nn.AdaptiveAvgPool2d(1), pictures()),
        (lambda: nn.AdaptiveAvgPool2d((4, 3)), pictures()),
    ],
    "AdaptiveMaxPool1d": [(lambda: nn.AdaptiveMaxPool1d(3), pictures(2, 4, 7))],
    "AdaptiveMaxPool2d": [(lambda: nn.AdaptiveMaxPool2d((4, 3)), pictures())],
    "Upsample": [
        (lambda: nn.Upsample(scale_factor=2.0), pictures()),
        (lambda: nn.Upsample(size=(5, 9), mode="bilinear"), pictures()),
    ],
    "TripletMarginLoss": [(nn.TripletMarginLoss, embeddings(3))],
    "SemiHardTripletLoss": [(nn.SemiHardTripletLoss, with_labels)],
    "ContrastiveLoss": [(nn.ContrastiveLoss, lambda: [*embeddings(2)(), labels(6, 2)])],
    "NTXentLoss": [(nn.NTXentLoss, embeddings(2))],
    "SupConLoss": [(nn.SupConLoss, with_labels)],
}  # fmt: skip

CALLS: Cases = {
    "conv1d": [(F.conv1d, lambda: [numbers(2, 3, 7), numbers(4, 3, 2), numbers(4)])],
    "conv2d": [
        (lambda x, w: F.conv2d(x, w, stride=2, padding=1),
         lambda: [numbers(2, 3, 5, 6), numbers(4, 3, 3, 2)]),
    ],
    "conv_transpose1d": [(F.conv_transpose1d, lambda: [numbers(2, 3, 5), numbers(3, 2, 4)])],
    "conv_transpose2d": [
        (lambda x, w: F.conv_transpose2d(x, w, stride=2),
         lambda: [numbers(2, 3, 3, 4), numbers(3, 2, 2, 3)]),
    ],
    "unfold": [(lambda x: F.unfold(x, 2, dilation=2), pictures())],
    "fold": [(lambda x: F.fold(x, (5, 4), (2, 3), padding=(0, 1), stride=2), pictures(2, 12, 4))],
    "group_norm": [(lambda x: F.group_norm(x, 2), lambda: [numbers(2, 4, 3)])],
    "dropout1d": [(lambda x: F.dropout1d(x, 0.3), pictures(3, 4, 5))],
    "dropout2d": [(lambda x: F.dropout2d(x, 0.3), pictures())],
    "max_pool1d": [(lambda x: F.max_pool1d(x, 2), pictures(2, 4, 7))],
    "max_pool2d": [(lambda x: F.max_pool2d(x, (2, 3), 1), pictures())],
    "avg_pool1d": [(lambda x: F.avg_pool1d(x, 3, 2, 1), pictures(2, 4, 7))],
    "avg_pool2d": [(lambda x: F.avg_pool2d(x, (2, 3)), pictures())],
    "adaptive_avg_pool1d": [(lambda x: F.adaptive_avg_pool1d(x, 2), pictures(2, 4, 7))],
    "adaptive_avg_pool2d": [(lambda x: F.adaptive_avg_pool2d(x, (3, 1)), pictures())],
    "adaptive_max_pool1d": [(lambda x: F.adaptive_max_pool1d(x, 2), pictures(2, 4, 7))],
    "adaptive_max_pool2d": [(lambda x: F.adaptive_max_pool2d(x, (3, 2)), pictures())],
    "interpolate": [
        (lambda x: F.interpolate(x, (9, 4)), pictures()),
        (lambda x: F.interpolate(x, scale_factor=1.5, mode="linear", align_corners=True),
         pictures(2, 4, 6)),
    ],
    "triplet_margin_loss": [
        (lambda *x: F.triplet_margin_loss(*x, swap=True, reduction="none"), embeddings(3)),
    ],
    "semi_hard_triplet_loss": [(F.semi_hard_triplet_loss, with_labels)],
    "contrastive_loss": [
        (lambda x, y: F.contrastive_loss(x, y, sl.arange(6) % 2, 2.0), embeddings(2)),
    ],
    "nt_xent_loss": [(F.nt_xent_loss, embeddings(2))],
    "supervised_contrastive_loss": [(F.supervised_contrastive_loss, with_labels)],
}  # fmt: skip
