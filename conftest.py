"""What all tests share: the names that examples in docstrings use, and a plotting backend."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("MPLBACKEND", "Agg")  # draw into files, with or without a screen

TESTS = Path(__file__).parent / "tests"


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out what stands beside the tests to help them; it is imported, not run."""
    helper = collection_path.suffix == ".py" and not collection_path.name.startswith("test_")
    return True if helper and TESTS in collection_path.parents else None


@pytest.fixture(autouse=True)
def _names_in_examples(doctest_namespace: dict[str, Any]) -> None:
    import streetlight as sl

    doctest_namespace |= {
        "np": np, "sl": sl, "nn": sl.nn, "optim": sl.optim, "F": sl.nn.functional
    }  # fmt: skip
