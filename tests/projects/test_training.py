"""What all projects do around a Trainer."""

from __future__ import annotations

import pytest
from threadpoolctl import threadpool_info

from streetlight import nn
from streetlight.projects.run_folder import RunFolder
from streetlight.projects.training import drawing, fitting_threads


def blas_threads():
    """How many threads each BLAS that is loaded has."""
    loaded = threadpool_info()
    return [library["num_threads"] for library in loaded if library["user_api"] == "blas"]


@pytest.mark.parametrize(
    ("model", "small"),
    [(nn.Linear(256, 100), True), (nn.Linear(256, 1_000), False), (nn.Conv2d(1, 2, 3), False)],
)
def test_small_models_learn_with_one_thread(model, small):
    before = blas_threads()
    with fitting_threads(model):
        assert blas_threads() == ([1] * len(before) if small else before)
    assert blas_threads() == before


def test_ctrl_c_while_drawing_says_that_the_model_is_saved(tmp_path, capsys):
    run = RunFolder(tmp_path, {"project": "digits", "command": "streetlight train digits"})
    with pytest.raises(KeyboardInterrupt), drawing(run):
        raise KeyboardInterrupt
    assert capsys.readouterr().err == (
        "\nStopped while drawing; the model is saved.\n"
        f"Go on with: streetlight train digits --resume {tmp_path}\n"
    )
