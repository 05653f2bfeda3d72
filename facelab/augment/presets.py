"""Augmentations by name: those of the papers, and the laptop's."""

from __future__ import annotations

from facelab.augment.augmentation import Augmentation

#: Normalisation only.
PLAIN = Augmentation()

#: Supervised training on aligned faces: a little of everything that a camera does, no blur.
CLASSIFIER = Augmentation(
    crop_scale=(0.7, 1.0),
    crop_ratio=(0.9, 1.1),
    flip_p=0.5,
    degrees=10,
    brightness=0.3,
    contrast=0.3,
    saturation=0.3,
    erase_p=0.25,
    erase_scale=(0.02, 0.15),
)

#: SimCLR at strength 1 on ImageNet (arXiv 2002.05709, appendix A).
SIMCLR = Augmentation(
    crop_scale=(0.08, 1.0),
    flip_p=0.5,
    brightness=0.8,
    contrast=0.8,
    saturation=0.8,
    hue=0.2,
    jitter_p=0.8,
    grey_p=0.2,
    blur_p=0.5,
)

#: SimCLR on CIFAR-10: strength 0.5, no blur (arXiv 2002.05709, appendix B.9).
SIMCLR_SMALL = Augmentation(
    crop_scale=(0.08, 1.0),
    flip_p=0.5,
    brightness=0.4,
    contrast=0.4,
    saturation=0.4,
    hue=0.1,
    jitter_p=0.8,
    grey_p=0.2,
)

#: MoCo v2 (arXiv 2003.04297, and its code).
MOCO_V2 = Augmentation(
    crop_scale=(0.2, 1.0),
    flip_p=0.5,
    brightness=0.4,
    contrast=0.4,
    saturation=0.4,
    hue=0.1,
    jitter_p=0.8,
    grey_p=0.2,
    blur_p=0.5,
)

#: SupCon on CIFAR (arXiv 2004.11362, and its code): MoCo v2's without the blur. Cheap enough for a laptop.
SUPCON = Augmentation(
    crop_scale=(0.2, 1.0),
    flip_p=0.5,
    brightness=0.4,
    contrast=0.4,
    saturation=0.4,
    hue=0.1,
    jitter_p=0.8,
    grey_p=0.2,
)

PRESETS = {
    "plain": PLAIN,
    "classifier": CLASSIFIER,
    "simclr": SIMCLR,
    "simclr_small": SIMCLR_SMALL,
    "moco_v2": MOCO_V2,
    "supcon": SUPCON,
}
