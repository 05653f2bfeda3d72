"""Backbone: what every network of the course looks like from outside, and freezing of its first layers."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

from facelab.errors import BadParameterError

B = TypeVar("B", bound="Backbone")


class Backbone(nn.Module):
    """A network from photographs to embeddings: float (N, C, H, W) to (N, num_features), not normalised.

    Attributes:
        name: of the network in the registry.
        body: the network itself; its ``state_dict`` has the key names of its public weights.
        num_features: length of the embedding.
        in_channels: C.
        min_side: least H and W that the network can take.
        width, stem: as ``backbone`` was asked for, so that it can be built again.
        frozen_layers: how many of the first layers do not learn; set by ``freeze``.
    """

    def __init__(
        self, name: str, body: nn.Module, num_features: int, in_channels: int, min_side: int, width: int, stem: str
    ) -> None:
        super().__init__()
        self.name, self.num_features, self.in_channels, self.min_side = name, num_features, in_channels, min_side
        self.width, self.stem = width, stem
        self.body = body
        self.frozen_layers = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Embeddings (N, num_features) of float images (N, C, H, W).

        Raises:
            BadParameterError: another number of channels, or an image smaller than ``min_side``.
        """
        _, channels, height, width = images.shape
        if channels != self.in_channels or min(height, width) < self.min_side:
            raise BadParameterError(
                f"The images are {channels}x{height}x{width}.",
                f"This network takes {self.in_channels} channels of at least {self.min_side}x{self.min_side} pixels.",
            )
        return self.body(images)

    def train(self: B, mode: bool = True) -> B:
        """As ``nn.Module.train``, but frozen layers stay in evaluation mode: their batch statistics are frozen too.

        Where all are frozen, so is everything between them: dropout.
        """
        super().train(mode)
        layers = parameter_layers(self)
        frozen = [self.body] if self.frozen_layers == len(layers) else layers[: self.frozen_layers]
        for layer in frozen:
            layer.eval()
        return self


def parameter_layers(backbone: Backbone) -> list[nn.Module]:
    """The modules that own parameters (convolutions, batch norms, linear layers), in the order of the forward pass."""
    return [module for module in backbone.modules() if any(True for _ in module.parameters(recurse=False))]


def freeze(backbone: B, layers: int) -> B:
    """Keep the first layers as they are: no gradient, and batch norm uses and keeps the statistics that it has.

    Args:
        backbone: changed in place.
        layers: how many layers with parameters to freeze, counted from the input; 0 sets all of them free.

    Returns:
        The same backbone.

    Raises:
        BadParameterError: fewer than 0, or more than there are.
    """
    found = parameter_layers(backbone)
    if not 0 <= layers <= len(found):
        raise BadParameterError(f"{layers} layers cannot be frozen.", f"Give a number from 0 to {len(found)}.")
    backbone.frozen_layers = layers
    for number, layer in enumerate(found):
        layer.requires_grad_(number >= layers)
    return backbone.train(backbone.training)
