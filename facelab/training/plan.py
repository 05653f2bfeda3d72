"""What a training is asked for, and what it did."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from facelab.errors import BadParameterError
from facelab.optim import check_optimizer

MOST_EPOCHS = 1_000_000


@dataclass(frozen=True)
class Plan:
    """What decides the result of a training, besides the method and the photographs.

    Attributes:
        epochs: passes over the training set, 1 to ``MOST_EPOCHS``.
        batch_size: photographs a step over all devices; the last, incomplete batch of an epoch is left out.
        lr: peak learning rate.
        optimizer: a name of ``optim.OPTIMIZERS``.
        weight_decay: on kernels and matrices; biases and norms are left out.
        momentum: of SGD, LARS and Muon.
        warmup_epochs: linear rise, before the cosine.
        clip_norm: largest norm of the gradient; 0: not clipped.
        per_class: so many photographs of one class follow each other in the order of an epoch, so that a batch holds pairs
            of one person where classes are many; 1: any order.
        seed: 0 to 2^32 - 1, of the order, the augmentation and dropout. The initial weights are the caller's.
        chunk: photographs that go through the network of each device at a time, 2 or more, for a batch that memory cannot
            hold; the loss still compares the whole batch (``training.with_gradient_cache``). 0: all of them.
    """

    epochs: int
    batch_size: int = 64
    lr: float = 2e-3
    optimizer: str = "adamw"
    weight_decay: float = 0.05
    momentum: float = 0.9
    warmup_epochs: float = 1.0
    clip_norm: float = 0.0
    per_class: int = 1
    seed: int = 0
    chunk: int = 0

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch_size, self.per_class) < 1:
            raise BadParameterError(
                f"{self.epochs} epochs, batches of {self.batch_size}, {self.per_class} of a class together.",
                "Give 1 or more of each.",
            )
        if self.epochs > MOST_EPOCHS:
            raise BadParameterError(f"{self.epochs} epochs.", f"Give {MOST_EPOCHS:,} or fewer.")
        check_optimizer(self.optimizer)
        if not 0 <= self.seed < 2**32:
            raise BadParameterError(f"A seed of {self.seed}.", f"Give a whole number from 0 to {2**32 - 1}.")
        if not 0 < self.lr < math.inf:
            raise BadParameterError(f"A learning rate of {self.lr}.", "Give a number above 0, such as 0.002.")
        if not (0 <= self.momentum < 1 and 0 <= self.weight_decay < math.inf and 0 <= self.clip_norm < math.inf):
            raise BadParameterError(
                f"Momentum {self.momentum}, weight decay {self.weight_decay}, norm clipped at {self.clip_norm}.",
                "Give a momentum from 0 to below 1, and numbers from 0 for the others.",
            )
        if self.chunk < 0 or self.chunk == 1:
            raise BadParameterError(
                f"Chunks of {self.chunk} photographs.",
                "Give 2 or more, for batch norm needs two; or 0 for the whole batch.",
            )
        if not 0 <= self.warmup_epochs < self.epochs:
            raise BadParameterError(
                f"A warm-up of {self.warmup_epochs} epochs in a run of {self.epochs}.", "Give fewer than the run has."
            )

    def photographs_at_once(self, processes: int = 1) -> int:
        """How many photographs go through the network of each of some processes together; each as often as it has views."""
        return self.chunk or self.batch_size // processes

    def with_equal_steps(self, photographs: int, other_photographs: int) -> Plan:
        """The plan for ``other_photographs`` that takes as many steps as this one does on ``photographs``."""
        steps = self.epochs * (photographs // self.batch_size)
        epochs = max(1, round(steps / max(1, other_photographs // self.batch_size)))
        return replace(self, epochs=epochs, warmup_epochs=min(self.warmup_epochs, epochs / 2))


@dataclass
class History:
    """What a training did.

    Attributes:
        epochs: one dict an epoch: mean of each term of the loss, and what validation and monitors said.
        best_epoch: number, from 1, of the epoch whose weights the method now has; None without validation.
        seconds: time of the training, all its pieces added where it was resumed.
    """

    epochs: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int | None = None
    seconds: float = 0.0

    def series(self, name: str) -> list[float]:
        """One value an epoch, NaN where the epoch has none."""
        return [epoch.get(name, math.nan) for epoch in self.epochs]
