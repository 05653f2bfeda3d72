"""A batch of uint8 photographs to one or two augmented, normalised views: one tensor pass, parameters per sample.

Imports from facelab: no other folder.
"""

from facelab.augment.augmentation import Augmentation, as_batch
from facelab.augment.parameters import Parameters
from facelab.augment.presets import CLASSIFIER, COPIES, MOCO_V2, PLAIN, PRESETS, SIMCLR, SIMCLR_SMALL, SUPCON, VICREG
from facelab.augment.views import one_view, two_views

__all__ = [
    "CLASSIFIER",
    "COPIES",
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
