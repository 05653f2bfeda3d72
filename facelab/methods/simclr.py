"""SimCLR: of all other views in the batch, find the one of your photograph. Chen et al., arXiv 2002.05709 and 2006.10029."""

from __future__ import annotations

from torch import Tensor, nn

from facelab.augment import Augmentation
from facelab.backbones import mlp_head
from facelab.errors import BadParameterError
from facelab.losses import nt_xent
from facelab.methods.base import check_temperature
from facelab.methods.siamese import Siamese


class SimCLR(Siamese):
    """Contrastive learning without labels, the other photographs of the batch as negatives.

    Args:
        backbone: (N, C, H, W) -> (N, features).
        augmentation: of both views.
        projection: length of what the loss sees; the paper has 128.
        hidden: width of the head's hidden layers; the paper has that of the embedding. 0: so here.
        layers: of the head: 2 in SimCLR, 3 in its second version. As in the authors' code each has a batch norm behind it,
            the last one too. The head is thrown away before anything is fine-tuned. (The second version keeps its first layer;
            that serves big networks with few labels, and is not done here.)
        temperature: of ``losses.nt_xent``; the paper has 0.1 on ImageNet and 0.5 on CIFAR-10.

    Raises:
        BadParameterError: fewer than 2 layers or more than 100, or a temperature of 0 or less.
    """

    def __init__(
        self,
        backbone: nn.Module,
        augmentation: Augmentation,
        projection: int = 128,
        hidden: int = 0,
        layers: int = 2,
        temperature: float = 0.1,
    ) -> None:
        if not 2 <= layers <= 100:
            raise BadParameterError(f"A head of {layers} layers.", "Give 2 (SimCLR) or 3 (its second version).")
        check_temperature(temperature)
        sizes = (*[hidden or backbone.num_features] * (layers - 1), projection)
        super().__init__(backbone, augmentation, mlp_head(backbone.num_features, sizes, norm=True, last_norm=True))
        self.temperature = temperature

    def compare(self, z: list[Tensor], labels: Tensor, scenes: Tensor) -> dict[str, Tensor]:
        """NT-Xent of the batch. Labels and scenes are not looked at: others of one person are negatives too."""
        return {"loss": nt_xent(*z, self.temperature)}
