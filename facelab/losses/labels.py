"""Whether labels are classes."""

from __future__ import annotations

from torch import Tensor


def check_labels(labels: Tensor, classes: int) -> None:
    """Raise ValueError for a label that is no class, where to look costs nothing: on the CPU.

    A GPU would have to finish all its work before the answer, in each step; ``training.fit`` has looked at all labels before.

    Args:
        labels: int (N,), N >= 1.
        classes: C; labels are 0 ... C-1.
    """
    if labels.device.type == "cpu" and (labels.min() < 0 or labels.max() >= classes):
        raise ValueError(f"The labels go from {labels.min()} to {labels.max()}, the classes to {classes - 1}.")
