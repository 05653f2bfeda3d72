"""What a step trains on: the rows of its photographs, everything random about them, and the way to the device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from facelab.augment import Parameters, as_batch
from facelab.datasets import FaceSet
from facelab.methods import Method
from facelab.training.order import SceneIndex, epoch_order
from facelab.training.plan import Plan
from facelab.training.transfer import PendingTransfer, Transfer


class Step(NamedTuple):
    """A step to come: epoch and step in it, from 0, and the rows of its batch, int (n,)."""

    epoch: int
    number: int
    rows: np.ndarray


@dataclass(frozen=True)
class Batch:
    """A step that is prepared.

    Attributes:
        seed: of what the method draws itself: dropout.
        tensors: photographs, labels and scenes of this process: uint8 (views x n, C, H, W), int64 (n,), int64 (n,).
        parameters: of the augmentation of the whole batch, whichever process makes the views.
        own: int64 (views x n,), places of these photographs in the batch; None: they are the batch.
    """

    seed: int
    tensors: PendingTransfer
    parameters: Parameters
    own: Tensor | None


@dataclass(frozen=True)
class BatchLoader:
    """Prepares steps, each from (seed, epoch, step) alone.

    What is random is drawn for the whole batch, by every process alike; a process loads, moves and augments only the
    photographs rank, rank + W, rank + 2W ... of it. W processes then see together exactly what one would.

    Attributes:
        method: whose views are made.
        faces: the training set.
        labels, scenes: int64 (N,), as for ``fit``, the scenes numbered from 0 without a gap.
        plan: of the training.
        transfer: to the device of this process.
        rank, processes: which of how many processes this is.
    """

    method: Method
    faces: FaceSet
    labels: np.ndarray
    scenes: SceneIndex
    plan: Plan
    transfer: Transfer
    rank: int
    processes: int

    @property
    def steps(self) -> int:
        """Steps of one epoch."""
        return len(self.faces) // self.plan.batch_size

    def upcoming(self, epoch: int, step: int) -> Iterator[Step]:
        """All steps of the plan from a place on."""
        size = self.plan.batch_size
        while epoch < self.plan.epochs:
            order = epoch_order(self.labels, self.plan.per_class, np.random.default_rng([self.plan.seed, epoch]))
            for number in range(step, self.steps):
                yield Step(epoch, number, order[number * size : (number + 1) * size])
            epoch, step = epoch + 1, 0

    def load(self, step: Step) -> Batch:
        """Draw, read and send off what a step needs. Touches no state of torch, so that a thread may do it."""
        seeds = np.random.SeedSequence([self.plan.seed, step.epoch, step.number])
        generator = np.random.default_rng(seeds)
        others = self.scenes.draw_partners(step.rows, generator)
        parameters = self.method.draw_parameters(len(step.rows), generator)
        mine = slice(self.rank, None, self.processes)
        rows = step.rows[mine]
        images = self._read([rows, others[mine]][: self.method.views])
        numbers = [torch.from_numpy(values[rows]) for values in (self.labels, self.scenes.scenes)]
        tensors = self.transfer.move([images, *numbers])
        return Batch(int(seeds.generate_state(1)[0]), tensors, parameters, self._own(step))

    def _read(self, sources: list[np.ndarray]) -> Tensor:
        """Photographs of the first view, then of the second; read once where they are the same."""
        first = self.faces.images[sources[0]]
        same = [np.array_equal(rows, sources[0]) for rows in sources]
        parts = [first if known else self.faces.images[rows] for rows, known in zip(sources, same, strict=True)]
        # joined by NumPy: torch would start a second set of threads beside the training's
        return as_batch(np.concatenate(parts))

    def _own(self, step: Step) -> Tensor | None:
        if self.processes == 1:
            return None
        places = torch.arange(self.method.views * len(step.rows)).view(self.method.views, -1)
        return places[:, self.rank :: self.processes].flatten()
