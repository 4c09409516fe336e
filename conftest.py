"""What all tests share: the names that examples in docstrings use, and a plotting backend."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("MPLBACKEND", "Agg")  # draw into files, with or without a screen


@pytest.fixture(autouse=True)
def _names_in_examples(doctest_namespace: dict[str, Any]) -> None:
    import streetlight as sl

    doctest_namespace |= {
        "np": np, "sl": sl, "nn": sl.nn, "optim": sl.optim, "F": sl.nn.functional
    }  # fmt: skip
