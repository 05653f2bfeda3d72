"""The methods as lightly and pytorch-metric-learning have them, around the same network as ours: ``forward`` gives the loss."""

from __future__ import annotations

import copy
import math

import torch
from lightly.loss import NTXentLoss, VICRegLoss
from lightly.models.modules.heads import MoCoProjectionHead, SimCLRProjectionHead, VICRegProjectionHead
from lightly.models.utils import batch_shuffle, batch_unshuffle, deactivate_requires_grad, update_momentum
from pytorch_metric_learning import losses
from torch import Tensor, nn


class Contender(nn.Module):
    """A backbone and a head; what is called as our methods are."""

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def project(self, view: Tensor) -> Tensor:
        """One view (N, C, H, W) as the loss sees it: (N, D)."""
        return self.head(self.backbone(view))

    def after_step(self) -> None:
        """Called after each step of the optimiser."""


class LightlySimCLR(Contender):
    """SimCLR of lightly.

    Args:
        backbone: the network.
        temperature: of the loss.
    """

    def __init__(self, backbone: nn.Module, temperature: float = 0.1) -> None:
        features = backbone.num_features
        super().__init__(backbone, SimCLRProjectionHead(features, features, 128))
        self.loss = NTXentLoss(temperature=temperature)

    def forward(self, views: list[Tensor], labels: Tensor) -> Tensor:
        """The loss of two views."""
        return self.loss(*map(self.project, views))


class LightlyMoCo(Contender):
    """MoCo v2 of lightly, with a memory bank of 4096 keys; the moving average comes before the step, as in its examples.

    Args:
        backbone: the network.
        temperature: of the loss.
    """

    def __init__(self, backbone: nn.Module, temperature: float = 0.2) -> None:
        features = backbone.num_features
        super().__init__(backbone, MoCoProjectionHead(features, features, 128))
        self.key_backbone, self.key_head = copy.deepcopy(backbone), copy.deepcopy(self.head)
        for module in (self.key_backbone, self.key_head):
            deactivate_requires_grad(module)
        self.loss = NTXentLoss(temperature=temperature, memory_bank_size=(4096, 128))

    def forward(self, views: list[Tensor], labels: Tensor) -> Tensor:
        """The loss of queries and keys."""
        update_momentum(self.backbone, self.key_backbone, 0.99)
        update_momentum(self.head, self.key_head, 0.99)
        queries = self.project(views[0])
        with torch.no_grad():
            shuffled, shuffle = batch_shuffle(views[1])
            keys = batch_unshuffle(self.key_head(self.key_backbone(shuffled)), shuffle)
        return self.loss(queries, keys)


class LightlyVICReg(Contender):
    """VICReg of lightly.

    Args:
        backbone: the network.
        width: of the three layers of the expander.
    """

    def __init__(self, backbone: nn.Module, width: int) -> None:
        super().__init__(backbone, VICRegProjectionHead(backbone.num_features, width, width))
        self.loss = VICRegLoss()

    def forward(self, views: list[Tensor], labels: Tensor) -> Tensor:
        """The loss of two views."""
        return self.loss(*map(self.project, views))


def arc_face_loss(classes: int, dimension: int) -> nn.Module:
    """ArcFace of pytorch-metric-learning, m .5 and s 30 as ours by default; its margin is in degrees."""
    return losses.ArcFaceLoss(classes, dimension, margin=math.degrees(0.5), scale=30)


def cos_face_loss(classes: int, dimension: int) -> nn.Module:
    """CosFace of pytorch-metric-learning, m .35 and s 30."""
    return losses.CosFaceLoss(classes, dimension, margin=0.35, scale=30)


class MetricMargin(Contender):
    """An embedding of length 128 below a loss of pytorch-metric-learning that has directions of its own for the classes."""

    def __init__(self, backbone: nn.Module, loss: nn.Module) -> None:
        super().__init__(backbone, nn.Linear(backbone.num_features, 128, bias=False))
        self.loss = loss

    def forward(self, views: list[Tensor], labels: Tensor) -> Tensor:
        """The loss of one view."""
        return self.loss(self.project(views[0]), labels)


class MetricSupCon(Contender):
    """SupCon of pytorch-metric-learning."""

    def __init__(self, backbone: nn.Module) -> None:
        features = backbone.num_features
        head = nn.Sequential(nn.Linear(features, features), nn.ReLU(inplace=True), nn.Linear(features, 128))
        super().__init__(backbone, head)
        self.loss = losses.SupConLoss(temperature=0.1)

    def forward(self, views: list[Tensor], labels: Tensor) -> Tensor:
        """The loss of two views."""
        return self.loss(torch.cat(list(map(self.project, views))), labels.repeat(2))
