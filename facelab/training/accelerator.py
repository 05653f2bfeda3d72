"""Which device trains where nobody says: a CUDA GPU, else the CPU."""

from __future__ import annotations

import torch


def default_accelerator() -> str:
    """``"cuda"`` where there is one, else ``"cpu"``, as ``Fabric(accelerator=...)`` takes it.

    The GPU of a Mac is not taken by itself: figures that it computes (by MPS) do not repeat from run to run, and the references
    of the course were not measured on it. Who wants it hands ``fit`` a ``Fabric(accelerator="mps", devices=1)``.
    """
    return "cuda" if torch.cuda.is_available() else "cpu"
