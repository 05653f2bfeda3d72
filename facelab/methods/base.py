"""What every method is: something with a training step on augmented views, and an embedding of clean photographs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from facelab.augment import Augmentation, Parameters, as_batch
from facelab.backbones.airbench import PATCHES, Whitening
from facelab.datasets import FaceSet
from facelab.errors import BadParameterError
from facelab.methods.operations import threads_for_photographs
from facelab.progress import progress_bar


class Method(nn.Module):
    """Base of all methods. A subclass says how many views it needs and writes ``training_step``.

    Args:
        backbone: (N, C, H, W) -> (N, features), with the attribute ``num_features``; what is kept after training.
        augmentation: how a photograph becomes a view in training; its ``preprocess`` is how it becomes one afterwards.

    Attributes:
        views: how many augmented views of each photograph ``training_step`` gets: 1 or 2.
        embedding_parts: names of the modules that ``embed`` computes with; all others serve the training alone.
    """

    views: int = 1
    embedding_parts: tuple[str, ...] = ("backbone",)

    def __init__(self, backbone: nn.Module, augmentation: Augmentation) -> None:
        super().__init__()
        self.backbone, self.augmentation = backbone, augmentation

    @classmethod
    def unused_options(cls, options: Mapping[str, object]) -> list[str]:
        """Those of some options that change nothing beside the others; none, unless a subclass knows better.

        Args:
            options: name -> value, of their types.
        """
        return []

    def prepare(self, faces: FaceSet) -> None:
        """Compute what a network computes from the training photographs and does not learn, where that was not done before.

        Args:
            faces: the training set; of many photographs, some at even distances are looked at.
        """
        layers = [module for module in self.modules() if isinstance(module, Whitening) and not module.seen]
        if layers:
            height, width = self.augmentation.preprocess(faces.images[:1]).shape[2:]
            enough = max(1, PATCHES // ((height - 1) * (width - 1)))
            shown = self.augmentation.preprocess(faces.images[:: math.ceil(len(faces) / enough)])
            for layer in layers:
                layer.fit(shown)

    def check_labels(self, labels: np.ndarray) -> None:
        """Raise BadParameterError for labels that it cannot learn from; a method that compares photographs takes any.

        Args:
            labels: int64 (N,), those of the training set, as ``training.fit`` has them.
        """

    def training_step(self, views: list[Tensor], labels: Tensor, scenes: Tensor) -> dict[str, Tensor]:
        """The loss of one batch. In a training by several processes, each gets its part of the batch.

        Args:
            views: ``self.views`` tensors, float (N, C, H, W), views of the same scenes in the same order.
            labels: int64 (N,), class of each photograph, -1 where unknown; methods without labels do not learn from it.
            scenes: int64 (N,), what both views are of: number of the photograph in the training set, or one number for
                several that show one moment (``training.fit``). For methods that remember what they have seen.

        Returns:
            ``"loss"``, a scalar to minimise, and named terms to log, scalars without gradient.
        """
        raise NotImplementedError

    def forward(self, views: list[Tensor], labels: Tensor, scenes: Tensor) -> dict[str, Tensor]:
        """``training_step``: the way that Fabric's wrappers (DDP, mixed precision) call it."""
        return self.training_step(views, labels, scenes)

    def after_step(self) -> None:
        """Called after each step of the optimiser: the place of a moving average."""

    def embed(self, images: Tensor) -> Tensor:
        """Clean photographs, float (N, C, H, W), to (N, D); not normalised."""
        return self.backbone(images)

    def draw_views(self, images: np.ndarray, generator: np.random.Generator) -> list[Tensor]:
        """``self.views`` augmented views, on the device of the method.

        Args:
            images: uint8 (N, H, W, C).
            generator: of the augmentation.
        """
        batch = as_batch(images).to(self.device)
        return self.make_views(torch.cat([batch] * self.views), self.draw_parameters(len(batch), generator))

    def draw_parameters(self, photographs: int, generator: np.random.Generator) -> Parameters:
        """The parameters of all views of some photographs: first those of the first view, then those of the second."""
        return self.augmentation.draw(self.views * photographs, generator)

    def make_views(self, images: Tensor, parameters: Parameters, rows: Tensor | None = None) -> list[Tensor]:
        """``self.views`` views from drawn parameters, where the photographs are.

        Args:
            images: uint8 (views x N, C, H, W): what the first view is of, then what the second is of.
            parameters: as ``draw_parameters`` gives them.
            rows: int64 (views x N,), as in ``Augmentation.apply``.
        """
        return list(self.augmentation.apply(images, parameters, rows).chunk(self.views))

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.parameters()).device


def embed_faces(method: Method, faces: FaceSet, batch_size: int = 256) -> np.ndarray:
    """Embeddings of all photographs of a set, in its order, in evaluation mode.

    Returns:
        float32 (N, D), not normalised.
    """
    return apply_in_batches(method, method.embed, faces, batch_size)


@torch.no_grad()
def apply_in_batches(
    method: Method, function: Callable[[Tensor], Tensor], faces: FaceSet, batch_size: int = 256
) -> np.ndarray:
    """What ``function`` of a method makes of clean photographs, batch by batch, in evaluation mode: float32 (N, ...).

    Raises:
        BadParameterError: there is no photograph.
    """
    if not len(faces):
        raise BadParameterError("The set has no photographs.", "Give one or more.")
    dtype, was_training = next(method.parameters()).dtype, method.training
    method.eval()
    pieces = []
    threads = threads_for_photographs(method, faces.images[:1], min(batch_size, len(faces)))
    try:
        with threads, progress_bar("embedding photographs", len(faces), delay=1.0) as shown:
            for start in range(0, len(faces), batch_size):
                images = as_batch(faces.images[start : start + batch_size]).to(method.device)
                images = method.augmentation.preprocess(images).to(dtype)
                pieces.append(function(images).float().cpu().numpy())
                shown.advance(len(images))
    finally:
        method.train(was_training)
    return np.concatenate(pieces)


def check_classes(labels: np.ndarray, classes: int) -> None:
    """Raise BadParameterError where some of the labels, int (N,), are no class: all of a classifier's must be 0 ... C-1."""
    strange = labels[(labels < 0) | (labels >= classes)]
    if len(strange):
        raise BadParameterError(
            f"{len(strange)} of {len(labels)} photographs have a label that is none of the {classes} classes: {strange[0]}.",
            "Leave them out: a classifier learns from photographs of known people alone.",
        )


def check_temperature(temperature: float) -> None:
    """Raise BadParameterError unless it is above 0: the losses divide by it."""
    if not temperature > 0:
        raise BadParameterError(f"The temperature is {temperature}.", "Give a number above 0, such as 0.1.")
