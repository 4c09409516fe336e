"""What a convolutional network of digits sees: its first kernels, and its maps of a digit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streetlight import nn
from streetlight.autograd import no_grad
from streetlight.creation import from_numpy
from streetlight.train.evaluate import evaluating

AT_ONCE, AROUND = 500, 4  # images; pixels shown on each side of what a kernel sees
Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Kernel:
    """A kernel of the first layer.

    Attributes:
        weight: (height, width).
        answers: (digits, height, width): its convolution with some digits.
        patches: (most, height, width): the middles of what excites it most, and what is around.
    """

    weight: Array
    answers: Array
    patches: Array


@dataclass(frozen=True)
class Stage:
    """What one convolution makes of a digit, after pooling and activation.

    Attributes:
        channels: the number of its maps.
        maps: (most, side, side), the strongest ones.
    """

    channels: int
    maps: Array


def strongest_kernels(
    convolution: nn.Conv2d, digits: Array, images: Array, most: int, patches: int
) -> list[Kernel]:
    """The kernels with the largest weights, what they answer to digits, and what excites them.

    Args:
        convolution: the first layer, of one input channel.
        digits: (n, height, width).
        images: (m, height, width), where exciting patches are looked for, at most one in each.
        most: how many kernels.
        patches: how many patches for each.
    """
    weights = convolution.weight.detach().numpy()[:, 0]
    order = (-np.abs(weights).sum(axis=(1, 2))).argsort(kind="stable")[:most]
    answers = _answers(convolution, digits)
    highest, places = _peaks(convolution, images)
    found = []
    for kernel in order:
        chosen = (-highest[:, kernel]).argsort(kind="stable")[:patches]
        around = _around(images[chosen], places[chosen, kernel], convolution)
        found.append(Kernel(weights[kernel], answers[:, kernel], around))
    return found


def _answers(convolution: nn.Conv2d, images: Array) -> Array:
    """The layer's outputs (n, kernels, height, width) for images (n, height, width)."""
    with no_grad():
        return convolution(from_numpy(images[:, None])).numpy()


def _peaks(convolution: nn.Conv2d, images: Array) -> tuple[Array, NDArray[np.int64]]:
    """For each image and kernel the highest answer, and its place in the map: (m, kernels)."""
    highest, places = [], []
    for start in range(0, len(images), AT_ONCE):
        answers = _answers(convolution, images[start : start + AT_ONCE])
        flat = answers.reshape(*answers.shape[:2], -1)
        highest.append(flat.max(axis=2))
        places.append(flat.argmax(axis=2))
    return np.concatenate(highest), np.concatenate(places)


def _around(images: Array, places: NDArray[np.int64], convolution: nn.Conv2d) -> Array:
    """What a kernel sees at a place of its map in each image, with `AROUND` pixels around it."""
    size, padding = convolution.kernel_size[0], convolution.padding[0]
    width = images.shape[2] + 2 * padding - size + 1
    edge = AROUND + padding
    padded = np.pad(images, ((0, 0), (edge, edge), (edge, edge)))
    side = size + 2 * AROUND
    corners = [divmod(int(place), width) for place in places]
    return np.stack([
        image[top : top + side, left : left + side]
        for image, (top, left) in zip(padded, corners, strict=True)
    ])  # fmt: skip


def stages(model: nn.Module, digit: Array, most: int) -> list[Stage]:
    """What each convolution of a network makes of a digit (height, width), in order."""
    found, x, convolved = [], from_numpy(digit[None, None]), False
    layers = list(model.named_children())
    following = [name for name, _ in layers[1:]]
    with evaluating(model):
        for (_, layer), after in zip(layers, following, strict=False):
            x, convolved = layer(x), convolved or isinstance(layer, nn.Conv2d)
            if convolved and after.startswith(("conv", "features")):
                found.append(_strongest_maps(x.numpy()[0], most))
    return found


def _strongest_maps(maps: Array, most: int) -> Stage:
    order = (-np.abs(maps).mean(axis=(1, 2))).argsort(kind="stable")[:most]
    return Stage(len(maps), maps[order])
