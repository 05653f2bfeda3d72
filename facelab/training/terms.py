"""The terms of the loss, step by step: kept on the device, looked at now and then, so that no step waits for their values."""

from __future__ import annotations

import math

import torch
from lightning_fabric import Fabric
from torch import Tensor

from facelab.errors import TrainingError
from facelab.training.checkpoint import Position
from facelab.training.log import TrainingLog

CHECK_EVERY = 16  #: steps after which the losses are looked at, with a GPU or with several processes


def values_are_at_hand(fabric: Fabric) -> bool:
    """Whether to look at a value costs nothing: a CPU that trains alone has computed it already."""
    return fabric.device.type == "cpu" and fabric.world_size == 1


class Terms:
    """Adds the terms of each step to the sums of a position, some steps later, and finds those that are not numbers.

    On a CPU that trains alone they are looked at in each step, before the optimiser moves. To fetch a value from a GPU would
    let it run dry, and to exchange one between processes would let them wait for each other: there it happens every
    ``CHECK_EVERY`` steps, and before anything is written or measured.

    Args:
        fabric: devices and processes.
        position: whose sums grow.
        log: told of every step.
    """

    def __init__(self, fabric: Fabric, position: Position, log: TrainingLog) -> None:
        self.fabric, self.position, self.log = fabric, position, log
        self.every = 1 if values_are_at_hand(fabric) else CHECK_EVERY
        self._loss = math.nan  # of the last step that was looked at
        self._names: tuple[str, ...] = ()
        self._steps: list[int] = []
        self._values: list[Tensor] = []

    @property
    def note(self) -> str:
        """Where the training is, for a progress bar."""
        loss = "" if math.isnan(self._loss) else f", loss {self._loss:.3f}"
        return f"epoch {self.position.epoch + 1}{loss}"

    @property
    def settled(self) -> bool:
        """Whether all that was added was looked at; in several processes it is in all or in none."""
        return not self._steps

    def add(self, step: int, terms: dict[str, Tensor]) -> None:
        """Take the terms of a step of this epoch, numbered from 0.

        Raises:
            TrainingError: as ``settle``.
        """
        if tuple(terms) != self._names:
            self.settle()
            self._names = tuple(terms)
        self._steps.append(step)
        self._values.append(torch.stack([term.detach().float() for term in terms.values()]))
        if len(self._steps) == self.every:
            self.settle()

    def settle(self) -> None:
        """Look at all that was added since: means over the processes, in the order of the steps.

        Raises:
            TrainingError: a term of a step is not a number.
        """
        if not self._steps:
            return
        means = self.fabric.all_reduce(torch.stack(self._values), reduce_op="mean").tolist()
        steps, self._steps, self._values = self._steps, [], []
        for step, row in zip(steps, means, strict=True):
            values = dict(zip(self._names, row, strict=True))
            if not all(map(math.isfinite, row)):
                raise TrainingError(
                    f"Epoch {self.position.epoch + 1}, step {step + 1}: {values}.",
                    "Lower the learning rate, or look at this batch.",
                )
            for name, value in values.items():
                self.position.sums[name] = self.position.sums.get(name, 0.0) + value
            self._loss = values["loss"]
            self.log.add_step(self.position.epoch, step, values)
