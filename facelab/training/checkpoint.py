"""Where a training stands, on disk: written whole or not at all, read by the same run alone."""

from __future__ import annotations

import math
import pickle
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor

from facelab.errors import TrainingError
from facelab.methods import Method
from facelab.methods.storage import save_atomically
from facelab.training.plan import History


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
        """The position to go on from, weights and optimiser put back; the start where there is no checkpoint."""
        if self.path is None or not self.path.is_file():
            return Position()
        try:
            state = torch.load(self.path, map_location=self.fabric.device, weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise TrainingError(
                f"{self.path} cannot be read ({type(error).__name__}).", "Remove it to start again."
            ) from error
        if not isinstance(state, dict) or state.get("fingerprint") != self.fingerprint:
            raise TrainingError(
                f"{self.path} belongs to a run with another method, plan or data.",
                "Remove it, or choose another folder.",
            )
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
            "method": self.method.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "position": fields,
            "history": asdict(position.history),
        }
        save_atomically(state, self.path)
