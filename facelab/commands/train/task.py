"""A run of ``facelab train`` before its training: the photographs in parts, the method as it starts, all of it checked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from lightning_fabric import Fabric

from facelab.augment import PRESETS
from facelab.backbones import backbone, freeze
from facelab.commands.train.settings import Settings
from facelab.datasets import FaceSet, load
from facelab.errors import BadParameterError, FacelabError
from facelab.methods import Method, new_method
from facelab.methods.registry import method_entry
from facelab.protocols.closed_set import people_with_photos, split_closed_set
from facelab.protocols.unseen_people import check_measurable, scene_ids, split_unseen_people
from facelab.training import Plan, check_batch, check_weights_fit, with_gradient_cache

HEAD_RATES = {"frozen": 3e-3, "finetuned": 1e-3}


@dataclass(frozen=True)
class Task:
    """A run that was checked.

    Attributes:
        settings, plan: what was asked for.
        data: of all photographs, for the record.
        train: photographs to train on.
        validation: photographs of the same people that choose the epoch; None where others are tested.
        test: photographs for the test: of the same people, or of others.
    """

    settings: Settings
    plan: Plan
    data: dict[str, object]
    train: FaceSet
    validation: FaceSet | None
    test: FaceSet

    @property
    def untrained_name(self) -> str:
        """What the network is called before it has learned."""
        return "random network" if self.settings.weights is None else "network before training"

    @property
    def model_names(self) -> list[str]:
        """What the training leaves in its folder, each as NAME.pt."""
        return ["method"] if self.settings.head == "none" else ["method", "head"]

    def build_untrained(self) -> Method:
        """The method as it starts, its random weights drawn from the seed of the plan."""
        torch.manual_seed(self.plan.seed)
        return self._build(self.settings.weights)

    def check_memory(self, device: torch.device) -> None:
        """Raise OutOfMemoryError where a device has not the memory to train the method's weights."""
        with torch.device("meta"):
            check_weights_fit(self._build(None), device)

    def _build(self, weights: str | None) -> Method:
        known = self.settings
        channels = self.train.images.shape[3]
        network = backbone(known.backbone, in_channels=channels, width=known.width, weights=weights)
        augmentation, classes = PRESETS[known.augmentation], len(self.train.people)
        return new_method(known.method, freeze(network, known.freeze), augmentation, known.options, classes)

    def labels(self) -> np.ndarray:
        """Classes of the training photographs; -1 for all where the method is not to know them."""
        return self.train.labels() if method_entry(self.settings.method).labels else np.full(len(self.train), -1)

    def scene_ids(self) -> np.ndarray | None:
        """Scenes of the training photographs, for ``fit``."""
        return scene_ids(self.train, self.settings.scene)

    def head_plan(self) -> Plan:
        """Of the head's training."""
        epochs, rate = self.settings.head_epochs, HEAD_RATES[self.settings.head]
        return Plan(epochs, self.plan.batch_size, rate, warmup_epochs=min(1.0, epochs / 2), seed=self.plan.seed)


def prepare_task(settings: Settings, plan: Plan, fabric: Fabric) -> Task:
    """Load, split, and check what can be checked before a training: one step of it is tried.

    Raises:
        BadParameterError: an option that cannot be, or too few people or photographs for it.
        FacelabError: as ``datasets.load`` and ``backbones.backbone``.
    """
    faces = people_with_photos(load(settings.dataset, settings.size), settings.min_photos)
    if settings.people == "known":
        split = split_closed_set(faces, plan.seed)
        parts = [faces.subset(rows) for rows in (split.train, split.validation, split.test)]
    else:
        train, test = split_unseen_people(faces, plan.seed)
        parts = [train, None, test]
    task = Task(settings, plan, faces.describe(), *parts)
    scenes = task.scene_ids()
    if scenes is not None and len(np.unique(scenes)) == len(scenes):
        raise BadParameterError(
            f"--scene {settings.scene}: no two training photographs have one value there.",
            "Name a column that groups them, or leave it out.",
        )
    if settings.people == "unseen":
        check_measurable(task.test)
    elif len(task.test.people) < 3:
        raise BadParameterError(
            f"The test photographs show {len(task.test.people)} people.", "Take 3 or more; lower --min-photos."
        )
    check_batch(plan, len(task.train), fabric.world_size)
    if not method_entry(settings.method).labels and plan.per_class > 1:
        raise BadParameterError(f"--per-class tells {settings.method} who is who.", "Leave it out.")
    task.check_memory(fabric.device)
    _try_a_step(task, fabric)
    return task


@torch.no_grad()
def _try_a_step(task: Task, fabric: Fabric) -> None:
    """The loss of one batch of one process, by a method that is then thrown away."""
    method = task.build_untrained().to(fabric.device)
    rows = np.arange(min(max(task.plan.batch_size // fabric.world_size, 1), len(task.train)))
    views = method.draw_views(task.train.images[rows], np.random.default_rng(0))
    labels, numbers = (torch.from_numpy(values).to(fabric.device) for values in (task.labels()[rows], rows))
    try:
        with_gradient_cache(method, task.plan.chunk)(views, labels, numbers)
    except ValueError as error:  # of losses and layers, which know nothing of the command
        if isinstance(error, FacelabError):
            raise
        raise BadParameterError(
            f"{task.settings.method} cannot learn so: {error}", "Change -p, --size or --batch-size."
        ) from error
