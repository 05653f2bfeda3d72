"""The factor by which 16-mixed multiplies the loss, lest gradients vanish in float16: it belongs to one training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lightning_fabric import Fabric


@contextmanager
def own_loss_scale(fabric: Fabric) -> Iterator[None]:
    """Within the block the scale changes as a training needs it; behind it the Fabric has the one that it had before.

    Where several trainings share a Fabric, as the trials of a search do, each would begin with what the one before came to: one
    that diverges leaves a scale so small that the gradients of the next vanish.
    """
    precision = fabric.strategy.precision
    before = precision.state_dict()
    try:
        yield
    finally:
        precision.load_state_dict(before)
