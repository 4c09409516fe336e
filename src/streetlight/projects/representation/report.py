"""What a run of an encoder leaves in its folder besides model and history: pictures and a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streetlight.datasets import LabelledImages
from streetlight.interop import atomic_write
from streetlight.projects.comparison import INSTALL
from streetlight.projects.pictures import save_figure
from streetlight.projects.representation import drawings
from streetlight.projects.representation.efficiency import PROBED, SCRATCH
from streetlight.projects.representation.findings import Frozen
from streetlight.projects.representation.probes import Features, nearest
from streetlight.projects.words import percent

SHOWN, STRIP, MAPPED = 10, 9, 2_000


def leave_map(folder: Path, frozen: Frozen) -> str:
    """Leave map.png, the first 2,000 test digits in two dimensions; without scikit-learn say why.

    Returns:
        A line for the user, empty if the picture was drawn.
    """
    points = in_two_dimensions(frozen.asked[:MAPPED])
    if points is None:
        return f"no map.png, for want of scikit-learn: {INSTALL}"
    title = "What the encoder finds alike lies together"
    note = f"{len(points):,} test digits, their features brought to two dimensions by t-SNE"
    figure = drawings.embedding_map(points, frozen.true[:MAPPED], title, note)
    save_figure(figure, folder / "map.png")
    return ""


def in_two_dimensions(rows: Features) -> NDArray[np.float32] | None:
    """Places (N, 2) in which neighbours stay neighbours, by t-SNE; None without scikit-learn.

    Source: van der Maaten and Hinton, Visualizing data using t-SNE, JMLR 9, 2008.
    """
    try:
        from sklearn.manifold import TSNE
    except ImportError:
        return None
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    perplexity = min(30.0, (len(rows) - 1) / 3)
    places: NDArray[np.float32] = TSNE(perplexity=perplexity, random_state=0).fit_transform(unit)
    return places


def leave_neighbours(
    folder: Path, frozen: Frozen, train: LabelledImages, test: LabelledImages
) -> None:
    """Leave neighbours.png: the first test digit of each kind, and what is nearest to it."""
    chosen = np.unique(frozen.true, return_index=True)[1]
    true = frozen.true[chosen]
    asked, pictures = test.images.numpy()[chosen], train.images.numpy()
    places, _ = nearest(frozen.asked[chosen], frozen.known, STRIP)
    names = frozen.labels[places]
    right = int((names == true[:, None]).sum())
    title = f"{right} of {names.size} nearest neighbours are the same digit"
    figure = drawings.neighbour_strips(asked[:, 0], true, pictures[places][:, :, 0], names, title)
    save_figure(figure, folder / "neighbours.png")


def leave_efficiency(
    folder: Path, counts: Sequence[int], found: Mapping[str, NDArray[np.float64]]
) -> str:
    """Leave labels.csv and labels.png, and say in a line what 100 labels give (or the middle)."""
    lines = ["labels,draw," + ",".join(f'"{way}"' for way in found)]
    for place, count in enumerate(counts):
        for draw, row in enumerate(np.stack(list(found.values()), axis=1)[:, :, place]):
            lines.append(f"{count},{draw}," + ",".join(f"{share:.4f}" for share in row))
    with atomic_write(folder / "labels.csv") as file:
        file.write("\n".join([*lines, ""]).encode())
    place = len(counts) // 2
    probed, scratch = (float(found[way][:, place].mean()) for way in (PROBED, SCRATCH))
    told = f"{percent(probed)}, the same network from scratch {percent(scratch)}"
    figure = drawings.efficiency_curves(counts, found, f"{counts[place]} labels give {told}")
    save_figure(figure, folder / "labels.png")
    return f"with {counts[place]} labels: a linear probe {told}"
