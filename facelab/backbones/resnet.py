"""Residual networks of any width and stem (He et al., 2015), built of torchvision's blocks."""

from __future__ import annotations

import torch
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck, conv1x1

from facelab.backbones.projection import Projection


class ResNet(nn.Module):
    """torchvision's ResNet without its classifier, with other widths and stems; same key names, same initialisation.

    Args:
        block: ``BasicBlock`` or ``Bottleneck``.
        stages: number of blocks in each of the four stages.
        in_channels: channels of the photographs.
        width: channels of the first stage, doubled in each later one; 64 as published.
        stem: "imagenet" (7x7 convolution of stride 2, max pooling of stride 2), "small" (3x3 of stride 2, no pooling)
            or "cifar" (3x3 of stride 1, no pooling).
        tiered: timm's ResNet-T: three 3x3 convolutions in place of the stem's one, the first with its stride, of 3/8,
            1/2 and 1 times the width; and shortcuts that average before they project (ResNet-D, arXiv 1812.01187).
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        stages: tuple[int, int, int, int],
        in_channels: int,
        width: int,
        stem: str,
        tiered: bool = False,
    ) -> None:
        super().__init__()
        stride = 1 if stem == "cifar" else 2
        if tiered:
            self.conv1 = _tiered_stem(in_channels, width, stride)
        else:
            kernel = 7 if stem == "imagenet" else 3
            self.conv1 = nn.Conv2d(in_channels, width, kernel, stride, padding=kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1) if stem == "imagenet" else nn.Identity()
        channels = width
        for number, blocks in enumerate(stages):
            planes = width * 2**number
            stage = _stage(block, channels, planes, blocks, stride=1 if number == 0 else 2, average=tiered)
            self.add_module(f"layer{number + 1}", stage)
            channels = planes * block.expansion
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (N, 8 width block.expansion)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.avgpool(x).flatten(1)


def _tiered_stem(in_channels: int, width: int, stride: int) -> nn.Sequential:
    half = width // 2
    first = 3 * (half // 4)
    return nn.Sequential(
        nn.Conv2d(in_channels, first, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(first),
        nn.ReLU(inplace=True),
        nn.Conv2d(first, half, 3, padding=1, bias=False),
        nn.BatchNorm2d(half),
        nn.ReLU(inplace=True),
        nn.Conv2d(half, width, 3, padding=1, bias=False),
    )


def _stage(
    block: type[BasicBlock] | type[Bottleneck], channels: int, planes: int, blocks: int, stride: int, average: bool
) -> nn.Sequential:
    """``blocks`` blocks, the first of them with the stride and, where the shape changes, a projected shortcut."""
    out = planes * block.expansion
    shortcut = None
    if stride != 1 or channels != out:
        pool = nn.AvgPool2d(stride, ceil_mode=True, count_include_pad=False)
        projection = [pool, conv1x1(channels, out)] if average else [Projection(channels, out, stride)]
        shortcut = nn.Sequential(*projection, nn.BatchNorm2d(out))
    first = block(channels, planes, stride, shortcut)
    return nn.Sequential(first, *(block(out, planes) for _ in range(blocks - 1)))
