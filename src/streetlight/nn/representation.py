"""Losses for embeddings as modules; the formulas and errors are told in `functional`.

>>> nn.NTXentLoss(temperature=0.2)
NTXentLoss(temperature=0.2)
"""

from __future__ import annotations

import streetlight.functional.representation as F
from streetlight.nn.functional_modules import FunctionalModule


class TripletMarginLoss(FunctionalModule, function=F.triplet_margin_loss):
    """max(0, d(a, p) − d(a, n) + margin); see `functional.triplet_margin_loss`."""

    margin: float = 1.0
    p: float = 2.0
    eps: float = 1e-6
    swap: bool = False
    reduction: str = "mean"

    def extra_repr(self) -> str:
        """Say nothing, as PyTorch has it."""
        return ""


class SemiHardTripletLoss(FunctionalModule, function=F.semi_hard_triplet_loss):
    """Triplets of a batch with labels, as FaceNet does; see `functional.semi_hard_triplet_loss`."""

    margin: float = 0.2


class ContrastiveLoss(FunctionalModule, function=F.contrastive_loss):
    """t · d²/2 + (1 − t) · max(0, margin − d)²/2; see `functional.contrastive_loss`."""

    margin: float = 1.0
    reduction: str = "mean"


class NTXentLoss(FunctionalModule, function=F.nt_xent_loss):
    """Find the other view among the batch, without labels; see `functional.nt_xent_loss`."""

    temperature: float = 0.5


class SupConLoss(FunctionalModule, function=F.supervised_contrastive_loss):
    """Find those of the same class; see `functional.supervised_contrastive_loss`."""

    temperature: float = 0.1
