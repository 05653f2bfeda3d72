"""VGG (Simonyan and Zisserman, 2014): torchvision's convolutions of any width, then the mean over positions."""

from __future__ import annotations

import torch
from torch import nn
from torchvision.models.vgg import cfgs, make_layers


class VGG(nn.Module):
    """The convolutions of torchvision's VGG and a global mean in place of the 124 million weights of its classifier.

    Args:
        configuration: "A" (11 layers) or "D" (16 layers).
        batch_norm: a batch norm after each convolution.
        in_channels: channels of the photographs.
        width: channels of the first convolution; 64 as published.
    """

    def __init__(self, configuration: str, batch_norm: bool, in_channels: int, width: int) -> None:
        super().__init__()
        plan = [step if step == "M" else step * width // 64 for step in cfgs[configuration]]
        # named as torchvision's, so that its weights fit
        self.features = make_layers(plan, batch_norm=batch_norm)
        self.features[0] = nn.Conv2d(in_channels, plan[0], kernel_size=3, padding=1)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(module.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (N, 8 width)."""
        return self.avgpool(self.features(x)).flatten(1)
