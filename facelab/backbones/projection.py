"""The projection of a residual shortcut, without the strided convolution that damages memory."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class Projection(nn.Conv2d):
    """A 1x1 convolution with a stride: option B of He et al., 2015. The same numbers, weights and key names as ``nn.Conv2d``.

    It takes every stride-th pixel first and convolves what is left, which is the same thing. The backward pass of PyTorch 2.14
    and 2.15 on a CPU writes outside its memory where such a convolution has 8 input channels, an odd batch, channels_last, and
    two threads or more; the process then dies at some later step. The pixels are taken by a mean over one pixel: the backward
    pass of ``x[:, :, ::stride, ::stride]`` loses channels_last, which costs a tenth of a training step and more.

    Args:
        in_channels, out_channels: of the convolution, which has no bias.
        stride: in both directions.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=1, stride=stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, H, W) to (N, out_channels, ceil(H / stride), ceil(W / stride))."""
        return F.conv2d(F.avg_pool2d(x, kernel_size=1, stride=self.stride), self.weight)
