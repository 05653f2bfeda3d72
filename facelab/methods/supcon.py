"""SupCon: two views of each photograph, and everybody with the same label is a positive. Khosla et al., arXiv 2004.11362."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from facelab.augment import Augmentation
from facelab.backbones import mlp_head
from facelab.losses import sup_con
from facelab.methods.base import check_temperature
from facelab.methods.siamese import Siamese


class SupCon(Siamese):
    """Supervised contrastive learning.

    Args:
        backbone: (N, C, H, W) -> (N, features).
        augmentation: of both views.
        projection: length of what the loss sees; the paper has 128.
        hidden: width of the head's hidden layer; the paper has that of the embedding (2048 for ResNet-50). 0: so here.
        temperature: of ``losses.sup_con``.

    Raises:
        BadParameterError: a temperature of 0 or less.
    """

    def __init__(
        self,
        backbone: nn.Module,
        augmentation: Augmentation,
        projection: int = 128,
        hidden: int = 0,
        temperature: float = 0.1,
    ) -> None:
        check_temperature(temperature)
        super().__init__(
            backbone, augmentation, mlp_head(backbone.num_features, (hidden or backbone.num_features, projection))
        )
        self.temperature = temperature

    def compare(self, z: list[Tensor], labels: Tensor, scenes: Tensor) -> dict[str, Tensor]:
        """The loss over both views. To a photograph of an unknown person only views of its scene are positives."""
        labels = torch.where(labels < 0, -1 - scenes, labels)  # below 0, where no label is
        return {"loss": sup_con(torch.cat(z), labels.repeat(2), self.temperature)}
