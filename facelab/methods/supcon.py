"""SupCon: two views of each photograph, and everybody with the same label is a positive. Khosla et al., arXiv 2004.11362."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from facelab.augment import Augmentation
from facelab.backbones import mlp_head
from facelab.losses import sup_con
from facelab.methods.base import Method
from facelab.methods.processes import gather


class SupCon(Method):
    """Supervised contrastive learning. What is compared in training is ``head(backbone(x))``; what is kept, the backbone.

    Args:
        backbone: (N, C, H, W) -> (N, features).
        augmentation: of both views.
        projection: length of what the loss sees; the paper has 128.
        hidden: width of the head's hidden layer; the paper has that of the embedding (2048 for ResNet-50). 0: so here.
        temperature: of ``losses.sup_con``.
    """

    views = 2

    def __init__(
        self,
        backbone: nn.Module,
        augmentation: Augmentation,
        projection: int = 128,
        hidden: int = 0,
        temperature: float = 0.1,
    ) -> None:
        super().__init__(backbone, augmentation)
        self.head = mlp_head(backbone.features, (hidden or backbone.features, projection))
        self.temperature = temperature

    def training_step(self, views: list[Tensor], labels: Tensor, scenes: Tensor) -> dict[str, Tensor]:
        """The loss over both views of the batch of all processes. A photograph of unknown person has only its own."""
        z = [gather(self.head(self.backbone(view))) for view in views]
        alone = -1 - gather(scenes)  # below 0, where no label is
        labels = gather(labels)
        labels = torch.where(labels < 0, alone, labels)
        return {"loss": sup_con(torch.cat(z), labels.repeat(2), self.temperature)}
