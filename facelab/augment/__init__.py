"""A batch of uint8 photographs to one or two augmented, normalised views: one tensor pass, parameters per sample."""

from facelab.augment.augmentation import Augmentation, as_batch, one_view, two_views
from facelab.augment.parameters import Parameters
from facelab.augment.presets import CLASSIFIER, MOCO_V2, PLAIN, PRESETS, SIMCLR, SIMCLR_SMALL, SUPCON, VICREG

__all__ = [
    "CLASSIFIER",
    "MOCO_V2",
    "PLAIN",
    "PRESETS",
    "SIMCLR",
    "SIMCLR_SMALL",
    "SUPCON",
    "VICREG",
    "Augmentation",
    "Parameters",
    "as_batch",
    "one_view",
    "two_views",
]
