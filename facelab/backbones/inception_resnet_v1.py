"""Inception-ResNet-v1 (Szegedy et al., arXiv 1602.07261, figures 10 to 14) with the changes of Sandberg's facenet.

The changes: 'valid' padding throughout the stem and the reductions, 35-17-8 blocks repeated 5-10-5 times with residuals
scaled by 0.17, 0.10 and 0.20, one more block without its last ReLU, and a linear bottleneck with batch norm in place of
the classifier. Modules are named as in facenet-pytorch, whose public weights fit.
"""

from __future__ import annotations

import torch
from torch import nn

DROPOUT = 0.6  #: before the bottleneck, as Sandberg trained the published models (keep probability 0.4)


class ConvBN(nn.Module):
    """Convolution without bias, batch norm, ReLU; stride-1 convolutions of branches keep the size (``padding``)."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, inputs, H, W) to (N, outputs, H', W')."""
        return self.relu(self.bn(self.conv(x)))


class Branches(nn.Module):
    """Modules side by side on the same input, their outputs one after the other along the channels."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.count = len(branches)
        for number, branch in enumerate(branches):
            self.add_module(f"branch{number}", branch)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (N, sum of the branches' channels, H', W')."""
        return torch.cat([getattr(self, f"branch{number}")(x) for number in range(self.count)], dim=1)


class Residual(Branches):
    """x + scale * conv1x1(branches(x)), then ReLU unless it is the network's last block."""

    def __init__(self, channels: int, inner: int, scale: float, *branches: nn.Module, relu: bool = True) -> None:
        super().__init__(*branches)
        self.conv2d = nn.Conv2d(inner, channels, 1)
        self.scale = scale
        self.relu = nn.ReLU(inplace=True) if relu else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, channels, H, W) to the same shape."""
        return self.relu(x + self.scale * self.conv2d(super().forward(x)))


def block35(channels: int, c: int) -> Residual:
    """Inception-ResNet-A; ``c`` channels a branch."""
    one = ConvBN(channels, c, 1)
    three = nn.Sequential(ConvBN(channels, c, 1), ConvBN(c, c, 3, padding=1))
    five = nn.Sequential(ConvBN(channels, c, 1), ConvBN(c, c, 3, padding=1), ConvBN(c, c, 3, padding=1))
    return Residual(channels, 3 * c, 0.17, one, three, five)


def _cross(channels: int, c: int, length: int) -> tuple[nn.Module, nn.Module]:
    """A 1x1 branch and a 1xlength, lengthx1 branch."""
    half = length // 2
    long = nn.Sequential(
        ConvBN(channels, c, 1),
        ConvBN(c, c, (1, length), padding=(0, half)),
        ConvBN(c, c, (length, 1), padding=(half, 0)),
    )
    return ConvBN(channels, c, 1), long


def block17(channels: int, c: int) -> Residual:
    """Inception-ResNet-B; ``c`` channels a branch."""
    return Residual(channels, 2 * c, 0.10, *_cross(channels, c, 7))


def block8(channels: int, c: int, last: bool = False) -> Residual:
    """Inception-ResNet-C; ``c`` channels a branch. The last one has scale 1 and no ReLU."""
    return Residual(channels, 2 * c, 1.0 if last else 0.20, *_cross(channels, c, 3), relu=not last)


class InceptionResNetV1(nn.Module):
    """facenet's network: 512 features at width 64, not normalised (facenet normalises them to unit length after it).

    Args:
        in_channels: channels of the photographs.
        width: all channels are scaled by width / 64.
        stem: "imagenet" (as published, at least 75 px), "small" (without the stem's max pooling, at least 39 px) or
            "cifar" (without it and with a first stride of 1, at least 21 px).
    """

    def __init__(self, in_channels: int, width: int, stem: str) -> None:
        super().__init__()

        def c(channels: int) -> int:
            return channels * width // 64

        self.conv2d_1a = ConvBN(in_channels, c(32), 3, stride=1 if stem == "cifar" else 2)
        self.conv2d_2a = ConvBN(c(32), c(32), 3)
        self.conv2d_2b = ConvBN(c(32), c(64), 3, padding=1)
        self.maxpool_3a = nn.MaxPool2d(3, stride=2) if stem == "imagenet" else nn.Identity()
        self.conv2d_3b = ConvBN(c(64), c(80), 1)
        self.conv2d_4a = ConvBN(c(80), c(192), 3)
        self.conv2d_4b = ConvBN(c(192), c(256), 3, stride=2)
        self.repeat_1 = nn.Sequential(*(block35(c(256), c(32)) for _ in range(5)))
        self.mixed_6a = Branches(
            ConvBN(c(256), c(384), 3, stride=2),
            nn.Sequential(
                ConvBN(c(256), c(192), 1), ConvBN(c(192), c(192), 3, padding=1), ConvBN(c(192), c(256), 3, stride=2)
            ),
            nn.MaxPool2d(3, stride=2),
        )
        self.repeat_2 = nn.Sequential(*(block17(c(896), c(128)) for _ in range(10)))
        self.mixed_7a = Branches(
            nn.Sequential(ConvBN(c(896), c(256), 1), ConvBN(c(256), c(384), 3, stride=2)),
            nn.Sequential(ConvBN(c(896), c(256), 1), ConvBN(c(256), c(256), 3, stride=2)),
            nn.Sequential(
                ConvBN(c(896), c(256), 1), ConvBN(c(256), c(256), 3, padding=1), ConvBN(c(256), c(256), 3, stride=2)
            ),
            nn.MaxPool2d(3, stride=2),
        )
        self.repeat_3 = nn.Sequential(*(block8(c(1792), c(192)) for _ in range(5)))
        self.block8 = block8(c(1792), c(192), last=True)
        self.avgpool_1a = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(DROPOUT)
        self.last_linear = nn.Linear(c(1792), c(512), bias=False)
        self.last_bn = nn.BatchNorm1d(c(512), eps=1e-3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (N, 8 width)."""
        x = self.maxpool_3a(self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(x))))
        x = self.conv2d_4b(self.conv2d_4a(self.conv2d_3b(x)))
        x = self.repeat_2(self.mixed_6a(self.repeat_1(x)))
        x = self.block8(self.repeat_3(self.mixed_7a(x)))
        x = self.dropout(self.avgpool_1a(x).flatten(1))
        return self.last_bn(self.last_linear(x))
