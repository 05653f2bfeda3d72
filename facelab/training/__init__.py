"""fit(): one training loop for all methods, its plan, its checkpoints. It stops anywhere and goes on as if nothing had been.

It may import ``methods``, ``datasets``, ``optim`` and what stands below them; what a protocol measures comes in as a function.
"""

from facelab.training.gradient_cache import with_gradient_cache
from facelab.training.loop import Monitor, Validate, fit
from facelab.training.order import draw_scene_partners, epoch_order
from facelab.training.plan import History, Plan

__all__ = [
    "History",
    "Monitor",
    "Plan",
    "Validate",
    "draw_scene_partners",
    "epoch_order",
    "fit",
    "with_gradient_cache",
]
