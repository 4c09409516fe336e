"""The real data sets: `digits()` comes with the package, `mnist()` is downloaded and kept.

`available`, `status`, `get` and `verify` look after their files. `ImageFolder` reads pictures of
your own.
"""

from streetlight.datasets.folder import ImageFolder
from streetlight.datasets.handwriting import LabelledImages, digits, mnist
from streetlight.datasets.registry import DatasetInfo, available, get, lookup, status, verify

__all__ = [
    "DatasetInfo", "ImageFolder", "LabelledImages", "available", "digits", "get", "lookup",
    "mnist", "status", "verify",
]  # fmt: skip
