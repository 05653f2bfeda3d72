"""fit(): one training loop for all methods, its plan, its checkpoints. It stops anywhere and goes on as if nothing had been.

What a protocol measures in between comes in as a function.

Imports from facelab: datasets, optim, methods.
"""

from facelab.training.accelerator import default_accelerator, single_process_fabric
from facelab.training.gradient_cache import with_gradient_cache
from facelab.training.loop import Monitor, Validate, check_batch, fit
from facelab.training.memory import check_weights_fit, explain_memory_errors
from facelab.training.order import draw_scene_partners, epoch_order
from facelab.training.plan import History, Plan

__all__ = [
    "History",
    "Monitor",
    "Plan",
    "Validate",
    "check_batch",
    "check_weights_fit",
    "default_accelerator",
    "draw_scene_partners",
    "epoch_order",
    "explain_memory_errors",
    "fit",
    "single_process_fabric",
    "with_gradient_cache",
]
