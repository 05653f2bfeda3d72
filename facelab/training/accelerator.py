"""Which device trains where nobody says: a CUDA GPU, else the CPU."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment

#: About twice as fast as float32 on a processor with avx512_bf16, and far slower without: the long experiments' choice.
BF16 = "bf16-mixed"


def default_accelerator() -> str:
    """``"cuda"`` where there is one, else ``"cpu"``, as ``Fabric(accelerator=...)`` takes it.

    The GPU of a Mac is not taken by itself: figures that it computes (by MPS) do not repeat from run to run, and the references
    of the course were not measured on it. Who wants it hands ``fit`` a ``Fabric(accelerator="mps", devices=1)``.
    """
    return "cuda" if torch.cuda.is_available() else "cpu"


def single_process_fabric(precision: str = "32-true") -> Fabric:
    """One process on the default device, whatever started it.

    Fabric would take the tasks of a Slurm job for the processes of one training, and warn wherever Slurm is installed. A
    notebook or a batch script is one process, however many tasks its job has.

    Args:
        precision: as Fabric names it.
    """
    return Fabric(accelerator=default_accelerator(), devices=1, precision=precision, plugins=[LightningEnvironment()])
