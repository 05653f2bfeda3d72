"""Where a training stands, on disk: written whole or not at all, read by the same run alone."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from lightning_fabric import Fabric
from torch import Tensor

from facelab.errors import TrainingError
from facelab.files import remove_partials
from facelab.methods import Method
from facelab.tensor_files import DamagedFileError, load_tensors, save_tensors
from facelab.training.plan import History

_REMEDY = "Move it away to start again, or choose another --out (in notebooks and experiments: FACELAB_RUNS)."
_SHARE = 0.02  # of a training's time that the checkpoints of a scratch folder may take, at most
_BYTES_A_SECOND = 1e8  # that a disk takes, until one was written and is known
_SHORT = 2.0  # seconds; a fit of a scratch folder that took less is done again rather than kept


class DiscardedCheckpointWarning(UserWarning):
    """A checkpoint in a scratch folder was of no use, and the training begins anew."""


@dataclass(frozen=True)
class ScratchFolder:
    """A folder whose checkpoint may be thrown away: where a notebook that is run in batch keeps it.

    A checkpoint of another run, or a damaged one, is no error there: it is thrown away with a warning, and the training begins
    anew. It is written more seldom, too: a fit of seconds shall not pay for it.

    Attributes:
        path: of the folder, which is made with its first file.
    """

    path: Path

    def __truediv__(self, name: str) -> ScratchFolder:
        """A folder within it, for one of several trainings."""
        return ScratchFolder(self.path / name)


CheckpointFolder = Path | ScratchFolder


@runtime_checkable
class StatefulMonitor(Protocol):
    """A monitor that keeps something of its own, and gets it back where a training goes on (PyTorch's names for it)."""

    def state_dict(self) -> dict[str, Any]:
        """What it keeps: tensors, numbers, text, None, and dicts and lists of them."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Become what it was."""


@dataclass
class Position:
    """Where a training stands: what a checkpoint holds besides weights and optimiser."""

    epoch: int = 0
    step: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    history: History = field(default_factory=History)
    best_score: float = -math.inf
    best_weights: dict[str, Tensor] | None = None


class Checkpoint:
    """``last.ckpt`` of a run; does nothing where no folder was asked for.

    Args:
        folder: where it is; None: nowhere.
        fabric: devices; the first process writes.
        method: whose weights it holds.
        optimizer: whose state it holds.
        fingerprint: of the run; a checkpoint with another one is refused, or thrown away in a scratch folder.
        monitors: of the run; those that are a ``StatefulMonitor`` come back as they were.
        interval: seconds between two writes within an epoch.
    """

    def __init__(
        self,
        folder: CheckpointFolder | None,
        fabric: Fabric,
        method: Method,
        optimizer: torch.optim.Optimizer,
        fingerprint: str,
        monitors: Sequence[object] = (),
        interval: float = 30.0,
    ) -> None:
        self._scratch = isinstance(folder, ScratchFolder)
        place = folder.path if isinstance(folder, ScratchFolder) else folder
        self.path = None if place is None else Path(place) / "last.ckpt"
        self.fabric, self.method, self.optimizer, self.fingerprint = fabric, method, optimizer, fingerprint
        self._monitors = [monitor for monitor in monitors if isinstance(monitor, StatefulMonitor)]
        self._interval, self._cost = interval, 0.0  # seconds that a write takes
        self._before = 0.0  # seconds that the run has behind it from earlier pieces
        self._finished = False  # the file is that of a run that ended
        self._started = self._written = time.monotonic()

    def read(self) -> Position:
        """The position to go on from, weights, optimiser, scale of the loss and torch's random numbers put back; the
        start where there is no checkpoint.

        Raises:
            TrainingError: the checkpoint is damaged, or that of another run, and not in a scratch folder.
        """
        if self.path is None:
            return Position()
        if self.fabric.is_global_zero:
            remove_partials(self.path.parent, of=self.path.name)  # of a process that was killed while it wrote
        self._cost = self._estimated_cost()
        try:
            position = self._read() if self.path.exists() else Position()
        except TrainingError as error:
            if not self._scratch:
                raise
            warnings.warn(f"{error.problem} The training begins anew.", DiscardedCheckpointWarning, stacklevel=3)
            self.path.unlink(missing_ok=True)
            position = Position()
        self._before = position.history.seconds
        self._started = self._written = time.monotonic()
        return position

    def _read(self) -> Position:
        try:
            state, _ = load_tensors(self.path)  # those of earlier versions have no hash, and are still gone on from
        except DamagedFileError as error:
            raise TrainingError(f"The checkpoint {self.path} {error}.", _REMEDY) from error
        if state.get("fingerprint") != self.fingerprint:
            raise TrainingError(f"{self.path} belongs to a run with another method, plan or data.", _REMEDY)
        self.method.load_state_dict(state["method"])
        self._finished = state["optimizer"] is None
        if not self._finished:
            self.optimizer.load_state_dict(state["optimizer"])
        for monitor, said in zip(self._monitors, state.get("monitors", ()), strict=False):
            monitor.load_state_dict(said)
        if state.get("precision"):  # none in checkpoints of earlier versions, and of precisions that keep nothing
            self.fabric.strategy.precision.load_state_dict(state["precision"])
        if "random" in state:
            torch.set_rng_state(state["random"])
        return Position(**state["position"] | {"history": History(**state["history"])})

    def is_due(self) -> bool:
        """Whether it is time to write within an epoch."""
        interval = max(self._interval, self._cost / _SHARE) if self._scratch else self._interval
        return self.path is not None and time.monotonic() - self._written > interval

    def write(self, position: Position) -> None:
        """Write the state of the run, whole or not at all, from the first process."""
        self._write(position, self.optimizer.state_dict())

    def end_epoch(self, position: Position) -> None:
        """Write after an epoch; in a scratch folder only where it is time to."""
        if not self._scratch or self.is_due():
            self.write(position)

    def finish(self, position: Position) -> None:
        """Write after the last epoch, when the method has its final weights: without the optimiser, which nobody needs any
        more. In a scratch folder a short fit leaves nothing."""
        if self._finished:  # before, and read
            return
        position.best_weights = None  # the method has them
        position.history.seconds = self._seconds()
        short = position.history.seconds < max(_SHORT, self._cost / _SHARE)
        if self.path is not None and not (self._scratch and short and not self.path.exists()):
            self._write(position, None)

    def _write(self, position: Position, optimizer: dict | None) -> None:
        position.history.seconds = self._seconds()
        if self.path is None or not self.fabric.is_global_zero:
            return
        started = time.monotonic()
        fields = {name: getattr(position, name) for name in ("epoch", "step", "sums", "best_score", "best_weights")}
        state = {
            "fingerprint": self.fingerprint,
            "method": dict(self.method.state_dict()),
            "optimizer": optimizer,
            "position": fields,
            "history": asdict(position.history),
            "monitors": [monitor.state_dict() for monitor in self._monitors],
            "random": torch.get_rng_state(),
            "precision": self.fabric.strategy.precision.state_dict(),  # how 16-mixed scales the loss
        }
        save_tensors(state, self.path)
        self._written = time.monotonic()
        self._cost = self._written - started

    def _seconds(self) -> float:
        """That the run has taken, all its pieces added."""
        return self._before + time.monotonic() - self._started

    def _estimated_cost(self) -> float:
        """Seconds of a write, by the size of weights and the two moments of AdamW."""
        return (
            3
            * sum(value.numel() * value.element_size() for value in self.method.state_dict().values())
            / _BYTES_A_SECOND
        )
