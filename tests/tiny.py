"""A method and photographs so small that a training takes a moment: for tests of what is around them."""

import numpy as np
import pandas as pd
import torch
from torch import nn

from facelab.augment import Augmentation
from facelab.backbones import mlp_head
from facelab.datasets import FaceSet
from facelab.methods import VCL, Classifier, Margin, Method, SimCLR, VICReg


class TinyBackbone(nn.Sequential):
    """(N, C, H, W) -> (N, 8), with a batch norm and dropout, so that buffers and random numbers matter."""

    num_features = 8

    def __init__(self, channels: int = 1, norm: bool = True) -> None:
        layers = [nn.Conv2d(channels, 8, 3, stride=2), nn.BatchNorm2d(8) if norm else nn.Identity(), nn.ReLU()]
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2 if norm else 0.0))


def tiny_faces(people: int = 4, shots: int = 12, size: int = 16, seed: int = 0) -> FaceSet:
    """People who differ in their mean grey, under noise: something that can be learned."""
    rng = np.random.default_rng(seed)
    identity = np.repeat(np.arange(people), shots)
    grey = (40 + 180 * identity / people)[:, None, None, None]
    images = np.clip(grey + rng.normal(0, 12, (len(identity), size, size, 1)), 0, 255).astype(np.uint8)
    names = tuple(f"p{number}" for number in range(people))
    table = pd.DataFrame({"file": [f"{names[i]}/{row}.png" for row, i in enumerate(identity)]})
    return FaceSet(images, identity, names, table, source="tiny")


AUGMENTATION = Augmentation(flip_p=0.5, brightness=0.2, degrees=5.0)


def tiny_method(classes: int = 4, seed: int = 0, norm: bool = True) -> Classifier:
    torch.manual_seed(seed)
    method = Classifier(TinyBackbone(norm=norm), AUGMENTATION, classes, hidden=(8, 8))
    if not norm:  # statistics of a batch are a device's own, so nothing that compares devices may have them
        method.head = mlp_head(8, (8, 8, classes))
    return method


def tiny_margin(loss: str, classes: int = 4, seed: int = 0, norm: bool = True, **options) -> Margin:
    torch.manual_seed(seed)
    return Margin(TinyBackbone(norm=norm), AUGMENTATION, classes, loss, dimension=6, **options)


def tiny_contrastive(kind: type[Method], seed: int = 0, norm: bool = True, **options) -> Method:
    """SupCon, MoCo and their like, of a few weights; without ``norm``, no layer looks at the rest of the batch."""
    torch.manual_seed(seed)
    heads = {VICReg: {"expander": (8, 6)}, VCL: {"dimension": 3}}
    sizes = next((size for base, size in heads.items() if issubclass(kind, base)), {"projection": 6})
    method = kind(TinyBackbone(norm=norm), AUGMENTATION, **sizes | options)
    if not norm and issubclass(kind, SimCLR | VICReg | VCL):  # whose heads have batch norms
        method.head = mlp_head(8, (8, 6))
    return method
