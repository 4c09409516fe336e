"""Programs that are traced for golden texts: their lines and expressions stand in the texts.

After a change of the trace or of the text, look at the difference that this makes:
`python -m tests.graph.traced_programs` writes all golden texts anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.graph.building import GRAPHS

import streetlight as sl
from streetlight import nn, optim
from streetlight.graph import Graph, trace
from streetlight.nn import functional as F


class Network(nn.Module):
    """Two layers with dropout between them."""

    def __init__(self) -> None:
        self.hidden = nn.Linear(4, 3)
        self.drop = nn.Dropout(0.5)
        self.out = nn.Linear(3, 2, bias=False)

    def forward(self, x: Any) -> Any:
        """Give scores (N, 2)."""
        return self.out(self.drop(self.hidden(x).tanh()))


def training_step() -> Graph:
    """Forward, backward, update with momentum, and a draw of a mask."""
    model = Network()
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    step(sl.zeros(5, 4), sl.zeros(5).long())  # makes the optimiser's state
    return trace(step, sl.zeros(5, 4), sl.zeros(5).long())


def batch_norm() -> Graph:
    """Buffers that are updated."""
    norm = nn.BatchNorm1d(3)
    return trace(norm, sl.zeros(4, 3))


def changes_in_place() -> Graph:
    """State that is changed through views, constants, and indices."""
    total = sl.zeros(2, 3)
    scale = sl.tensor([0.5, 1.0, 2.0])

    def add(x: Any, rows: Any, factor: float) -> Any:
        total[0].add_(x[rows].sum(0) * scale, alpha=factor)
        total[:, ::-1].mul_(sl.tensor([1.0, -1.0, 0.0]))
        return total * 2, {"mean": total.mean()}

    return trace(add, sl.zeros(4, 3), sl.tensor([0, 1, 1]), 0.5)


TRACED = [training_step, batch_norm, changes_in_place]

if __name__ == "__main__":
    for make in (*GRAPHS, *TRACED):
        golden = Path(__file__).parent / "golden" / f"{make.__name__}.txt"
        golden.write_text(str(make()), encoding="utf-8")
