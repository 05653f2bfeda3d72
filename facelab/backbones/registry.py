"""``backbone``: a network by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from facelab.backbones.airbench import Airbench
from facelab.backbones.inception_resnet_v1 import InceptionResNetV1
from facelab.backbones.resnet import ResNet
from facelab.backbones.resnet9 import GRID, AlignedResNet9, ResNet9
from facelab.backbones.vgg import VGG
from facelab.backbones.weights import load_weights
from facelab.backbones.wrapper import Backbone
from facelab.errors import BadParameterError, nearest_name

STEMS = ("imagenet", "small", "cifar")  #: reduce the photograph 4, 2 and 1 times before the first stage


@dataclass(frozen=True)
class RegistryEntry:
    """A network of the registry.

    Attributes:
        build: makes it, from ``in_channels``, ``width`` and ``stem``.
        num_features: length of the embedding at width 64.
        min_sides: for each stem that it can have, the least side of a photograph in pixels.
        width: default.
        stem: default.
    """

    build: Callable[..., nn.Module]
    num_features: int
    min_sides: dict[str, int]
    width: int = 64
    stem: str = "imagenet"


def _resnet(
    block: type[BasicBlock] | type[Bottleneck],
    stages: tuple[int, int, int, int],
    width: int = 64,
    stem: str = "imagenet",
    tiered: bool = False,
) -> RegistryEntry:
    build = partial(ResNet, block, stages, tiered=tiered)
    return RegistryEntry(build, 512 * block.expansion, dict.fromkeys(STEMS, 1), width, stem)


def _vgg(configuration: str, batch_norm: bool) -> RegistryEntry:
    def build(in_channels: int, width: int, stem: str) -> nn.Module:
        return VGG(configuration, batch_norm, in_channels, width)

    return RegistryEntry(build, 512, {"imagenet": 32})


_REGISTRY = {
    "airbench": RegistryEntry(Airbench, 256, {"cifar": 9}, stem="cifar"),
    "resnet9": RegistryEntry(ResNet9, 512, {"cifar": 8, "small": 15}, stem="cifar"),
    "resnet9_aligned": RegistryEntry(AlignedResNet9, 512 * GRID**2, {"cifar": 12, "small": 23}, stem="cifar"),
    # the laptop's: narrow, and small photographs are reduced only twice before the first stage
    "resnet10": _resnet(BasicBlock, (1, 1, 1, 1), width=16, stem="small"),
    "resnet10t": _resnet(BasicBlock, (1, 1, 1, 1), tiered=True),
    "resnet18": _resnet(BasicBlock, (2, 2, 2, 2)),
    "resnet34": _resnet(BasicBlock, (3, 4, 6, 3)),
    # "a 36-layer ResNet" is not one of the published ones: ResNet-34 with one more block in the stage where He et al.
    # put their depth, which makes 36 by their count (first convolution, two in each of 17 blocks, the classifier)
    "resnet36": _resnet(BasicBlock, (3, 4, 7, 3)),
    "resnet50": _resnet(Bottleneck, (3, 4, 6, 3)),
    "resnet101": _resnet(Bottleneck, (3, 4, 23, 3)),
    "vgg11_bn": _vgg("A", batch_norm=True),
    "vgg16": _vgg("D", batch_norm=False),
    "inception_resnet_v1": RegistryEntry(InceptionResNetV1, 512, {"imagenet": 75, "small": 39, "cifar": 21}),
}

BACKBONES = tuple(_REGISTRY)


def backbone(
    name: str,
    in_channels: int = 3,
    *,
    width: int | None = None,
    stem: str | None = None,
    weights: str | Path | None = None,
) -> Backbone:
    """A network by name, channels_last, in training mode.

    Args:
        name: one of ``BACKBONES``.
        in_channels: 1 for grey, 3 for colour.
        width: channels of the first stage, a multiple of 8; None: 64 as published, 16 for the laptop's ``resnet10``.
            The embedding and all other channels scale with it.
        stem: one of ``STEMS``; None: "imagenet" as published, "small" for ``resnet10``, "cifar" for ``resnet9`` and
            ``resnet9_aligned``. VGG has no other, these two "small" besides.
        weights: name of published weights (``PUBLISHED_WEIGHTS``), a file, or None for random ones.

    Returns:
        A module from float (N, in_channels, H, W) to (N, ``num_features``).

    Raises:
        BadParameterError: unknown name or stem, an impossible width, or weights that do not fit.
        DataMissingError: the weights are not on this machine and cannot be downloaded.
    """
    if name not in _REGISTRY:
        raise BadParameterError(
            f"No backbone is called {name!r}.{nearest_name(name, BACKBONES)}", f"There are: {', '.join(BACKBONES)}."
        )
    entry = _REGISTRY[name]
    width, stem = entry.width if width is None else width, stem or entry.stem
    if stem not in entry.min_sides:
        raise BadParameterError(f"{name} has no stem {stem!r}.", f"It has: {', '.join(entry.min_sides)}.")
    if width < 8 or width % 8 or in_channels < 1:
        raise BadParameterError(
            f"{name} cannot have width {width} and {in_channels} channels.", "Give a width of 8, 16, 24 and so on."
        )
    body = entry.build(in_channels=in_channels, width=width, stem=stem).to(memory_format=torch.channels_last)
    num_features = entry.num_features * width // 64
    network = Backbone(name, body, num_features, in_channels, entry.min_sides[stem], width, stem)
    return network if weights is None else load_weights(network, weights)
