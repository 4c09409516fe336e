"""The real command line in a process of its own, and pictures of digits as people take them."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

COMMAND = [sys.executable, "-W", "error", "-c", "from streetlight.cli import main; main()"]


@pytest.fixture(scope="session")
def command():
    """How `streetlight` is started."""
    return COMMAND


@pytest.fixture(scope="session")
def streetlight():
    """Run `streetlight` with these words and give what came of it."""

    def run(*words, **options):
        environment = {**os.environ, "COLUMNS": "100", "PYTHONUTF8": "1", **options.pop("env", {})}
        return subprocess.run(
            [*COMMAND, *map(str, words)],
            capture_output=True, encoding="utf-8", env=environment, timeout=300, **options,
        )  # fmt: skip

    return run


@pytest.fixture(scope="session")
def photo():
    """Draw a digit, larger and off the middle, on paper under uneven light, with some grain."""

    def draw(digit, dark_on_light, seed):
        random = np.random.default_rng(seed)
        size = int(random.integers(100, 200))
        pixels = Image.fromarray((digit * 255).astype(np.uint8))
        large = pixels.resize((size, size), Image.Resampling.BICUBIC)
        ink = np.zeros((300, 400))
        top, left = random.integers(0, 300 - size), random.integers(0, 400 - size)
        ink[top : top + size, left : left + size] = np.asarray(large) / 255
        light = np.linspace(1, 0.75, 300)[:, None] * np.linspace(1, 0.85, 400)
        grey = (0.9 - 0.65 * ink) * light if dark_on_light else 0.15 + 0.65 * ink
        grey += random.normal(0, 0.02, grey.shape)
        return Image.fromarray((np.clip(grey, 0, 1) * 255).astype(np.uint8))

    return draw
