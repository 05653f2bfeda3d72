"""Augmentations by name: those of the papers, those of earlier projects, and the laptop's."""

from __future__ import annotations

from dataclasses import replace

from facelab.augment.augmentation import Augmentation

#: Normalisation only.
PLAIN = Augmentation()

#: Supervised training on small faces with few photographs each: a little of everything that leaves a person recognisable.
CLASSIFIER = Augmentation(flip_p=0.5, degrees=6, translate=0.06, scale=(0.92, 1.08), brightness=0.2, contrast=0.2)

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
SIMCLR_SMALL = replace(SIMCLR, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, blur_p=0.0)

#: SupCon on CIFAR (arXiv 2004.11362, and its code): as SimCLR there, with larger crops. Cheap enough for a laptop.
SUPCON = replace(SIMCLR_SMALL, crop_scale=(0.2, 1.0))

#: MoCo v2 (arXiv 2003.04297, and its code).
MOCO_V2 = replace(SUPCON, blur_p=0.5)

#: VICReg (arXiv 2105.04906, and its code), without the solarisation of some views.
VICREG = replace(SIMCLR, brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1)

#: The mirror image alone.
FLIP = Augmentation(flip_p=0.5)

#: The founding project's MoCo (UPC 2022, its code): every view is jittered and blurred by a kernel of 3 pixels.
UPC_MOCO = Augmentation(
    crop_scale=(0.08, 1.0),
    flip_p=0.5,
    brightness=0.3,
    contrast=0.3,
    saturation=0.3,
    hue=0.3,
    grey_p=0.2,
    blur_p=1.0,
    blur_sigma=(0.5, 2.0),
    blur_kernel=0.01,
)

#: The copies of the bias project (Jones and Walker 2021): resize and crop, flip, blur, colour, noise, holes. How strong they
#: were is not told.
COPIES = Augmentation(
    crop_scale=(0.5, 1.0),
    flip_p=0.5,
    degrees=10,
    brightness=0.4,
    contrast=0.4,
    saturation=0.3,
    blur_p=0.3,
    noise=0.04,
    erase_p=0.5,
    erase_scale=(0.02, 0.1),
)

PRESETS = {
    "plain": PLAIN,
    "classifier": CLASSIFIER,
    "simclr": SIMCLR,
    "simclr_small": SIMCLR_SMALL,
    "moco_v2": MOCO_V2,
    "supcon": SUPCON,
    "vicreg": VICREG,
    "flip": FLIP,
    "upc_moco": UPC_MOCO,
    "copies": COPIES,
}
