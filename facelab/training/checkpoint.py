"""Where a training stands, on disk: written whole or not at all, read by the same run alone."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor

from facelab.errors import TrainingError
from facelab.files import remove_partials
from facelab.methods import Method
from facelab.tensor_files import DamagedFileError, load_tensors, save_tensors
from facelab.training.plan import History

_REMEDY = "Move it away to start again, or choose another --out (in notebooks and experiments: FACELAB_RUNS)."


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
        fingerprint: of the run; a checkpoint with another one is refused.
    """

    def __init__(
        self, folder: Path | None, fabric: Fabric, method: Method, optimizer: torch.optim.Optimizer, fingerprint: str
    ) -> None:
        self.path = None if folder is None else Path(folder) / "last.ckpt"
        self.fabric, self.method, self.optimizer, self.fingerprint = fabric, method, optimizer, fingerprint

    def read(self) -> Position:
        """The position to go on from, weights and optimiser put back; the start where there is no checkpoint.

        Raises:
            TrainingError: the checkpoint is damaged, or that of another run.
        """
        if self.path is None:
            return Position()
        if self.fabric.is_global_zero:
            remove_partials(self.path.parent, of=self.path.name)  # of a process that was killed while it wrote
        if not self.path.exists():
            return Position()
        try:
            state, _ = load_tensors(self.path)  # those of earlier versions have no hash, and are still gone on from
        except DamagedFileError as error:
            raise TrainingError(f"The checkpoint {self.path} {error}.", _REMEDY) from error
        if state.get("fingerprint") != self.fingerprint:
            raise TrainingError(f"{self.path} belongs to a run with another method, plan or data.", _REMEDY)
        self.method.load_state_dict(state["method"])
        self.optimizer.load_state_dict(state["optimizer"])
        return Position(**state["position"] | {"history": History(**state["history"])})

    def write(self, position: Position) -> None:
        """Write the state of the run, whole or not at all, from the first process."""
        if self.path is None or not self.fabric.is_global_zero:
            return
        fields = {name: getattr(position, name) for name in ("epoch", "step", "sums", "best_score", "best_weights")}
        state = {
            "fingerprint": self.fingerprint,
            "method": dict(self.method.state_dict()),
            "optimizer": self.optimizer.state_dict(),
            "position": fields,
            "history": asdict(position.history),
        }
        save_tensors(state, self.path)
