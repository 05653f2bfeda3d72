"""What SupCon, SimCLR and VICReg share: two views through one network, and a loss that looks at the whole batch."""

from __future__ import annotations

from torch import Tensor, nn

from facelab.augment import Augmentation
from facelab.methods.base import Method
from facelab.methods.distributed import gather


class Siamese(Method):
    """Both views go through ``backbone`` and ``head``; a subclass says what is compared. What is kept is the backbone.

    Args:
        backbone: (N, C, H, W) -> (N, features).
        augmentation: of both views.
        head: (N, features) -> (N, D); its end is what the loss sees.
    """

    views = 2

    def __init__(self, backbone: nn.Module, augmentation: Augmentation, head: nn.Module) -> None:
        super().__init__(backbone, augmentation)
        self.head = head

    def project(self, view: Tensor) -> Tensor:
        """One view (N, C, H, W) as the loss sees it: (N, D)."""
        return self.head(self.backbone(view))

    def compare(self, z: list[Tensor], labels: Tensor, scenes: Tensor) -> dict[str, Tensor]:
        """The loss of a whole batch, whoever computed its parts.

        Args:
            z: projections of the first and of the second views, (N, D) each.
            labels, scenes: int64 (N,), as in ``training_step``.
        """
        raise NotImplementedError

    def training_step(self, views: list[Tensor], labels: Tensor, scenes: Tensor) -> dict[str, Tensor]:
        """``compare`` of the batch of all processes."""
        z = [gather(self.project(view)) for view in views]
        return self.compare(z, gather(labels), gather(scenes))
