"""Margin losses: an embedding, the classes' weights, and one of the losses between them, by name (``LOSSES``)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from torch import Tensor, nn

from facelab.augment import Augmentation
from facelab.datasets import FaceSet
from facelab.errors import BadParameterError, nearest_name
from facelab.losses import arc_face, cos_face
from facelab.methods.base import Method, apply_in_batches, check_classes
from facelab.methods.margin_heads import CenterHead, CosineHead, RingHead, SoftmaxHead, SphereHead


@dataclass(frozen=True)
class MarginLoss:
    """A line of ``LOSSES``.

    Attributes:
        title: as papers call it.
        margin: its default: m, or lambda of the center and of the ring loss.
        build: makes the head from features, classes, margin and the other options of ``Margin``.
        options: those of ``Margin`` that it looks at; margin, scale, sample and annealing are not for every loss.
    """

    title: str
    margin: float
    build: Callable[..., nn.Module]
    options: tuple[str, ...] = ("margin",)


def _cosine(margin_function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., nn.Module]:
    def build(features: int, classes: int, margin: float, scale: float, sample: float, annealing: int) -> nn.Module:
        return CosineHead(features, classes, margin_function, margin, scale, sample)

    return build


LOSSES = {
    "softmax": MarginLoss("softmax", 0.0, lambda features, classes, margin, **_: SoftmaxHead(features, classes), ()),
    "normalised": MarginLoss("normalised softmax", 0.0, _cosine(lambda cos, margin: cos), ("scale", "sample")),
    "center": MarginLoss(
        "center loss", 0.003, lambda features, classes, margin, **_: CenterHead(features, classes, margin)
    ),
    "sphereface": MarginLoss(
        "A-Softmax",
        4.0,
        lambda features, classes, margin, annealing, **_: SphereHead(features, classes, int(margin), annealing),
        ("margin", "annealing"),
    ),
    "arcface": MarginLoss("ArcFace", 0.5, _cosine(arc_face), ("margin", "scale", "sample")),
    "arcface-easy": MarginLoss(
        "ArcFace, easy margin", 0.5, _cosine(partial(arc_face, easy_margin=True)), ("margin", "scale", "sample")
    ),
    "cosface": MarginLoss("CosFace", 0.35, _cosine(cos_face), ("margin", "scale", "sample")),
    "ring": MarginLoss("Ring loss", 0.01, lambda features, classes, margin, **_: RingHead(features, classes, margin)),
}


class Margin(Method):
    """A classifier over the people of the training set whose embedding is kept for everybody else.

    Between backbone and classes lies one linear layer: the backbone's own features are means of ReLUs, none below 0, and
    their directions fill a small part of the sphere.

    Args:
        backbone: (N, C, H, W) -> (N, features).
        augmentation: of the training photographs.
        classes: how many people, at least 2.
        loss: a key of ``LOSSES``.
        margin: m of the loss, or the weight lambda of the center or ring loss; below 0: the paper's.
        scale: s, for the losses of cosines alone; 64 in the papers, with thousands of classes.
        dimension: length of the embedding.
        sample: share of the classes that a batch is compared with, above 0 to 1, for the losses of cosines alone.
        annealing: of A-Softmax alone: the step at which lambda reaches 5; 0: none. It belongs to the length of the run.

    Raises:
        BadParameterError: an unknown loss, or a value out of its range.
    """

    views = 1
    embedding_parts = ("backbone", "embedding")

    def __init__(
        self,
        backbone: nn.Module,
        augmentation: Augmentation,
        classes: int,
        loss: str = "cosface",
        margin: float = -1.0,
        scale: float = 30.0,
        dimension: int = 128,
        sample: float = 1.0,
        annealing: int = 1659,
    ) -> None:
        super().__init__(backbone, augmentation)
        if loss not in LOSSES:
            raise BadParameterError(
                f"No margin loss is called {loss!r}.{nearest_name(loss, LOSSES)}", f"There are: {', '.join(LOSSES)}."
            )
        m = LOSSES[loss].margin if margin < 0 else margin
        if classes < 2 or dimension < 1 or not 0 < scale < math.inf or not 0 < sample <= 1 or annealing < 0:
            raise BadParameterError(
                f"{classes} classes, dimension {dimension}, scale {scale}, sample {sample}, annealing {annealing}.",
                "Give two classes or more, a dimension from 1, a scale above 0, a sample above 0 to 1, annealing from 0.",
            )
        if not math.isfinite(m):
            raise BadParameterError(f"{loss} with a margin of {m}.", "Give a number; below 0 is the paper's.")
        if loss == "sphereface" and (m < 1 or m != int(m)):
            raise BadParameterError(f"A-Softmax with m {m}.", "Its m is a whole number, 1 or more.")
        if loss.startswith("arcface") and m > math.pi:
            raise BadParameterError(f"ArcFace with m {m}.", "Its m is an angle in radians, 0 to pi.")
        self.loss, self.margin, self.scale, self.sample, self.annealing = loss, margin, scale, sample, annealing
        self.embedding = nn.Linear(backbone.num_features, dimension, bias=False)
        self.head = LOSSES[loss].build(dimension, classes, margin=m, scale=scale, sample=sample, annealing=annealing)

    @classmethod
    def unused_options(cls, options: Mapping[str, object]) -> list[str]:
        """Those that the chosen loss does not look at."""
        loss = LOSSES.get(str(options.get("loss", "cosface")))
        shared = {name for other in LOSSES.values() for name in other.options}
        return [name for name in options if loss is not None and name in shared - set(loss.options)]

    def check_labels(self, labels: np.ndarray) -> None:
        """Raise BadParameterError for a label that is no class."""
        check_classes(labels, len(self.head.importance))

    def training_step(self, views: list[Tensor], labels: Tensor, scenes: Tensor) -> dict[str, Tensor]:
        """The loss of the one view, and the terms that it consists of."""
        return self.head(self.embed(views[0]), labels)

    def embed(self, images: Tensor) -> Tensor:
        """Clean photographs (N, C, H, W) to (N, dimension); their norm means something to some of the losses."""
        return self.embedding(self.backbone(images))

    def predict(self, faces: FaceSet) -> np.ndarray:
        """Class probabilities of clean photographs, without margin: float32 (N, classes), rows sum to 1."""
        return apply_in_batches(self, lambda images: self.head.logits(self.embed(images)).softmax(dim=1), faces)
