"""What all projects do around a Trainer."""

from __future__ import annotations

import pytest
from threadpoolctl import threadpool_info

from streetlight import nn
from streetlight.projects.training import fitting_threads


def blas_threads():
    """How many threads each BLAS that is loaded has."""
    loaded = threadpool_info()
    return [library["num_threads"] for library in loaded if library["user_api"] == "blas"]


@pytest.mark.parametrize(("units", "small"), [(100, True), (1_000, False)])
def test_small_models_learn_with_one_thread(units, small):
    before = blas_threads()
    with fitting_threads(nn.Linear(256, units)):
        assert blas_threads() == ([1] * len(before) if small else before)
    assert blas_threads() == before
