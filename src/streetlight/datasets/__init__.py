"""The real data sets: `digits()` comes with the package, `mnist()` is downloaded and kept.

`available`, `status`, `get` and `verify` look after their files.
"""

from streetlight.datasets.handwriting import LabelledImages, digits, mnist
from streetlight.datasets.registry import DatasetInfo, available, get, lookup, status, verify

__all__ = [
    "DatasetInfo", "LabelledImages", "available", "digits", "get", "lookup", "mnist", "status",
    "verify",
]  # fmt: skip
