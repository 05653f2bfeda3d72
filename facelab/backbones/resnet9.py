"""ResNet-9, a network made for photographs of 32 pixels (Page, How to Train Your ResNet, 2018, after DAWNBench).

It sees them in full resolution in its first layers and halves them by maxima, where a ResNet of He et al. begins with a stride.
For faces of about 48 pixels it has a stem that halves them at once ("small"), a quarter of the work. Where they are aligned, a
relative of it keeps places apart: ``AlignedResNet9``.
"""

from __future__ import annotations

import torch
from torch import nn

GRID = 3  #: parts a side, of the map that ``AlignedResNet9`` ends in


class ResNet9(nn.Module):
    """Eight convolutions of 3x3, two of their pairs bridged by a shortcut; the greatest value over positions comes out.

    Args:
        in_channels: channels of the photographs.
        width: channels of the first convolution, doubled three times; 64 as published.
        stem: "cifar", as published, or "small": its first convolution has a stride of 2.
    """

    def __init__(self, in_channels: int, width: int, stem: str = "cifar") -> None:
        super().__init__()
        self.prep = _convolution(in_channels, width, stride=1 if stem == "cifar" else 2)
        self.layer1 = nn.Sequential(_convolution(width, 2 * width), nn.MaxPool2d(2), _Residual(2 * width))
        self.layer2 = nn.Sequential(_convolution(2 * width, 4 * width), nn.MaxPool2d(2))
        self.layer3 = nn.Sequential(_convolution(4 * width, 8 * width), nn.MaxPool2d(2), _Residual(8 * width))
        self.pool = nn.AdaptiveMaxPool2d(1)
        _start(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W), H and W 8 or more, 15 with the stem "small", to (N, 8 width)."""
        return self.pool(self.layer3(self.layer2(self.layer1(self.prep(x))))).flatten(1)


class AlignedResNet9(nn.Module):
    """ResNet-9 for photographs in which eyes and mouth lie always in the same places: it ends in a grid and not in one maximum.

    A maximum over all positions forgets where a feature was; here the last map comes out as it is, in 3 x 3 parts, as the
    networks of ArcFace (arXiv 1801.07698, section 3.1) do with their 7 x 7. The second shortcut is one convolution earlier,
    where the map has twice the side, for the same work.

    Args:
        in_channels: channels of the photographs.
        width: channels of the first convolution, doubled three times.
        stem: "cifar", or "small": its first convolution has a stride of 2.
    """

    def __init__(self, in_channels: int, width: int, stem: str = "cifar") -> None:
        super().__init__()
        self.prep = _convolution(in_channels, width, stride=1 if stem == "cifar" else 2)
        self.layer1 = nn.Sequential(_convolution(width, 2 * width), nn.MaxPool2d(2), _Residual(2 * width))
        self.layer2 = nn.Sequential(_convolution(2 * width, 4 * width), nn.MaxPool2d(2), _Residual(4 * width))
        self.layer3 = _convolution(4 * width, 8 * width)
        self.pool = _GridMaxima()
        self.norm = nn.BatchNorm1d(8 * width * GRID**2)
        _start(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W), H and W 12 or more, 23 with the stem "small", to (N, 72 width)."""
        return self.norm(self.pool(self.layer3(self.layer2(self.layer1(self.prep(x))))).flatten(1))


class _GridMaxima(nn.Module):
    """The greatest value in each of 3 x 3 parts, as ``nn.AdaptiveMaxPool2d(3)``."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            return nn.functional.adaptive_max_pool2d(x, GRID)
        # the same numbers, part by part: ONNX has no such pooling for sides that are no multiples of three
        for axis in (2, 3):
            side = int(x.shape[axis])
            ends = [(part * side // GRID, -(-(part + 1) * side // GRID)) for part in range(GRID)]
            x = torch.cat([x.narrow(axis, start, end - start).amax(axis, keepdim=True) for start, end in ends], axis)
        return x


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_convolution(channels, channels), _convolution(channels, channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x)


def _convolution(channels: int, out: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(channels, out, 3, stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out), nn.ReLU(inplace=True))


def _start(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
