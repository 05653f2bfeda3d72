"""What ``Margin`` compares an embedding with: the weights of the classes, and the loss over them. One class a kind."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facelab.losses import a_softmax, center_loss, margin_softmax, ring_loss, sphere_lambda, updated_centers
from facelab.losses.cosine import cosines
from facelab.losses.labels import check_labels
from facelab.methods.distributed import gather, weighted_mean_scale

Terms = dict[str, Tensor]

CHOSEN_BUFFERS = ("importance", "margins")  #: of the heads below: nothing learns them, somebody sets them


class SoftmaxHead(nn.Module):
    """A linear layer and cross-entropy: nothing is normalised.

    Args:
        features: D, length of the embedding.
        classes: C.

    Attributes:
        importance: float32 (C,), how much each class counts in the mean over a batch; 1 unless somebody sets it.
    """

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, classes)
        self.register_buffer("importance", torch.ones(classes))

    def forward(self, x: Tensor, labels: Tensor) -> Terms:
        """The loss of embeddings (N, D), and what else is worth logging: scalars."""
        own = F.cross_entropy(self.logits(x), labels, self.importance)
        return {"loss": own * weighted_mean_scale(self.importance[labels])}

    def logits(self, x: Tensor) -> Tensor:
        """Scores of all classes without margin, (N, C): their softmax is what the classifier believes."""
        return self.linear(x)


class CenterHead(SoftmaxHead):
    """Softmax and the center loss.

    Args:
        loss_weight: lambda, weight of the center loss; .003 in the paper.
        rate: alpha, pace of the centres; .5 in the paper.

    Attributes:
        centers: float32 (C, D), at 0 at the start.
    """

    def __init__(self, features: int, classes: int, loss_weight: float, rate: float = 0.5) -> None:
        super().__init__(features, classes)
        self.loss_weight, self.rate = loss_weight, rate
        self.register_buffer("centers", torch.zeros(classes, features))

    def forward(self, x: Tensor, labels: Tensor) -> Terms:
        """Loss and ``center``. Then the centres move; in several processes by the photographs of all, everywhere alike."""
        center = center_loss(x, labels, self.centers)
        if self.training:
            self.centers.copy_(updated_centers(gather(x.detach().float()), gather(labels), self.centers, self.rate))
        return {"loss": super().forward(x, labels)["loss"] + self.loss_weight * center, "center": center.detach()}


class RingHead(SoftmaxHead):
    """Softmax and the ring loss.

    Args:
        loss_weight: lambda, weight of the ring loss; .01 in the paper.

    Attributes:
        radius: R, a parameter; below 0 until the first batch, whose mean norm it then is.
    """

    def __init__(self, features: int, classes: int, loss_weight: float) -> None:
        super().__init__(features, classes)
        self.loss_weight = loss_weight
        self.radius = nn.Parameter(torch.tensor(-1.0))

    def forward(self, x: Tensor, labels: Tensor) -> Terms:
        """Loss, ``ring``, and the ``radius``."""
        if self.training:
            with torch.no_grad():  # where, not if: a GPU would have to be asked in each step
                norm = torch.linalg.vector_norm(gather(x.detach().float()), dim=1).mean()
                self.radius.copy_(torch.where(self.radius < 0, norm, self.radius))
        ring = ring_loss(x, self.radius)
        loss = super().forward(x, labels)["loss"] + self.loss_weight * ring
        return {"loss": loss, "ring": ring.detach(), "radius": self.radius.detach().clone()}


class CosineHead(nn.Module):
    """A direction for each class, and softmax over the cosines to them: NormFace, CosFace, ArcFace.

    Args:
        features: D, length of the embedding.
        classes: C.
        margin_function: of the target's cosine: cosines (N, 1), margins (N, 1) -> (N, 1).
        margin: of every class.
        scale: s.
        sample: share of the classes that a batch is compared with: its own, and others drawn at random (Partial FC, An et
            al., arXiv 2010.05222). Below 1 where N x C cosines are too many for the memory.

    Attributes:
        weight: (C, D), of any norm; its rows' directions are the classes.
        margins, importance: float32 (C,), margin of each class, and how much it counts in the mean: all the same unless
            somebody sets them, as one does where groups are unevenly many.
    """

    def __init__(
        self,
        features: int,
        classes: int,
        margin_function: Callable[[Tensor, Tensor], Tensor],
        margin: float,
        scale: float,
        sample: float = 1.0,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.xavier_normal_(torch.empty(classes, features)))
        self.register_buffer("margins", torch.full((classes,), float(margin)))
        self.register_buffer("importance", torch.ones(classes))
        self.margin_function, self.scale, self.sample = margin_function, scale, sample

    def forward(self, x: Tensor, labels: Tensor) -> Terms:
        """The loss of embeddings (N, D)."""
        rows, among = self.sample_classes(labels)
        margins = self.margins[labels][:, None]
        own = margin_softmax(
            cosines(x, self.weight[rows]),
            among,
            lambda cos: self.margin_function(cos, margins),
            self.scale,
            self.importance[rows],
        )
        return {"loss": own * weighted_mean_scale(self.importance[labels])}

    def sample_classes(self, labels: Tensor) -> tuple[Tensor | slice, Tensor]:
        """Which classes a batch is compared with, and its labels among them.

        Their number does not depend on how many classes the batch has, which a GPU would have to be asked for in each step: the
        share of all classes that was asked for, and no fewer than the batch has photographs.

        Raises:
            ValueError: a label that is no class.
        """
        classes = len(self.weight)
        check_labels(labels, classes)
        wanted = max(round(self.sample * classes), len(labels))
        if wanted >= classes:
            return slice(None), labels
        chance = torch.rand(classes, device=labels.device)
        chance[labels] = 2.0  # above every draw: always among them
        rows = chance.topk(wanted).indices.sort().values
        # a label below 0 is none of them: it stays, so that the lookup fails on a GPU too
        return rows, torch.where(labels < 0, labels, torch.searchsorted(rows, labels))

    def logits(self, x: Tensor) -> Tensor:
        """s times the cosine to each class, without margin: (N, C)."""
        return self.scale * cosines(x, self.weight)


class SphereHead(nn.Module):
    """A-Softmax: directions as in ``CosineHead``, the margin multiplies the angle, and the norm of the embedding is the scale.

    Args:
        features: D, length of the embedding.
        classes: C.
        m: factor of the angle; 4 in the paper.
        annealing_steps: step at which the annealing reaches 5: see ``losses.sphere_lambda``. 0: no annealing, the whole margin
            from the first step.

    Attributes:
        weight: (C, D).
        steps: int64 scalar, steps done.
    """

    def __init__(self, features: int, classes: int, m: int, annealing_steps: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.xavier_normal_(torch.empty(classes, features)))
        self.register_buffer("importance", torch.ones(classes))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.m, self.annealing_steps = m, annealing_steps

    def forward(self, x: Tensor, labels: Tensor) -> Terms:
        """Loss and the ``annealing`` of this step."""
        annealing = (
            sphere_lambda(self.steps.float(), self.annealing_steps)
            if self.annealing_steps
            else torch.zeros((), device=x.device)
        )
        if self.training:
            self.steps += 1
        own = margin_softmax(
            cosines(x, self.weight),
            labels,
            lambda cos: a_softmax(cos, self.m, annealing),
            _norms(x),
            self.importance,
        )
        return {"loss": own * weighted_mean_scale(self.importance[labels]), "annealing": annealing}

    def logits(self, x: Tensor) -> Tensor:
        """Norm of x times the cosine to each class: (N, C)."""
        return _norms(x) * cosines(x, self.weight)


def _norms(x: Tensor) -> Tensor:
    return torch.linalg.vector_norm(x.to(torch.promote_types(x.dtype, torch.float32)), dim=1, keepdim=True)
