"""Small trained-looking methods for tests of what is exported, and the numbers that they should give."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torchvision.models.resnet import Bottleneck

from facelab.augment import PRESETS, Augmentation, as_batch
from facelab.backbones import backbone
from facelab.methods import METHODS, StoredMethod, new_method

SMALL = {
    "classifier": {"hidden": "6,5"},
    "supcon": {"projection": "6"},
    "moco": {"projection": "6", "queue": "8"},
    "simclr": {"projection": "6", "hidden": "9"},
    "vicreg": {"expander": "6,5"},
    "vcl": {"dimension": "3"},
    "margin": {"loss": "arcface", "dimension": "7"},
}


def stored_method(
    name: str = "classifier",
    network: str = "resnet10",
    channels: int = 1,
    side: int = 24,
    augmentation: Augmentation | None = None,
    width: int = 8,
    stem: str | None = None,
    seed: int = 0,
) -> StoredMethod:
    """A method of random weights whose batch norms have the statistics of some noise: its numbers are of a usual size."""
    torch.manual_seed(seed)
    augmentation = augmentation or PRESETS[METHODS[name].augmentation]
    method = new_method(name, backbone(network, channels, width=width, stem=stem), augmentation, SMALL[name], 4)
    for module in method.modules():
        if isinstance(module, Bottleneck):  # else 101 layers of random numbers amplify the last bit of a float
            nn.init.constant_(module.bn3.weight, 0.2)
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = None  # the mean of all batches: of this one
    with torch.no_grad():
        method.train().embed(torch.randn(8, channels, side, side))
    return StoredMethod(method.eval(), name, side, 4, dict(SMALL[name]))


def noise(count: int, side: int, channels: int = 1, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, channels), dtype=np.uint8)


@torch.no_grad()
def embeddings_of(stored: StoredMethod, images: np.ndarray) -> np.ndarray:
    """As the method itself gives them, float32 (N, D)."""
    return stored.method.embed(stored.method.augmentation.preprocess(as_batch(images))).numpy()


def as_input(images: np.ndarray) -> np.ndarray:
    """What ``model.onnx`` takes: float32 (N, C, H, W)."""
    return images.transpose(0, 3, 1, 2).astype(np.float32)


def relative_difference(found: np.ndarray, expected: np.ndarray) -> float:
    assert found.shape == expected.shape
    return float(np.abs(found - expected).max() / np.abs(expected).max())
