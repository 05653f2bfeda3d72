"""The photographs of a CIFAR: its training, its test, and a part of the training to choose settings by."""

from __future__ import annotations

import numpy as np

from facelab.datasets import FaceSet, load

SIZE = 32
#: of the training photographs of CIFAR-10, each channel by itself
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
HELD_OUT = 5_000  #: of the training photographs, to choose settings by


def load_split(name: str, split: str) -> FaceSet:
    """The training or the test photographs of a CIFAR."""
    faces = load(name, SIZE)
    return faces.subset((faces.attributes["split"] == split).to_numpy())


def hold_out(faces: FaceSet) -> tuple[FaceSet, FaceSet]:
    """Training photographs without ``HELD_OUT`` of them, the same ones at each call, and these."""
    order = np.random.default_rng(123).permutation(len(faces))
    return faces.subset(np.sort(order[HELD_OUT:])), faces.subset(np.sort(order[:HELD_OUT]))
