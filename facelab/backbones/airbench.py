"""The network of airbench, made to reach 94 % on CIFAR-10 in the fewest operations: Jordan, arXiv 2404.00498, 2024.

https://github.com/KellerJordan/cifar10-airbench, from Page's ResNet-9 by way of tysam's hlb-CIFAR10: no shortcuts, a first
layer that is computed and not learned, and maxima taken early, so that most of the work is done on few positions.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from facelab.errors import BadParameterError

PATCH = 2  #: side of the patches that the first layer whitens
FLOOR = 5e-4  #: added to the eigenvalues: directions without variance are not blown up
#: so many are looked at, or a few more: the authors take those of 5,000 photographs of CIFAR-10
PATCHES = 5_000 * 31**2


class Airbench(nn.Module):
    """A whitening layer, then three groups of two convolutions of 3x3; the greatest value over positions comes out.

    Args:
        in_channels: channels of the photographs.
        width: channels of the first group; the other two have four times as many. 64 as published.
        stem: there is one, "cifar".

    Attributes:
        whitening: the first layer, random until it has seen photographs of the training set.
    """

    def __init__(self, in_channels: int, width: int, stem: str = "cifar") -> None:
        super().__init__()
        self.whitening = Whitening(in_channels)
        kernels = len(self.whitening.kernels)
        self.groups = nn.Sequential(_Group(kernels, width), _Group(width, 4 * width), _Group(4 * width, 4 * width))
        self.pool = nn.AdaptiveMaxPool2d(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W), H and W 9 or more, to (N, 4 width)."""
        return self.pool(self.groups(F.gelu(self.whitening(x)))).flatten(1)


class Whitening(nn.Module):
    """A convolution of 2x2, learned only in its bias: the components of the photographs' patches, and their negatives.

    Args:
        channels: C of the photographs.

    Attributes:
        kernels: float32 (8 C, C, 2, 2): orthogonal directions, drawn at random until ``fit``.
        seen: int64 (), the photographs that they were computed from; 0 before ``fit``.
        bias: float32 (8 C,).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        size = channels * PATCH**2
        directions = nn.init.orthogonal_(torch.empty(size, size))
        self.register_buffer("kernels", _as_kernels(directions, channels))
        self.register_buffer("seen", torch.tensor(0))
        self.bias = nn.Parameter(torch.zeros(2 * size))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (N, 8 C, H - 1, W - 1)."""
        return F.conv2d(x, self.kernels, self.bias)

    @torch.no_grad()
    def fit(self, images: torch.Tensor) -> None:
        """Make the kernels those of some photographs.

        With the eigenvectors v and eigenvalues l of the second moments of their patches, the kernels are v / sqrt(l + FLOOR)
        and their negatives: over these patches their values have mean square 1, or less where l is small, and those of two
        different v have mean product 0.

        Args:
            images: float32 (N, C, H, W), photographs of the training set as the network sees them: those that
                ``Augmentation.preprocess`` gives; ``PATCHES`` says how many are enough.

        Raises:
            BadParameterError: another number of channels.
        """
        channels = self.kernels.shape[1]
        if images.ndim != 4 or images.shape[1] != channels:
            raise BadParameterError(
                f"The photographs are {tuple(images.shape)}.", f"Give (N, {channels}, H, W), as the network takes them."
            )
        patches = F.unfold(images.float(), PATCH).transpose(1, 2).flatten(0, 1)  # (M, 4 C)
        values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
        self.kernels.copy_(_as_kernels((vectors / (values + FLOOR).sqrt()).T, channels))
        self.seen.fill_(len(images))


class _Group(nn.Module):
    """Convolution, maximum of 2x2, norm, GELU, convolution, norm, GELU."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.first, self.first_norm = _convolution(channels, out), _ShiftedNorm(out)
        self.second, self.second_norm = _convolution(out, out), _ShiftedNorm(out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.gelu(self.first_norm(F.max_pool2d(self.first(x), 2)))
        return F.gelu(self.second_norm(self.second(x)))


class _ShiftedNorm(nn.BatchNorm2d):
    """Batch norm that learns where it shifts to, and no scale; its statistics forget fast, as a training of few steps asks."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-12, momentum=0.4)
        self.weight = None


def _convolution(channels: int, out: int) -> nn.Conv2d:
    """3x3, whose first outputs begin as its inputs (section 3.2 of the paper), so that nothing is lost on the way at first."""
    convolution = nn.Conv2d(channels, out, 3, padding=1, bias=False)
    nn.init.dirac_(convolution.weight.data[:channels])
    return convolution


def _as_kernels(directions: torch.Tensor, channels: int) -> torch.Tensor:
    """Rows (D, 4 C), and their negatives, as kernels (2 D, C, 2, 2)."""
    return torch.cat([directions, -directions]).view(-1, channels, PATCH, PATCH)
