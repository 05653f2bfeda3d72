"""CNN + MLP: a backbone, three fully connected layers, cross-entropy. The baseline that everything else is held against."""

from __future__ import annotations

import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn

from facelab.augment import Augmentation
from facelab.backbones import mlp_head
from facelab.datasets import FaceSet
from facelab.errors import BadParameterError
from facelab.methods.base import Method, apply_in_batches, check_classes


class Classifier(Method):
    """Classes from photographs, end to end.

    Args:
        backbone: (N, C, H, W) -> (N, features).
        augmentation: of the training photographs.
        classes: how many, at least 2.
        hidden: widths of the hidden layers; the founding project went from 512 to its 44 people in three layers.
            (): a single layer, the usual head of a fine-tuning.
        label_smoothing: share of the target spread evenly over all classes, the right one too, 0 ... 1 (Szegedy et al.,
            arXiv 1512.00567).

    Raises:
        BadParameterError: fewer than two classes, or a value out of its range.
    """

    views = 1

    def __init__(
        self,
        backbone: nn.Module,
        augmentation: Augmentation,
        classes: int,
        hidden: tuple[int, ...] = (256, 128),
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(backbone, augmentation)
        if classes < 2:
            raise BadParameterError(f"A classifier over {classes} classes.", "Give at least two.")
        if not 0 <= label_smoothing <= 1:
            raise BadParameterError(
                f"A label_smoothing of {label_smoothing}.", "It is a share: give 0 to 1, such as 0.1."
            )
        # with batch norm: without it, trainings of 25 epochs on few photographs stayed far behind
        self.head = mlp_head(backbone.num_features, (*hidden, classes), norm=True)
        self.classes, self.label_smoothing = classes, label_smoothing

    def check_labels(self, labels: np.ndarray) -> None:
        """Raise BadParameterError for a label that is no class."""
        check_classes(labels, self.classes)

    def training_step(self, views: list[Tensor], labels: Tensor, scenes: Tensor) -> dict[str, Tensor]:
        """Cross-entropy of the one view; ``accuracy`` is the share of the batch that is right."""
        logits = self.head(self.backbone(views[0]))
        loss = F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        return {"loss": loss, "accuracy": (logits.argmax(dim=1) == labels).float().mean().detach()}

    def predict(self, faces: FaceSet) -> np.ndarray:
        """Class probabilities of clean photographs: float32 (N, classes), rows sum to 1."""
        return apply_in_batches(self, lambda images: self.head(self.backbone(images)).softmax(dim=1), faces)
