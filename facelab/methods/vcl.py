"""VCL: a photograph is a normal distribution; views are compared by samples of it. Yavuz and Yanikoglu, arXiv 2312.00824."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from facelab.augment import Augmentation
from facelab.backbones import mlp_head
from facelab.errors import BadParameterError
from facelab.losses import beta_nt_xent, distribution_similarity, kl_to_standard
from facelab.methods.distributed import shared_normal
from facelab.methods.siamese import Siamese


class VCL(Siamese):
    """Contrastive learning without labels between samples of distributions. What is kept is the backbone.

    Args:
        backbone: (N, C, H, W) -> (N, features).
        augmentation: of both views.
        dimension: D of the distributions; the paper has 128.
        hidden: width of the head's hidden layers; 0: that of the embedding.
        layers: of the head; its last one gives means and log-variances.
        temperature: of ``losses.beta_nt_xent``; .07 in the paper.
        beta: .005 in the paper; 0 is NT-Xent, the paper's "VCL without beta".
        sigma: deviation in the beta score; .5 in the paper.
        similarity: weight of ``losses.distribution_similarity``; 1 in the paper.
        prior: weight of ``losses.kl_to_standard``; 1 in the paper. Too much of it and the head says N(0, 1) of everything.

    Raises:
        BadParameterError: a value out of its range.
    """

    def __init__(
        self,
        backbone: nn.Module,
        augmentation: Augmentation,
        dimension: int = 128,
        hidden: int = 0,
        layers: int = 3,
        temperature: float = 0.07,
        beta: float = 0.005,
        sigma: float = 0.5,
        similarity: float = 1.0,
        prior: float = 1.0,
    ) -> None:
        if not 2 <= layers <= 100 or dimension < 1 or min(temperature, sigma) <= 0 or min(beta, similarity, prior) < 0:
            raise BadParameterError(
                f"{layers} layers, dimension {dimension}, temperature {temperature}, beta {beta}, sigma {sigma}, "
                f"similarity {similarity}, prior {prior}.",
                "Give 2 to 100 layers, a dimension from 1, temperature and sigma above 0, the others from 0.",
            )
        sizes = (*[hidden or backbone.num_features] * (layers - 1), 2 * dimension)
        super().__init__(backbone, augmentation, mlp_head(backbone.num_features, sizes, norm=True))
        self.temperature, self.beta, self.sigma = temperature, beta, sigma
        self.similarity, self.prior = similarity, prior

    @classmethod
    def unused_options(cls, options: Mapping[str, object]) -> list[str]:
        """``sigma`` belongs to the beta score, which is not there where beta is 0."""
        return ["sigma"] if options.get("beta") == 0 and "sigma" in options else []

    def distribution(self, images: Tensor) -> Tensor:
        """Means and log-variances of clean photographs, side by side: (N, C, H, W) to (N, 2 D)."""
        return self.project(images)

    def compare(self, z: list[Tensor], labels: Tensor, scenes: Tensor) -> dict[str, Tensor]:
        """The loss, its three terms without their weights, and the mean deviation. Labels and scenes are not looked at."""
        (mean1, log_var1), (mean2, log_var2) = (view.chunk(2, dim=1) for view in z)
        contrast = beta_nt_xent(
            _sample(mean1, log_var1), _sample(mean2, log_var2), self.temperature, self.beta, self.sigma
        )
        similar = distribution_similarity(mean1, log_var1, mean2, log_var2)
        kl = kl_to_standard(torch.cat([mean1, mean2]), torch.cat([log_var1, log_var2]))
        return {
            "loss": contrast + self.similarity * similar + self.prior * kl,
            "contrast": contrast.detach(),
            "similarity": similar.detach(),
            "kl": kl.detach(),
            "deviation": (torch.cat([log_var1, log_var2]).detach() / 2).exp().mean(),
        }


def _sample(mean: Tensor, log_var: Tensor) -> Tensor:
    """mean + deviation times noise: the gradient passes to both (Kingma and Welling, arXiv 1312.6114)."""
    return mean + (log_var / 2).exp() * shared_normal(mean)
