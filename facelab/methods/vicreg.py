"""VICReg: views of one photograph agree, every dimension varies, no two say the same. Bardes et al., arXiv 2105.04906."""

from __future__ import annotations

from torch import Tensor, nn

from facelab.augment import Augmentation
from facelab.backbones import mlp_head
from facelab.errors import BadParameterError
from facelab.losses import vicreg
from facelab.methods.siamese import Siamese


class VICReg(Siamese):
    """Learning without labels and without negatives. ``head`` is the expander; what is kept is the backbone before it.

    Args:
        backbone: (N, C, H, W) -> (N, features).
        augmentation: of both views.
        expander: widths of its layers; the paper has (8192, 8192, 8192).
        invariance: weight of the first term of ``losses.vicreg``.
        variance: weight of the second; 0 lets everything become one point.
        covariance: weight of the third; 0 lets all dimensions say the same.

    Raises:
        BadParameterError: a weight below 0.
    """

    def __init__(
        self,
        backbone: nn.Module,
        augmentation: Augmentation,
        expander: tuple[int, ...] = (8192, 8192, 8192),
        invariance: float = 25.0,
        variance: float = 25.0,
        covariance: float = 1.0,
    ) -> None:
        if min(invariance, variance, covariance) < 0:
            raise BadParameterError(
                f"Weights of {invariance} (invariance), {variance} (variance) and {covariance} (covariance).",
                "Give 0 or more of each.",
            )
        super().__init__(backbone, augmentation, mlp_head(backbone.num_features, expander, norm=True, last_bias=False))
        self.invariance, self.variance, self.covariance = invariance, variance, covariance

    def compare(self, z: list[Tensor], labels: Tensor, scenes: Tensor) -> dict[str, Tensor]:
        """The loss, and its three terms without their weights. Neither labels nor scenes are looked at."""
        terms = vicreg(*z, self.invariance, self.variance, self.covariance)
        return {name: term if name == "loss" else term.detach() for name, term in terms._asdict().items()}
