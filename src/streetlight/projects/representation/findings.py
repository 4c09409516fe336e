"""What an encoder has learnt, in figures and in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streetlight import nn
from streetlight.datasets import LabelledImages
from streetlight.projects.representation.probes import (
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


def find(
    encoder: nn.Module, train: LabelledImages, test: LabelledImages, model: nn.Module | None = None
) -> Findings:
    """Measure an encoder by its frozen features.

    Args:
        encoder: from pictures to features.
        train: whose labels the probe and the neighbours' vote are given.
        test: the pictures that are asked about, which nothing has learnt from.
        model: what gives the embeddings that are compared in pairs; the encoder if not given.
    """
    known, asked = (features(encoder, part.images.numpy()) for part in (train, test))
    labels, true = train.labels.numpy(), test.labels.numpy()
    places, cosines = nearest(asked, known, NEIGHBOURS)
    embeddings = asked if model is None else features(model, test.images.numpy())
    return Findings(
        probe=float(np.mean(linear_probe(known, labels, asked, UPDATES) == true)),
        neighbours=float(np.mean(vote(labels[places], cosines) == true)),
        auc=verification_auc(embeddings, true),
        labels=len(labels),
    )


def told(uses_labels: bool, found: Findings) -> str:
    """Say who was given labels, and who was not."""
    given = f"the probe and the neighbours know {plural(found.labels, 'label')}"
    if uses_labels:
        return f"The encoder was told the digits while it learnt; {given} too."
    return f"The encoder has seen no label; {given}, as their answers need names."
