"""What a pretext task shows the network, what the network makes of it, and what is true."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from streetlight import nn
from streetlight.datasets import LabelledImages
from streetlight.projects.pictures import GREY, LINE, new_figure, save_figure
from streetlight.projects.representation.pretext import Pictures, Pretext
from streetlight.train.evaluate import predict

SHOWN, ASKED = 10, 2_000
ROWS = "given", "the network's\nanswer", "true"


def leave_pretext(folder: Path, task: Pretext, model: nn.Module, test: LabelledImages) -> str:
    """Leave pretext.png with some test digits, and say in a line how well the task is solved."""
    images, labels = test[:ASKED]
    inputs, targets = (part.numpy() for part in task.batch(images, labels))
    outputs = predict(model, inputs).numpy()
    score = f"{task.name}: {task.score(inputs, targets, outputs)}"
    first = np.unique(labels.numpy(), return_index=True)[1][:SHOWN]
    answers = task.reveal(inputs[first], targets[first], outputs[first])
    truth = task.truth(inputs[first], targets[first])
    save_figure(draw(inputs[first], answers, truth, score), folder / "pretext.png")
    return score


def draw(inputs: Pictures, answers: Pictures, truth: Pictures, score: str) -> Any:
    """Draw three rows of pictures: what is given, what is answered, what is true.

    Args:
        inputs, answers, truth: (n, 1, height, width), or with 3 channels for colours on black.
        score: the headline.
    """
    columns = len(inputs)
    figure = new_figure(score, "test digits, which were never learnt from", (12, 4.9))
    grid = figure.subplots(3, columns, squeeze=False)
    for row, words, pictures in zip(grid, ROWS, (inputs, answers, truth), strict=True):
        row[0].set_ylabel(words, color=GREY, rotation=0, ha="right", va="center", labelpad=12)
        for axes, picture in zip(row, pictures, strict=True):
            coloured = len(picture) == 3
            shown = picture.transpose(1, 2, 0) if coloured else picture[0]
            axes.imshow(shown, cmap=None if coloured else "gray_r", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
            for spine in axes.spines.values():
                spine.set_color(LINE)
    return figure
