"""Seeded changes of whole batches of pictures, so that a network sees each one ever anew."""

from streetlight.augment.dataset import TransformedDataset
from streetlight.augment.geometric import (
    ElasticTransform,
    RandomAffine,
    RandomCrop,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomRotation,
    RandomVerticalFlip,
    Wobble,
)
from streetlight.augment.mixing import MixUp
from streetlight.augment.pixels import GaussianNoise, RandomErasing
from streetlight.augment.transform import Compose, Transform, TwoViews

__all__ = [
    "Compose",
    "ElasticTransform",
    "GaussianNoise",
    "MixUp",
    "RandomAffine",
    "RandomCrop",
    "RandomErasing",
    "RandomHorizontalFlip",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomVerticalFlip",
    "Transform",
    "TransformedDataset",
    "TwoViews",
    "Wobble",
]
