"""What an encoder has learnt, in figures and in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streetlight import nn
from streetlight.datasets import LabelledImages
from streetlight.projects.representation.probes import (
    Features,
    Labels,
    features,
    linear_probe,
    nearest,
    verification_auc,
    vote,
)
from streetlight.projects.words import percent, plural

NEIGHBOURS, UPDATES = 10, 2_000  # of the vote, and of the probe's training


@dataclass(frozen=True)
class Findings:
    """How well frozen features tell which digit a picture shows.

    Attributes:
        probe: share of test digits that a linear layer on the features names rightly.
        neighbours: the same for a vote of the 10 nearest training digits.
        auc: area under the ROC of "do two pictures show the same digit?".
        labels: how many labelled digits probe and neighbours were given.
    """

    probe: float
    neighbours: float
    auc: float
    labels: int

    def rows(self, untrained: Findings | None = None) -> list[str]:
        """The figures in lines, beside those of an untrained encoder if they are given."""
        names = {
            "linear probe": percent(self.probe),
            f"{NEIGHBOURS} nearest neighbours": percent(self.neighbours),
            "same digit or not (ROC AUC)": f"{self.auc:.4f}",
        }
        if untrained is None:
            return [f"{name:<29}{ours:>8}" for name, ours in names.items()]
        others = [percent(untrained.probe), percent(untrained.neighbours), f"{untrained.auc:.4f}"]
        lines = [f"{'frozen features, test digits':<29}{'learnt':>8}{'untrained':>11}"]
        for (name, ours), other in zip(names.items(), others, strict=True):
            lines.append(f"{name:<29}{ours:>8}{other:>11}")
        return lines


@dataclass(frozen=True)
class Frozen:
    """The features that an encoder has for known and for asked pictures, and their digits.

    Attributes:
        known, labels: (n, features) and (n,) of the pictures whose labels may be used.
        asked, true: (m, features) and (m,) of the others, which nothing has learnt from.
    """

    known: Features
    labels: Labels
    asked: Features
    true: Labels

    @classmethod
    def of(cls, encoder: nn.Module, train: LabelledImages, test: LabelledImages) -> Frozen:
        """Ask an encoder about all pictures, once."""
        known, asked = (features(encoder, part.images.numpy()) for part in (train, test))
        return cls(known, train.labels.numpy(), asked, test.labels.numpy())


def find(frozen: Frozen, embeddings: Features | None = None) -> Findings:
    """Measure an encoder by its frozen features.

    Args:
        frozen: the features.
        embeddings: (m, D) what is compared in pairs of those asked; the features if not given.
    """
    places, cosines = nearest(frozen.asked, frozen.known, NEIGHBOURS)
    said = linear_probe(frozen.known, frozen.labels, frozen.asked, UPDATES)
    return Findings(
        probe=float(np.mean(said == frozen.true)),
        neighbours=float(np.mean(vote(frozen.labels[places], cosines) == frozen.true)),
        auc=verification_auc(frozen.asked if embeddings is None else embeddings, frozen.true),
        labels=len(frozen.labels),
    )


def told(uses_labels: bool, found: Findings) -> str:
    """Say who was given labels, and who was not."""
    given = f"the probe and the neighbours know {plural(found.labels, 'label')}"
    if uses_labels:
        return f"The encoder was told the digits while it learnt; {given} too."
    return f"The encoder has seen no label; {given}, as their answers need names."
