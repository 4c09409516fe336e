"""The functions have PyTorch's address too."""

from __future__ import annotations

import streetlight.functional
import streetlight.nn.functional as F
from streetlight import nn


def test_nn_functional_has_all_functions():
    assert nn.functional is F
    public = {name for name in vars(streetlight.functional) if not name.startswith("_")}
    functions = {name for name in public if callable(getattr(F, name, None))}
    assert {"relu", "cross_entropy", "layer_norm", "dropout"} <= functions
    for name in functions:
        assert getattr(F, name) is getattr(streetlight.functional, name)
